"""``penstock migrate``."""

import typer

from bootstrap import build
from cli import show
from penstock.settings import load
from storage.migrate import upgrade

app = show.command()


@app.command()
def migrate() -> None:
    """Bring the database's tables to this version's. Safe to run again, and while the server runs."""
    with build(load()) as house:
        upgrade(house.settings.database_url)
    typer.echo("The database is up to date.")
