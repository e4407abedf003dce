"""The fuzz tests ask one application on SQLite: what the two databases level out is tested with the contract."""

import pytest
from starlette.testclient import TestClient

from handlers.app import create_app
from tests.shops import open_shop, opened_house


@pytest.fixture(scope="module")
def fuzzed_shop(sqlite_databases, tmp_path_factory):
    """A shop in an application of its own, with ``app`` beside its client."""
    with opened_house(sqlite_databases, tmp_path_factory.mktemp("fuzz")) as house:
        app = create_app(house)
        with TestClient(app, raise_server_exceptions=False) as client:
            shop = open_shop(house, client)
            shop.app = app
            yield shop
