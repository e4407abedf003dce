"""A server with two providers for benchmarks: one that answers at once, and one that hangs.

Run as ``python -m tests.bench.till PORT`` with our server's own settings in the environment.
"""

import json
import sys
import time
from dataclasses import dataclass
from typing import Any

from bootstrap import House, build
from cli.application import Application, configure_logs
from handlers.server import server, settle
from penstock.caller import Scope
from penstock.connector import Capabilities, PaymentConnector
from penstock.hooks import hookimpl
from penstock.ids import new_id
from penstock.outcome import Approved, Outcome
from penstock.request import ChargeRequest
from penstock.settings import load
from penstock.tenant import Connection
from tests.bench.parts import Site
from tests.faults.town import penstock
from tests.faults.tree import ROOT

HANGS_SECONDS = 20.0


class Swift(PaymentConnector):
    """Approves without asking anybody."""

    name = "swift"
    display_name = "Swift"
    capabilities = Capabilities(None, frozenset({"card"}), lookup=False)
    settings_schema = {"type": "object"}  # noqa: RUF012  as a stranger writes it

    def charge(self, request: ChargeRequest) -> Outcome:
        """Approve."""
        return Approved(f"swift_{request.key}", request.money)

    def find(self, key: str) -> Outcome | None:
        """Never asked: it claims no lookup."""
        raise NotImplementedError(key)


class Hanging(Swift):
    """Takes a request and is silent for a long time."""

    name = "hanging"
    display_name = "Hanging"

    def charge(self, request: ChargeRequest) -> Outcome:
        """Hang, and fail."""
        time.sleep(HANGS_SECONDS)
        raise TimeoutError(request.key)


@hookimpl
def penstock_payment_connectors() -> list[type[PaymentConnector]]:
    """Offer both."""
    return [Swift, Hanging]


def open_house(**given: Any) -> House:
    """Return a house with both providers, from the environment's settings and these."""
    return build(load(**given), plugins=[sys.modules[__name__]])


def connect(house: House, scope: Scope, connector: str) -> None:
    """Give a shop one connection in place of those that it has."""
    with house.work(scope) as uow:
        for each in uow.connections.list_active():
            uow.connections.remove(each.id)
        made_at = {"id": new_id(), "created_at": uow.now, "position": 1}
        fields: dict[str, Any] = {"connector": connector, "display_name": connector, "settings": {}, **made_at}
        uow.connections.add(Connection(scope=scope, **fields))


@dataclass(frozen=True)
class Shop:
    """A tenant, and the key with which its own server asks."""

    key: str
    scope: Scope


def settings_of(at: Site) -> dict[str, str]:
    """Return the settings in a site's environment by their own names."""
    prefix = "PENSTOCK_"
    return {name.removeprefix(prefix).lower(): text for name, text in at.environ.items() if name.startswith(prefix)}


def founded(at: Site, connector: str) -> Shop:
    """Set a shop up whose only provider is this one."""
    done = penstock(ROOT, at.environ, "init", "--json", "--name", connector)
    if done.returncode:
        raise SystemExit(done.stderr)
    made = json.loads(done.stdout)
    scope = Scope(made["workspaceId"], made["environmentId"], made["applicationId"])
    with open_house(**settings_of(at)) as house:
        connect(house, scope, connector)
    return Shop(made["secretKey"], scope)


def main() -> None:
    """Serve."""
    sys.modules["tests.bench.till"] = sys.modules[__name__]
    house = open_house()
    configure_logs(house.settings)
    application = Application(house)
    settle()
    server(application, port=int(sys.argv[1])).run()


if __name__ == "__main__":
    main()
