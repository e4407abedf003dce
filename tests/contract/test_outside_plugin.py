"""A connector from a package of its own is connected, ranked before ours, and takes a payment for real."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

import bootstrap
from cli.main import app as command
from handlers.app import create_app
from penstock import settings
from plugins import doctor, manager
from tests.servers import free_port
from tests.shop import made, refused
from tests.shops import SECRET, OffsetClock, open_shop

SOURCE = Path(__file__).resolve().parents[2] / "examples" / "acmepay" / "src"


@pytest.fixture
def acmepay(monkeypatch):
    """The example's module, importable as if it were installed."""
    monkeypatch.syspath_prepend(str(SOURCE))
    import penstock_acmepay

    yield penstock_acmepay
    for name in [name for name in sys.modules if name.startswith("penstock_acmepay")]:
        del sys.modules[name]


@pytest.fixture
def provider():
    """AcmePay in a box, as a process of its own; the address it listens on."""
    port = free_port()
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    process = subprocess.Popen([sys.executable, "-m", "penstock_acmepay.fake", str(port)], env=env)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def test_an_outside_connector_is_listed_connected_and_paid_with(acmepay, provider, sqlite_url, tmp_path, monkeypatch):
    given = settings.load(
        database_url=sqlite_url,
        secret_key=SECRET,
        state_dir=tmp_path,
        public_url="http://t",
        validate_responses="raise",
    )
    with bootstrap.build(given, clock=OffsetClock(), plugins=[acmepay]) as house:
        assert "acmepay" in str(doctor.report("0.1.0", extra=[acmepay]))
        with TestClient(create_app(house)) as client:
            shop = open_shop(house, client)
            connected_by_command(shop, provider, given, acmepay, monkeypatch)
            done = made(shop.complete(shop.session()["id"], "acme_ok"))
            payment = made(shop.get(f"/orders/{done['orderId']}/payments"))["data"][0]
            assert (payment["status"], payment["connector"], payment["amountCaptured"]) == ("captured", "acmepay", 3000)
            error = refused(shop.complete(shop.session()["id"], "acme_NSF"), 402, "payment_failed")
            assert error["details"]["declineKind"] == "insufficient_funds"
            found = made(shop.complete(shop.session()["id"], "acme_silent"))
            assert found["paymentStatus"] == "captured", "the same provider was asked again, and knew"


def connected_by_command(shop, provider, given, acmepay, monkeypatch):
    """Run the operator's command against the same database."""
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", given.database_url)
    monkeypatch.setenv("PENSTOCK_SECRET_KEY", SECRET)
    monkeypatch.setenv("PENSTOCK_STATE_DIR", str(given.state_dir))
    load = manager.load
    monkeypatch.setattr(manager, "load", lambda extra=(), **kw: load((*extra, acmepay), **kw))
    words = ["connect", "acmepay", "--first", "--setting", "api_key=acme_test_key", "--setting", f"base_url={provider}"]
    told = CliRunner().invoke(command, [*words, "--workspace", shop.workspace_id])
    assert (told.exit_code, "Connected" in told.output) == (0, True), told.output
    told = CliRunner().invoke(
        command, ["connect", "acmepay", "--setting", "base_url=x", "--workspace", shop.workspace_id]
    )
    assert told.exit_code == 2, "settings that do not fit the connector's schema are refused"
