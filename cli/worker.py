"""``penstock worker``."""

from typing import Annotated

import typer
from prometheus_client import start_http_server

from bootstrap import build
from cli import show
from cli.application import configure_logs
from cli.broker import assert_broker
from cli.schema import assert_current
from handlers.metrics import Metrics
from jobs.worker import THREADS, run_worker
from penstock.settings import load

app = show.command()


@app.command()
def worker(
    *,
    threads: Annotated[int, typer.Option(min=1, max=64, help="How many jobs at a time.")] = THREADS,
    metrics_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Serve Prometheus metrics there.")] = None,
    metrics_host: Annotated[str, typer.Option(help="Address of the metrics.")] = "127.0.0.1",
) -> None:
    """Do what happens later: expire sessions, ask providers about unknown outcomes. Run as many as you like.

    Only needed with PENSTOCK_REDIS_URL: without it `penstock serve` does this itself.
    """
    settings = load()
    with build(settings) as house:
        assert_current(house)
        if settings.redis_url:
            assert_broker(settings.redis_url)
        configure_logs(settings)
        metrics = Metrics()
        if metrics_port is not None:
            start_http_server(metrics_port, metrics_host, metrics.registry)
        run_worker(house, threads=threads, watch=metrics)
