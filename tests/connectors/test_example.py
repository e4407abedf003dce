"""The outside example is what a stranger reads first: its own tests run as a stranger runs them."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/acmepay"


def test_the_example_passes_the_kit_and_its_own_tests():
    path = os.pathsep.join([str(EXAMPLE / "src"), str(ROOT)])
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", "tests"],
        cwd=EXAMPLE,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert re.search(r"acmepay: \d+ passed, 0 failed", ran.stdout)
    survived, cells = map(int, re.search(r"faults +(\d+) of (\d+) cells survived", ran.stdout).groups())
    assert survived == cells > 100
