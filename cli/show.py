"""How the command line prints: JSON for people, and nothing that a pipe cannot take."""

import json
from typing import Any, Final

import typer
from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

WIDTH: Final = 100
_STEP: Final = 2


def command(text: str | None = None) -> typer.Typer:
    """Return what a command is declared on."""
    return typer.Typer(help=text, no_args_is_help=bool(text), rich_markup_mode="markdown", add_completion=False)


def console(*, is_error: bool = False) -> Console:
    """Return a console: colours on a terminal, plain text elsewhere, and no line broken for it."""
    return Console(stderr=is_error, highlight=False, soft_wrap=True)


def pretty(value: Any, *, indent: int = 0) -> Text:
    """Return JSON as a person reads it, in colours: what fits on a line stays on one."""
    text = _highlighter.highlight(layout(value))
    text.rstrip()
    return Text("\n").join(Text(" " * indent) + line for line in text.split("\n"))


def layout(value: Any, depth: int = 0, taken: int = 0) -> str:
    """Return JSON text in which whatever fits on a line stays on one. ``taken`` is what stands before it there."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + depth + taken <= WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    inner = depth + _STEP
    if isinstance(value, dict):
        named = [(json.dumps(name, ensure_ascii=False) + ": ", child) for name, child in value.items()]
    else:
        named = [("", child) for child in value]
    lines = [" " * inner + name + layout(child, inner, len(name) + 1) for name, child in named]
    opened, closed = "{}" if isinstance(value, dict) else "[]"
    return "\n".join((opened, ",\n".join(lines), " " * depth + closed))


_highlighter: Final = Syntax("", "json", theme="ansi_dark", background_color="default")
