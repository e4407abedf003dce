"""The tests of the door and of open outcomes are shown to fail: each bug is planted in a copy of the tree, and its tests must catch it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract import planted_doubt
from tests.contract.door import planted
from tests.faults.tree import ROOMS, ROOT

BUGS = planted.BUGS + planted_doubt.BUGS
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of the tree."""
    copy = tmp_path_factory.mktemp("door") / "tree"
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", ".*", "node_modules"))
    for name in ("bootstrap.py", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.mark.parametrize("bug", BUGS, ids=[bug[0] for bug in BUGS])
def test_a_planted_bug_is_caught(tree, bug):
    _, path, old, new, tests, words = bug
    file = tree / path
    good = file.read_text()
    assert good.count(old) == 1, "the bug no longer fits the tree: fit it to the tree as it is now"
    file.write_text(good.replace(old, new))
    try:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", tests, "-k", words]
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=120)
    finally:
        file.write_text(good)
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]
