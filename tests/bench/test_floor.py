"""A floor proves something only if it does the work: each hot operation runs the same statements there as here."""

import random
import re
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.fill import Copier
from tests.bench.operations import Operation, operations
from tests.bench.parts import Plan, Site, site
from tests.bench.site import Server, serve

TRACED = """
import os, runpy, sqlite3, sys
plain, told = sqlite3.connect, open(os.environ["TRACE"], "a", buffering=1)
def connect(*args, **options):
    made = plain(*args, **options)
    made.set_trace_callback(lambda sql: told.write(f"{id(made)} {' '.join(sql.split())}\\n"))
    return made
sqlite3.connect = connect
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Runs a module whose SQLite connections tell a file what they run, each line behind the connection's number."""

NAMES = [each.name for each in operations("")]
WORK = re.compile(r"(INSERT) INTO (\w+)|(UPDATE) (\w+)|(SELECT) .*? FROM (\w+)|(BEGIN|COMMIT)")
"""A statement's verb and its table."""


class Traced:
    """A server that tells which statements it runs."""

    def __init__(self, server: Server, trace: Path) -> None:
        self.server = server
        self.trace = trace

    def blocks(self, at: Site, operation: Operation) -> set[tuple[str, ...]]:
        """Ask for an operation twice, and return the blocks of statements that the second time ran."""
        self._ask(at, operation)
        before = len(self.trace.read_text())
        self._ask(at, operation)
        return blocks_in(self.trace.read_text()[before:])

    def _ask(self, at: Site, operation: Operation) -> None:
        path = operation.path.replace("{id}", at.ids[operation.fill][0]) if operation.fill else operation.path
        number = str(random.randrange(10_000))
        headers = {"X-API-Key": at.key, "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": number} if operation.idempotent else {}
        body = operation.body.replace("{n}", number).encode() or None
        url = f"http://127.0.0.1:{self.server.port}/api/v1{path}"
        request = urllib.request.Request(url, body, headers, method=operation.method)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=30) as answer:
            assert answer.status == operation.expect


def blocks_in(trace: str) -> set[tuple[str, ...]]:
    """Return the transactions of a trace, each as its statements' verbs and tables."""
    open_: dict[str, list[str]] = {}
    found = set()
    for line in trace.splitlines():
        connection, _, sql = line.partition(" ")
        known = WORK.match(sql)
        if known is None:
            continue
        work = " ".join(filter(None, known.groups()))
        if work == "BEGIN":
            open_[connection] = []
        elif work == "COMMIT":
            found.add(tuple(open_.pop(connection, ())))
        elif connection in open_:
            open_[connection].append(work)
    return found


@contextmanager
def traced(module: str, at: Site, trace: Path) -> Iterator[Traced]:
    """Run a server of the benchmarks, on any core."""
    command = [sys.executable, "-c", TRACED, *module.split(), "{port}"]
    with serve(command, {**at.environ, "TRACE": str(trace)}, cores={0, 1}) as server:
        yield Traced(server, trace)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Traced, Traced]]:
    """Return a stocked shop, our server, and the floor's."""
    folder = tmp_path_factory.mktemp("floor")
    plan = Plan("sqlite", Console(quiet=True), 0, 0, [], [], "", {})
    with site(plan) as at, traced("penstock serve --port", at, folder / "ours") as ours:
        copier = Copier(at.environ["PENSTOCK_DATABASE_URL"], at.pay(ours.server))
        copier.fill(10)
        at.stock(ours.server, copier)
        with traced("tests.bench.floor", at, folder / "floor") as floor:
            yield at, ours, floor


@pytest.mark.parametrize("name", NAMES)
def test_the_floor_runs_what_we_run(town: tuple[Site, Traced, Traced], name: str):
    at, ours, floor = town
    operation = next(each for each in operations(at.application, at.quote_token) if each.name == name)
    (block,) = floor.blocks(at, operation)
    assert block
    assert block in ours.blocks(at, operation)
