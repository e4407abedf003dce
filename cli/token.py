"""``penstock token``."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from bootstrap import build
from cli import show
from cli.schema import assert_current
from cli.trouble import Trouble
from cli.workspace import find_workspace
from penstock.settings import load
from storage.provision import SANDBOX, every_workspace

app = show.command()


@app.command()
def token(
    member: Annotated[str | None, typer.Argument(help="Its id or email; the owner if there is one only.")] = None,
    *,
    workspace: Annotated[str | None, typer.Option(help="Its id; not needed while there is one only.")] = None,
    environment: Annotated[str, typer.Option(help="Slug of the environment that is meant by default.")] = SANDBOX,
) -> None:
    """Print a fresh dashboard token for a member: the Bearer token for what only people may do, such as making keys."""
    with build(load()) as house:
        assert_current(house)
        found = find_workspace(every_workspace(house.database), workspace)
        person = _pick(found["members"], member, ("id", "email"), "member")
        place = _pick(found["environments"], environment, ("slug", "id"), "environment")
        typer.echo(
            house.tokens.mint_dashboard(
                person["subject"],
                workspace_id=found["id"],
                application_id=found["applications"][0]["id"],
                environment_id=place["id"],
                lifetime=timedelta(hours=house.settings.dashboard_hours),
            )
        )


def _pick(rows: list[dict[str, Any]], wanted: str | None, names: tuple[str, str], kind: str) -> dict[str, Any]:
    found = [row for row in rows if wanted is None or wanted in (row[names[0]], row[names[1]])]
    if len(found) == 1:
        return found[0]
    known = "\n".join(f"  {row[names[0]]}  {row[names[1]]}" for row in rows)
    raise Trouble(f"there is no {kind} {wanted}; there is:\n{known}" if wanted else f"say which {kind}:\n{known}")
