"""What a benchmark runs against: a database, a shop in it, and a server (ours or the floor's) pinned to one core."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.load import Order, Result
from tests.faults.town import die_with_parent
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
_plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Measured:
    """One run: what the load saw, and how much processor time the server spent on a round (microseconds)."""

    result: Result
    cpu_us: float


@dataclass
class Server:
    """A running server and its processes' ids."""

    port: int
    pids: list[int]

    def cpu_seconds(self) -> float:
        """Return the processor time that its processes have used so far."""
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def serve(command: Sequence[str], environ: dict[str, str], *, cores: set[int]) -> Iterator[Server]:
    """Run a server for the length of the block. ``{port}`` in the command becomes a free port."""
    port = free_port()
    line = [part.replace("{port}", str(port)) for part in command]

    def prepare() -> None:
        os.sched_setaffinity(0, cores)
        die_with_parent()

    with Path(environ.get("PENSTOCK_BENCH_LOG", os.devnull)).open("a") as log:
        process = subprocess.Popen(line, cwd=ROOT, env=environ, stdout=log, stderr=log, preexec_fn=prepare)  # noqa: PLW1509  two system calls
        try:
            _wait(process, port)
            yield Server(port, [process.pid, *_children(process.pid)])
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}; see PENSTOCK_BENCH_LOG")
        try:
            _plain.open(f"http://127.0.0.1:{port}/health/live", timeout=2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server did not answer")


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_children(int(child))]
    return found


def press(server: Server, order: Order) -> Measured:
    """Put a load on a server, from a process of its own, and measure."""
    before = server.cpu_seconds()
    command = [sys.executable, "-m", "tests.bench.load"]
    done = subprocess.run(
        command, cwd=ROOT, input=json.dumps(asdict(order)), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"the load failed: {done.stderr[-2000:]}")
    result = Result(**json.loads(done.stdout))
    if result.failures:
        raise SystemExit(f"{result.failures} requests failed, the first with {result.first_failure}")
    spent = server.cpu_seconds() - before
    return Measured(result, round(spent / max(result.rounds_with_warmup, 1) * 1e6, 1))
