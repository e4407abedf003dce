"""Where the rooms lie: beside this package in a clone, inside it in a wheel."""

import sys
from pathlib import Path


def root() -> Path:
    """Return the folder that holds ``spec``, ``handlers``, ``storage`` and the other rooms."""
    package = Path(__file__).resolve().parent
    inside = package / "_app"
    return inside if inside.is_dir() else package.parent


def enter() -> Path:
    """Put the rooms first on ``sys.path`` and return their folder. Only entry points call this.

    In a wheel the rooms lie under ``penstock/_app``, so that no name as plain as ``plugins`` reaches site-packages.
    """
    found = root()
    if sys.path[:1] != [str(found)]:
        sys.path.insert(0, str(found))
    return found
