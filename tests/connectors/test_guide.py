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


def kit(package: Path) -> tuple[int, str]:
    """Run the package's tests; the exit code and what pytest said."""
    path = os.pathsep.join([str(package / "src"), str(ROOT)])
    command = [sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, "-c", str(package / "pyproject.toml"), "tests"],
        cwd=package,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return ran.returncode, ran.stdout


def test_the_guides_connector_passes_the_kit(package):
    status, said = kit(package)
    assert status == 0, said
    promised = re.search(r"mypay: .*\n.*\n", GUIDE.read_text()).group()
    assert promised in said


@pytest.mark.parametrize(
    ("told", "old", "new", "caught"),
    [
        (
            "remove the check of the status",
            "if response.status_code not in statuses:",
            "if False:",
            "test_a_failing_provider_is_never_an_outcome",
        ),
        (
            "send `request.money.major()`",
            '"cents": request.money.amount',
            '"cents": request.money.major()',
            "test_every_amount_reaches_the_provider_exactly",
        ),
        (
            "return\n`Declined` from the last line",
            """raise ValueError(f"MyPay said {charge['status']!r}")""",
            'return Declined("hard")',
            "test_a_status_it_does_not_know_is_never_an_outcome",
        ),
    ],
)
def test_what_the_guide_breaks_is_caught(package, told, old, new, caught):
    assert told in GUIDE.read_text()
    source = package / "src/penstock_mypay.py"
    whole = source.read_text()
    assert whole.count(old) == 1
    source.write_text(whole.replace(old, new))
    status, said = kit(package)
    assert status == 1, said
    assert re.search(rf"FAILED .*::{caught}", said)


def test_the_guides_package_names_its_entry_point(package):
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["penstock"] == {"mypay": "penstock_mypay"}
    assert (package / "src/penstock_mypay.py").exists()


def test_every_link_between_the_pages_leads_somewhere():
    for page in (*ROOT.glob("docs/connectors/*.md"), ROOT / "docs/hooks.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
