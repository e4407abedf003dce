"""``penstock doctor``."""

from collections.abc import Iterator

import typer
from rich.console import Console

from bootstrap import House, build
from cli import show
from cli.broker import assert_broker
from cli.schema import complaint
from cli.trouble import explanation
from penstock import __version__
from penstock.settings import CONFIG_VARIABLE, PREFIX, BadSettings, Settings, load, unknown_variables
from plugins.doctor import Report, report
from storage.provision import every_workspace

app = show.command()


@app.command()
def doctor() -> None:
    """Look at settings, database, broker and plugins, and say what is wrong. Exits 1 if something is.

    Changes nothing, and shows no secret.
    """
    out = show.console()
    try:
        settings = load()
    except BadSettings as exc:
        out.print(f"[red]✗[/] settings\n{exc}", markup=True)
        raise typer.Exit(1) from None
    found = report(__version__)
    _show_settings(out, settings)
    _show_plugins(out, found)
    faults = [*unknown_variables(), *found.faults, *_place_faults(settings)]
    if not found.faults:
        faults += _house_faults(out, settings)
    for fault in faults:
        out.print(f"[red]✗[/] {fault}")
    if faults:
        raise typer.Exit(1)
    out.print("[green]✓[/] nothing is wrong")


def _show_settings(out: Console, settings: Settings) -> None:
    out.print("[bold]Settings[/]")
    for name, about in Settings.model_fields.items():
        shown = _shown(name, getattr(settings, name))
        out.print(f"  {PREFIX + name.upper():27} [cyan]{shown}[/]  [dim]{about.description}[/]")
    file = "a TOML file with any of these, in lower case and without the prefix"
    out.print(f"  {CONFIG_VARIABLE:27} [cyan]-[/]  [dim]{file}[/]\n")


def _shown(name: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(sorted(value)) or "-"
    text = str(value)
    if name.endswith("_url") and "@" in text:
        return f"{text.partition('://')[0]}://***@{text.rpartition('@')[2]}"
    return text


def _show_plugins(out: Console, found: Report) -> None:
    out.print("[bold]Plugins[/]")
    for row in found.plugins:
        out.print(f"  {row.name}  [dim]{row.distribution} {row.version}: {', '.join(row.hooks)}[/]")
    for connector in found.connectors:
        out.print(f"  {connector.word} [cyan]{connector.name}[/]: {connector.claims}")
        taken = ", ".join(connector.settings) or "none"
        out.print(f"    [dim]for {' and '.join(connector.environments)}; settings: {taken}[/]")
    out.print()


def _place_faults(settings: Settings) -> Iterator[str]:
    is_public = settings.host not in ("127.0.0.1", "localhost", "::1")
    if is_public and not settings.public_url.startswith("https://"):
        yield (
            f"PENSTOCK_PUBLIC_URL is {settings.public_url}, and the server listens on {settings.host}: "
            "buyers need an https address"
        )


def _house_faults(out: Console, settings: Settings) -> Iterator[str]:
    if settings.sqlite_file is not None and not settings.sqlite_file.exists():
        out.print(f"  there is no database at {settings.sqlite_file} yet: run `penstock init`")
        return
    try:
        with build(settings) as house:
            told = complaint(house)
            if told is not None:
                yield told
            else:
                _show_workspaces(out, house)
                out.print(f"[green]✓[/] e-mail leaves by {house.mailer.name}")
        if settings.redis_url:
            assert_broker(settings.redis_url)
            out.print("[green]✓[/] redis answers; run `penstock worker` beside the server")
        else:
            out.print("[green]✓[/] jobs run inside the server")
    except Exception as exc:
        fault = explanation(exc)
        if fault is None:
            raise
        yield fault


def _show_workspaces(out: Console, house: House) -> None:
    there = every_workspace(house.database)
    out.print("[green]✓[/] the database answers, and its tables are this version's")
    if not there:
        out.print("  there is no workspace yet: run `penstock init`")
    for each in there:
        out.print(f"  workspace {each['id']}  {each['name']}  ({each['lifecycle_stage']})")
