"""Senders of mail hand over what they are given, and say truly whether they have."""

import email
import email.policy
import json
import smtplib
import ssl
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import resend
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors import http
from connectors.email.files import MailFiles
from connectors.email.resend import Resend
from connectors.email.smtp import Smtp
from penstock.boundary import CalledInsideTransaction, transaction
from penstock.clock import SystemClock
from penstock.connector import Context, NotSent
from penstock.mail import Mail, MailRefused, MailSender
from penstock.settings import BadSettings
from plugins.mailing import Mailer, Unfinished, open_mailer
from plugins.manager import BrokenPlugin, load
from tests.postoffice import HANG_UP, opened_office
from tests.servers import free_port

MAIL = Mail(
    key="0199f3a2-6c41-7b52-9d0e-3f1c5a7b9e21",
    from_name="Mug & Söhne",
    from_address="shop@pay.example.com",
    to="ada@example.com",
    subject="Zurück zu „Mug & Söhne“",
    text="Grüße\n",
    html="<p>Grüße</p>",
)
MESSAGE_ID = "<0199f3a2-6c41-7b52-9d0e-3f1c5a7b9e21@pay.example.com>"


def lent(**settings) -> Context:
    return Context(settings, http.client(), SystemClock())


def smtp(office, **more) -> Smtp:
    return Smtp(lent(host="127.0.0.1", port=office.port, security="none", **more))


def assert_whole(message) -> None:
    assert (message["To"], message["Message-ID"]) == ("ada@example.com", MESSAGE_ID)
    assert message["From"].addresses[0].display_name == "Mug & Söhne"
    assert message["From"].addresses[0].addr_spec == "shop@pay.example.com"
    assert (message["Subject"], message["Auto-Submitted"]) == (MAIL.subject, "auto-generated")
    assert message.get_body(("plain",)).get_content().strip() == "Grüße"
    assert message.get_body(("html",)).get_content().strip() == "<p>Grüße</p>"


def test_a_folder_gets_one_file_for_a_mail_however_often_it_is_sent(tmp_path):
    sender = MailFiles(lent(folder=str(tmp_path / "mail")))
    assert sender.send(MAIL) == sender.send(MAIL)
    (file,) = (tmp_path / "mail").iterdir()
    assert file.suffix == ".eml"
    assert_whole(email.message_from_bytes(file.read_bytes(), policy=email.policy.default))


def test_a_mail_server_gets_text_and_html_under_a_message_id():
    with opened_office() as office:
        smtp(office).send(MAIL)
    (message,) = office.taken
    assert_whole(message)


def test_a_server_that_is_not_there_was_sent_nothing():
    sender = Smtp(lent(host="127.0.0.1", port=free_port(), security="none"))
    with pytest.raises(NotSent):
        sender.send(MAIL)


@pytest.mark.parametrize(("answer", "raised"), [("550 no such user", MailRefused), ("450 busy", NotSent)])
def test_a_recipient_that_is_refused_is_refused_for_good_or_for_now(answer, raised):
    with opened_office() as office:
        office.recipient = lambda _: answer
        with pytest.raises(raised):
            smtp(office).send(MAIL)
    assert (office.taken, office.tries) == ([], 0)


@pytest.mark.parametrize(("answer", "raised"), [("554 spam", MailRefused), ("451 try later", NotSent)])
def test_a_mail_that_is_refused_is_refused_for_good_or_for_now(answer, raised):
    with opened_office() as office:
        office.content = lambda _: answer
        with pytest.raises(raised):
            smtp(office).send(MAIL)


def test_a_server_that_falls_silent_after_the_mail_leaves_it_open():
    with opened_office() as office:
        office.content = lambda _: HANG_UP
        with pytest.raises((OSError, smtplib.SMTPException)) as caught:
            smtp(office).send(MAIL)
    assert not isinstance(caught.value, NotSent | MailRefused)
    assert len(office.taken) == 1


def test_a_server_without_tls_is_told_nothing_where_tls_is_asked_for():
    with opened_office() as office, pytest.raises(NotSent):
        Smtp(lent(host="127.0.0.1", port=office.port)).send(MAIL)
    assert office.tries == 0


def test_a_server_that_nobody_vouches_for_is_told_nothing(tmp_path):
    with opened_office(tls_context=self_signed(tmp_path)) as office, pytest.raises(NotSent, match="SSLCert"):
        Smtp(lent(host="127.0.0.1", port=office.port)).send(MAIL)
    assert office.tries == 0


def self_signed(folder) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    both = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "own.pem"
    file.write_bytes(both)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_a_password_is_not_sent_in_the_clear():
    with pytest.raises(ValueError, match="TLS"):
        Smtp(lent(host="127.0.0.1", security="none", username="ada", password="hunter22"))


@pytest.mark.parametrize("field", ["from_name", "to", "subject"])
def test_a_line_break_in_a_header_breaks_nothing_out(field):
    fields = {name: getattr(MAIL, name) for name in Mail.__slots__}
    bad = Mail(**fields | {field: "x@example.com\r\nBcc: eve@example.com"})
    with opened_office() as office, pytest.raises(ValueError):
        smtp(office).send(bad)
    assert office.tries == 0


def resend_sender(answer) -> Resend:
    client = http.client(transport=httpx.MockTransport(answer))
    return Resend(Context({"api_key": "re_SECRET"}, client, SystemClock()))


class Noted(resend.http_client.HTTPClient):
    """Takes the official library's requests and answers them."""

    def __init__(self):
        self.requests = []

    def request(self, method, url, headers, json=None, **_):
        self.requests.append((method, url, headers, json))
        return b'{"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}', 200, {"content-type": "application/json"}


def test_resend_is_asked_as_its_own_library_asks(monkeypatch):
    asked = []

    def answer(request):
        asked.append(request)
        return httpx.Response(200, json={"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"})

    ref = resend_sender(answer).send(MAIL)
    official = Noted()
    monkeypatch.setattr(resend, "default_http_client", official)
    monkeypatch.setattr(resend, "api_key", "re_SECRET")
    params: resend.Emails.SendParams = {
        "from": "Mug & Söhne <shop@pay.example.com>",
        "to": [MAIL.to],
        "subject": MAIL.subject,
        "text": MAIL.text,
        "html": MAIL.html,
        "headers": {"Auto-Submitted": "auto-generated"},
    }
    theirs = resend.Emails.send(params, {"idempotency_key": MAIL.key})
    method, url, headers, body = official.requests[0]
    (mine,) = asked
    assert (mine.method, str(mine.url), ref) == (method.upper(), url, theirs["id"])
    assert json.loads(mine.content) | {"from": ""} == body | {"from": ""}
    for name in ("Authorization", "Idempotency-Key"):
        assert mine.headers[name] == headers[name]


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, MailRefused),
        (422, MailRefused),
        (401, NotSent),
        (403, NotSent),
        (429, NotSent),
        (500, httpx.HTTPStatusError),
        (503, httpx.HTTPStatusError),
        (302, httpx.HTTPStatusError),
    ],
)
def test_each_answer_of_resend_means_one_thing(status, raised):
    with pytest.raises(raised) as caught:
        resend_sender(lambda _: httpx.Response(status, json={"name": "x"})).send(MAIL)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "raised"),
    [("invalid_idempotent_request", MailRefused), ("concurrent_idempotent_requests", httpx.HTTPStatusError)],
)
def test_a_key_that_is_taken_is_refused_and_one_in_use_is_open(name, raised):
    with pytest.raises(raised):
        resend_sender(lambda _: httpx.Response(409, json={"name": name})).send(MAIL)


class Careless(MailSender):
    name = "careless"
    settings_schema = {"type": "object", "required": ["raises"]}  # noqa: RUF012  as a stranger writes it

    def send(self, mail):
        raise self.ctx.settings["raises"]


def mailer(raises) -> Mailer:
    return Mailer(Careless(lent(raises=raises)), "a@b.example", http.client())


@pytest.mark.parametrize(
    ("raises", "raised"),
    [
        (NotSent("x"), NotSent),
        (MailRefused("x"), MailRefused),
        (KeyError("x"), Unfinished),
        (SystemExit(1), Unfinished),
    ],
)
def test_whatever_a_sender_raises_is_one_of_three_answers(raises, raised):
    with pytest.raises(raised):
        mailer(raises).send(MAIL)


def test_no_mail_is_sent_inside_a_transaction():
    with transaction(), pytest.raises(CalledInsideTransaction):
        mailer(NotSent("x")).send(MAIL)


def opened(**given):
    pm = load(entry_points=False)
    about = {"name": "smtp", "address": "a@b.example", "settings": {"host": "h"}, **given}
    return open_mailer(pm, **about, http=http.client(), clock=SystemClock())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": "pigeon"}, "pigeon.*files, resend, smtp"),
        ({"address": ""}, "PENSTOCK_MAIL_FROM"),
        ({"settings": {}}, "PENSTOCK_MAIL_SETTINGS"),
        ({"settings": {"host": "h", "password": "hunter22"}}, "PENSTOCK_MAIL_SETTINGS"),
        ({"settings": {"host": "h", "username": "u", "password": "hunter22", "security": "none"}}, "TLS"),
    ],
)
def test_settings_that_cannot_work_stop_the_start_and_show_no_secret(given, says):
    with pytest.raises(BadSettings, match=says) as caught:
        opened(**given)
    assert "hunter22" not in str(caught.value)


def test_two_senders_of_one_name_stop_the_start():
    class Twin(Smtp):
        name = "smtp"

    from tests.unit.test_hooks import plugin

    pm = load((plugin(penstock_mail_senders=lambda: [Twin]),), entry_points=False)
    with pytest.raises(BrokenPlugin, match="smtp"):
        open_mailer(pm, name="smtp", address="a@b.example", settings={}, http=http.client(), clock=SystemClock())
