"""A generated connector installs, and its tests lead its author to a connector that passes the kit."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

ROOT = Path(__file__).resolve().parents[2]
LINES = {
    "_order": """return {
            "card": request.method_token, "amount": request.money.amount, "currency": request.money.currency
        }""",
    "_found": """return answer["items"][0] if answer["items"] else None""",
    "_outcome": """match charge["status"]:
            case "paid":
                return Approved(charge["id"], Money(charge["amount"], charge["currency"]))
            case "waiting":
                return Pending(charge["id"], charge["url"])
            case "refused":
                return Declined("hard", charge["reason"])
        raise ValueError(charge["status"])""",
}
"""What an author writes for the made-up answers of the generated tests."""

REFUSAL = """match response.json()["error"]:
            case "postal_code":
                return Refused("address")
            case "country":
                return Refused("not_served")
            case "key":
                return Refused("configuration")
            case "rate_limited":
                return Refused("rate_limited")
        raise ValueError(response.status_code)"""

SOURCES = {
    "shipping": {
        "_question": """parcel = request.parcels[0]
        return {
            "from": request.origin.postal_code if request.origin else None,
            "to": request.destination.postal_code,
            "grams": parcel.weight_g,
            "box": [parcel.length_mm, parcel.width_mm, parcel.height_mm],
        }""",
        "_offered": """rates = tuple(
            ShippingRate(each["id"], each["label"], money(each["price"], each["currency"]))
            for each in answer["rates"]
            if each["currency"] == request.currency
        )
        return RatesOffered(rates, notes=tuple(answer["warnings"])) if rates else Refused("not_served")""",
        "_refusal": REFUSAL,
    },
    "tax": {
        "_question": """return {
            "to": [request.destination.country, request.destination.postal_code],
            "parts": [{"id": part, "price": price} for part, price in request.amounts.items()],
        }""",
        "_calculated": """if {each["id"]: each["price"] for each in answer["parts"]} != request.amounts:
            raise ValueError("this is another cart")
        return TaxesCalculated(
            tuple(
                PartTaxes(
                    part_id=each["id"],
                    taxes=((Rate(id="tax", name="Tax", ppm=each["percent"] * 10_000), each["tax"]),) if each["tax"] else (),
                    reason=each["why"],
                )
                for each in answer["parts"]
            )
        )""",
        "_refusal": REFUSAL,
    },
}
"""The same for the other kinds."""


def penstock(*arguments, status=0):
    done = CliRunner().invoke(app, ["new-connector", *map(str, arguments)], prog_name="penstock")
    assert done.exit_code == status, done.output
    return done.output


def kit(folder):
    """Run the package's own tests; the exit code and what pytest said."""
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=240)
    return ran.returncode, ran.stdout


def completed(source, own=LINES):
    """Write the provider's own lines in the place of each sentence that asks for them."""
    for name, lines in own.items():
        source, times = re.subn(
            rf'raise NotImplementedError\(\s*"{name}: .*?"\s*\)', lambda _, lines=lines: lines, source, flags=re.DOTALL
        )
        assert times == 1, name
    return source


@pytest.fixture
def folder(tmp_path):
    penstock("my_pay", "--directory", tmp_path / "made")
    return tmp_path / "made"


def test_the_package_has_an_entry_point_tests_and_a_readme(folder):
    written = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert written == {"pyproject.toml", "README.md", "src/penstock_my_pay.py", "tests/test_my_pay.py"}
    assert 'my_pay = "penstock_my_pay"' in (folder / "pyproject.toml").read_text()
    assert not any("${" in file.read_text() for file in folder.rglob("*") if file.is_file())


def test_its_tests_name_the_lines_that_are_missing(folder):
    status, said = kit(folder)
    assert status == 1
    assert "_order: return the body of a charge as My Pay wants it" in said
    assert "_found: return the charge" in said
    assert "error" not in said.splitlines()[-1], "it cannot even be imported"


def test_the_run_ends_in_a_list_of_what_is_to_be_written(folder):
    _, said = kit(folder)
    report = said.partition(" connectors ")[2]
    owed = re.findall(r"to write    (\w+): ", report)
    assert owed == ["_order", "_found"], "_outcome is asked for once there is an order to answer"
    assert said.count("FAILED tests/test_my_pay.py::TestMyPay::test_a_fault_leaves_only_one_thing_to_say[charge-") == 16
    assert "Traceback" not in said
    assert "conformance/charges.py" not in said, "a sentence says it; the kit's own lines do not"


def test_a_further_claim_adds_to_the_list(folder):
    source = folder / "src/penstock_my_pay.py"
    whole = completed(source.read_text())
    source.write_text(whole.replace('frozenset({"card"}))', 'frozenset({"card"}), refund=True, webhooks=True)'))
    _, said = kit(folder)
    report = said.partition(" connectors ")[2]
    for owed in ("it claims refund and has no refund()", 'wire["refunded"]: copy', "message(self, about): "):
        assert f"to write    {owed}" in report


def test_with_the_providers_own_lines_it_passes_the_kit(folder):
    source = folder / "src/penstock_my_pay.py"
    source.write_text(completed(source.read_text()))
    status, said = kit(folder)
    assert status == 0, said
    assert re.search(r"my_pay: \d+ passed, 0 failed", said)


@pytest.mark.parametrize("name", ["My-Pay", "", "1pay", "a" * 41, "../pay"])
def test_a_name_that_no_connector_may_have_is_refused(name, tmp_path):
    said = penstock(name, "--directory", tmp_path / "made", status=2)
    assert "lower case letters" in said
    assert not (tmp_path / "made").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("kept")
    assert "not empty" in penstock("my_pay", "--directory", tmp_path, status=2)
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("kind", SOURCES)
def test_the_other_kinds_are_led_to_their_kit_too(kind, tmp_path):
    folder = tmp_path / "made"
    penstock("my_pay", "--kind", kind, "--directory", folder)
    assert not any("${" in file.read_text() for file in folder.rglob("*") if file.is_file())
    status, said = kit(folder)
    assert status == 1
    assert "_question: return the body of a question as My Pay wants it" in said
    assert "error" not in said.splitlines()[-1], "it cannot even be imported"
    source = folder / "src/penstock_my_pay.py"
    source.write_text(completed(source.read_text(), SOURCES[kind]))
    status, said = kit(folder)
    assert status == 0, said
    assert re.search(r"my_pay: \d+ passed, 0 failed", said)


def test_a_kind_that_there_is_not_is_refused(tmp_path):
    penstock("my_pay", "--kind", "email", "--directory", tmp_path / "made", status=2)
    assert not (tmp_path / "made").exists()
