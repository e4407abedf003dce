"""The fault matrix is shown to fail: each bug is planted in a copy of the tree, and one cell must catch it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.planted_matrix import BUGS
from tests.faults.tree import ROOMS, ROOT

MATRIX = "tests/faults/test_matrix.py"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree."""
    copy = tmp_path_factory.mktemp("matrix") / "tree"
    for room in (*ROOMS, "examples"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("bootstrap.py", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=[bug[0] for bug in BUGS])
def test_a_cell_catches_the_planted_bug(tree: Path, bug: tuple[str, ...]) -> None:
    _, path, old, new, cell = bug
    file = tree / path
    good = file.read_text()
    assert good.count(old) == 1, "the bug no longer fits the tree: fit it to the tree as it is now"
    file.write_text(good.replace(old, new))
    node = f"{MATRIX}::test_a_fault_ends_in_what_the_providers_books_say[sqlite-{cell}]"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", node]
    try:
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=120, check=False)
    finally:
        file.write_text(good)
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]
    assert f"FAILED {node}" in done.stdout, "the cell did not even run"
