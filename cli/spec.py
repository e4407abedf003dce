"""``penstock spec``."""

from enum import StrEnum
from typing import Annotated

import typer

from cli import show
from handlers import spec as document

app = show.command()


class Format(StrEnum):
    """How the document is written."""

    json = "json"
    yaml = "yaml"


@app.command()
def spec(
    written: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.json,
) -> None:
    """Print the API's OpenAPI document, as the server publishes it."""
    content = document.as_yaml() if written is Format.yaml else document.as_json()
    typer.echo(content.decode().rstrip("\n"))
