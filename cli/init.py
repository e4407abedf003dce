"""``penstock init``."""

from datetime import timedelta
from typing import Annotated, Any

import orjson
import typer

from bootstrap import House, build
from cli import show
from cli.schema import bring_up
from cli.trouble import Trouble
from penstock.settings import load
from storage.provision import Provisioned, every_workspace, provision

DEFAULT_NAME = "My shop"
MAX_NAME = 100

app = show.command()


@app.command()
def init(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the workspace. With a new name there may be several.", show_default=False),
    ] = None,
) -> None:
    """Make what a first payment needs, and print its keys, once.

    Creates the database and its tables where they are missing, then a workspace with an application, a production and
    a sandbox environment, a secret and a publishable key for the sandbox, and a sandbox card provider.
    """
    if name is not None and not 0 < len(name.strip()) <= MAX_NAME:
        raise Trouble(f"a workspace's name has 1 to {MAX_NAME} characters")
    with build(load(), may_make_secret=True) as house:
        bring_up(house)
        _refuse_another(house, name)
        made = provision(
            house.database, name=name or DEFAULT_NAME, now=house.clock.now(), pepper=house.keyring.key("api-keys")
        )
        printed = _shape(house, made)
    if as_json:
        typer.echo(orjson.dumps(printed).decode())
    else:
        _tell(house, name or DEFAULT_NAME, printed)


def _refuse_another(house: House, name: str | None) -> None:
    there = every_workspace(house.database)
    known = "\n".join(f"  {each['id']}  {each['name']}" for each in there)
    if there and name is None:
        raise Trouble(
            f"there is a workspace already, and its keys were shown when it was made:\n{known}\n"
            "Make another one with --name, or a fresh dashboard token with `penstock token`."
        )
    if name is not None and name in [each["name"] for each in there]:
        raise Trouble(f"there is a workspace of this name already:\n{known}\nChoose another --name.")


def _shape(house: House, made: Provisioned) -> dict[str, Any]:
    token = house.tokens.mint_dashboard(
        made.subject,
        workspace_id=made.workspace_id,
        application_id=made.application_id,
        environment_id=made.environment_id,
        lifetime=timedelta(hours=house.settings.dashboard_hours),
    )
    return {
        "workspaceId": made.workspace_id,
        "applicationId": made.application_id,
        "environmentId": made.environment_id,
        "secretKey": made.secret_key.text,
        "publishableKey": made.publishable_key.text,
        "dashboardToken": token,
    }


def _tell(house: House, name: str, printed: dict[str, Any]) -> None:
    out = show.console()
    out.print(f"[bold]{name}[/] is set up, for tests: the ids and keys are those of its sandbox environment.\n")
    for label, value in printed.items():
        out.print(f"  [cyan]{label:15}[/] {value}")
    out.print("\nThe keys are kept as hashes only: note them now. The dashboard token is good for")
    out.print(f"{house.settings.dashboard_hours} hours; `penstock token` makes another.\n")
    out.print("Next:\n  penstock serve")
    out.print(f"  curl {house.settings.public_url}/api/v1/carts -H 'X-API-Key: {printed['secretKey']}' \\")
    out.print("       -H 'Content-Type: application/json' \\")
    out.print(f'       -d \'{{"applicationId": "{printed["applicationId"]}"}}\'', markup=False)
