"""The tests of the door and of open outcomes are shown to fail: each bug is planted in a copy of the tree, and its tests must catch it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest

from tests.contract import planted_doubt
from tests.contract.door import planted
from tests.faults.tree import ROOMS, ROOT

BUGS = planted.BUGS + planted_doubt.BUGS
pytestmark = pytest.mark.slow
AT_ONCE = min(4, os.cpu_count() or 1)


def copied(folder: Path) -> Path:
    """Return a copy of the tree."""
    copy = folder / "tree"
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", ".*", "node_modules"))
    for name in ("bootstrap.py", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    return copy


def tried(trees: SimpleQueue[Path], bug: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Plant a bug in a copy that nobody else has, and run its tests there."""
    _, path, old, new, tests, words = bug
    tree = trees.get()
    file = tree / path
    good = file.read_text()
    try:
        assert good.count(old) == 1, "the bug no longer fits the tree: fit it to the tree as it is now"
        file.write_text(good.replace(old, new))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", tests, "-k", words]
        return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=240)
    finally:
        file.write_text(good)
        trees.put(tree)


@pytest.fixture(scope="module")
def trials(request, tmp_path_factory) -> Iterator[dict[str, Future]]:
    """Every chosen bug's trial, as many at once as there are processors."""
    chosen = [item.callspec.params["bug"] for item in request.session.items if item.path == request.path]
    trees: SimpleQueue[Path] = SimpleQueue()
    for _ in range(AT_ONCE):
        trees.put(copied(tmp_path_factory.mktemp("door")))
    with ThreadPoolExecutor(AT_ONCE) as crew:
        yield {bug[0]: crew.submit(tried, trees, bug) for bug in chosen}


@pytest.mark.parametrize("bug", BUGS, ids=[bug[0] for bug in BUGS])
def test_a_planted_bug_is_caught(trials, bug):
    done = trials[bug[0]].result()
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]
