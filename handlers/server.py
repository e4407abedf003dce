"""Uvicorn as this project runs it: uvloop, httptools, our limits, as many processes as asked, a calm end."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn

GRACE_SECONDS: Final = 30
_YOUNG: Final = 10_000
_MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"
_OPTIONS: Final[dict[str, Any]] = {
    "loop": "uvloop",
    "http": "handlers.protocol:DoorProtocol",
    "ws": "none",
    "lifespan": "on",
    "server_header": False,
    "proxy_headers": False,
    "access_log": False,
    "log_config": None,
    "backlog": 2048,
    "timeout_keep_alive": 75,
    "timeout_graceful_shutdown": GRACE_SECONDS,
}


def serve(factory: str, *, host: str, port: int, workers: int = 1) -> None:
    """Serve until told to stop. ``factory`` names what makes the application, as ``module:function``."""
    with _shared_metrics(workers):
        uvicorn.run(factory, factory=True, host=host, port=port, workers=workers, **_OPTIONS)


def server(app: Any, *, host: str = "127.0.0.1", port: int = 0) -> uvicorn.Server:
    """Return a server for an application of this process; the caller runs it, and stops it by ``should_exit``."""
    return uvicorn.Server(uvicorn.Config(app, host=host, port=port, **_OPTIONS))


def settle() -> None:
    """Call once the application is built: what is there now stays, so the collector need never look at it again.

    Requests leave no rings behind, so it may also look more seldom than a program's own habit would have it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])


@contextmanager
def _shared_metrics(workers: int) -> Iterator[None]:
    """Let several processes count in one folder."""
    if workers == 1 or _MULTIPROCESS in os.environ:
        yield
        return
    folder = os.environ[_MULTIPROCESS] = tempfile.mkdtemp(prefix="penstock-metrics-")
    try:
        yield
    finally:
        del os.environ[_MULTIPROCESS]
        shutil.rmtree(folder, ignore_errors=True)
