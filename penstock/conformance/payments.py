"""What every payment connector must keep, as tests. Each test is one promise of the contract."""

# ruff: noqa: D102  a test's name is its sentence

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

import httpx
import jsonschema_rs
import pytest

from penstock.conformance.provider import Answer, CannedProvider, Heard, reply, standing_clock
from penstock.connector import Capabilities, Context, NotSent, PaymentConnector, unkept_claims
from penstock.money import Money
from penstock.outcome import DECLINE_KINDS, Approved, Declined, Pending, Rejected, check_answer
from penstock.request import ChargeRequest

__all__ = ["PaymentConnectorContract", "reply"]

KEY: Final = "019a0000-0000-7000-8000-00000000c0de"
OTHER_KEY: Final = "019a0000-0000-7000-8000-00000000beef"
EXPONENTS: Final = {"JPY": 0, "KWD": 3}

_SOUNDS_SECRET: Final = re.compile(r"(?i)key|secret|token|password|credential")
_SILENCES: Final = (
    httpx.ReadTimeout("silence"),
    httpx.WriteTimeout("silence"),
    httpx.ReadError("reset"),
    httpx.RemoteProtocolError("Server disconnected without sending a response."),
)


class PaymentConnectorContract:
    """Subclass it, fill in the class variables, and run pytest.

    ``wire`` is the provider's answer to a charge, by scenario: ``approved``, ``declined`` and ``novel`` (a status
    that the provider may add tomorrow) always; ``pending`` if it knows such a state; ``wrong_amount`` and
    ``wrong_currency`` (an approval of something else than was asked) unless ``echoes_amount`` is False; ``found``
    and ``not_found`` (answers to `find`) if lookup is claimed. An answer is a `reply` or a function of the request.
    ``amounts`` maps what is asked to what must stand on the wire; the first is the one that ``approved`` approves.
    """

    connector: ClassVar[type[PaymentConnector]]
    settings: ClassVar[Mapping[str, Any]]
    wire: ClassVar[Mapping[str, Answer]]
    amounts: ClassVar[Mapping[Money, Any]]
    echoes_amount: ClassVar[bool] = True
    method_token: ClassVar[str] = "tok_conformance_TOKEN_4bf92f35"  # noqa: S105  nobody's
    environment: ClassVar[Literal["production", "sandbox"]] = "sandbox"

    def amount_on_wire(self, request: httpx.Request) -> Any:
        """Return the amount as this provider was told it."""
        raise NotImplementedError

    def side_call(self, request: httpx.Request) -> httpx.Response | None:  # noqa: ARG002  subclasses use it
        """Answer a request that is no charge (fetching an access token, say); None if it is one."""
        return None

    def built(self, answer: Answer | str) -> tuple[PaymentConnector, CannedProvider]:
        """Build the connector against a provider that gives one answer, or that of a scenario."""
        provider = CannedProvider(self.scenario(answer) if isinstance(answer, str) else answer, self.side_call)
        http = httpx.Client(transport=provider, trust_env=False)
        return self.connector(Context(self.settings, http, standing_clock(), self.environment)), provider

    def asked(self, money: Money | None = None, key: str = KEY) -> ChargeRequest:
        """Return the charge that the tests ask for."""
        method = min(self.connector.capabilities.methods)
        wanted = money or next(iter(self.amounts))
        return ChargeRequest(
            key,
            wanted,
            method,
            self.method_token,
            reference="order_conformance",
            return_url="https://shop.example/back",
        )

    def charge(self, answer: Answer | str, money: Money | None = None, key: str = KEY) -> Heard:
        """Charge once against a provider that gives this answer."""
        connector, provider = self.built(answer)
        heard = Heard(self.asked(money, key), sent=provider.sent)
        heard.listen(lambda: connector.charge(heard.request))
        return heard

    def lookup(self, answer: Answer | str) -> Heard:
        """Look a charge up once against a provider that gives this answer."""
        self._lookups()
        connector, provider = self.built(answer)
        heard = Heard(self.asked(), sent=provider.sent)
        heard.listen(lambda: connector.find(KEY))
        return heard

    def scenario(self, name: str) -> Answer:
        """Return the answer for a scenario that must be there."""
        assert name in self.wire, f"wire[{name!r}] is missing: the kit cannot judge without it"
        return self.wire[name]

    def test_it_has_a_name_and_keeps_its_claims(self) -> None:
        cls = self.connector
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,39}", cls.name), "name: lower case letters, digits, underscores"
        assert cls.display_name.strip()
        assert isinstance(cls.capabilities, Capabilities)
        assert cls.capabilities.methods, "it takes no method of payment"
        assert cls.capabilities.currencies is None or cls.capabilities.currencies, "it takes no currency"
        assert not unkept_claims(cls)

    def test_it_offers_only_methods_it_claims(self) -> None:
        connector, _ = self.built("approved")
        assert {offered.method for offered in connector.payment_methods()} <= connector.capabilities.methods

    def test_its_settings_schema_is_one_and_knows_required_settings(self) -> None:
        schema = dict(self.connector.settings_schema)
        assert jsonschema_rs.meta.is_valid(schema), "settings_schema is not a JSON Schema"
        assert schema.get("type") == "object"
        assert jsonschema_rs.is_valid(schema, dict(self.settings)), "the kit's own settings do not fit"
        if schema.get("required"):
            assert not jsonschema_rs.is_valid(schema, {}), "empty settings must be refused"

    def test_its_secret_settings_are_marked(self) -> None:
        for name, prop in self.connector.settings_schema.get("properties", {}).items():
            if _SOUNDS_SECRET.search(name) and prop.get("type", "string") == "string":
                assert prop.get("writeOnly") is True, f"{name} sounds like a secret: mark it writeOnly"

    def test_approved_is_told_with_a_reference_and_the_money_asked(self) -> None:
        heard = self.charge("approved")
        assert heard.raised is None, f"it raised {heard.raised!r}"
        assert isinstance(heard.returned, Approved)
        check_answer(heard.returned, heard.request.money, heard.request.capture)

    def test_declined_is_told_in_our_words_and_keeps_theirs(self) -> None:
        heard = self.charge("declined")
        assert heard.raised is None, f"it raised {heard.raised!r}"
        assert isinstance(heard.returned, Declined)
        assert heard.returned.kind in DECLINE_KINDS
        assert heard.returned.provider_code, "keep the provider's own code for whoever must ask them"
        check_answer(heard.returned, heard.request.money, heard.request.capture)

    def test_pending_is_told_if_the_provider_knows_it(self) -> None:
        if "pending" not in self.wire:
            pytest.skip("this provider answers at once")
        heard = self.charge("pending")
        assert isinstance(heard.returned, Pending), f"it returned {heard.returned!r} and raised {heard.raised!r}"
        check_answer(heard.returned, heard.request.money, heard.request.capture)

    @pytest.mark.parametrize("scenario", ["wrong_amount", "wrong_currency"])
    def test_an_approval_of_something_else_is_no_approval(self, scenario: str) -> None:
        if not self.echoes_amount:
            pytest.skip("this provider does not say what it took")
        heard = self.charge(scenario)
        if heard.raised is None:
            with pytest.raises(Exception, match="asked for"):
                check_answer(heard.returned, heard.request.money, heard.request.capture)
        assert not isinstance(heard.raised, NotSent), "the money may have moved"

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    @pytest.mark.parametrize("scenario", ["approved", "declined"])
    def test_a_failing_provider_is_never_an_outcome(self, scenario: str, status: int) -> None:
        heard = self.charge(self._changed(scenario, status))
        assert heard.is_unknown, f"a {status} is no answer, whatever its body says: it said {heard.returned!r}"

    def test_a_status_it_does_not_know_is_never_an_outcome(self) -> None:
        heard = self.charge("novel")
        assert heard.is_unknown, f"it made {heard.returned!r} of a status that it cannot know"

    @pytest.mark.parametrize("body", ["<html>maintenance</html>", "", "{}", "[]", "null", '"approved"'])
    def test_an_answer_it_cannot_read_is_never_an_outcome(self, body: str) -> None:
        heard = self.charge(self._instead_of("approved", body.encode()))
        assert heard.is_unknown, f"it made {heard.returned!r} of {body!r}"

    def test_half_an_answer_is_never_an_outcome(self) -> None:
        whole = self._answer("approved").content
        heard = self.charge(self._instead_of("approved", whole[: len(whole) // 2]))
        assert heard.is_unknown, f"it made {heard.returned!r} of half an answer"

    @pytest.mark.parametrize("silence", _SILENCES, ids=lambda exc: type(exc).__name__)
    def test_silence_after_sending_is_never_called_unsent(self, silence: Exception) -> None:
        heard = self.charge(silence)
        assert heard.is_unknown, f"the money may have moved: it said {heard.returned!r}, {heard.raised!r}"

    def test_a_provider_that_cannot_be_reached_was_not_sent_to(self) -> None:
        heard = self.charge(httpx.ConnectError("refused"))
        assert isinstance(heard.raised, NotSent), f"let NotSent through: it said {heard.returned!r}, {heard.raised!r}"

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_a_redirect_is_not_followed(self, status: int) -> None:
        moved = self._changed("approved", status)
        moved.headers["location"] = "https://elsewhere.example/charges"
        heard = self.charge(moved)
        assert heard.is_unknown, f"it made {heard.returned!r} of a redirect"
        assert {request.url.host for request in heard.sent} != {"elsewhere.example"}
        assert len(heard.sent) == 1, "it sent the charge again"

    def test_a_provider_that_is_too_busy_did_not_approve(self) -> None:
        heard = self.charge(self._changed("approved", 429))
        assert heard.raised is not None or isinstance(heard.returned, Rejected), (
            f"it said {heard.returned!r} after a 429"
        )

    def test_the_key_is_sent_and_stays_the_same(self) -> None:
        first, second = self.charge("approved"), self.charge("approved")
        assert first.sent, "it sent nothing"
        for request in (*first.sent, *second.sent):
            assert KEY in _text(request), "the attempt's key is not in the request"

    def test_another_attempt_has_another_key(self) -> None:
        heard = self.charge("approved", key=OTHER_KEY)
        for request in heard.sent:
            assert OTHER_KEY in _text(request)
            assert KEY not in _text(request)

    def test_it_charges_once(self) -> None:
        for answer in ("approved", "declined", *_SILENCES):
            writes = [r for r in self.charge(answer).sent if r.method not in ("GET", "HEAD")]
            assert len(writes) == 1, f"{len(writes)} writes for one attempt: repeating is the host's business"

    def test_every_amount_reaches_the_provider_exactly(self) -> None:
        claimed = self.connector.capabilities.currencies
        assert any(money.exponent == 2 for money in self.amounts)
        for currency in EXPONENTS:
            if claimed is None or currency in claimed:
                assert any(m.currency == currency for m in self.amounts), f"amounts lacks one in {currency}"
        for money, expected in self.amounts.items():
            assert claimed is None or money.currency in claimed
            heard = self.charge("approved", money)
            assert self.amount_on_wire(heard.sent[-1]) == expected, money

    def test_find_tells_what_became_of_a_charge(self) -> None:
        heard = self.lookup("found")
        assert heard.raised is None, f"it raised {heard.raised!r}"
        assert isinstance(heard.returned, Approved)
        check_answer(heard.returned, next(iter(self.amounts)), "automatic")
        assert any(KEY in _text(request) for request in heard.sent), "it did not ask for the attempt's key"

    def test_find_says_none_only_when_told_so(self) -> None:
        heard = self.lookup("not_found")
        assert heard.raised is None, f"it raised {heard.raised!r}"
        assert heard.returned is None

    @pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
    def test_a_failing_lookup_says_nothing(self, status: int) -> None:
        for scenario in self._lookups():
            heard = self.lookup(self._changed(scenario, status))
            assert heard.raised is not None, f"it made {heard.returned!r} of a {status}"

    @pytest.mark.parametrize("body", ["<html>maintenance</html>", "", "null"])
    def test_a_lookup_it_cannot_read_says_nothing(self, body: str) -> None:
        self._lookups()
        heard = self.lookup(self._instead_of("found", body.encode()))
        assert heard.raised is not None, f"it made {heard.returned!r} of {body!r}"

    def test_secrets_and_tokens_are_in_no_repr(self) -> None:
        connector, _ = self.built("approved")
        shown = repr(connector.ctx) + repr(connector) + str(connector) + repr(self.asked())
        for secret in (*self._secrets(), self.method_token):
            assert secret not in shown

    def test_it_works_in_no_transaction_of_its_own(self) -> None:
        assert not self.charge("approved").left_open

    def _lookups(self) -> tuple[str, str]:
        if not self.connector.capabilities.lookup:
            pytest.skip("it does not claim lookup")
        return "found", "not_found"

    def _secrets(self) -> list[str]:
        marked = {n for n, p in self.connector.settings_schema.get("properties", {}).items() if p.get("writeOnly")}
        return [value for name, value in self.settings.items() if name in marked and isinstance(value, str)]

    def _answer(self, scenario: str) -> httpx.Response:
        answer = self.scenario(scenario)
        if isinstance(answer, httpx.Response):
            return answer
        assert not isinstance(answer, Exception), f"wire[{scenario!r}] must be an answer"
        sent = self.lookup(reply(200)).sent if "found" in scenario else self.charge(reply(200)).sent
        return answer(sent[-1])

    def _changed(self, scenario: str, status: int) -> httpx.Response:
        answer = self._answer(scenario)
        return httpx.Response(status, headers=answer.headers, content=answer.content)

    def _instead_of(self, scenario: str, content: bytes) -> httpx.Response:
        status = self._answer(scenario).status_code
        return httpx.Response(status, headers={"content-type": "application/json"}, content=content)


def _text(request: httpx.Request) -> str:
    headers = " ".join(f"{name}={value}" for name, value in request.headers.items())
    return f"{request.url} {headers} {request.content.decode(errors='replace')}"
