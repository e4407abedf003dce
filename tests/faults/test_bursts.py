"""Fifty buyers open a cart at the same moment, on connections that are all new: each gets one, and nothing breaks."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.evidence import FULL, evidence
from tests.faults.town import Shop, founded, serving
from tests.faults.tree import ROOT
from tests.faults.volley import Answer, Clients

BUYERS = 50
BURSTS = 200 if FULL else 10


async def bursts(shop: Shop) -> list[Answer]:
    """Send every burst on connections of its own, and return what was not a cart."""
    cart = shop.ask("POST", "/carts", {"applicationId": shop.application})
    strange, ids = [], set()
    for _ in range(BURSTS):
        async with Clients(shop.ports, BUYERS) as clients:
            answers = await clients.volley([cart] * BUYERS)
        strange += [answer for answer in answers if answer.status != 201]
        ids |= {answer.json["id"] for answer in answers if answer.status == 201}
    assert len(ids) == BURSTS * BUYERS - len(strange), "two buyers were given one cart"
    return strange


@pytest.mark.services
def test_fifty_carts_at_once_on_new_connections_are_fifty_carts(postgres_databases, tmp_path: Path):
    log = tmp_path / "server.log"
    with (
        postgres_databases.fresh() as url,
        founded(ROOT, url, tmp_path) as shop,
        serving(ROOT, shop.environ, log=log, workers=2) as port,
        evidence("fifty carts at once, two processes", "postgresql", clients=BUYERS) as trial,
    ):
        strange = asyncio.run(bursts(replace(shop, ports=[port])))
        trial.trials, trial.failures = BURSTS * BUYERS, len(strange)
    told = [line for line in log.read_text().splitlines() if '"level":"error"' in line or "Traceback" in line]
    assert (strange, told) == ([], [])
