"""Each test of the pages that guards something is shown to fail: in a copy of the tree, with a bug planted in it."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.e2e.conftest import MUST_RUN
from tests.e2e.planted import BUGS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MUST_RUN, reason="planting bugs in the pages takes minutes; set CI=true to have it done"),
]

ROOMS = ("penstock", "handlers", "connectors", "plugins", "storage", "jobs", "pages", "cli", "spec", "docs", "tests")
SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
TESTS_FAILED = 1


@pytest.fixture(scope="module")
def copy(tmp_path_factory, pytestconfig):
    """A copy of the tree; each test plants its bug and takes it out again."""
    folder, root = tmp_path_factory.mktemp("planted") / "tree", pytestconfig.rootpath
    for room in ROOMS:
        shutil.copytree(root / room, folder / room, ignore=SKIPPED)
    for file in ("bootstrap.py", "pyproject.toml"):
        shutil.copy(root / file, folder)
    return folder


def run(copy, *tests: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not postgresql", *tests]
    environ = {**os.environ, "PYTHONPATH": str(copy), "PENSTOCK_TEST_SIGHT": "5000"}
    return subprocess.run(command, cwd=copy, env=environ, capture_output=True, text=True, check=False, timeout=300)


def test_without_a_bug_the_copy_passes(copy, chromium):
    done = run(copy, *dict.fromkeys(test for bug in BUGS for test in bug.found_by))
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_a_planted_bug_is_found(bug, copy, chromium):
    file = copy / bug.path
    whole = file.read_text()
    assert whole.count(bug.old) == 1, "the planted bug no longer fits the tree: fit it to the tree as it is now"
    file.write_text(whole.replace(bug.old, bug.new))
    try:
        for test in bug.found_by:
            done = run(copy, test)
            assert done.returncode == TESTS_FAILED, (
                f"{test} did not notice:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
    finally:
        file.write_text(whole)
