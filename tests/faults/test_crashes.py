"""The program is killed at every failpoint, and nothing is lost: not an order, not a charge, not an event."""

import json
import subprocess
import sys
from pathlib import Path

from tests.faults.evidence import FULL, evidence
from tests.faults.town import Shop, founded, penstock
from tests.faults.tree import ROOT

TRIALS = {"sqlite": 150, "postgresql": 150}
FULL_TRIALS = 5_000  # on each of the two databases


def run_crashes(shop: Shop, trials: int, *, batch: int = 125) -> dict:
    """Run the trials in a process of the shop's tree, and return its report."""
    order = {
        "trials": trials,
        "batch": batch,
        "application": shop.application,
        "key": shop.key,
        "bank_url": shop.bank.url,
    }
    environ = shop.environ | {"PENSTOCK_TEST_FAILPOINTS": "1", "PENSTOCK_THREADS": "1"}
    command = [sys.executable, "-m", "tests.faults.crash"]
    done = subprocess.run(command, cwd=shop.tree, env=environ, input=json.dumps(order), capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_kill_at_any_failpoint_loses_nothing_and_doubles_nothing(database: str, databases, tmp_path: Path):
    trials = FULL_TRIALS if FULL else TRIALS[database]
    with (
        databases.fresh() as url,
        founded(ROOT, url, tmp_path) as shop,
        evidence("kills at failpoints", database) as trial,
    ):
        report = run_crashes(shop, trials)
        trial.trials, trial.failures = report["trials"], len(report["faults"])
        trial.remark = f"{sum(report['killed'].values())} killed, {report['survived']} survived"
        audit = penstock(ROOT, shop.environ, "audit")
    assert not report["faults"]
    assert audit.returncode == 0, audit.stdout
