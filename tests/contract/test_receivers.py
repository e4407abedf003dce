"""What receivers run: the official libraries and the guide's own snippets tell our deliveries from forgeries."""

import json
import random
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from penstock.webhook_signature import new_secret, signed_headers

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text()
SECRET = new_secret()
OTHER = new_secret()
LIBRARY = "standardwebhooks@1.0.0"
ALPHABET = 'aÄž漢🐎\u2028\u0000"\\\n '


def snippets(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def bodies(count):
    dice = random.Random(7)
    texts = ["".join(dice.choices(ALPHABET, k=dice.randint(0, 40))) for _ in range(count)]
    return [json.dumps({"note": text, "n": n}, ensure_ascii=bool(n % 2)).encode() for n, text in enumerate(texts)]


def delivery(body, *, secrets=(SECRET,), at=None):
    headers = signed_headers("evt_" + "0" * 32, "order.created", body, list(secrets), at or datetime.now(UTC))
    return {"headers": dict(headers), "body": body.decode(), "secret": SECRET}


def genuine():
    return [delivery(body) for body in bodies(150)] + [delivery(b"{}", secrets=(OTHER, SECRET))]


def forged():
    now, one = datetime.now(UTC), delivery(b'{"total": 100}')
    blank = {name: value for name, value in one["headers"].items() if "signature" not in name}
    blank |= {"x-throttle-signature": "v1", "webhook-signature": "v1"}
    return [
        delivery(b"{}", secrets=(OTHER,)),
        {**one, "body": '{"total": 1}'},
        delivery(b"{}", at=now - timedelta(minutes=6)),
        delivery(b"{}", at=now + timedelta(minutes=6)),
        {**one, "headers": {**one["headers"], **blank}},
        {**one, "headers": {**one["headers"], "x-throttle-signature": "t=x,v1=zz", "webhook-timestamp": "x"}},
    ]


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    """Runs JavaScript modules with the official library beside them; returns what they print, as JSON."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no Node.js here")
    folder = tmp_path_factory.mktemp("node")
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder), LIBRARY]
    done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        pytest.skip(f"npm could not install {LIBRARY}: {done.stderr[-300:]}")

    def run(module, given):
        file = folder / "receiver.mjs"
        file.write_text(module)
        done = subprocess.run(
            ["node", file], input=json.dumps(given), capture_output=True, text=True, check=False, cwd=folder, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


READ = """
import { readFileSync } from "node:fs";
const given = JSON.parse(readFileSync(0, "utf8"));
const attempt = (act) => { try { return act() !== false; } catch { return false; } };
"""


def by_python_library(each):
    try:
        Webhook(each["secret"]).verify(each["body"].encode(), each["headers"])
    except (WebhookVerificationError, ValueError):  # a ValueError for a header that is no signature at all
        return False
    return True


def by_python_hand(each):
    scope = {}
    exec(snippets("python")[1], scope)
    try:
        return scope["is_genuine"](each["secret"], each["headers"]["x-throttle-signature"], each["body"].encode())
    except (StopIteration, ValueError):
        return False


def test_the_official_python_library_and_the_guide_s_snippet_agree_on_every_delivery():
    for judge in (by_python_library, by_python_hand):
        assert [judge(each) for each in genuine()] == [True] * 151, judge.__name__
        assert [judge(each) for each in forged()] == [False] * 6, judge.__name__


def test_the_guide_s_first_python_snippet_verifies_and_raises():
    for each, is_good in ((genuine()[0], True), (forged()[0], False)):
        scope = {"secret": SECRET, "body": each["body"].encode(), "headers": each["headers"]}
        if is_good:
            exec(snippets("python")[0], scope)
            assert scope["event"] == json.loads(each["body"])
        else:
            with pytest.raises(WebhookVerificationError):
                exec(snippets("python")[0], scope)


def test_the_official_javascript_library_verifies_every_delivery(node):
    imports, use = snippets("javascript")[0].split("\n\n", 1)
    call = use.partition("=")[2].partition(";")[0]
    module = f"""{imports}{READ}
    console.log(JSON.stringify(given.map(({{ secret, body, headers }}) => attempt(() => {call}))));"""
    assert node(module, genuine()) == [True] * 151
    assert node(module, forged()) == [False] * 6


def test_the_guide_s_javascript_snippet_agrees(node):
    module = f"""{snippets("javascript")[1]}{READ}
    const judge = ({{ secret, body, headers }}) => isGenuine(secret, headers["x-throttle-signature"], Buffer.from(body));
    console.log(JSON.stringify(given.map((each) => attempt(() => judge(each)))));"""
    assert node(module, genuine()) == [True] * 151
    assert node(module, forged()) == [False] * 6


def test_the_public_vector_of_standard_webhooks_holds():
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", "test", b'{"test": 2432232314}', ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], at
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_verifying_takes_no_time_worth_counting():
    each, began = genuine()[0], time.process_time()
    for _ in range(200):
        assert by_python_library(each)
    assert time.process_time() - began < 1.0
