"""One honest connector and the ways to break it. Run by ``test_kit.py``, not collected by itself."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx

from penstock import boundary
from penstock.conformance import PaymentConnectorContract, reply
from penstock.plugin import Approved, Capabilities, Declined, Money, NotSent, PaymentConnector, Pending

PAID = {"id": "ch_1", "status": "paid", "total": "12.50", "currency": "EUR"}
EXPONENTS = {"EUR": 2, "JPY": 0, "KWD": 3}


class Honest(PaymentConnector):
    name = "honest"
    display_name = "Honest"
    capabilities = Capabilities(frozenset(EXPONENTS), frozenset({"card"}))
    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["api_key"],
        "properties": {"api_key": {"type": "string", "writeOnly": True}},
    }

    def charge(self, request):
        return self.outcome(self.post(request), request)

    def find(self, key):
        response = self.ctx.http.get("https://honest.example/charges", params={"key": key}, headers=self.headers(key))
        return self.found(response)

    def found(self, response):
        if response.status_code != 200:
            raise ValueError(response.status_code)
        items = response.json()["items"]
        return self.read(items[0], None) if items else None

    def headers(self, key):
        return {"Authorization": f"Bearer {self.ctx.settings['api_key']}", "X-Idempotency": key}

    def post(self, request):
        body = {"card": request.method_token, "total": self.total(request.money), "currency": request.money.currency}
        return self.ctx.http.post("https://honest.example/charges", json=body, headers=self.headers(request.key))

    def total(self, money):
        return money.major()

    def outcome(self, response, request):
        if response.status_code not in (201, 402):
            raise ValueError(response.status_code)
        return self.read(response.json(), request)

    def read(self, charge, request):
        match charge["status"]:
            case "paid":
                return self.approved(charge, request)
            case "waiting":
                return Pending(charge["id"], charge["url"])
            case "refused":
                return self.declined(charge)
        return self.novel(charge, request)

    def approved(self, charge, request):
        digits = charge["total"].replace(".", "")
        return Approved(charge["id"], Money(int(digits), charge["currency"]))

    def declined(self, charge):
        return Declined("insufficient_funds", charge["why"])

    def novel(self, charge, request):
        raise ValueError(charge["status"])


class TestHonest(PaymentConnectorContract):
    connector = Honest
    settings: ClassVar[Mapping[str, Any]] = {"api_key": "sk_conformance_SECRET"}
    wire: ClassVar = {
        "approved": reply(201, PAID),
        "declined": reply(402, {"id": "ch_2", "status": "refused", "why": "NSF"}),
        "pending": reply(201, {"id": "ch_3", "status": "waiting", "url": "https://honest.example/3ds"}),
        "novel": reply(201, PAID | {"status": "under_review"}),
        "wrong_amount": reply(201, PAID | {"total": "12.51"}),
        "wrong_currency": reply(201, PAID | {"currency": "KWD"}),
        "found": reply(200, {"items": [PAID]}),
        "not_found": reply(200, {"items": []}),
    }
    amounts: ClassVar = {Money(1250, "EUR"): "12.50", Money(1250, "JPY"): "1250", Money(1250, "KWD"): "1.250"}

    def amount_on_wire(self, request):
        return json.loads(request.content)["total"]


def broken(name, **changes):
    """Make a test class for the honest connector with some of its parts replaced."""
    return type(f"Test{name}", (TestHonest,), {"connector": type(name, (Honest,), changes), "__module__": __name__})


def _no_status_check(self, response, request):
    return self.read(response.json(), request)


def _without_key(self, key):
    return {"Authorization": "Bearer x"}


def _one_key(self, key):
    return {"X-Idempotency": "019a0000-0000-7000-8000-00000000c0de"}


def _silence_as(answer):
    def charge(self, request):
        try:
            return Honest.charge(self, request)
        except httpx.TransportError as exc:
            if isinstance(answer, NotSent):
                raise answer from exc
            return answer

    return charge


def _following(self, request):
    return self.ctx.http.post(
        "https://honest.example/charges",
        json={"card": "x", "total": request.money.major(), "currency": request.money.currency},
        headers=self.headers(request.key),
        follow_redirects=True,
    )


def _twice(self, request):
    self.post(request)
    return Honest.charge(self, request)


def _lookup_or_none(self, response):
    return Honest.found(self, response) if response.status_code == 200 else None


def _busy(self, response, request):
    if response.status_code == 429:
        return Declined("soft", "busy")
    return Honest.outcome(self, response, request)


def _left_open(self, request):
    outcome = Honest.charge(self, request)
    boundary._transaction_open.set(True)
    return outcome


def _garbage_declined(self, response, request):
    try:
        return Honest.outcome(self, response, request)
    except (json.JSONDecodeError, KeyError, TypeError):
        return Declined("hard", "unreadable")


def _half_is_enough(self, response, request):
    if response.status_code == 201 and '"id"' in response.text and '"currency"' not in response.text:
        return Approved("ch_1", request.money)
    return Honest.outcome(self, response, request)


def _unreachable_declined(self, request):
    try:
        return Honest.charge(self, request)
    except NotSent:
        return Declined("soft", "unreachable")


LOOSE = {"type": "object", "required": [], "properties": {"api_key": {"type": 7}}}
OPEN = {"type": "object", "required": ["api_key"], "properties": {"api_key": {"type": "string"}}}

TestFloatAmounts = broken("FloatAmounts", total=lambda self, m: str(m.amount / 100))
TestMinorUnits = broken("MinorUnits", total=lambda self, m: str(m.amount))
TestNoStatusCheck = broken("NoStatusCheck", outcome=_no_status_check)
TestNoKey = broken("NoKey", headers=_without_key)
TestSameKeyAlways = broken("SameKeyAlways", headers=_one_key)
TestNovelIsApproved = broken("NovelIsApproved", novel=lambda self, c, r: Approved(c["id"], r.money))
TestNovelIsDeclined = broken("NovelIsDeclined", novel=lambda self, c, r: Declined("hard", c["status"]))
TestDropsTheirCode = broken("DropsTheirCode", declined=lambda self, c: Declined("insufficient_funds"))
TestOwnKinds = broken("OwnKinds", declined=lambda self, c: Declined("no_money", c["why"]))
TestSilenceIsUnsent = broken("SilenceIsUnsent", charge=_silence_as(NotSent("silence")))
TestSilenceIsADecline = broken("SilenceIsADecline", charge=_silence_as(Declined("soft", "timeout")))
TestFollowsRedirects = broken("FollowsRedirects", post=_following)
TestRepeatsItself = broken("RepeatsItself", charge=_twice)
TestBelievesWhatItAsked = broken("BelievesWhatItAsked", approved=lambda self, c, r: Approved(c["id"], r.money))
TestShowsItsSettings = broken("ShowsItsSettings", __repr__=lambda self: f"<{dict(self.ctx.settings)}>")
TestLooseSettings = broken("LooseSettings", settings_schema=LOOSE)
TestOpenSecrets = broken("OpenSecrets", settings_schema=OPEN)
TestFailedLookupIsNone = broken("FailedLookupIsNone", found=_lookup_or_none)
TestBusyIsADecline = broken("BusyIsADecline", outcome=_busy)
TestClaimsTooMuch = broken(
    "ClaimsTooMuch", capabilities=Capabilities(frozenset(EXPONENTS), frozenset({"card"}), refund=True)
)
TestLeavesATransactionOpen = broken("LeavesATransactionOpen", charge=_left_open)
TestReadsGarbageAsDeclined = broken("ReadsGarbageAsDeclined", outcome=_garbage_declined)
TestHalfIsEnough = broken("HalfIsEnough", outcome=_half_is_enough)
TestUnreachableIsADecline = broken("UnreachableIsADecline", charge=_unreachable_declined)
TestNoReference = broken("NoReference", approved=lambda self, c, r: Approved("", Money(1250, "EUR")))
