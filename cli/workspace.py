"""``penstock workspace``."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from bootstrap import build
from cli import show
from cli.schema import assert_current
from cli.trouble import Trouble
from penstock.settings import load
from storage.provision import change_workspace, every_workspace

app = show.command("Show workspaces, and let one go live.")


class Stage(StrEnum):
    """Whether production may take payments."""

    sandbox = "sandbox"
    live = "live"


class Billing(StrEnum):
    """Whether the workspace counts as paid for."""

    active = "active"
    trialing = "trialing"
    lapsed = "lapsed"


@app.command("show")
def shown() -> None:
    """Show every workspace with its applications, environments and members."""
    out = show.console()
    with build(load()) as house:
        assert_current(house)
        there = every_workspace(house.database)
    if not there:
        out.print("There is no workspace yet: run `penstock init`.")
    for each in there:
        out.print(f"[bold]{each['name']}[/]  {each['id']}  {each['lifecycle_stage']}, {each['billing_status']}")
        for kind in ("applications", "environments", "members"):
            for row in each[kind]:
                out.print(f"  {kind.removesuffix('s'):12} {row['id']}  {_called(row)}")


@app.command("set")
def changed(
    workspace_id: Annotated[str | None, typer.Argument(help="Its id; not needed while there is one only.")] = None,
    *,
    stage: Annotated[Stage | None, typer.Option(help="`live` lets production take payments.")] = None,
    billing: Annotated[Billing | None, typer.Option(help="`lapsed` pauses production.")] = None,
) -> None:
    """Say what a workspace may do in production."""
    if stage is None and billing is None:
        raise Trouble("say what to set: --stage live, or --billing active")
    with build(load()) as house:
        assert_current(house)
        each = find_workspace(every_workspace(house.database), workspace_id)
        wanted = (stage or each["lifecycle_stage"], billing or each["billing_status"])
        change_workspace(house.database, each["id"], lifecycle_stage=str(wanted[0]), billing_status=str(wanted[1]))
    show.console().print(f"{each['name']} is now {wanted[0]}, billing {wanted[1]}.")


def find_workspace(there: Any, workspace_id: str | None) -> dict[str, Any]:
    """Return the workspace of this id, or the only one there is. Raises `Trouble`."""
    found: list[dict[str, Any]] = [each for each in there if workspace_id in (None, each["id"])]
    if len(found) == 1:
        return found[0]
    known = "\n".join(f"  {each['id']}  {each['name']}" for each in there)
    if not there:
        raise Trouble("there is no workspace yet: run `penstock init`")
    if workspace_id is None:
        raise Trouble(f"there are several workspaces, so say which:\n{known}")
    raise Trouble(f"there is no workspace {workspace_id}; there is:\n{known}")


def _called(row: dict[str, Any]) -> str:
    if "slug" in row:
        return f"{row['slug']}{', archived' if row['archived_at'] else ''}"
    return str(row.get("name") or f"{row['email']}, {row['role']}")
