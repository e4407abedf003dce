"""A PayPal in memory: orders, payments, refunds and signed messages, as the official descriptions have them."""

import base64
import json
import re
import zlib
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

NOW = datetime(2030, 1, 2, 12, tzinfo=UTC)
CERT_URL = "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594"
WEBHOOK_ID = "9XL90610J3647323C"
SETTINGS = {"client_id": "AClient", "client_secret": "conformance_SECRET_77", "webhook_id": WEBHOOK_ID}
LOG_IN = "/v1/oauth2/token"
UNPROCESSABLE = "The requested action could not be performed, semantically incorrect, or failed business validation."


def refused(issue, status=422, name="UNPROCESSABLE_ENTITY", message=UNPROCESSABLE):
    return httpx.Response(
        status, json={"name": name, "message": message, "debug_id": "d", "details": [{"issue": issue}]}
    )


class FakePayPal(httpx.BaseTransport):
    """``refuses`` maps the last part of a path to the issue with which its next call is refused."""

    def __init__(self):
        self.sent, self.orders, self.answers, self.refuses = [], {}, {}, {}
        self.tokens, self.good, self.numbers = [], set(), count(1)
        self.capture_status = "COMPLETED"

    def handle_request(self, request):
        request.read()
        path = request.url.path
        if path == LOG_IN:
            return self.log_in(request)
        if path.startswith("/v1/notifications/certs/"):
            return httpx.Response(200, content=certificate()[1])
        self.sent.append(request)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.good:
            message = (
                "Authentication failed due to missing authorization header, or invalid authentication credentials."
            )
            return httpx.Response(401, json={"name": "AUTHENTICATION_FAILURE", "message": message})
        last = path.rsplit("/", 1)[-1]
        if last in self.refuses:
            return refused(self.refuses.pop(last))
        return self.executed(request)

    def executed(self, request):
        """Execute a write once for each request id, and say it again on a repeat."""
        key = request.headers.get("paypal-request-id")
        if key in self.answers:
            return httpx.Response(200 if "orders" in request.url.path else 201, json=self.answers[key])
        body = json.loads(request.content) if request.content else {}
        for method, shape, handle in ROUTES:
            found = re.fullmatch(shape, request.url.path)
            if found and method == request.method:
                status, answer = handle(self, *found.groups(), *([body] if method == "POST" else []))
                if key and status < 300:
                    self.answers[key] = answer
                return httpx.Response(status, json=answer)
        raise AssertionError(f"{request.method} {request.url.path}")

    def log_in(self, request):
        self.tokens.append(request)
        if request.headers["authorization"] != "Basic " + base64.b64encode(b"AClient:conformance_SECRET_77").decode():
            return httpx.Response(
                401, json={"error": "invalid_client", "error_description": "Client Authentication failed"}
            )
        token = f"A21.token-{len(self.tokens)}"
        self.good.add(token)
        return httpx.Response(200, json={"access_token": token, "token_type": "Bearer", "expires_in": 32400})

    def new_id(self, letter):
        return f"{letter}{next(self.numbers):016d}"

    def create(self, body):
        unit = dict(body["purchase_units"][0])
        order = {"id": self.new_id("O"), "intent": body["intent"], "purchase_units": [unit]}
        self.orders[order["id"]] = order
        if "vault_id" in body["payment_source"]["paypal"]:
            self.pay(order)
            return 201, order
        href = f"https://www.sandbox.paypal.com/checkoutnow?token={order['id']}"
        order |= {"status": "PAYER_ACTION_REQUIRED", "links": [{"rel": "payer-action", "href": href, "method": "GET"}]}
        return 200, order

    def approve(self, order_id):
        self.orders[order_id]["status"] = "APPROVED"

    def pay(self, order):
        unit = order["purchase_units"][0]
        paid = {"amount": unit["amount"], "custom_id": unit["custom_id"]}
        if order["intent"] == "CAPTURE":
            unit["payments"] = {"captures": [{"id": self.new_id("C"), "status": self.capture_status, **paid}]}
        else:
            unit["payments"] = {"authorizations": [{"id": self.new_id("A"), "status": "CREATED", **paid}]}
        order["status"] = "COMPLETED"

    def complete(self, order_id, _verb, _body):
        self.pay(self.orders[order_id])
        return 201, self.orders[order_id]

    def get_order(self, order_id):
        return 200, self.orders[order_id]

    def payment(self, kind, ref):
        for order in self.orders.values():
            for one in order["purchase_units"][0].get("payments", {}).get(kind, []):
                if one["id"] == ref:
                    return order, one
        raise AssertionError(f"no {kind} {ref}")

    def get_payment(self, kind, ref):
        order, one = self.payment(kind, ref)
        return 200, one | {"supplementary_data": {"related_ids": {"order_id": order["id"]}}}

    def capture(self, ref, body):
        order, held = self.payment("authorizations", ref)
        done = {"id": self.new_id("C"), "status": self.capture_status, "amount": body["amount"]}
        done |= {
            "custom_id": held["custom_id"],
            "invoice_id": body["invoice_id"],
            "final_capture": body["final_capture"],
        }
        order["purchase_units"][0]["payments"].setdefault("captures", []).append(done)
        held["status"] = "CAPTURED"
        return 201, done

    def void(self, ref, _body):
        _, held = self.payment("authorizations", ref)
        held["status"] = "VOIDED"
        return 200, held

    def refund(self, ref, body):
        order, _ = self.payment("captures", ref)
        done = {"id": self.new_id("R"), "status": "COMPLETED", "amount": body["amount"], "custom_id": body["custom_id"]}
        order["purchase_units"][0]["payments"].setdefault("refunds", []).append(done)
        return 201, done


ROUTES = (
    ("POST", "/v2/checkout/orders", FakePayPal.create),
    ("GET", "/v2/checkout/orders/([A-Z0-9]+)", FakePayPal.get_order),
    ("POST", "/v2/checkout/orders/([A-Z0-9]+)/(capture|authorize)", FakePayPal.complete),
    ("GET", "/v2/payments/(authorizations|captures)/([A-Z0-9]+)", FakePayPal.get_payment),
    ("POST", "/v2/payments/authorizations/([A-Z0-9]+)/capture", FakePayPal.capture),
    ("POST", "/v2/payments/authorizations/([A-Z0-9]+)/void", FakePayPal.void),
    ("POST", "/v2/payments/captures/([A-Z0-9]+)/refund", FakePayPal.refund),
)


def certificate(_made={}):  # noqa: B006  made once
    """Return a key and its certificate (PEM), made once."""
    if not _made:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "messageverificationcerts.sandbox.paypal.com")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(1).not_valid_before(NOW - timedelta(days=9)).not_valid_after(NOW + timedelta(9))
        _made["it"] = key, builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
    return _made["it"]


def signed(body: bytes, *, webhook_id=WEBHOOK_ID, at=NOW, url=CERT_URL):
    """Return PayPal's headers for a message."""
    stamp, number = at.strftime("%Y-%m-%dT%H:%M:%SZ"), "d938e770-8046-11e6-8103-6b62a8a99ac4"
    text = f"{number}|{stamp}|{webhook_id}|{zlib.crc32(body)}".encode()
    return {
        "paypal-auth-algo": "SHA256withRSA",
        "paypal-cert-url": url,
        "paypal-transmission-id": number,
        "paypal-transmission-sig": base64.b64encode(certificate()[0].sign(text, PKCS1v15(), SHA256())).decode(),
        "paypal-transmission-time": stamp,
    }
