"""Does docs/connectors/first-connector.md work as it stands?"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/connectors/first-connector.md"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The package of the guide, written out file by file."""
    files = re.findall(r"`([\w./]+\.(?:toml|py))`:\n\n```\w+\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    for name, text in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_guides_connector_passes_the_kit(package):
    path = os.pathsep.join([str(package / "src"), str(ROOT)])
    ran = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-c",
            str(package / "pyproject.toml"),
            "tests",
        ],
        cwd=package,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    promised = re.search(r"mypay: .*\n.*\n", GUIDE.read_text()).group()
    assert promised in ran.stdout


def test_the_guides_package_names_its_entry_point(package):
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["penstock"] == {"mypay": "penstock_mypay"}
    assert (package / "src/penstock_mypay.py").exists()


def test_every_link_between_the_pages_leads_somewhere():
    for page in (*ROOT.glob("docs/connectors/*.md"), ROOT / "docs/hooks.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
