"""`--live` runs a connector's class against a provider that is really there, and writes down no secret."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from penstock.conformance.live import transcribed

ROOT = Path(__file__).resolve().parents[2]
ACME = ROOT / "examples/acmepay"
SETTINGS = """
[acmepay]
currency = "EUR"
amount = 1250

[acmepay.settings]
api_key = "{key}"
base_url = "{url}"

[acmepay.tokens]
approved = "acme_{approved}"
declined = "acme_NSF"
"""


@pytest.fixture
def provider(monkeypatch):
    """AcmePay in a box, which is all the sandbox that it has."""
    monkeypatch.syspath_prepend(str(ACME / "src"))
    from penstock_acmepay import fake

    box = fake.server()
    threading.Thread(target=box.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{box.server_address[1]}"
    box.shutdown()
    box.server_close()


def live(folder, provider, key="acme_test_key", approved="ok"):
    """Run the example's class live from a folder; the exit code, what pytest said, and the transcript."""
    file = folder / "settings.toml"
    file.write_text(SETTINGS.format(key=key, url=provider, approved=approved))
    tests = ["-c", str(ACME / "pyproject.toml"), str(ACME / "tests"), "-k", "TestAcmePay", "--live", str(file)]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ACME / "src"), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=240,
    )
    place = folder / "penstock-live-acmepay.txt"
    return ran.returncode, ran.stdout, place.read_text() if place.exists() else ""


def test_a_provider_that_is_there_is_charged_captured_voided_and_refunded(provider, tmp_path):
    status, said, transcript = live(tmp_path, provider)
    assert status == 0, said
    assert "acmepay: 7 passed, 0 failed, 0 skipped" in said
    for path in ("/charges", "/capture", "/void", "/refund", "/steps", "/account"):
        assert f"{path} " in transcript or f"{path}\n" in transcript or f"{path}?" in transcript, path


def test_the_transcript_has_no_secret(provider, tmp_path):
    _, _, transcript = live(tmp_path, provider)
    assert "> POST" in transcript
    assert "< 201" in transcript
    assert not any(secret in transcript for secret in ("acme_test_key", "acme_ok", "acme_NSF", "Bearer"))


def test_a_provider_that_answers_otherwise_fails_the_run(provider, tmp_path):
    assert live(tmp_path, provider, approved="NSF")[0] == 1
    assert live(tmp_path, provider, key="another_key")[0] == 1


def test_a_field_that_sounds_secret_is_not_written_down():

    lines = []
    [heard] = transcribed(lines, ["sk_1"])["response"]
    request = httpx.Request(
        "POST", "https://x.example/?client_secret=abc", content=b"client_secret=abc&grant=1&pan=4242424242424242"
    )
    heard(
        httpx.Response(200, json={"access_token": "A21AA", "id": "1"}, headers={"set-cookie": "a=1"}, request=request)
    )
    said = "\n".join(lines)
    assert not any(secret in said for secret in ("abc", "A21AA", "4242424242424242", "a=1"))
    assert '"id":"1"' in said
