"""A connector that claims everything, and the ways to break it. Run by ``test_kit.py``, not collected by itself."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

from penstock.conformance import PaymentConnectorContract, delivery, reply
from penstock.plugin import (
    Approved,
    BadCredentials,
    Capabilities,
    CardFacts,
    Declined,
    Done,
    Forged,
    Hint,
    Money,
    NotSent,
    PaymentConnector,
    Pending,
    ProxyTransaction,
    Rejected,
    Widget,
)

URL = "https://whole.example"
ALL = {
    "idempotent_create",
    "manual_capture",
    "refund",
    "follow_up_lookup",
    "webhooks",
    "resume",
    "verify",
    "step_up",
    "widget",
}
KEY = "019a0000-0000-7000-8000-00000000c0de"
NOON = 1893585600
"""The kit's noon, in seconds since 1970."""


class Whole(PaymentConnector):
    name = "whole"
    display_name = "Whole"
    capabilities = Capabilities(
        frozenset({"EUR", "JPY"}),
        frozenset({"card", "giro"}),
        redirect_methods=frozenset({"giro"}),
        reverse_by_reference=True,
        proxy=True,
        **dict.fromkeys(ALL, True),
    )
    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["api_key", "signing_secret"],
        "properties": {name: {"type": "string", "writeOnly": True} for name in ("api_key", "signing_secret")},
    }

    def charge(self, request):
        return self.outcome(self.call("POST", "/charges", request.key, self.charged(request), (201, 402)))

    def charged(self, request):
        asked = {"card": request.method_token, "minor": request.money.amount, "currency": request.money.currency}
        return asked | {"hold": request.capture == "manual", "ask_buyer": request.step_up, "way": request.method}

    def find(self, key):
        items = self.call("GET", f"/charges?key={key}", key)["items"]
        return self.outcome(items[0]) if items else None

    def capture(self, request):
        return self.follow("captures", request)

    def void(self, request):
        return self.follow("voids", request)

    def refund(self, request):
        return self.follow("refunds", request)

    def follow(self, what, request):
        body = {"minor": request.money.amount, "currency": request.money.currency}
        return self.done(self.call("POST", f"/charges/{request.ref}/{what}", request.key, body, (201, 402)))

    def find_follow_up(self, request):
        items = self.call("GET", f"/operations?of={request.ref}", request.charge_key)["items"]
        return next((self.done(item) for item in items if item["key"] == request.key), None)

    def reverse(self, key):
        return self.call("POST", f"/charges/by-key/{key}/reverse", key)["status"] == "reversed"

    def resume(self, request):
        return self.outcome(self.call("GET", f"/charges/{request.ref}", request.key))

    def parse_webhook(self, message):
        self.signed(message)
        try:
            told = json.loads(message.body)
            kind = told["kind"] if told["kind"] in ("payment", "refund") else "other"
            return [Hint(told["id"], kind, key=told["key"])]
        except (ValueError, KeyError, TypeError) as exc:
            raise Forged("unreadable") from exc

    def signed(self, message):
        try:
            parts = dict(part.split("=", 1) for part in message.headers.get("whole-signature", "").split(","))
            at, given = int(parts["t"]), parts["v1"]
        except (ValueError, KeyError) as exc:
            raise Forged("no signature") from exc
        self.timely(at, message)
        if not hmac.compare_digest(self.mac(at, message.body).encode(), given.encode()):
            raise Forged("another signature")

    def timely(self, at, message):
        if abs(message.received_at.timestamp() - at) > 300:
            raise Forged("too old")

    def mac(self, at, body):
        return hmac.new(self.ctx.settings["signing_secret"].encode(), b"%d." % at + body, hashlib.sha256).hexdigest()

    def verify_account(self):
        response = self.send("GET", "/account", "-", None)
        if response.status_code == 401:
            raise BadCredentials("Whole does not accept the api_key")
        if response.status_code != 200:
            raise ValueError(response.status_code)

    def takes_token(self, token):
        return not token.startswith("theirs_")

    def describe_token(self, token):
        card = self.call("GET", f"/tokens/{token}", "-")
        return CardFacts(card["brand"], card["last4"])

    def read_transaction(self, ref):
        response = self.send("GET", f"/widget/{ref}", "-", None)
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise ValueError(response.status_code)
        row = response.json()
        return ProxyTransaction(row["id"], row["key"], Money(row["minor"], row["currency"]), "captured")

    def open_widget(self, request):
        body = {"minor": request.money.amount, "currency": request.money.currency, "order": request.session_id}
        row = self.call("POST", "/widgets", "-", body, (201,))
        return Widget(row["token"], self.ctx.clock.now() + timedelta(minutes=30), row["id"])

    def send(self, method, path, key, body):
        headers = {"Authorization": f"Bearer {self.ctx.settings['api_key']}", "Idempotency-Key": key}
        return self.ctx.http.request(method, URL + path, headers=headers, json=body)

    def call(self, method, path, key, body=None, statuses=(200,)):
        return self.read(self.send(method, path, key, body), statuses)

    def read(self, response, statuses):
        if response.status_code not in statuses:
            raise ValueError(response.status_code)
        return response.json()

    def outcome(self, row):
        match row["status"]:
            case "paid":
                return Approved(row["id"], Money(row["minor"], row["currency"]))
            case "held":
                nothing = Money(0, row["currency"])
                return Approved(row["id"], nothing, Money(row["minor"], row["currency"]))
            case "waiting":
                return Pending(row["id"], row["url"])
            case "refused":
                return Declined("insufficient_funds", row["why"])
        raise ValueError(row["status"])

    def done(self, row):
        match row["status"]:
            case "done":
                return Done(row["id"], Money(row["minor"], row["currency"]))
            case "queued":
                return Pending(row["id"])
            case "refused":
                return Declined("hard", row["why"])
        return self.novel(row)

    def novel(self, row):
        raise ValueError(row["status"])


class Resuming(Whole):
    """Cannot look a charge up by its key, so the host asks by `resume`; a charge that still waits can be cancelled."""

    name = "resuming"
    capabilities = replace(Whole.capabilities, lookup=False)

    def find(self, key):
        raise LookupError(key)

    def resume(self, request):
        now = Whole.resume(self, request)
        if request.give_up and isinstance(now, Pending):
            return self.cancelled(self.call("POST", f"/charges/{request.ref}/cancel", request.key), now)
        return now

    def cancelled(self, row, now):
        return Declined("authentication_failed", "cancelled") if row["status"] == "cancelled" else now


PAID = {"id": "ch_conformance_1", "status": "paid", "minor": 1250, "currency": "EUR"}
DONE = {"id": "op_1", "status": "done", "minor": 1250, "currency": "EUR", "key": KEY}
NO = {"id": "op_2", "status": "refused", "why": "too_late"}
WAITING = {"id": "ch_1", "status": "waiting", "url": "https://whole.example/go"}
GONE = Declined("authentication_failed", "buyer_gone")


def follow_up(done, verb):
    return {
        done: reply(201, DONE),
        f"{verb}_refused": reply(402, NO),
        f"{verb}_pending": reply(201, DONE | {"status": "queued"}),
        f"{verb}_novel": reply(201, DONE | {"status": "under_review"}),
        f"found_{verb}": reply(200, {"items": [DONE]}),
    }


class TestWhole(PaymentConnectorContract):
    connector = Whole
    settings: ClassVar[Mapping[str, Any]] = {"api_key": "sk_conformance_SECRET", "signing_secret": "shh_0123456789"}
    silent_about_money = frozenset()
    foreign_token = "theirs_1"
    wire: ClassVar = {
        "approved": reply(201, PAID),
        "declined": reply(402, {"id": "ch_2", "status": "refused", "why": "NSF"}),
        "pending": reply(201, WAITING),
        "redirected": reply(201, WAITING),
        "stepped_up": reply(201, WAITING),
        "novel": reply(201, PAID | {"status": "under_review"}),
        "found": reply(200, {"items": [PAID]}),
        "not_found": reply(200, {"items": []}),
        "authorized": reply(201, PAID | {"status": "held"}),
        **follow_up("captured", "capture"),
        **follow_up("voided", "void"),
        **follow_up("refunded", "refund"),
        "follow_up_not_found": reply(200, {"items": []}),
        "reversed": reply(200, {"status": "reversed"}),
        "not_reversed": reply(200, {"status": "too_late"}),
        "resumed": reply(200, PAID),
        "resume_declined": reply(200, {"id": "ch_1", "status": "refused", "why": "gave_up"}),
        "account_ok": reply(200, {}),
        "account_refused": reply(401, {}),
        "token_described": reply(200, {"brand": "visa", "last4": "4242"}),
        "transaction": reply(200, PAID | {"id": "txn_conformance_1", "key": "order_1"}),
        "transaction_not_found": reply(404, {}),
        "widget": reply(201, {"id": "wd_1", "token": "e30.eyJvcGVucyI6ICJvbmUifQ.c2lnbmVk"}),
    }
    amounts: ClassVar = {Money(1250, "EUR"): 1250, Money(1250, "JPY"): 1250}

    def amount_on_wire(self, request):
        return json.loads(request.content)["minor"]

    def message(self, about):
        body = json.dumps({"id": "evt_1", "kind": about, "key": KEY})
        mac = hmac.new(self.settings["signing_secret"].encode(), f"{NOON}.{body}".encode(), hashlib.sha256).hexdigest()
        return delivery(body, {"Whole-Signature": f"t={NOON},v1={mac}"})


def waiting(request):
    return reply(200, WAITING) if request.method == "GET" else reply(200, {"status": "cancelled"})


class TestResuming(TestWhole):
    connector = Resuming
    wire: ClassVar = TestWhole.wire | {"resume_waiting": waiting}


def broken(name, of=TestWhole, **changes):
    """Make a test class for a connector that claims everything, with some of its parts replaced."""
    return type(f"Test{name}", (of,), {"connector": type(name, (of.connector,), changes), "__module__": __name__})


def _silence_is_a_refusal(self, what, request):
    try:
        return Whole.follow(self, what, request)
    except Exception as exc:
        if isinstance(exc, NotSent):
            raise
        return Rejected("validation", "no_answer")


def _as_asked(self, what, request):
    answer = Whole.follow(self, what, request)
    return replace(answer, money=request.money) if isinstance(answer, Done) else answer


def _any_status(self, response, statuses):
    return response.json()


def _charges_key(self, what, request):
    return Whole.follow(self, what, replace(request, key=request.charge_key))


def _fresh_key(self, what, request):
    body = {"minor": request.money.amount, "currency": request.money.currency, "nonce": self.nonce()}
    return self.done(self.call("POST", f"/charges/{request.ref}/{what}", request.key, body, (201, 402)))


def _twice(self, what, request):
    Whole.follow(self, what, request)
    return Whole.follow(self, what, request)


def _whole_charge(self, request):
    return self.follow("refunds", replace(request, money=Money(1250, "EUR")))


def _takes_at_once(self, request):
    return self.outcome(self.call("POST", "/charges", request.key, self.charged(replace(request, capture="automatic"))))


def _held_is_taken(self, row):
    outcome = Whole.outcome(self, row)
    return replace(outcome, captured=outcome.authorized) if row["status"] == "held" else outcome


def _first_found(self, request):
    items = self.call("GET", f"/operations?of={request.ref}", request.charge_key)["items"]
    return self.done(items[0]) if items else None


def _none_on_failure(self, request):
    try:
        return Whole.find_follow_up(self, request)
    except ValueError:
        return None


def _optimist(self, key):
    self.send("POST", f"/charges/by-key/{key}/reverse", key, None)
    return True


def _believes_the_query(self, request):
    if request.query.get("status") == "approved":
        return Approved(request.ref, request.money)
    return Whole.resume(self, request)


def _gives_up_unasked(self, request):
    return GONE if request.give_up else Whole.resume(self, request)


def _gives_up_on_silence(self, request):
    try:
        return Resuming.resume(self, request)
    except Exception:
        if request.give_up:
            return GONE
        raise


def _gives_up_anybody(self, request):
    Whole.resume(self, request)
    return GONE if request.give_up else Whole.resume(self, request)


def _gives_up_early(self, request):
    return Resuming.resume(self, replace(request, give_up=not request.query))


def _cancels_blindly(self, request):
    now = Whole.resume(self, request)
    if request.give_up and isinstance(now, Pending):
        self.send("POST", f"/charges/{request.ref}/cancel", request.key, None)
        return GONE
    return now


def _asks_elsewhere(self, row, now):
    return Declined("soft", "cancelled")


def _unsigned(self, message):
    return None


def _ageless(self, at, message):
    return None


def _explodes(self, message):
    parts = dict(part.split("=") for part in message.headers["whole-signature"].split(","))
    if not hmac.compare_digest(self.mac(int(parts["t"]), message.body), parts["v1"]):
        raise Forged("another signature")


def _counted(self, message):
    self.seen = getattr(self, "seen", 0) + 1
    return [replace(hint, event_id=f"{hint.event_id}-{self.seen}") for hint in Whole.parse_webhook(self, message)]


def _done_elsewhere(self, message):
    self.told = True
    return Whole.parse_webhook(self, message)


def _told_charge(self, request):
    if getattr(self, "told", False):
        return Pending("ch_1")
    return Whole.charge(self, request)


def _down_is_bad(self):
    if self.send("GET", "/account", "-", None).status_code != 200:
        raise BadCredentials("refused")


def _shows_the_key(self):
    try:
        Whole.verify_account(self)
    except BadCredentials as exc:
        raise BadCredentials(f"{self.ctx.settings['api_key']} was refused") from exc


def _asks_about_it(self, token):
    self.describe_token(token)
    return True


def _whole_number(self, token):
    return CardFacts("visa", "4242424242424242")


def _any_widget(self, ref):
    response = self.send("GET", f"/widget/{ref}", "-", None)
    if response.status_code != 200:
        return None
    return Whole.read_transaction(self, ref)


def _for_anybody(self, request):
    return Whole.open_widget(self, replace(request, session_id="-"))


def _for_any_amount(self, request):
    return Whole.open_widget(self, replace(request, money=Money(1250, "EUR")))


def _opens_anyway(self, request):
    row = self.send("POST", "/widgets", "-", {"order": request.session_id}).json()
    return Widget(row.get("token", "e30.e30.e30"), self.ctx.clock.now() + timedelta(minutes=30))


def _no_step_up(self, request):
    return Whole.charge(self, replace(request, step_up=False))


def _no_redirect(self, request):
    outcome = Whole.charge(self, request)
    return replace(outcome, redirect_url=None) if isinstance(outcome, Pending) else outcome


TestFollowUpSilenceIsARefusal = broken("FollowUpSilenceIsARefusal", follow=_silence_is_a_refusal)
TestFollowUpBelievesWhatItAsked = broken("FollowUpBelievesWhatItAsked", follow=_as_asked)
TestFollowUpNoStatusCheck = broken("FollowUpNoStatusCheck", read=_any_status)
TestFollowUpTakesTheChargesKey = broken("FollowUpTakesTheChargesKey", follow=_charges_key)
TestFollowUpSaysItAnew = broken("FollowUpSaysItAnew", follow=_fresh_key, nonce=lambda self: id(self.ctx.http))
TestFollowUpTwice = broken("FollowUpTwice", follow=_twice)
TestFollowUpNovelIsDone = broken("FollowUpNovelIsDone", novel=lambda self, row: Done("op_1", Money(1250, "EUR")))
TestRefundsEverything = broken("RefundsEverything", refund=_whole_charge)
TestTakesAtOnce = broken("TakesAtOnce", charge=_takes_at_once)
TestHeldIsTaken = broken("HeldIsTaken", outcome=_held_is_taken)
TestFindsAnother = broken("FindsAnother", find_follow_up=_first_found)
TestFailedFollowUpLookupIsNone = broken("FailedFollowUpLookupIsNone", find_follow_up=_none_on_failure)
TestReversesBlindly = broken("ReversesBlindly", reverse=_optimist)
TestBelievesTheBuyer = broken("BelievesTheBuyer", resume=_believes_the_query)
TestGivesUpUnasked = broken("GivesUpUnasked", TestResuming, resume=_gives_up_unasked)
TestGivesUpOnSilence = broken("GivesUpOnSilence", TestResuming, resume=_gives_up_on_silence)
TestGivesUpAnybody = broken("GivesUpAnybody", TestResuming, resume=_gives_up_anybody)
TestGivesUpEarly = broken("GivesUpEarly", TestResuming, resume=_gives_up_early)
TestCancelsBlindly = broken("CancelsBlindly", TestResuming, resume=_cancels_blindly)
TestAsksElsewhere = broken("AsksElsewhere", TestResuming, cancelled=_asks_elsewhere)
TestReadsUnsigned = broken("ReadsUnsigned", signed=_unsigned)
TestReadsOldMessages = broken("ReadsOldMessages", timely=_ageless)
TestExplodesOnSignatures = broken("ExplodesOnSignatures", signed=_explodes)
TestNumbersMessages = broken("NumbersMessages", parse_webhook=_counted)
TestRemembersMessages = broken("RemembersMessages", parse_webhook=_done_elsewhere, charge=_told_charge)
TestDownIsBadCredentials = broken("DownIsBadCredentials", verify_account=_down_is_bad)
TestShowsItsKey = broken("ShowsItsKey", verify_account=_shows_the_key)
TestAsksAboutTokens = broken("AsksAboutTokens", takes_token=_asks_about_it)
TestKeepsTheNumber = broken("KeepsTheNumber", describe_token=_whole_number)
TestFailedWidgetIsNone = broken("FailedWidgetIsNone", read_transaction=_any_widget)
TestOpensForAnybody = broken("OpensForAnybody", open_widget=_for_anybody)
TestOpensForAnyAmount = broken("OpensForAnyAmount", open_widget=_for_any_amount)
TestOpensAnyway = broken("OpensAnyway", open_widget=_opens_anyway)
TestIgnoresStepUp = broken("IgnoresStepUp", charge=_no_step_up)
TestSendsNobodyAway = broken("SendsNobodyAway", charge=_no_redirect)
