"""The same class against the provider's own sandbox, when asked for: what it really says, and a scrubbed transcript."""

# ruff: noqa: D102  a test's name is its sentence

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast
from uuid import uuid4

import httpx
import pytest

from penstock.clock import SystemClock
from penstock.conformance.bench import Bench, claiming
from penstock.connector import Context, PaymentConnector
from penstock.money import Money
from penstock.outcome import Approved, CaptureMode, Declined, Done, Pending, Rejected, check_answer, check_follow_up
from penstock.request import CaptureRequest, ChargeRequest, FollowUpRequest, RefundRequest, VoidRequest

SECONDS: Final = 30.0
_SHORTEST_SECRET: Final = 4
_HIDDEN: Final = re.compile(r"(?i)authorization|cookie|key|secret|signature|token")
_FIELD: Final = re.compile(r'(?i)("?\b\w*(?:token|secret|password|signature)\w*"?\s*[:=]\s*)("[^"]*"|[^"&,\s}]+)')
_CARD_NUMBER: Final = re.compile(r"(?<!\d)\d{13,19}(?!\d)")


@dataclass
class Live:
    """One account at the provider's sandbox: a table of the settings file, and what was said there."""

    connector: PaymentConnector
    given: Mapping[str, Any]
    transcript: list[str] = field(default_factory=list)

    def request(self, token: str, capture: CaptureMode = "automatic") -> ChargeRequest:
        """Return a new charge with one of the account's tokens; skip where there is none of this name."""
        if token not in self.given.get("tokens", {}):
            pytest.skip(f"the settings file names no token {token!r}")
        money = Money(self.given.get("amount", 1250), self.given.get("currency", "EUR"))
        method = self.given.get("method", min(self.connector.capabilities.methods))
        key = str(uuid4())
        return ChargeRequest(
            key,
            money,
            method,
            self.given["tokens"][token],
            capture=capture,
            reference=f"conformance-{key[:8]}",
            return_url="https://shop.example/back",
        )


def transcribed(transcript: list[str], secrets: list[str]) -> Mapping[str, list[Any]]:
    """Return the hooks of an HTTP client that write down what is said, without headers that identify and secrets."""

    def scrubbed(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "***")
        return _CARD_NUMBER.sub("***", _FIELD.sub(r"\1***", text))

    def headers(given: httpx.Headers) -> Iterator[str]:
        for name, value in given.items():
            yield scrubbed(f"{name}: {'***' if _HIDDEN.search(name) else value}")

    def heard(response: httpx.Response) -> None:
        request = response.request
        said = [f"> {request.method} {scrubbed(str(request.url))}", *(f"> {h}" for h in headers(request.headers))]
        said.append(scrubbed(request.read().decode(errors="replace")))
        said += [f"< {response.status_code}", *(f"< {h}" for h in headers(response.headers))]
        response.read()
        transcript.append("\n".join([*said, scrubbed(response.text), ""]))

    return {"response": [heard]}


def connected(cls: type[PaymentConnector], path: Path) -> Live:
    """Build a connector for the account that the settings file has under its name. Skips where it has none."""
    given = tomllib.loads(path.read_text()).get(cls.name)
    if given is None:
        pytest.skip(f"{path} has no table [{cls.name}]")
    secrets = sorted(_texts([given.get("settings", {}), given.get("tokens", {})]), key=len, reverse=True)
    transcript: list[str] = []
    http = httpx.Client(trust_env=False, timeout=SECONDS, event_hooks=dict(transcribed(transcript, secrets)))
    environment = cast("Literal['production', 'sandbox']", given.get("environment", "sandbox"))
    return Live(cls(Context(given.get("settings", {}), http, SystemClock(), environment)), given, transcript)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if len(value) >= _SHORTEST_SECRET and not value.startswith(("https://", "http://")) else []
    return (
        [text for each in (value.values() if isinstance(value, Mapping) else value) for text in _texts(each)]
        if (isinstance(value, Mapping | list))
        else []
    )


class LivePromises(Bench):
    """Collected with ``--live FILE`` only, and then nothing else of the kit is."""

    def test_live_it_accepts_the_account(self, live: Live) -> None:
        if not self.connector.capabilities.verify:
            pytest.skip("it does not claim verify")
        live.connector.verify_account()

    def test_live_a_charge_is_taken_and_found_again(self, live: Live) -> None:
        request = live.request("approved")
        outcome = live.connector.charge(request)
        assert isinstance(outcome, Approved | Pending), f"it answered {outcome!r}"
        check_answer(outcome, request.money, request.capture)
        if self.connector.capabilities.lookup and isinstance(outcome, Approved):
            assert live.connector.find(request.key) == outcome, "a lookup tells another story than the charge"

    def test_live_a_decline_is_told_in_our_words(self, live: Live) -> None:
        outcome = live.connector.charge(live.request("declined"))
        assert isinstance(outcome, Declined | Rejected), f"it answered {outcome!r}"
        assert outcome.provider_code, "keep the provider's own code"

    def test_live_a_repeat_acts_once(self, live: Live) -> None:
        if not self.connector.capabilities.idempotent_create:
            pytest.skip("it does not claim idempotent_create")
        request = live.request("approved")
        assert live.connector.charge(request) == live.connector.charge(request), "the same key acted twice"

    @claiming("refund")
    def test_live_a_charge_is_refunded_in_part(self, live: Live) -> None:
        charged = live.request("approved")
        ref = self._held(live, charged).ref
        part = Money(charged.money.amount // 2, charged.money.currency)
        request = RefundRequest(str(uuid4()), ref, part, charge_key=charged.key, charged=charged.money)
        self._followed(live, request, live.connector.refund(request))

    @claiming("manual_capture")
    def test_live_held_money_is_captured(self, live: Live) -> None:
        charged = live.request("approved", "manual")
        ref = self._held(live, charged).ref
        request = CaptureRequest(str(uuid4()), ref, charged.money, charge_key=charged.key, charged=charged.money)
        self._followed(live, request, live.connector.capture(request))

    @claiming("manual_capture")
    def test_live_held_money_is_released(self, live: Live) -> None:
        charged = live.request("approved", "manual")
        ref = self._held(live, charged).ref
        request = VoidRequest(str(uuid4()), ref, charged.money, charge_key=charged.key)
        self._followed(live, request, live.connector.void(request))

    def _held(self, live: Live, request: ChargeRequest) -> Approved:
        outcome = live.connector.charge(request)
        if isinstance(outcome, Pending):
            pytest.skip("the charge is pending, so nothing can follow it yet")
        assert isinstance(outcome, Approved), f"it answered {outcome!r}"
        check_answer(outcome, request.money, request.capture)
        return outcome

    def _followed(self, live: Live, request: FollowUpRequest, answer: object) -> None:
        assert isinstance(answer, Done | Pending), f"it answered {answer!r}"
        check_follow_up(answer, request.money)
        if self.connector.capabilities.follow_up_lookup and isinstance(answer, Done):
            assert live.connector.find_follow_up(request) == answer, "a lookup tells another story than the answer"
