"""Our own connectors run the kit that we ask strangers to run."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from connectors.payments.sandbox import SandboxPayments, SecondSandboxPayments
from connectors.payments.sandbox_messages import signed
from penstock.conformance import PaymentConnectorContract, reply
from penstock.conformance.bench import KEY
from penstock.conformance.provider import delivery, standing_clock
from penstock.money import Money

ROW = {
    "ref": "sbx_1",
    "status": "approved",
    "kind": "",
    "amount": 1250,
    "currency": "EUR",
    "reference": "o",
    "key": "k",
}
STEP = {"ref": "sbx_2", "status": "done", "amount": 1250, "currency": "EUR", "key": "k", "charge": "ch_conformance_1"}


def step(done, verb):
    """What the bank answers about a capture, void or refund."""
    return {
        done: reply(201, STEP | {"verb": verb}),
        f"{verb}_refused": reply(200, STEP | {"verb": verb, "status": "declined"}),
        f"{verb}_pending": reply(201, STEP | {"verb": verb, "status": "pending"}),
        f"{verb}_novel": reply(201, STEP | {"verb": verb, "status": "under_review"}),
        f"found_{verb}": reply(200, {"items": [STEP | {"verb": verb}]}),
    }


class TestSandbox(PaymentConnectorContract):
    connector = SandboxPayments
    settings: ClassVar[Mapping[str, Any]] = {
        "bank_url": "https://bank.example",
        "public_url": "https://pay.example",
        "webhook_secret": "whsec_conformance_SECRET",
    }
    message_age = timedelta(minutes=5)
    method_token = "tok_sandbox_approve"
    transaction_ref = "sbx_1"
    step_up_token = "tok_sandbox_decline_auth_required"
    silent_about_money = frozenset()
    wire: ClassVar = {
        "approved": reply(201, ROW),
        "declined": reply(201, ROW | {"status": "declined", "kind": "soft"}),
        "pending": reply(201, ROW | {"status": "challenged"}),
        "stepped_up": reply(201, ROW | {"status": "challenged"}),
        "redirected": reply(201, ROW | {"status": "challenged"}),
        "resumed": reply(200, {"items": [ROW]}),
        "resume_declined": reply(200, {"items": [ROW | {"status": "declined", "kind": "authentication_failed"}]}),
        "novel": reply(201, ROW | {"status": "under_review"}),
        "wrong_amount": reply(201, ROW | {"amount": 1251}),
        "wrong_currency": reply(201, ROW | {"currency": "USD"}),
        "found": reply(200, {"items": [ROW]}),
        "not_found": reply(200, {"items": []}),
        "authorized": reply(201, ROW | {"capture": "manual"}),
        **step("captured", "capture"),
        **step("voided", "void"),
        **step("refunded", "refund"),
        "follow_up_not_found": reply(200, {"items": []}),
        "account_ok": reply(200, {"items": []}),
        "account_refused": reply(401, {"error": {"kind": "unauthorized", "code": "unauthorized"}}),
        "token_described": reply(500),  # the token says it all: nobody is asked
        "transaction": reply(200, ROW),
        "transaction_not_found": reply(404, {"error": {"kind": "not_found", "code": "not_found"}}),
    }
    amounts: ClassVar = {Money(1250, c): 1250 for c in ("EUR", "JPY", "KWD")}

    def amount_on_wire(self, request):
        return json.loads(request.content)["amount"]

    def message(self, about):
        kind = {"payment": "charge.updated", "refund": "refund.updated", "novel": "novel.created"}[about]
        body = json.dumps({"id": "evt_1", "type": kind, "key": KEY}).encode()
        return delivery(body, signed(body, self.settings["webhook_secret"], standing_clock().now()))


class TestSandboxB(TestSandbox):
    connector = SecondSandboxPayments
