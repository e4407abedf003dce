"""Does each hook do what docs/hooks.md says? One test per hook, named after it."""

import inspect
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors import http
from penstock import hooks
from penstock.caller import Scope
from penstock.clock import SystemClock
from penstock.connector import Capabilities, PaymentConnector
from penstock.hooks import Event, Identity, InvalidToken, NotMine, hookimpl
from penstock.mail import Mail, MailSender
from penstock.money import Money
from penstock.outcome import Approved
from penstock.rate_source import RateClaims, RateSource
from penstock.request import ChargeRequest
from penstock.source import Refused
from penstock.tax_engine import TaxClaims, TaxEngine
from plugins.cascade import Cascade, Connection
from plugins.listeners import tell
from plugins.mailing import mail_senders, open_mailer
from plugins.manager import BrokenPlugin, identity_verifiers, load
from plugins.registry import Engines, Registry, Sources

DOCS = Path(__file__).parents[2] / "docs/hooks.md"
HOOKS = sorted(name for name in vars(hooks) if name.startswith("penstock_"))
EUR = Money(1000, "EUR")
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


class Plain(PaymentConnector):
    name = "plain"
    display_name = "Plain"
    capabilities = Capabilities(None, frozenset({"card"}))
    settings_schema = {"type": "object"}  # noqa: RUF012  as a stranger writes it

    def charge(self, request):
        return Approved("ref", request.money)

    def find(self, key):
        return None


class Other(Plain):
    name = "other"


def plugin(**hookimpls):
    """Make a plugin object of functions."""
    made = type("Plugin", (), {name: staticmethod(hookimpl(f)) for name, f in hookimpls.items()})
    return made()


def connectors(*classes):
    return plugin(penstock_payment_connectors=lambda: list(classes))


def order_of(*plugins):
    pm = load((connectors(Plain, Other), *plugins), entry_points=False)
    cascade = Cascade(Registry(pm, clock=SystemClock()), pm, deadline=2)
    accounts = [Connection("1", "plain", {}), Connection("2", "other", {}), Connection("3", "sandbox", {})]
    return [c.connection_id for c in cascade.candidates(accounts, ChargeRequest("k", EUR, "card", "tok_SECRET"))]


def test_hook_penstock_payment_connectors():
    registry = Registry(load((connectors(Plain),), entry_points=False), clock=SystemClock())
    assert registry.get("plain") is Plain
    assert {"plain", "sandbox", "sandbox_b"} <= set(registry.names())


class Engine(TaxEngine):
    name = "plain_tax"
    display_name = "Plain tax"
    capabilities = TaxClaims(None)
    settings_schema = {"type": "object"}  # noqa: RUF012  as a stranger writes it

    def calculate(self, request):
        return Refused("not_served")


class Source(RateSource):
    name = "plain_post"
    display_name = "Plain post"
    capabilities = RateClaims()
    settings_schema = {"type": "object"}  # noqa: RUF012  as a stranger writes it

    def quote(self, request):
        return Refused("not_served")


def test_hook_penstock_tax_engines():
    engines = Engines(load((plugin(penstock_tax_engines=lambda: [Engine]),), entry_points=False), clock=SystemClock())
    assert engines.get("plain_tax") is Engine


def test_hook_penstock_rate_sources():
    sources = Sources(load((plugin(penstock_rate_sources=lambda: [Source]),), entry_points=False), clock=SystemClock())
    assert sources.get("plain_post") is Source


def test_hook_penstock_rank():
    def rank(request, candidates):
        assert request.method_token == ""  # a plugin that only ranks needs no token
        return {candidates[-1]: 10, "plain": -1, "nobody": 99}

    assert order_of() == ["1", "2", "3"]
    assert order_of(plugin(penstock_rank=rank)) == ["3", "2", "1"]


def test_points_of_several_rankers_are_added():
    up = plugin(penstock_rank=lambda candidates: {"other": 3})
    down = plugin(penstock_rank=lambda request: {"other": -2, "sandbox": 2})
    assert order_of(up, down) == ["3", "2", "1"]


@pytest.mark.parametrize("answer", [{"other": "a lot"}, [1], "other", {"other": None}])
def test_a_ranker_that_answers_nonsense_changes_nothing(answer):
    assert order_of(plugin(penstock_rank=lambda: answer)) == ["1", "2", "3"]


def test_a_ranker_that_breaks_changes_nothing():
    def rank():
        raise SystemExit("bye")

    assert order_of(plugin(penstock_rank=rank)) == ["1", "2", "3"]


def test_hook_penstock_event():
    seen = []

    def see(event):
        seen.append(event)

    def broken(event):
        raise ValueError(event.id)

    pm = load((plugin(penstock_event=see), plugin(penstock_event=broken)), entry_points=False)
    pm.register(plugin(penstock_event=lambda: seen.append("asked for nothing")))
    event = Event("019a", "order.created", NOON, Scope("w", "e", "a"), {"id": "1"})
    assert tell(pm, event) == 1
    assert event in seen
    assert "asked for nothing" in seen


class Verifier:
    def __init__(self, name):
        self.name = name

    def verify(self, token, now):
        if not token.startswith(self.name):
            raise NotMine
        if token.endswith("expired"):
            raise InvalidToken
        return Identity(token.split("-")[1])


def test_hook_penstock_identity_verifiers():
    pm = load((plugin(penstock_identity_verifiers=lambda: [Verifier("acme")]),), entry_points=False)
    found = {verifier.name: verifier for verifier in identity_verifiers(pm)}
    assert found["acme"].verify("acme-ada", NOON) == Identity("ada")
    with pytest.raises(NotMine):
        found["acme"].verify("other-ada", NOON)
    with pytest.raises(InvalidToken):
        found["acme"].verify("acme-expired", NOON)


def test_two_verifiers_of_one_name_stop_the_start():
    pm = load((plugin(penstock_identity_verifiers=lambda: [Verifier("acme"), Verifier("acme")]),), entry_points=False)
    with pytest.raises(BrokenPlugin, match="acme"):
        identity_verifiers(pm)


class Pigeon(MailSender):
    name = "pigeon"
    settings_schema = {"type": "object"}  # noqa: RUF012  as a stranger writes it

    def send(self, mail):
        return f"carried {mail.key}"


def test_hook_penstock_mail_senders():
    pm = load((plugin(penstock_mail_senders=lambda: [Pigeon]),), entry_points=False)
    assert {"pigeon", "files", "smtp", "resend"} == set(mail_senders(pm))
    about = {"name": "pigeon", "address": "a@b.example", "settings": {}}
    mailer = open_mailer(pm, **about, http=http.client(), clock=SystemClock())
    assert mailer.send(Mail("k", "Shop", "a@b.example", "c@d.example", "s", "t", "h")) == "carried k"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_as_it_is(hook):
    sections = dict(re.findall(r"^## (penstock_\w+)\n(.*?)(?=^## |\Z)", DOCS.read_text(), re.MULTILINE | re.DOTALL))
    arguments = ", ".join(inspect.signature(getattr(hooks, hook)).parameters)
    assert f"{hook}({arguments})" in sections[hook]


def test_every_hook_has_a_test_of_its_name():
    assert {f"test_hook_{hook}" for hook in HOOKS} <= set(globals())
    assert len(HOOKS) >= 4
