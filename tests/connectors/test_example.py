"""The outside examples are what a stranger reads first: their own tests run as a stranger runs them."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def ran_alone(name):
    """Run an example's tests in its own folder, and return what pytest said."""
    example = ROOT / "examples" / name
    path = os.pathsep.join([str(example / "src"), str(ROOT)])
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", "tests"],
        cwd=example,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    return ran.stdout


def test_the_example_passes_the_kit_and_its_own_tests():
    said = ran_alone("acmepay")
    assert re.search(r"acmepay: \d+ passed, 0 failed", said)
    survived, cells = map(int, re.search(r"faults +(\d+) of (\d+) cells survived", said).groups())
    assert survived == cells > 100


def test_the_example_of_a_rate_source_and_a_tax_engine_passes_theirs():
    said = ran_alone("acmepost")
    assert re.search(r"acmepost: \d+ passed, 0 failed", said)
    assert re.search(r"acmetax: \d+ passed, 0 failed", said)
    assert said.count("14 of 14 cells survived") == 2
