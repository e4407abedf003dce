"""Every planted bug still fits the tree: one that fits no longer proves nothing, and is found here before its slow test."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import planted_doubt
from tests.contract.door import planted as planted_door
from tests.e2e import planted as planted_pages
from tests.faults import planted_matrix

ROOT = Path(__file__).parents[2]


def bugs() -> Iterator[tuple[str, str, str]]:
    """Yield what is broken, in which file, and the text that must stand there."""
    for bug in (*planted_door.BUGS, *planted_doubt.BUGS, *planted_matrix.BUGS):
        yield bug[0], bug[1], bug[2]
    for bug in planted_pages.BUGS:
        yield bug.name, bug.path, bug.old
    for file in sorted((ROOT / "tests/faults/planted").glob("[a-z]*.py")):
        for path, old, _ in importlib.import_module(f"tests.faults.planted.{file.stem}").EDITS:
            yield file.stem, path, old


@pytest.mark.parametrize(("name", "path", "old"), [pytest.param(*bug, id=bug[0]) for bug in bugs()])
def test_a_planted_bug_fits_the_tree(name: str, path: str, old: str) -> None:
    assert (ROOT / path).read_text().count(old) == 1, f"{name}: fit it to {path} as it is now"
