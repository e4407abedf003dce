"""The rules of the house that no linter knows. Each says which mistake it guards against."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from penstock.failpoint import FAILPOINTS

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("penstock", "handlers", "connectors", "plugins", "storage", "jobs", "pages", "cli")
SOURCES = sorted(
    [file for room in ROOMS for file in (ROOT / room).rglob("*.py") if "versions" not in file.parts]
    + [ROOT / "bootstrap.py"]
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
OPERATIONS = (
    "abandoned_carts",
    "clocks",
    "carts",
    "checkout_sessions",
    "orders",
    "payments",
    "embed_config",
    "api_keys",
    "connectors",
    "inbound",
    "meta",
    "routing",
    "shipping_tax",
)
FORBIDDEN = {"utils", "helpers", "common", "data", "info", "service", "base", "misc"}
TIMES = {("datetime", "now"), ("datetime", "utcnow"), ("date", "today"), ("time", "time")}
PROSE = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "spec").rglob("*.md")])


def name(path):
    return str(path.relative_to(ROOT))


def tree(path):
    return ast.parse(path.read_text())


def functions(path):
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(node):
    """Lines of code and comments; the docstring is the reader's, not the function's."""
    body = node.body
    first = body[0]
    spoken = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    said = first.end_lineno - first.lineno + 1 if spoken else 0
    return node.end_lineno - node.lineno + 1 - said


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_functions_and_files_stay_short(path):
    # A service layer without a ceiling takes everything in.
    limit = 15 if path.parent.name == "handlers" and path.stem in OPERATIONS else 40
    signature = 15 if path.stem in OPERATIONS else 0  # query parameters stand one to a line
    assert len(path.read_text().splitlines()) <= 400
    long = {f.name: length(f) for f in functions(path) if length(f) > limit + (signature if f.args.args[5:] else 0)}
    assert long == {}


@pytest.mark.parametrize("path", [t for t in TESTS if "planted" not in t.parts], ids=name)
def test_test_files_stay_readable(path):
    assert len(path.read_text().splitlines()) <= 600


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_names_say_what_things_are(path):
    # A module called after nothing becomes the drawer for everything.
    words = set(path.stem.split("_"))
    assert not words & FORBIDDEN
    assert "manager" not in words or path.parent.name == "plugins"
    assert len(words) <= 2 or path.parent.name == "flows"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_module_says_what_it_is_for(path):
    assert ast.get_docstring(tree(path))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_time_comes_from_the_clock(path):
    # What asks the machine for the time cannot be tested on the last of January.
    if path == ROOT / "penstock" / "clock.py":
        return
    calls = [n for n in ast.walk(tree(path)) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)]
    assert [f"{n.value.id}.{n.attr}:{n.lineno}" for n in calls if (n.value.id, n.attr) in TIMES] == []
    assert not re.search(r"\bfunc\.now\(\)|CURRENT_TIMESTAMP", path.read_text())


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.parent.name in ("penstock", "flows") and p.stem != "failpoint"], ids=name
)
def test_no_float_comes_near_money(path):
    # int(19.99 * 100) is 1998.
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "float", f"float() in line {node.lineno}"
        if isinstance(node, ast.BinOp) and path.stem in ("money", "totals", "cart", "order", "payment", "ledger"):
            assert not isinstance(node.op, ast.Div), f"/ in line {node.lineno}"


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name)
def test_nothing_is_left_to_do(path):
    text = path.read_text()
    if path == Path(__file__):
        return
    assert not re.search(r"\b(TODO|FIXME|XXX:|HACK)\b", text)
    assert not re.search(r"# noqa($|[^:])|# type: ignore($|[^\[])", text), "an ignore names what it ignores"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_an_ignore_has_its_reason_beside_it(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.search(r"# (?:noqa: [A-Z0-9, ]+|type: ignore\[[a-z-, ]+\])(.*)$", line)
        assert found is None or len(found[1].strip(" -—()#")) >= 8, f"line {number}: why?"


def operations():
    for file in sorted((ROOT / "spec" / "paths").glob("*.yaml")):
        for item in yaml.safe_load(file.read_text()).values():
            for method, operation in item.items():
                if method in ("get", "post", "put", "patch", "delete"):
                    yield pytest.param(file.stem, operation, id=operation["operationId"])


@pytest.mark.parametrize(("area", "operation"), list(operations()))
def test_an_operation_lives_where_its_name_says(area, operation):
    module, _, function = operation["operationId"].partition(".")
    assert module == area, "spec/paths/X.yaml binds to handlers/X.py"
    assert function in {f.name for f in functions(ROOT / "handlers" / f"{module}.py")}


def test_every_hook_has_a_heading_and_a_test():
    hooks = [f.name for f in functions(ROOT / "penstock" / "hooks.py") if f.name.startswith("penstock_")]
    docs, tests = (ROOT / "docs" / "hooks.md").read_text(), "".join(p.read_text() for p in TESTS)
    assert hooks
    for hook in hooks:
        assert re.search(rf"^##+ .*{hook}", docs, re.MULTILINE), f"docs/hooks.md has no heading for {hook}"
        assert f"test_hook_{hook}" in tests


def test_every_event_that_is_declared_is_noted_somewhere_and_the_other_way_round():
    declared = set(yaml.safe_load((ROOT / "spec" / "events.yaml").read_text()))
    rules = "".join(p.read_text() for p in SOURCES if p.parent.name in ("penstock", "flows"))
    noted = set(
        re.findall(r'"((?:cart|connector|checkout\.session|discount|order|payment|webhook_endpoint)\.[a-z_]+)"', rules)
    )
    assert noted - set(FAILPOINTS) == declared


def test_every_declared_error_is_raised_somewhere():
    from penstock import errors

    text = "".join(p.read_text() for p in SOURCES if not p.name.endswith("errors.py"))
    unused = [c.__name__ for c in errors.all_errors().values() if not re.search(rf"\b{c.__name__}\b", text)]
    assert unused == []


def test_every_failpoint_is_reached_somewhere():
    text = "".join(p.read_text() for p in SOURCES if p.name != "failpoint.py")
    assert [point for point in FAILPOINTS if f'failpoint("{point}")' not in text] == []


@pytest.mark.parametrize("path", [*SOURCES, *TESTS, *PROSE], ids=name)
def test_nothing_names_a_registry_or_a_machine(path):
    text = path.read_text()
    assert not re.search(r"https?://[^/ \"]*(" + "py" + r"pi|pythonhosted|npm" + "js)", text)
    assert not re.search(r"(?<![A-Za-z0-9_.])/(work|root|farm)/", text)


@pytest.mark.parametrize("path", PROSE, ids=name)
def test_links_between_pages_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
        if "://" not in target and not target.startswith(("mailto:", "/")):
            assert (path.parent / target).exists(), target
