"""The tools for a receiver's developer: listening, sending again, and the trials that find a receiver's mistakes."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from typer.testing import CliRunner

from cli.main import app
from penstock.webhook_signature import is_signed, new_secret
from tests.faults.town import founded, serving
from tests.faults.tree import ROOT
from tests.faults.volley import Clients
from tests.sink import opened_sink

SECRET = new_secret()


def penstock(*arguments):
    done = CliRunner().invoke(app, list(arguments), prog_name="penstock")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.fixture
def sink():
    with opened_sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def town(sqlite_databases, tmp_path_factory):
    """A shop behind a real server that does its jobs itself."""
    folder = tmp_path_factory.mktemp("tools")
    with sqlite_databases.fresh() as url, founded(ROOT, url, folder) as shop:
        shop.environ["PENSTOCK_WEBHOOK_LOOPBACK"] = "true"
        with serving(ROOT, shop.environ, log=folder / "server.log") as port:
            shop.ports = [port]
            yield shop


@pytest.fixture
def at(town):
    return ["--api", f"http://127.0.0.1:{town.ports[0]}", "--key", town.key]


def ask(town, method, path, body=None):
    async def once():
        async with Clients(town.ports, 1) as clients:
            return await town.need(clients, method, path, body)

    return asyncio.run(once())


def latest(town):
    return ask(town, "GET", "/events?limit=1")["meta"]["latestSequence"]


def new_cart(town):
    """Open a cart and wait until its event has its number."""
    before = latest(town)
    cart = ask(town, "POST", "/carts", {"applicationId": town.application})
    while latest(town) == before:
        pass
    return cart["id"], before


def test_listening_shows_an_event_and_posts_it_signed(town, at, sink):
    cart, before = new_cart(town)
    own = ["--forward", sink.url(), "--secret", SECRET, "--since", str(before), "--count", "1"]
    code, said = penstock("listen", *own, *at)
    assert code == 0, said
    (got,) = sink.at()
    assert Webhook(SECRET).verify(got.body, got.headers) == got.event
    assert is_signed(got.headers["x-throttle-signature"], SECRET, got.body, datetime.now(UTC))
    assert (got.event["type"], got.event["objectId"]) == ("cart.created", cart)
    assert re.search(rf"cart\.created +cart {cart[:13]}… +#{before + 1}  {got.event['id']}  ✓ 204 in \d+ ms", said)


def test_what_is_forwarded_has_the_bytes_of_a_delivery(town, at, sink):
    ask(town, "POST", "/webhook-endpoints", {"url": sink.url("/real"), "enabledEvents": ["cart.created"]})
    _, before = new_cart(town)
    penstock("listen", "--forward", sink.url("/mine"), "--since", str(before), "--count", "1", *at)
    (real,), (mine,) = sink.wait(1, "/real"), sink.at("/mine")
    assert real.body == mine.body
    assert real.headers["webhook-id"] == mine.headers["webhook-id"]


def test_listening_says_what_a_receiver_refused_and_goes_on(town, at, sink):
    sink.script = lambda _, before: 500 if before == 0 else 204
    _, before = new_cart(town)
    new_cart(town)
    code, said = penstock("listen", "--forward", sink.url(), "--since", str(before), "--count", "2", *at)
    assert code == 0
    assert "✗ 500" in said
    assert "✓ 204" in said
    assert "Your signing secret here is whsec_" in said


def test_listening_only_to_some_types(town, at):
    code, said = penstock("listen", "--types", "order.lost", *at)
    assert (code, "there is no event type order.lost" in said) == (2, True)
    cart, before = new_cart(town)
    ask(town, "POST", f"/carts/{cart}/items", {"name": "Mug", "unitPrice": 1})
    code, said = penstock("listen", "--types", "cart.item_added", "--since", str(before), "--count", "1", *at)
    assert "cart.item_added" in said
    assert "cart.created" not in said


def test_an_event_is_sent_again_to_an_endpoint_and_to_this_machine(town, at, sink):
    _, before = new_cart(town)
    event = ask(town, "GET", f"/events?afterSequence={before}")["data"][0]["id"]
    endpoint = ask(town, "POST", "/webhook-endpoints", {"url": sink.url(), "enabledEvents": ["order.created"]})
    code, said = penstock("events", "resend", event, "--endpoint", endpoint["id"], *at)
    assert (code, f"on its way to endpoint {endpoint['id']}" in said) == (0, True)
    (got,) = sink.wait(1)
    code, said = penstock("events", "resend", event, "--forward", sink.url("/mine"), "--secret", SECRET, *at)
    assert code == 0, said
    assert sink.at("/mine")[0].body == got.body
    assert penstock("events", "resend", event, "--forward", sink.url("/mine"), *at)[0] == 2
    code, said = penstock("events", "resend", "evt_" + "0" * 32, *at)
    assert (code, "404 not_found" in said) == (2, True)


def test_events_are_listed_and_shown(town, at):
    cart, before = new_cart(town)
    code, said = penstock("events", "list", "--object", cart, *at)
    assert (code, said.count("cart.created")) == (0, 1)
    event = re.search(r"evt_[0-9a-f]{32}", said)[0]
    code, said = penstock("events", "show", event, *at)
    assert json.loads(said)["streamSequence"] == before + 1


@pytest.mark.parametrize("command", [["listen"], ["events", "list"]])
def test_trouble_is_told_in_a_sentence(command, monkeypatch):
    monkeypatch.delenv("PENSTOCK_API_KEY", raising=False)
    code, said = penstock(*command)
    assert (code, "PENSTOCK_API_KEY" in said) == (2, True)
    code, said = penstock(*command, "--key", "sk_x", "--api", "http://127.0.0.1:1")
    assert (code, "does not answer" in said) == (2, True)


# The trials


def is_genuine(request, *, tolerance=timedelta(minutes=5)):
    """Judge by both signatures, as a careful receiver does that reads the guide."""
    try:
        Webhook(SECRET).verify(request.body, request.headers)
    except (WebhookVerificationError, ValueError, KeyError):
        return False
    return is_signed(request.headers.get("x-throttle-signature", ""), SECRET, request.body, datetime.now(UTC))


def careful(request, _):
    return 200 if is_genuine(request) else 401


def credulous(*_):
    return 200


def forgetful_of_time(request, _):
    parts = dict(part.partition("=")[::2] for part in request.headers.get("x-throttle-signature", "").split(","))
    try:
        then = datetime.fromtimestamp(int(parts["t"]), UTC)
    except (KeyError, ValueError):
        return 400
    return 200 if is_signed(request.headers["x-throttle-signature"], SECRET, request.body, then) else 401


def rewriting(request, before):
    try:
        own = json.dumps(json.loads(request.body), separators=(",", ":"), ensure_ascii=False).encode()
    except ValueError:
        return 400
    return careful(type(request)(request.path, request.headers, own, request.at), before)


def one_signature(request, before):
    first = ",".join(request.headers.get("x-throttle-signature", "").split(",")[:2])
    return 200 if is_signed(first, SECRET, request.body, datetime.now(UTC)) else 401


def no_repeats():
    seen = set()

    def judge(request, before):
        status = careful(request, before)
        name = request.headers.get("webhook-id")
        if status == 200 and name in seen:
            return 409
        seen.add(name)
        return status

    return judge


def in_order_only():
    last = {}

    def judge(request, before):
        status = careful(request, before)
        if status != 200:
            return status
        number = request.event["sequence"]
        late = number < last.get(request.event["objectId"], 0) and request.event["type"] == "cart.updated"
        last[request.event["objectId"]] = number
        return 422 if late else 200

    return judge


def known_types_only(request, before):
    status = careful(request, before)
    return 400 if status == 200 and request.event["type"] not in ("order.created", "cart.updated") else status


def falls_over(request, before):
    return 200 if careful(request, before) == 200 else 500


FLAWS = [
    (credulous, {"another secret", "a body that was changed", "no signature", "signed ten minutes ago"}),
    (forgetful_of_time, {"signed ten minutes ago", "signed ten minutes ahead"}),
    (rewriting, {"the same JSON in other bytes"}),
    (one_signature, {"two signatures, as in a rotation"}),
    (no_repeats(), {"the same event again"}),
    (in_order_only(), {"events out of order"}),
    (known_types_only, {"a type that is not known yet"}),
    (falls_over, {"no signature", "signature headers that say nothing", "another secret"}),
]


def test_a_careful_receiver_gets_everything_right(sink):
    sink.script = careful
    code, said = penstock("webhooks", "fuzz", sink.url(), "--secret", SECRET)
    assert code == 0, said
    assert re.search(r"all \d\d trials went well", said)
    assert {got.event["isTest"] for got in sink.at() if got.body != b"{"} == {True}


@pytest.mark.parametrize(("flawed", "found"), FLAWS, ids=lambda each: getattr(each, "__qualname__", ""))
def test_a_receiver_s_mistake_is_found_and_named(sink, flawed, found):
    sink.script = flawed
    code, said = penstock("webhooks", "fuzz", sink.url(), "--secret", SECRET)
    wrong = {line.partition("should be")[0].strip("✗ ") for line in said.splitlines() if line.startswith("✗")}
    assert code == 1
    assert found <= wrong, said
    if flawed is not credulous and flawed is not falls_over:
        assert len(wrong) <= len(found) + 1, said


def test_a_receiver_that_is_not_there_is_said_to_be_so():
    code, said = penstock("webhooks", "fuzz", "http://127.0.0.1:1/hook", "--secret", SECRET)
    assert (code, "cannot be reached" in said) == (2, True)
    assert penstock("webhooks", "fuzz", "http://127.0.0.1:1/hook", "--secret", "x")[0] == 2
