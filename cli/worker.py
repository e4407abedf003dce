"""``penstock worker``."""

from typing import Annotated

import typer

from bootstrap import build
from cli import show
from cli.application import configure_logs
from cli.broker import assert_broker
from cli.schema import assert_current
from jobs.worker import THREADS, run_worker
from penstock.settings import load

app = show.command()


@app.command()
def worker(*, threads: Annotated[int, typer.Option(min=1, max=64, help="How many jobs at a time.")] = THREADS) -> None:
    """Do what happens later: expire sessions, ask providers about unknown outcomes. Run as many as you like.

    Only needed with PENSTOCK_REDIS_URL: without it `penstock serve` does this itself.
    """
    settings = load()
    with build(settings) as house:
        assert_current(house)
        if settings.redis_url:
            assert_broker(settings.redis_url)
        configure_logs(settings)
        run_worker(house, threads=threads)
