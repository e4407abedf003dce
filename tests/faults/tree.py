"""A copy of the tree with one bug planted in it, so that every test here can be shown to fail.

A planted bug is a module in ``planted/``: its docstring says what is broken, ``EDITS`` holds (path, old, new), ``SQL`` what is
taken from the database. ``old`` must stand in the file exactly once: a bug that no longer fits the tree stops its test rather than proving nothing.
"""

import importlib
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("penstock", "handlers", "connectors", "plugins", "storage", "jobs", "pages", "cli", "spec", "tests")
_SKIP = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def bug(name: str) -> Any:
    """Return a planted bug's module."""
    return importlib.import_module(f"tests.faults.planted.{name}")


def plant(name: str, folder: Path) -> Path:
    """Copy the tree into a folder, plant the bug called ``name``, and return the copy's root."""
    copy = folder / f"tree-{name}"
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=_SKIP)
    shutil.copy(ROOT / "bootstrap.py", copy)
    for path, old, new in bug(name).EDITS:
        text = (copy / path).read_text()
        if text.count(old) != 1:
            raise LookupError(f"the planted bug {name} no longer fits {path}: fit it to the tree as it is now")
        (copy / path).write_text(text.replace(old, new))
    return copy
