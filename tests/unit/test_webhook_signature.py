"""What is signed here verifies with the libraries that receivers use, and nothing else does."""

from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from penstock.webhook_signature import TOLERANCE_SECONDS, is_signed, new_secret, signed_headers, standard_signature

BODY = '{"type":"payment.captured","note":"Zoë 支払い"}'.encode()
SECRET = new_secret()


def headers_at(now: datetime, *secrets: str, body: bytes = BODY):
    return signed_headers("evt_1", "payment.captured", body, secrets or (SECRET,), now)


def now() -> datetime:
    return datetime.now(UTC)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"]))
    )
)
def test_the_official_library_verifies_every_body(values):
    body = orjson.dumps(values)
    assert Webhook(SECRET).verify(body, headers_at(now(), body=body)) == values


def test_the_published_vector_is_met():
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signature = standard_signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_moment_is_the_same_in_every_time_zone():
    moment = now()
    east = moment.astimezone(timezone(timedelta(hours=2)))
    assert headers_at(moment) == headers_at(east)


def test_an_overlap_verifies_under_both_secrets():
    old = new_secret()
    headers = headers_at(now(), SECRET, old)
    for secret in (SECRET, old):
        Webhook(secret).verify(BODY, headers)
        assert is_signed(headers["x-throttle-signature"], secret, BODY, now())


def test_another_secret_body_or_id_is_not_believed():
    headers = dict(headers_at(now()))
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, headers | {"webhook-id": "evt_2"})
    assert not is_signed(headers["x-throttle-signature"], SECRET, BODY + b" ", now())


@pytest.mark.parametrize("seconds", [-TOLERANCE_SECONDS - 2, TOLERANCE_SECONDS + 2])
def test_an_old_or_early_signature_is_not_believed(seconds):
    header = headers_at(now() + timedelta(seconds=seconds))["x-throttle-signature"]
    assert not is_signed(header, SECRET, BODY, now())


@pytest.mark.parametrize(
    "header",
    ["", "t=", "v1=", "t=1", "t=x,v1=y", "t=1,t=2,v1=a", "t=١,v1=a", "t=" + "9" * 5000 + ",v1=a", "t,v1", ",,="],
)
def test_a_header_that_is_no_signature_is_not_believed(header):
    assert not is_signed(header, SECRET, BODY, now())


def test_a_secret_that_is_none_is_refused():
    with pytest.raises(ValueError, match="whsec_ and base64"):
        standard_signature("whsec_?", "evt_1", 1, BODY)
