"""The command line does what its help says, and tells an operator what to do when it cannot."""

import io
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import orjson
import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from cli.guide import Guide
from cli.judge import Judge
from cli.main import COMMANDS, app
from cli.show import layout
from cli.walk import Step
from handlers import spec
from penstock import __version__
from penstock.api_key import parse
from penstock.ids import is_uuid
from storage import migrate
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a root secret that only tests may ever know 0123456789"
STARTED: list[subprocess.Popen[str]] = []
PRINTED = ["workspaceId", "applicationId", "environmentId", "secretKey", "publishableKey", "dashboardToken"]


@pytest.fixture(autouse=True)
def desk(monkeypatch, tmp_path):
    """An empty folder to work in, and no settings from outside."""
    for name in list(os.environ):
        if name.startswith("PENSTOCK_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for process in STARTED:  # only those are left whose test failed
        if process.poll() is None:
            process.kill()
            process.communicate()
    STARTED.clear()


def penstock(*arguments, status=0):
    """Run a command in this process; return what it wrote to standard output."""
    done = CliRunner().invoke(app, list(arguments), prog_name="penstock")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == status, done.output
    return done.stdout if status == 0 else done.output


def refusal(*arguments):
    """Return what a command that cannot work says: one message, no traceback, exit code 2."""
    said = penstock(*arguments, status=2)
    assert said.startswith("penstock: "), said
    assert "Traceback" not in said
    return said


def program(*arguments, **environ):
    """Return a command as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    STARTED.append(process)
    return process


def finished(process, timeout=60):
    out, _ = process.communicate(timeout=timeout)
    return process.returncode, out


def init():
    return json.loads(penstock("init", "--json"))


# What a stranger meets first


def test_help_names_every_command_with_a_sentence():
    text = penstock("--help")
    assert "penstock demo" in text
    for command in COMMANDS:
        assert re.search(rf"│ {command} +\S+ \S+", text), command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    text = penstock(command, "--help")
    assert f"Usage: penstock {command}" in text
    assert re.search(r"[A-Z][a-z]+ [a-z].*[.]", text)


def test_a_misspelt_command_is_refused_without_a_traceback():
    said = penstock("innit", status=2)
    assert "innit" in said
    assert "Traceback" not in said


def test_the_version_is_the_package_s():
    assert penstock("version").startswith(f"penstock {__version__} ")


def test_the_document_is_printed_as_it_is_published():
    assert orjson.loads(penstock("spec")) == orjson.loads(spec.as_json())
    assert yaml.safe_load(penstock("spec", "--format", "yaml")) == yaml.safe_load(spec.as_yaml())


# init


def test_init_prints_exactly_one_object(desk):
    out = penstock("init", "--json")
    assert out.count("\n") == 1
    printed = json.loads(out)
    assert list(printed) == PRINTED
    assert all(is_uuid(printed[name]) for name in PRINTED[:3])
    assert (printed["secretKey"][:11], printed["publishableKey"][:11]) == ("sk_sandbox_", "pk_sandbox_")
    assert printed["dashboardToken"].count(".") == 2
    assert sorted(p.name for p in (desk / "penstock-state").iterdir() if p.suffix in (".db", ".key")) == [
        "penstock.db",
        "penstock.key",
    ]


def test_what_init_keeps_is_for_its_owner_alone(desk):
    init()
    key = desk / "penstock-state" / "penstock.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_init_for_people_shows_the_same_and_what_comes_next():
    text = penstock("init")
    for name in PRINTED:
        assert name in text
    assert "penstock serve" in text
    assert re.search(r"sk_sandbox_[0-9A-Za-z]{38}'", text), "the curl line can be copied whole"


def test_a_second_init_is_refused_and_names_what_there_is():
    first = init()
    said = refusal("init", "--json")
    assert first["workspaceId"] in said
    assert "--name" in said
    assert "penstock token" in said


def test_a_second_init_with_a_name_of_its_own_makes_another_workspace():
    first, second = init(), json.loads(penstock("init", "--json", "--name", "Second"))
    assert first["workspaceId"] != second["workspaceId"]
    assert "name already" in refusal("init", "--name", "Second")


@pytest.mark.parametrize("name", ["", "  ", "x" * 101])
def test_a_name_that_cannot_be_kept_is_refused_before_anything_is_made(desk, name):
    assert "1 to 100 characters" in refusal("init", "--name", name)
    assert list(desk.iterdir()) == []


# token and workspace


def test_a_fresh_token_is_for_the_owner_of_the_only_workspace():
    assert "penstock init" in refusal("token")
    init()
    assert penstock("token").count(".") == 2
    assert "owner@localhost" in refusal("token", "somebody@else.example")
    assert "production" in refusal("token", "--environment", "nowhere")
    penstock("init", "--name", "Second")
    assert "several workspaces" in refusal("token")


def test_a_workspace_goes_live_by_the_operator_s_hand():
    made = init()
    assert "sandbox, active" in penstock("workspace", "show")
    assert "live" in penstock("workspace", "set", "--stage", "live")
    assert "live, active" in penstock("workspace", "show")
    penstock("workspace", "set", made["workspaceId"], "--billing", "lapsed")
    assert "live, lapsed" in penstock("workspace", "show")
    assert "--stage live" in refusal("workspace", "set")
    assert made["workspaceId"] in refusal("workspace", "set", "nobody", "--stage", "live")


def test_an_environment_is_connected_to_a_provider_that_fits_it():
    init()
    assert "Connected Sandbox B" in penstock("connect", "sandbox_b")
    assert "sandbox, sandbox_b" in refusal("connect", "acmepay")
    assert "not for a production environment" in refusal("connect", "sandbox", "--environment", "production")
    assert "production" in refusal("connect", "sandbox", "--environment", "nowhere")
    assert "name=value" in refusal("connect", "sandbox", "--setting", "approve_all")
    assert "settings" in refusal("connect", "sandbox", "--setting", "surprise=1")


def test_an_environment_is_connected_to_a_tax_engine_and_a_rate_source():
    init()
    assert "Connected EU VAT" in penstock("connect", "eu_vat", "--setting", "home=DE")
    assert "Connected EasyPost" in penstock("connect", "easypost", "--setting", "api_key=EZTKexample0123456789")
    assert "settings" in refusal("connect", "eu_vat", "--setting", "home=US")
    assert "could not be built" in refusal("connect", "easypost", "--setting", "api_key=EZAKexample0123456789")


# What is wrong, and what to do


@pytest.mark.parametrize("command", ["init", "serve", "worker", "migrate", "token", "audit"])
@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("DATABASE_URL", "mysql://h/n", "PENSTOCK_DATABASE_URL"),
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1", "PENSTOCK_SECRET_KEY"),
        ("SECRET_KEY", "short", "openssl rand"),
        ("PORT", "many", "PENSTOCK_PORT"),
        ("CONFIG", "nowhere.toml", "nowhere.toml"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(monkeypatch, command, setting, value, told):
    monkeypatch.setenv(f"PENSTOCK_{setting}", value)
    assert told in refusal(command)


@pytest.mark.parametrize("command", ["init", "serve", "worker", "migrate", "token", "audit"])
def test_a_database_that_is_down_is_said_to_be(monkeypatch, command):
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", "postgresql://nobody:hunter2@127.0.0.1:1/none")
    monkeypatch.setenv("PENSTOCK_SECRET_KEY", SECRET)
    said = refusal(command)
    assert "PENSTOCK_DATABASE_URL" in said
    assert "penstock migrate" not in said
    assert "hunter2" not in said


def test_a_broker_that_is_down_is_said_to_be(monkeypatch):
    init()
    monkeypatch.setenv("PENSTOCK_REDIS_URL", "redis://:hunter2@127.0.0.1:1/0")
    said = refusal("worker")
    assert "Redis cannot be reached" in said
    assert "hunter2" not in said


def test_a_database_that_is_no_database_is_said_to_be(desk):
    (desk / "penstock-state").mkdir()
    (desk / "penstock-state" / "penstock.db").write_text("this is a letter to my aunt, and quite a long one" * 100)
    assert "database" in refusal("init")


def test_a_folder_that_is_a_file_is_named(desk):
    (desk / "penstock-state").write_text("")
    assert "penstock-state" in refusal("init")


def test_a_port_that_is_taken_is_said_to_be():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "--port" in refusal("serve", "--port", port)
        assert "--port" in refusal("demo", "--exit", "--port", port)
    assert "--host" in refusal("serve", "--host", "no.such.host.invalid")


@pytest.mark.parametrize("command", ["token", "worker", "audit"])
def test_a_command_without_a_database_says_what_to_run_first(command, desk):
    assert "penstock init" in refusal(command)
    assert list((desk / "penstock-state").glob("*.db")) == []


@pytest.mark.parametrize("command", ["token", "worker", "audit"])
def test_a_command_on_an_empty_database_says_what_to_run_first(command, desk):
    (desk / "penstock-state").mkdir()
    (desk / "penstock-state" / "penstock.db").touch()
    assert "penstock migrate" in refusal(command)


@pytest.mark.parametrize(
    "command", ["audit", "jobs", "workspace show", "token", "worker", "rotate-master-key", "connect sandbox"]
)
def test_only_what_makes_the_database_makes_its_secret(command, desk):
    assert "there is no database" in refusal(*command.split())
    assert list(desk.iterdir()) == []


@pytest.mark.parametrize("command", ["audit", "jobs", "token", "serve", "migrate", "init"])
def test_a_secret_that_is_lost_is_asked_for_and_not_replaced(command, desk):
    init()
    secret = desk / "penstock-state" / "penstock.key"
    kept = secret.rename(desk / "backup")
    said = refusal(command)
    assert str(secret) in said
    assert "backup" in said
    assert not secret.exists()
    kept.rename(secret)
    assert "0 events wait" in penstock("jobs")


@pytest.mark.services
def test_on_postgresql_the_tables_are_changed_by_hand_only(monkeypatch, postgresql_database):
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", postgresql_database)
    monkeypatch.setenv("PENSTOCK_SECRET_KEY", SECRET)
    migrate.downgrade(postgresql_database)
    assert "penstock migrate" in refusal("serve", "--port", "0")
    assert "up to date" in penstock("migrate")
    assert "up to date" in penstock("migrate")
    assert list(init()) == PRINTED


# doctor and audit


def test_the_doctor_is_content_with_a_fresh_machine_and_changes_nothing(desk):
    text = penstock("doctor")
    assert "penstock init" in text
    assert "nothing is wrong" in text
    assert list(desk.iterdir()) == []


def test_the_doctor_lists_settings_workspaces_and_connectors(monkeypatch):
    made = init()
    monkeypatch.setenv("PENSTOCK_SECRET_KEY", SECRET)
    text = penstock("doctor")
    assert made["workspaceId"] in text
    assert re.search(r"connector sandbox: card, ideal in every currency", text)
    assert re.search(r"tax engine eu_vat: taxes in every country", text)
    assert re.search(r"rate source ups: rates to every country", text)
    assert "PENSTOCK_PUBLIC_URL" in text
    assert SECRET not in text


def test_the_doctor_hides_passwords(monkeypatch):
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", "postgresql://penstock:hunter2@127.0.0.1:1/none")
    monkeypatch.setenv("PENSTOCK_SECRET_KEY", SECRET)
    text = penstock("doctor", status=1)
    assert "hunter2" not in text
    assert "cannot be reached" in text


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("DATABASE", "x", "did you mean PENSTOCK_DATABASE_URL?"),
        ("HOST", "0.0.0.0", "https"),
        ("REDIS_URL", "redis://127.0.0.1:1/0", "Redis cannot be reached"),
        ("PORT", "many", "PENSTOCK_PORT"),
    ],
)
def test_the_doctor_finds_what_is_wrong(monkeypatch, setting, value, told):
    init()
    monkeypatch.setenv(f"PENSTOCK_{setting}", value)
    assert told in penstock("doctor", status=1)


def test_the_audit_of_a_new_house_finds_nothing():
    init()
    assert "nothing" in penstock("audit").lower()


# demo, serve and worker, as processes of their own


def test_the_demo_pays_an_order_and_leaves_nothing_behind(desk):
    status, out = finished(program("demo", "--exit", PENSTOCK_DATABASE_URL="mysql://not.for.the.demo/x"))
    assert status == 0, out
    assert re.search(r"Order ORD-\S+ is paid: 58\.70 EUR\. 12 requests", out)
    assert "POST /api/v1/carts " in out
    assert not re.search(r"[sp]k_sandbox_[0-9A-Za-z]{20}", out), "keys are masked"
    assert "\x1b[" not in out, "no colours where nobody sees them"
    assert list(desk.iterdir()) == []


def test_the_demo_keeps_serving_until_it_is_told_to_stop():
    process = program("demo", "--port", str(free_port()), PYTHONUNBUFFERED="1")
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    text = "".join(lines)
    hosted = re.search(r"http://\S+/checkout/cs_\w+", text)[0]
    docs = re.search(r"http://\S+/docs\b", text)[0]
    key, order = re.search(r"X-API-Key: (sk_\w+)' ", text)[1], re.search(r"http://\S+/api/v1/orders/\S+", text)[0]
    with httpx.Client(trust_env=False) as client:
        assert "4900" in client.get(hosted).text or client.get(hosted).status_code == 200
        assert client.get(docs).status_code == 200
        assert client.get(order, headers={"X-API-Key": key}).json()["paymentStatus"] is not None
    process.send_signal(signal.SIGINT)
    status, _ = finished(process)
    assert status == 0


def ready(port, process):
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, process.communicate()[0]
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False).status_code == 200
        except httpx.TransportError:
            time.sleep(0.1)
    return False


def test_serve_on_any_free_port_says_where_it_listens():
    init()
    process = program("serve", "--port", "0")
    assert process.stdout is not None
    said = re.search(
        r"starts on http://127\.0\.0\.1:(\d+) +\(docs: http://localhost:(\d+)/docs\)", process.stdout.readline()
    )
    assert said is not None
    assert said[1] == said[2] != "0"
    assert ready(int(said[1]), process)
    process.send_signal(signal.SIGINT)
    assert finished(process)[0] == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_serves_what_init_made_and_ends_when_told(workers):
    made, port = init(), free_port()
    process = program("serve", "--port", str(port), "--workers", workers)
    try:
        assert ready(port, process)
        wanted = {"applicationId": made["applicationId"]}
        answer = httpx.post(
            f"http://127.0.0.1:{port}/api/v1/carts",
            json=wanted,
            headers={"X-API-Key": made["secretKey"]},
            trust_env=False,
        )
        assert answer.status_code == 201, answer.text
        assert httpx.get(f"http://127.0.0.1:{port}/docs", trust_env=False).status_code == 200
        token = penstock("token", "--environment", "production").strip()
        key = httpx.post(
            f"http://127.0.0.1:{port}/api/v1/api-keys",
            json={"name": "Live", "scopes": ["*"]},
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
        )
        assert key.json()["rawKey"].startswith("sk_production_"), key.text
    finally:
        process.terminate()
        status, out = finished(process)
    assert status == 0, out
    assert "Traceback" not in out


def test_the_worker_ends_when_told():
    init()
    process = program("worker", PENSTOCK_LOG_FORMAT="json")
    for line in process.stdout:
        if "worker_started" in line or "worker started" in line:
            break
    process.terminate()
    status, out = finished(process)
    assert status == 0, out


@pytest.mark.services
def test_on_postgresql_and_redis_the_same_checkout_is_paid(monkeypatch, postgresql_database, redis_url):
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", postgresql_database)
    monkeypatch.setenv("PENSTOCK_REDIS_URL", redis_url)
    monkeypatch.setenv("PENSTOCK_SECRET_KEY", SECRET)
    monkeypatch.setenv("PENSTOCK_VALIDATE_RESPONSES", "raise")
    made, port = init(), free_port()
    processes = [program("serve", "--port", str(port)), program("worker")]
    try:
        assert ready(port, processes[0])
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            guide = Guide(client, Console(file=io.StringIO()), parse(made["secretKey"]), made["applicationId"])
            guide.walk()
        assert guide.order["paymentStatus"] == "captured"
        assert "nothing" in penstock("audit").lower()
    finally:
        for process in processes:
            process.terminate()
        ended = [finished(process) for process in processes]
    assert [status for status, _ in ended] == [0, 0], ended


# How the demo looks and judges


def judged(status=200, body=None, headers=None):
    step = Step("Read the order", "GET", "/orders/{id}", {"id": "x"}, 200)
    response = httpx.Response(status, json=body, headers={"X-Request-Id": "r", **(headers or {})})
    return Judge(spec.load()).faults(step, response)


def test_the_judge_notices_an_answer_that_breaks_the_spec():
    good = spec.load()["components"]["examples"]
    order = next(e["value"] for name, e in good.items() if name == "Order")
    assert judged(body=order) == []
    assert "answered 404" in judged(404, {"error": {}})[0]
    assert judged(body={**order, "total": "58.70"}) != []
    assert judged(body={**order, "surprise": 1}) != []
    assert judged(body={k: v for k, v in order.items() if k != "orderNumber"}) != []
    assert judged(body=order, headers={"content-type": "text/html"}) != []
    assert judged(body=order, headers={"X-Request-Id": ""}) != []


def test_json_is_laid_out_for_people_and_stays_json():
    value = {"a": [1, 2], "b": {"c": "x" * 120, "d": None}, "e": [], "f": {}}
    assert json.loads(layout(value)) == value
    assert layout({"a": [1, 2]}) == '{"a": [1, 2]}'
    assert max(len(line) for line in layout({"k" * 30: list(range(40))}).splitlines()) <= 100
