"""The servers that tests start live exactly as long as whoever started them."""

import signal
import socket
import subprocess
import sys

import pytest

from penstock.clock import monotonic_seconds
from storage.engine import parse
from tests import servers

pytestmark = pytest.mark.services
STARTER = (
    "import time\nfrom tests import servers\nwith servers.{0}() as url:\n    print(url, flush=True)\n    time.sleep(60)"
)


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("kind", ["postgres", "redis_server"])
def test_a_test_run_that_is_killed_leaves_no_server(monkeypatch, kind):
    for name in ("TEST_POSTGRES_URL", "TEST_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    command = [sys.executable, "-c", STARTER.format(kind)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        port = int(starter.stdout.readline().rsplit(":", 1)[1].split("/")[0])
        assert answers(port)
        starter.send_signal(signal.SIGKILL)
    until = monotonic_seconds() + 10
    while answers(port):
        assert monotonic_seconds() < until, "the server outlived its starter"
    servers.sweep()


@pytest.mark.parametrize(
    ("start", "name"), [(servers.postgres, "TEST_POSTGRES_URL"), (servers.redis_server, "TEST_REDIS_URL")]
)
def test_a_server_that_is_there_already_is_used(monkeypatch, start, name):
    monkeypatch.setenv(name, "given://server")
    with start() as url:
        assert url == "given://server"


def test_each_database_is_its_own(postgres_databases):
    with postgres_databases.fresh() as one, postgres_databases.fresh() as two:
        assert parse(one).database != parse(two).database


def test_test_processes_side_by_side_share_no_port_and_none_gives_one_twice(monkeypatch):
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    shares = []
    for worker in ("gw0", "gw1", "gw2"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        shares.append(set(servers.own_ports()))
    assert sum(map(len, shares)) == len(set.union(*shares))
    given = [servers.free_port() for _ in range(200)]
    assert len(set(given)) == 200
    assert shares[2].issuperset(given)
