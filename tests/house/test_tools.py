"""The tools that hold style, types and layers, each as a test: so that one command says whether a change may go in."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def run(tool, *arguments):
    command = str(BIN / tool) if (BIN / tool).exists() else shutil.which(tool)
    assert command, f"{tool} is not installed: pip install -c constraints.txt -e '.[test]'"
    return subprocess.run([command, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize(
    "line",
    ["ruff check .", "ruff format --check .", "mypy", "lint-imports --no-cache", "yamllint --strict .", "codespell"],
)
def test_the_tool_has_nothing_to_say(line):
    done = run(*line.split())
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("ruff check --select F401 -", "import os\n"),
        ("ruff format --check -", "x=1\n"),
        ("yamllint --strict -", "a:   [1,2]\na: 1\n"),
        ("codespell -", "reci" + "eve\n"),
    ],
)
def test_the_tool_notices_a_fault(line, fault):
    command = line.split()
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, input=fault, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0


def test_the_constraints_fit_what_the_project_asks_for():
    pinned = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        name, _, version = line.partition("==")
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9A-Za-z.+!-]+", line), line
        pinned[canonicalize_name(name)] = version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [Requirement(r) for r in (*project["dependencies"], *project["optional-dependencies"]["test"])]
    assert [str(r) for r in asked if not r.specifier.contains(pinned.get(canonicalize_name(r.name), "0"))] == []
