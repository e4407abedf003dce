"""What the door leaves behind: log lines of known fields, spans where they are collected, and no secret in either."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from handlers.logs import FIELDS
from tests.contract.door import stub

ROOT = Path(__file__).resolve().parents[2]
SECRETS = ("hush", stub.SECRET, stub.SESSION, "4111", "sk_live")


def ran(*arguments):
    command = [sys.executable, "-m", "tests.contract.door.witness", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def written():
    return ran()


def test_no_secret_is_in_the_logs(written):
    for secret in SECRETS:
        assert secret not in written, [line for line in written.splitlines() if secret in line]


def test_every_line_is_json_with_known_fields(written):
    lines = [orjson.loads(line) for line in written.splitlines()]
    assert all(set(line) <= FIELDS for line in lines)
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["operation"], line["status"]) for line in requests] == [
        ("probes.add_note", 201),
        ("probes.add_note", 422),
        ("probes.add_note", 500),
        ("probes.list_notes", 400),
        ("probes.session", 200),
        ("probes.trouble", 503),
        ("unrouted", 404),
    ]
    assert requests[1]["code"] == "card_data_not_allowed"
    assert requests[4]["requestId"] == "shown-to-all"
    assert {"workspaceId", "environmentId", "applicationId", "kind", "duration_ms"} <= set(requests[0])


def test_a_failure_is_logged_with_its_frames_under_the_id_of_its_request(written):
    lines = [orjson.loads(line) for line in written.splitlines()]
    (failure,) = [line for line in lines if line["event"] == "request failed"]
    (request,) = [line for line in lines if line["event"] == "request" and line["status"] == 500]
    assert failure["requestId"] == request["requestId"]
    assert failure["error_type"] == "RuntimeError"
    assert any("probes.py" in frame for frame in failure["frames"])


def test_each_operation_is_a_span_where_spans_are_collected():
    pytest.importorskip("opentelemetry.sdk", reason="pip install 'penstock[otel]' to have this tested")
    written = ran("traced")
    spans = [line for line in written.splitlines() if line.startswith("span ")]
    assert [span.split()[1] for span in spans] == [
        "probes.add_note", "probes.add_note", "probes.add_note", "probes.list_notes", "probes.session", "probes.trouble",
    ]  # fmt: skip
    for secret in SECRETS:
        assert secret not in "".join(spans)
