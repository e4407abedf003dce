"""The command ``penstock``. Each of its commands is a module here, imported when it is asked for."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import structlog
import typer
from typer.core import TyperGroup

from cli.trouble import explanation

COMMANDS: Final[Sequence[str]] = (
    "demo",
    "init",
    "serve",
    "worker",
    "migrate",
    "doctor",
    "audit",
    "workspace",
    "connect",
    "jobs",
    "listen",
    "events",
    "webhooks",
    "new-connector",
    "rotate-master-key",
    "token",
    "spec",
    "version",
)


_MODULES: Final = {"rotate-master-key": "rotation", "new-connector": "connector"}
"""Where a command is whose module has a shorter name."""


class Commands(TyperGroup):
    """Imports a command when it is asked for, and turns an operator's mistake into one sentence and exit code 2."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands in the order in which a newcomer needs them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return one command, or None."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = _MODULES.get(cmd_name, cmd_name.replace("-", "_"))
        found = typer.main.get_command(import_module(f"cli.{module}").app)
        found.name = cmd_name
        return found

    def invoke(self, ctx: Any) -> Any:
        """Run a command. Its log lines go to standard error: what it prints is for whoever asked."""
        structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
        try:
            return super().invoke(ctx)
        except Exception as exc:
            told = explanation(exc)
            if told is None:
                raise
            typer.echo(f"penstock: {told}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback()
def penstock() -> None:
    """A checkout and payments API on your own server.

    New here? `penstock demo` walks through a whole checkout. Then `penstock init` makes a workspace with keys, and
    `penstock serve` runs the API. Settings are environment variables PENSTOCK_…, or penstock.toml; `penstock doctor`
    shows them and what is wrong.
    """
