"""``penstock version``."""

import platform

import typer

from cli import show
from penstock import __version__

app = show.command()


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"penstock {__version__} (Python {platform.python_version()})")
