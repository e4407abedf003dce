"""A Gr4vy in memory: transactions, captures, refunds, checkout sessions and signed messages, as its description has them."""

import hmac
import json
import re
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

NOW = datetime(2030, 1, 2, 12, tzinfo=UTC)
STAMP = "2030-01-02T12:00:00.000000+00:00"
KEY_PAIR = ec.generate_private_key(ec.SECP521R1())
PEM = KEY_PAIR.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SETTINGS = {
    "gr4vy_id": "acme",
    "private_key": PEM,
    "webhook_secret": "conformance_SECRET_88",
    "redirect_methods": ["ideal", "paypal"],
}
CARD_TOKEN = "ef9496d8-53a5-4aad-8ca2-00eb68334389"
SESSION_TOKEN = "session_4137b1cf-39ac-42a8-bad6-1c680d5dab6b"
RAW = {"raw_response_code": None, "raw_response_description": None}


def number(n):
    return str(UUID(int=n))


def transaction(**changed):
    """Return a captured transaction of 12.50 EUR, as Gr4vy shows one."""
    base = {
        "type": "transaction",
        "id": number(1),
        "reconciliation_id": "default",
        "merchant_account_id": "default",
        "currency": "EUR",
        "amount": 1250,
        "status": "capture_succeeded",
        "authorized_amount": 1250,
        "captured_amount": 1250,
        "refunded_amount": 0,
        "settled_amount": 0,
        "settled": False,
        "intent": "capture",
        "external_identifier": "key",
        "payment_method": {"type": "payment-method", "method": "card", "label": "1234", "scheme": "visa",
                           "expiration_date": "12/30", "details": {"card_type": "credit"}},
        "gift_card_redemptions": [],
        "created_at": STAMP,
        "updated_at": STAMP,
        "disputed": False,
        "payment_source": "ecommerce",
        "merchant_initiated": False,
        "is_subsequent_payment": False,
        "intent_outcome": "succeeded",
        "multi_tender": False,
        "account_funding_transaction": False,
        "error_code": None,
        "metadata": None,
    }  # fmt: skip
    return base | changed


SUMMARY = {
    "payment_source", "merchant_initiated", "is_subsequent_payment", "intent_outcome", "multi_tender",
    "account_funding_transaction", "metadata",
}  # fmt: skip


def summary(whole):
    return {name: value for name, value in whole.items() if name not in SUMMARY}


def refused(status, code, *details):
    return httpx.Response(
        status, json={"type": "error", "code": code, "status": status, "message": "no", "details": list(details)}
    )


class FakeGr4vy(httpx.BaseTransport):
    """``next_status`` is what the next transaction becomes; ``errors`` are answers to give first, by path's end."""

    def __init__(self):
        self.sent, self.transactions, self.captures, self.refunds, self.sessions = [], {}, {}, {}, []
        self.answers, self.errors, self.changed = {}, {}, {}

    def handle_request(self, request):
        request.read()
        self.sent.append(request)
        token = request.headers["authorization"].removeprefix("Bearer ")
        options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
        try:
            claims = jwt.decode(token, KEY_PAIR.public_key(), ["ES512"], options=options)
        except jwt.InvalidSignatureError:
            return refused(401, "unauthorized")
        assert claims["nbf"] == claims["iat"] < claims["exp"]
        last = request.url.path.rsplit("/", 1)[-1]
        if last in self.errors:
            return self.errors.pop(last)
        key = request.headers.get("idempotency-key")
        if key in self.answers:
            return self.answers[key]
        answer = self.executed(request)
        if key:
            self.answers[key] = answer
        return answer

    def executed(self, request):
        body = json.loads(request.content) if request.content else {}
        for method, shape, handle in ROUTES:
            found = re.fullmatch(shape, request.url.path)
            if found and method == request.method:
                given = [body] if method == "POST" else [request.url.params]
                status, answer = handle(self, *found.groups(), *given)
                return httpx.Response(status, json=answer)
        raise AssertionError(f"{request.method} {request.url.path}")

    def create(self, body):
        is_held = body["intent"] == "authorize"
        method = {"type": "payment-method", "method": "card", "label": "1234", "scheme": "visa"}
        made = transaction(
            id=number(len(self.transactions) + 1),
            amount=body["amount"],
            currency=body["currency"],
            intent=body["intent"],
            status="authorization_succeeded" if is_held else "capture_succeeded",
            authorized_amount=body["amount"],
            captured_amount=0 if is_held else body["amount"],
            external_identifier=body["external_identifier"],
            payment_method=method,
            metadata=body.get("metadata"),
        )
        if "redirect_url" in body["payment_method"] and body["payment_method"]["method"] not in (
            "id",
            "checkout-session",
        ):
            method |= {"method": body["payment_method"]["method"], "approval_url": "https://gr4vy.app/redirect/12345"}
            made |= {"status": "buyer_approval_pending", "intent_outcome": "pending", "captured_amount": 0}
        self.transactions[made["id"]] = made | self.changed
        return 201, self.transactions[made["id"]]

    def search(self, query):
        key = query.get("external_identifier")
        found = [one for one in self.transactions.values() if key in (None, one["external_identifier"])]
        return 200, {"items": [summary(one) for one in found], "limit": 2, "next_cursor": None, "previous_cursor": None}

    def get(self, ref, _query):
        if ref not in self.transactions:
            return 404, {"type": "error", "code": "not_found", "status": 404, "message": "no", "details": []}
        return 200, self.transactions[ref]

    def capture(self, ref, body):
        one = self.transactions[ref]
        one |= {"status": "capture_succeeded", "captured_amount": body["amount"]}
        done = {"type": "capture", "id": number(100), "merchant_account_id": "default", "transaction_id": ref}
        done |= {"currency": one["currency"], "amount": body["amount"], "status": "succeeded", "final": True}
        done |= {"created_at": STAMP, "updated_at": STAMP, "external_identifier": body["external_identifier"]}
        self.captures.setdefault(ref, []).append(done)
        return 200, {
            "type": "transaction-capture", "status": "succeeded", "code": None, **RAW, "transaction": one, "capture_id": done["id"]
        }  # fmt: skip

    def void(self, ref, _body):
        self.transactions[ref]["status"] = "authorization_voided"
        whole = {"type": "transaction-void", "status": "succeeded", "code": None, **RAW}
        return 200, whole | {"transaction": self.transactions[ref]}

    def refund(self, ref, body):
        done = {"type": "refund", "id": number(200), "transaction_id": ref, "status": "succeeded", "currency": "EUR"}
        done |= {"amount": body["amount"], "target_type": "payment-method", "reconciliation_id": "r", "settled": False}
        done |= {"transaction_reconciliation_id": "t", "created_at": STAMP, "updated_at": STAMP}
        done |= {"external_identifier": body["external_identifier"]}
        self.refunds.setdefault(ref, []).append(done)
        return 201, done

    def listed(self, ref, what, _query):
        items = (self.captures if what == "captures" else self.refunds).get(ref, [])
        return 200, {"items": items, "limit": 20, "next_cursor": None, "previous_cursor": None}

    def open_session(self, body):
        self.sessions.append(body)
        return 201, {"type": "checkout-session", "id": number(300), "expires_at": STAMP, "metadata": body["metadata"]}

    def stored(self, ref, _query):
        card = {
            "type": "payment-method",
            "method": "card",
            "id": ref,
            "merchant_account_id": "default",
            "label": "4242",
        }
        card |= {"scheme": "mastercard", "expiration_date": "03/31", "country": "DE", "details": {"card_type": "debit"}}
        card |= {"cit_usage_count": 0, "has_replacement": False, "usage_count": 0, "scheme_transaction_id": None}
        card |= {"scheme_transaction_id_scheme": None, "status": "succeeded", "created_at": STAMP, "updated_at": STAMP}
        return 200, card


UUID_SHAPE = "([0-9a-f-]{36})"
ROUTES = (
    ("POST", "/transactions", FakeGr4vy.create),
    ("GET", "/transactions", FakeGr4vy.search),
    ("GET", f"/transactions/{UUID_SHAPE}", FakeGr4vy.get),
    ("POST", f"/transactions/{UUID_SHAPE}/capture", FakeGr4vy.capture),
    ("POST", f"/transactions/{UUID_SHAPE}/void", FakeGr4vy.void),
    ("POST", f"/transactions/{UUID_SHAPE}/refunds", FakeGr4vy.refund),
    ("GET", f"/transactions/{UUID_SHAPE}/(captures|refunds)", FakeGr4vy.listed),
    ("POST", "/checkout/sessions", FakeGr4vy.open_session),
    ("GET", f"/payment-methods/{UUID_SHAPE}", FakeGr4vy.stored),
)


def signed(body: bytes, *, secret="conformance_SECRET_88", at=NOW):
    """Return Gr4vy's headers for a message; the first of two signatures is by a secret that was rotated out."""
    stamp = str(int(at.timestamp()))
    good = hmac.new(secret.encode(), f"{stamp}.".encode() + body, sha256).hexdigest()
    return {"x-gr4vy-webhook-timestamp": stamp, "x-gr4vy-webhook-signatures": f"{'0' * 64},{good}"}
