"""PayPal's messages: whether they are PayPal's, and what they hint at.

The signature is checked here, with the certificate that PayPal publishes, and not by PayPal's verification call. That
call wants the message parsed and written anew, and a different spelling of the same JSON fails it; here the bytes are
checked as they came. It also costs a request for each message, and a certificate is fetched once. What is signed holds
only a CRC-32 of the body. So a message is a reason to look, and what PayPal answers then is what counts.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from penstock.plugin import Context, Forged, Hint

MAX_AGE: Final = timedelta(days=3, hours=1)
"""PayPal repeats a message for three days."""

_AHEAD: Final = timedelta(minutes=5)
_KEPT: Final = 8
_PATH: Final = re.compile(r"/v1/notifications/certs/CERT-[A-Za-z0-9-]{1,100}")
_PLACES: Final[Mapping[str, frozenset[str]]] = {
    "production": frozenset({"api.paypal.com", "api-m.paypal.com"}),
    "sandbox": frozenset({"api.sandbox.paypal.com", "api-m.sandbox.paypal.com"}),
}
_HEADERS: Final = (
    "paypal-auth-algo",
    "paypal-cert-url",
    "paypal-transmission-id",
    "paypal-transmission-sig",
    "paypal-transmission-time",
)


class Certificates:
    """PayPal's signing certificates, fetched from PayPal over TLS and kept. Only its own addresses are ever asked."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._kept: dict[str, x509.Certificate] = {}

    def get(self, url: str) -> x509.Certificate:
        """Return the certificate at an address. Raises `Forged` for an address or a certificate that is not PayPal's."""
        where = urlsplit(url)
        if where.scheme != "https" or where.netloc not in _PLACES[self._ctx.environment]:
            raise Forged("the certificate is not at PayPal")
        if not _PATH.fullmatch(where.path) or where.query or where.fragment:
            raise Forged("the certificate is not where PayPal keeps its certificates")
        kept = self._kept.get(url)
        if kept is None:
            kept = self._fetched(url)
            self._kept = {**dict(list(self._kept.items())[1 - _KEPT :]), url: kept}
        now = self._ctx.clock.now()
        if not kept.not_valid_before_utc <= now <= kept.not_valid_after_utc:
            raise Forged("the certificate is not valid now")
        return kept

    def _fetched(self, url: str) -> x509.Certificate:
        response = self._ctx.http.get(url)
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise Forged("PayPal knows no such certificate")
        if response.status_code != HTTPStatus.OK:
            raise ValueError(f"PayPal answered {response.status_code} to a certificate's fetching")
        return x509.load_pem_x509_certificate(response.content)


def check_sender(delivery: Any, ctx: Context, certificates: Certificates) -> Mapping[str, Any]:
    """Return the event in a message that PayPal signed for this account's webhook. Raises `Forged`."""
    webhook_id = ctx.settings.get("webhook_id")
    if not webhook_id:
        raise Forged("this account has no webhook_id, so no message can be checked")
    if any(name not in delivery.headers for name in _HEADERS):
        raise Forged("PayPal's signature headers are missing")
    algorithm, url, number, signature, at = (delivery.headers[name] for name in _HEADERS)
    if algorithm != "SHA256withRSA":
        raise Forged("it is signed in a way that PayPal does not sign")
    _check_age(at, delivery.received_at)
    signed = f"{number}|{at}|{webhook_id}|{zlib.crc32(delivery.body)}"
    _check_signature(certificates.get(url), signature, signed.encode())
    try:
        event = orjson.loads(delivery.body)
    except orjson.JSONDecodeError:
        raise Forged("it is no JSON") from None
    if not isinstance(event, dict):
        raise Forged("it is no event")
    return event


def hint_of(event: Mapping[str, Any]) -> Hint:
    """Return what an event hints at. Events of a kind that is not listed are "other"."""
    event_id, kind, resource = event["id"], str(event["event_type"]), event.get("resource") or {}
    if not isinstance(event_id, str) or not event_id:
        raise ValueError("PayPal's event has no id")
    if kind.startswith("CUSTOMER.DISPUTE."):
        [*_, disputed] = resource.get("disputed_transactions") or [{}]
        return Hint(event_id, "dispute", ref=disputed.get("seller_transaction_id"))
    if kind.startswith(("PAYMENT.REFUND.", "PAYMENT.CAPTURE.REFUNDED", "PAYMENT.CAPTURE.REVERSED")):
        return Hint(event_id, "refund", key=resource.get("custom_id"))
    if kind.startswith(("PAYMENT.CAPTURE.", "PAYMENT.AUTHORIZATION.")):
        return Hint(event_id, "payment", key=_key(resource), ref=resource.get("id"))
    if kind.startswith("CHECKOUT."):
        [unit, *_] = resource.get("purchase_units") or [{}]
        return Hint(event_id, "payment", key=unit.get("custom_id"), ref=resource.get("id"))
    return Hint(event_id, "other")


def _key(resource: Mapping[str, Any]) -> str | None:
    # A capture of an authorization has its own key as its invoice id, and the charge's as its custom id.
    return resource.get("invoice_id") or resource.get("custom_id")


def _check_age(sent_at: str, received_at: datetime) -> None:
    try:
        sent = datetime.fromisoformat(sent_at)
    except ValueError:
        raise Forged("it does not say when it was sent") from None
    if sent.tzinfo is None or not -_AHEAD <= received_at - sent <= MAX_AGE:
        raise Forged("it is too old, or of the future")


def _check_signature(certificate: x509.Certificate, signature: str, signed: bytes) -> None:
    public = certificate.public_key()
    if not isinstance(public, RSAPublicKey):
        raise Forged("the certificate's key is not RSA")
    try:
        public.verify(base64.b64decode(signature, validate=True), signed, PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        raise Forged("the signature does not fit") from None
