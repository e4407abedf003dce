"""``penstock migrate``."""

import typer

from bootstrap import build
from cli import show
from cli.schema import bring_up
from penstock.settings import load

app = show.command()


@app.command()
def migrate() -> None:
    """Bring the database's tables to this version's. Safe to run again, and while the server runs."""
    with build(load(), may_make_secret=True) as house:
        sealed = bring_up(house)
    if sealed:
        typer.echo(f"Sealed the settings of {sealed} payment connection{'s' if sealed > 1 else ''}.")
    typer.echo("The database is up to date.")
