"""Connectors with one capability each, over a real wire to a provider that answers as a test wrote it down.

The provider is a server of its own: what it does not answer runs into a real timeout, what it garbles is real bytes.
"""

import json
import threading
from collections import defaultdict
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from penstock.connector import Capabilities, NotSent, PaymentConnector
from penstock.hooks import hookimpl
from penstock.ids import new_id
from penstock.money import Money
from penstock.outcome import Approved, Declined, Done, Pending, Rejected

PATIENCE = 0.4
"""Seconds that these connectors wait for an answer."""

SILENCE, HTML_500, GARBAGE = "silence", (500, b"<html>Oops</html>"), (200, b"<html>maintenance</html>")
REFUSED = {401: "configuration", 429: "rate_limited"}


class Plain(PaymentConnector):
    """Can charge and nothing else."""

    name = "plain"
    display_name = "Plain"
    capabilities = Capabilities(None, frozenset({"card"}), lookup=False)
    settings_schema = {"type": "object"}  # noqa: RUF012  as a stranger writes it

    def charge(self, request):
        body = {"key": request.key, "amount": request.money.amount, "currency": request.money.currency}
        body |= {"stepUp": request.step_up, "token": request.method_token, "returnUrl": request.return_url}
        return self.read(self.ctx.http.post(self.url("charge"), json=body, timeout=PATIENCE), request.key)

    def find(self, key):
        answer = self.ctx.http.post(self.url("find"), json={"key": key}, timeout=PATIENCE)
        return None if answer.status_code == 404 else self.read(answer, key)

    def url(self, verb):
        return f"{self.ctx.settings['url']}/{verb}"

    def read(self, answer, key):
        if answer.status_code in REFUSED:
            return Rejected(REFUSED[answer.status_code])
        if answer.status_code not in (200, 201):
            raise ValueError(f"the provider answered {answer.status_code}")
        row = answer.json()
        match row["status"]:
            case "approved":
                return Approved(f"ref_{key}", Money(row["amount"], row["currency"]))
            case "pending":
                return Pending(f"ref_{key}", row.get("redirect"))
            case "declined":
                return Declined(row["kind"])
        raise ValueError("what is that?")


class Second(Plain):
    name = "second"


class Third(Plain):
    name = "third"


class Repeating(Plain):
    name = "repeating"
    capabilities = Capabilities(None, frozenset({"card"}), lookup=False, idempotent_create=True)


class Looking(Plain):
    name = "looking"
    capabilities = Capabilities(None, frozenset({"card"}))


class Patient(Looking):
    """Is told what became of a charge whenever the provider gets round to it."""

    name = "patient"

    def find(self, key):
        return self.read(self.ctx.http.post(self.url("find"), json={"key": key}), key)


class Knowing(Plain):
    """What it does not find is not there, five minutes after it was sent."""

    name = "knowing"
    capabilities = Capabilities(None, frozenset({"card"}), lookup_is_authoritative_after=300)


class Undoing(Plain):
    name = "undoing"
    capabilities = Capabilities(None, frozenset({"card"}), lookup=False, reverse_by_reference=True)

    def reverse(self, key):
        answer = self.ctx.http.post(self.url("reverse"), json={"key": key}, timeout=PATIENCE)
        return answer.status_code == 200 and answer.json() == {"reversed": True}


class Stepping(Plain):
    name = "stepping"
    capabilities = Capabilities(None, frozenset({"card"}), step_up=True, reverse_by_reference=True)
    reverse = Undoing.reverse


class Returning(Plain):
    """Finds no charge by its key: what waits for its buyer is asked after by `resume`."""

    name = "returning"
    capabilities = Capabilities(None, frozenset({"card"}), lookup=False, resume=True)

    def resume(self, request):
        body = {"key": request.key, "amount": request.money.amount, "currency": request.money.currency}
        body |= {"query": dict(request.query), "giveUp": request.give_up}
        return self.read(self.ctx.http.post(self.url("resume"), json=body, timeout=PATIENCE), request.key)


class Giving(Plain):
    """As `Knowing`, and gives money back."""

    name = "giving"
    capabilities = Capabilities(
        None, frozenset({"card"}), lookup_is_authoritative_after=300, refund=True, follow_up_lookup=True
    )

    def refund(self, request):
        body = {"key": request.key, "amount": request.money.amount, "ref": request.ref}
        return self.step(self.ctx.http.post(self.url("refund"), json=body, timeout=PATIENCE), request)

    def find_follow_up(self, request):
        answer = self.ctx.http.post(self.url("find_step"), json={"key": request.key}, timeout=PATIENCE)
        return None if answer.status_code == 404 else self.step(answer, request)

    def step(self, answer, request):
        if answer.status_code == 503:
            raise NotSent("closed today")
        if answer.status_code != 200:
            raise ValueError(f"the provider answered {answer.status_code}")
        told = answer.json()["status"]
        return Done(f"back_{request.key}", request.money) if told == "done" else Declined(told)


class Letting(Plain):
    """Undoes a charge by its key; gives nothing back in another way."""

    name = "letting"
    capabilities = Capabilities(None, frozenset({"card"}), lookup_is_authoritative_after=300, reverse_by_reference=True)
    reverse = Undoing.reverse


class Choosy(Plain):
    """Takes tokens of its own in two currencies."""

    name = "choosy"
    capabilities = Capabilities(frozenset({"USD", "EUR"}), frozenset({"card"}), lookup=False)

    def takes_token(self, token):
        return token == "tok"


class Holding(Giving):
    """As `Giving`, and holds money."""

    name = "holding"
    capabilities = replace(Giving.capabilities, manual_capture=True)

    def capture(self, request):
        return self.take("capture", request)

    def void(self, request):
        return self.take("void", request)

    def charge(self, request):
        told = super().charge(request)
        if request.capture == "manual" and isinstance(told, Approved):
            return Approved(told.ref, Money(0, told.captured.currency), told.captured)
        return told

    def take(self, verb, request):
        body = {"key": request.key, "amount": request.money.amount, "ref": request.ref}
        return self.step(self.ctx.http.post(self.url(verb), json=body, timeout=PATIENCE), request)


@hookimpl
def penstock_payment_connectors():
    plain = [Plain, Second, Third, Repeating, Looking, Patient, Knowing, Undoing, Stepping]
    return [*plain, Returning, Giving, Letting, Choosy, Holding]


class Provider:
    """A provider. ``plan`` what it says to the next requests; without a plan it approves what it is asked."""

    def __init__(self):
        self.plans = defaultdict(list)
        self.heard = []
        self.over = threading.Event()
        provider = self

        class Desk(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                provider.answer(self, urlsplit(self.path).path.strip("/"), body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, name):
        """An address of its own, so that two tests never meet."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/{new_id()}/{name}"

    def plan(self, url, verb, *replies):
        self.plans[f"{urlsplit(url).path}/{verb}".strip("/")] += replies

    def calls(self, url, verb="charge"):
        """The bodies that came in at an address."""
        place = f"{urlsplit(url).path}/{verb}".strip("/")
        return [body for path, body in self.heard if path == place]

    def answer(self, desk, path, body):
        self.heard.append((path, body))
        plans = self.plans[path]
        reply = plans.pop(0) if plans else approved
        if callable(reply):
            reply = reply(body)
        if reply == SILENCE:
            self.over.wait(PATIENCE * 2)
            desk.close_connection = True
            return
        status, raw = reply
        desk.send_response(status)
        raw = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
        desk.send_header("Content-Length", str(len(raw)))
        desk.end_headers()
        desk.wfile.write(raw)

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


def approved(body):
    return 201, {"status": "approved", "amount": body["amount"], "currency": body["currency"]}


def took(amount, currency="USD"):
    return 200, {"status": "approved", "amount": amount, "currency": currency}


def declined(kind):
    return 201, {"status": "declined", "kind": kind}


def pending(redirect=None):
    return 201, {"status": "pending"} | ({"redirect": redirect} if redirect else {})
