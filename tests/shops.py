"""Fixtures: the application in process on both databases, and shops in it. Each test has shops of its own."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

import bootstrap
from handlers import logs, spec
from handlers.app import create_app
from pages.routes import routes
from penstock import settings
from penstock.caller import Scope
from penstock.ids import new_id
from penstock.tenant import Connection
from storage import provision, tables
from storage.outgoing import Outgoing
from tests import wire
from tests.shop import Shop, made

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)]
SECRET = "a root secret that only tests may ever know 0123456789"


class OffsetClock:
    """The machine's clock, moved forward by whoever tests what waits on time."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def advance(self, step: timedelta) -> None:
        self.offset += step


def database_of(request: pytest.FixtureRequest, kind: str):
    return request.getfixturevalue("sqlite_databases" if kind == "sqlite" else "postgres_databases")


@contextmanager
def opened_house(databases, state_dir, **more):
    """Open a house on a database of its own, answering only what the spec allows."""
    with databases.fresh() as url:
        given = settings.load(
            database_url=url,
            secret_key=SECRET,
            state_dir=state_dir,
            public_url="http://testserver",
            validate_responses="raise",
            log_level="error",
            **more,
        )
        logs.configure("error")
        with bootstrap.build(given, clock=OffsetClock(), plugins=[wire]) as built:
            yield built


@pytest.fixture(scope="session", params=DATABASES)
def house(request, tmp_path_factory):
    """The house that contract tests share, once on each database."""
    with opened_house(database_of(request, request.param), tmp_path_factory.mktemp(request.param)) as built:
        yield built


@pytest.fixture(scope="session")
def app(house):
    return create_app(house, pages=routes(house, spec.load()))


@pytest.fixture(scope="session")
def client(app):
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def clock(house):
    """The house's clock, put back afterwards."""
    yield house.clock
    house.clock.offset = timedelta()


def execute(house, statement) -> None:
    """Run a statement as an operator's SQL client would, beside the application."""
    engine = sa.create_engine(house.settings.database_url)
    with engine.begin() as connection:
        connection.execute(statement)
    engine.dispose()


def hand_on(house) -> None:
    """Do what a relay does with events, for every tenant."""
    outgoing = Outgoing(house.database, house.vault)
    while outgoing.hand_on(house.clock.now()):
        pass


def open_shop(house, client, *, in_production=False) -> Shop:
    """Set up a workspace, and return its shop in the sandbox or in production."""
    now, pepper = house.clock.now(), house.keyring.key("api-keys")
    new = provision.provision(house.database, name="Shop", now=now, pepper=pepper)
    token = house.tokens.mint_dashboard(new.subject, workspace_id=new.workspace_id, lifetime=timedelta(hours=48))
    shop = Shop(
        client=client,
        workspace_id=new.workspace_id,
        application_id=new.application_id,
        environment_id=new.environment_id,
        secret_key=new.secret_key.text,
        publishable_key=new.publishable_key.text,
        dashboard_token=token,
        house=house,
    )
    return moved(shop, environment_id=new.production_id) if in_production else shop


def moved(shop: Shop, **place) -> Shop:
    """Return the same workspace's shop in another environment or application, with a key of its own."""
    there = replace(shop, **place)
    there.secret_key = made(there.as_member("POST", "/api-keys", {"name": "moved", "scopes": ["*"]}), 201)["rawKey"]
    return there


def add_environment(shop: Shop) -> str:
    row = {"id": new_id(), "workspace_id": shop.workspace_id, "created_at": shop.house.clock.now()}
    slug = f"e{row['id'][-8:]}"
    execute(shop.house, sa.insert(tables.environments).values(**row, slug=slug, name=slug, is_production=False))
    return row["id"]


def add_application(shop: Shop) -> str:
    row = {"id": new_id(), "workspace_id": shop.workspace_id, "created_at": shop.house.clock.now()}
    execute(shop.house, sa.insert(tables.applications).values(**row, name="Second"))
    return row["id"]


def connect(shop: Shop, connector: str = "sandbox", *, position: int = 0, **settings) -> Shop:
    """Give a shop a connection to a sandbox provider."""
    scope = Scope(shop.workspace_id, shop.environment_id, shop.application_id)
    made_at = {"id": new_id(), "created_at": shop.house.clock.now(), "position": position}
    with shop.house.work(scope) as uow:
        uow.connections.add(
            Connection(scope=scope, connector=connector, display_name=connector, settings=settings, **made_at)
        )
    return shop


@pytest.fixture
def shop(house, client):
    """A shop in its sandbox, with the sandbox card provider."""
    return open_shop(house, client)


@pytest.fixture
def other_shop(house, client):
    """Another workspace's shop."""
    return open_shop(house, client)


@pytest.fixture
def bare_shop(house, client):
    """A shop in a sandbox environment without any payment connection."""
    shop = open_shop(house, client)
    return moved(shop, environment_id=add_environment(shop))


@pytest.fixture
def production_shop(house, client):
    """Opens a shop in production whose workspace stands as the test says."""

    def opened(*, trial_over=False, lifecycle_stage="sandbox", billing_status="active") -> Shop:
        shop = open_shop(house, client, in_production=True)
        standing = {"lifecycle_stage": lifecycle_stage, "billing_status": billing_status}
        if trial_over:
            standing |= {"trial_ends_at": house.clock.now() - timedelta(days=1), "has_payment_method": False}
        workspace = tables.workspaces.c.id == shop.workspace_id
        execute(house, sa.update(tables.workspaces).where(workspace).values(**standing))
        return shop

    return opened


@pytest.fixture
def sibling_shop(shop):
    """Opens another environment or application of the same workspace, connected like the first."""

    def opened(kind: str) -> Shop:
        if kind == "environment":
            return connect(moved(shop, environment_id=add_environment(shop)))
        return connect(moved(shop, application_id=add_application(shop)))

    return opened


def rows_of(house, table, **wanted):
    """The rows of a table that have these values, as an operator's SQL client would see them, oldest first."""
    engine = sa.create_engine(house.settings.database_url)
    query = sa.select(table).where(*(table.c[name] == value for name, value in wanted.items()))
    with engine.connect() as connection:
        found = connection.execute(query.order_by(table.c.created_at, table.c.id)).all()
    engine.dispose()
    return found
