"""The wheel stands alone: what a stranger installs runs without this folder beside it."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from penstock import __version__

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("spec", "handlers", "connectors", "plugins", "storage", "jobs", "pages", "cli", "docs")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    line = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("penstock-*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """An environment with the wheel and, from this one, everything that it depends on."""
    folder = tmp_path_factory.mktemp("alone")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    zipfile.ZipFile(wheel).extractall(site)
    # A path in such a file is searched, but the .pth files behind it (the editable install's) are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


def run(python, folder, *arguments):
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "PYTHON"))}
    line = [str(python), "-m", "penstock", *arguments]
    return subprocess.run(line, cwd=folder, env=environ, capture_output=True, text=True, timeout=120)


def test_the_wheel_puts_nothing_but_its_own_name_into_site_packages(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"penstock", f"penstock-{__version__}.dist-info"}
    for room in ROOMS:
        assert any(name.startswith(f"penstock/_app/{room}/") for name in names), room
    assert "penstock/_app/bootstrap.py" in names
    assert not any(name.startswith("penstock/_app/tests") or name.endswith(".pyc") for name in names)


def test_the_installed_wheel_walks_through_a_checkout(python, tmp_path):
    done = run(python, tmp_path, "demo", "--exit")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "every answer as the spec says" in done.stdout
    assert str(ROOT) not in done.stdout + done.stderr


def test_the_installed_wheel_reads_no_file_of_this_folder(python, tmp_path):
    code = "import sys; from penstock import _roots; print(_roots.enter()); import bootstrap; print(bootstrap.__file__)"
    done = subprocess.run([str(python), "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert all(line.startswith(str(python.parent.parent)) for line in done.stdout.splitlines())


def test_the_installed_wheel_s_doctor_is_content(python, tmp_path):
    done = run(python, tmp_path, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_connector_written_by_the_installed_wheel_installs_and_is_found(python, tmp_path):
    done = run(python, tmp_path, "new-connector", "mypay")
    assert done.returncode == 0, done.stdout + done.stderr
    line = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path)]
    built = subprocess.run([*line, str(tmp_path / "penstock-mypay")], capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    site = Path(sysconfig.get_path("purelib", vars={"base": str(python.parent.parent), "platbase": ""}))
    zipfile.ZipFile(next(tmp_path.glob("penstock_mypay-*.whl"))).extractall(site)
    doctor = run(python, tmp_path, "doctor")
    assert "mypay" in doctor.stdout
    kit = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    folder = tmp_path / "penstock-mypay"
    tested = subprocess.run(kit, cwd=folder, env=environ, capture_output=True, text=True, timeout=120)
    assert "_order: return the body of a charge as Mypay wants it" in tested.stdout, tested.stdout + tested.stderr
