"""What tax engines and rate sources both keep: the class, its account, and what comes of a provider that fails."""

# ruff: noqa: D102  a test's name is its sentence

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Literal, TypeVar

import httpx
import pytest

from penstock.conformance.faults import FAULTS, Fault, faulty
from penstock.conformance.provider import Answer, CannedProvider, Heard, SideCall, fresh, owed, standing_clock, text_of
from penstock.conformance.settings import AccountBench, SettingsPromises
from penstock.connector import BadCredentials, Context, NotSent, Provider, unkept_verify
from penstock.outcome import BrokenPromise
from penstock.source import Refused

NOTHING: Final = "nothing"
"""What the host makes of a call that raised, or whose answer breaks the contract: there is no answer."""

ANSWERED: Final = "answered"

_WIRE_FAULTS: Final = tuple(fault for fault in FAULTS if fault.make is not None)
_FAILING: Final = pytest.mark.parametrize("status", [302, 429, 500, 503])

Test = TypeVar("Test", bound=Callable[..., None])


def verifying(test: Test) -> Test:
    """Mark a test as one that exists only for those who claim ``verify``."""
    test.__dict__["claim"] = "verify"
    return test


def over_the_wire(test: Test) -> Test:
    """Mark a test as one that exists only for those who call somebody."""
    test.__dict__["wire"] = True
    return test


def is_wanted(bench: type["SourceBench"], test: Callable[..., Any]) -> bool:
    """Tell whether the bench's claims let this test exist."""
    if getattr(test, "wire", False) and bench.calls_nobody:
        return False
    claim = getattr(test, "claim", "")
    return not claim or bool(getattr(bench.provider.capabilities, claim))


class SourceBench(AccountBench):
    """What an author fills in for an engine or a source of either kind.

    ``wire`` is what the provider answers, by scenario; an answer is a `reply`, a function of the request, or None where
    the provider has no such answer. ``calls_nobody`` is for one that answers from what is installed with it.
    """

    provider: ClassVar[type[Provider]]
    wire: ClassVar[Mapping[str, Answer | None]] = {}
    calls_nobody: ClassVar[bool] = False
    environment: ClassVar[Literal["production", "sandbox"]] = "sandbox"

    @classmethod
    def tried(cls) -> type[Provider]:
        """Return the class that is tried."""
        return cls.provider

    def side_call(self, request: httpx.Request) -> httpx.Response | None:  # noqa: ARG002  subclasses use it
        """Answer a request that is not the one asked about (fetching an access token, say); None if it is."""
        return None

    def good(self) -> tuple[Any, Answer]:
        """Return a question and the provider's good answer to it."""
        raise NotImplementedError

    def put(self, provider: Any, request: Any) -> Any:
        """Ask the provider's object a question."""
        raise NotImplementedError

    def check(self, answer: object, request: Any) -> Any:
        """Hold an answer to the contract, as the host does."""
        raise NotImplementedError

    def built(self, answer: Answer, side_call: SideCall | None = None) -> tuple[Any, CannedProvider]:
        """Build the class against a provider that gives one answer."""
        canned = CannedProvider(answer, side_call or self.side_call)
        http = httpx.Client(transport=canned, trust_env=False)
        return self.provider(Context(self.settings, http, standing_clock(), self.environment)), canned

    def ask(self, answer: Answer, request: Any = None) -> Heard:
        """Ask once, of a provider that gives this answer: the good question unless another is given."""
        asked = self.good()[0] if request is None else request
        provider, canned = self.built(answer)
        heard = Heard(asked, sent=canned.sent)
        heard.listen(lambda: self.put(provider, asked))
        return heard

    def asked_well(self) -> Heard:
        """Ask the good question and give the good answer."""
        request, answer = self.good()
        return self.ask(answer, request)

    def judge(self, heard: Heard) -> str:
        """Return what the host makes of a call: `ANSWERED`, the kind of a refusal, or `NOTHING`."""
        if heard.raised is not None:
            return NOTHING
        try:
            told = self.check(heard.returned, heard.request)
        except BrokenPromise:
            return NOTHING
        return told.kind if isinstance(told, Refused) else ANSWERED

    def scenario(self, name: str) -> Answer:
        """Return the answer for a scenario that must be there; skip where the author says that there is none."""
        if name not in self.wire:
            owed(f'wire["{name}"]: copy the provider\'s answer from its documentation, or None if it never gives one')
        answer = self.wire[name]
        if answer is None:
            pytest.skip(f'wire["{name}"] is None: this provider has no such answer')
        return answer

    def replayed(self) -> Callable[[httpx.Request], httpx.Response]:
        """Return a provider that gives its good answer."""
        answer = self.good()[1]
        assert not isinstance(answer, Exception), "the good answer is none"
        return (lambda _: fresh(answer)) if isinstance(answer, httpx.Response) else answer

    def instead(self, status: int | None = None, content: bytes | None = None) -> Callable[..., httpx.Response]:
        """Return a provider that gives its good answer with another status or other content."""
        good = self.replayed()

        def answer(request: httpx.Request) -> httpx.Response:
            whole = good(request)
            kind = {"content-type": whole.headers.get("content-type", "application/json")}
            more = {"location": "https://elsewhere.example/"} if status in (301, 302, 307, 308) else {}
            body = whole.content if content is None else content
            return httpx.Response(status or whole.status_code, headers=kind | more, content=body)

        return answer


class SourcePromises(SettingsPromises, SourceBench):
    """The class, its account, and failures of the wire."""

    def test_it_has_a_name_and_keeps_its_claims(self) -> None:
        cls = self.provider
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,39}", cls.name), "name: lower case letters, digits, underscores"
        assert cls.display_name.strip(), "display_name is empty: it is what people read"
        assert not unkept_verify(cls), "; ".join(unkept_verify(cls))

    def test_secrets_are_in_no_repr(self) -> None:
        provider, _ = self.built(self.good()[1])
        shown = repr(provider) + str(provider) + repr(provider.ctx)
        for secret in self.secrets():
            assert secret not in shown, "a setting that is secret stands in a repr"

    def test_a_good_answer_is_one(self) -> None:
        heard = self.asked_well()
        assert self.judge(heard) == ANSWERED, heard.said()

    def test_the_same_question_gets_the_same_answer(self) -> None:
        request, answer = self.good()
        provider, _ = self.built(answer)
        assert self.put(provider, request) == self.put(provider, request), "it keeps something between two calls"

    def test_it_works_in_no_transaction_of_its_own(self) -> None:
        assert not self.asked_well().left_open

    @over_the_wire
    @pytest.mark.parametrize(
        ("scenario", "kind"),
        [("bad_address", "address"), ("not_served", "not_served"), ("bad_credentials", "configuration")],
    )
    def test_a_no_is_told_in_our_words(self, scenario: str, kind: str) -> None:
        heard = self.ask(self.scenario(scenario))
        assert self.judge(heard) == kind, f"return Refused({kind!r}): {heard.said()}"
        for secret in self.secrets():
            assert secret not in repr(heard.returned), "a refusal repeats a secret"

    @over_the_wire
    @pytest.mark.parametrize("fault", _WIRE_FAULTS, ids=lambda fault: fault.name)
    def test_a_fault_leaves_no_answer(self, fault: Fault) -> None:
        heard = self.ask(faulty(fault, self.replayed()))
        allowed = {NOTHING, "rate_limited"} if fault.name == "busy" else {NOTHING}
        told = self.judge(heard)
        assert told in allowed, f"{fault.story}. There is no answer then: {heard.said()}"
        assert len(heard.sent) <= 1, f"{fault.story}: it asked {len(heard.sent)} times; repeating is the host's"
        assert "elsewhere.example" not in {request.url.host for request in heard.sent}, "it followed a redirect"

    @over_the_wire
    @pytest.mark.parametrize("status", [301, 307, 404, 418, 500, 502, 503, 504])
    def test_a_good_body_under_a_bad_status_is_no_answer(self, status: int) -> None:
        heard = self.ask(self.instead(status))
        assert self.judge(heard) != ANSWERED, f"a {status} is no answer, whatever its body says: {heard.said()}"

    @over_the_wire
    @pytest.mark.parametrize("body", ["<html>maintenance</html>", "", "{}", "[]", "null", "0", '"free"'])
    def test_a_body_that_it_cannot_read_is_no_answer(self, body: str) -> None:
        heard = self.ask(self.instead(content=body.encode()))
        assert self.judge(heard) == NOTHING, f"{body!r} is no answer: {heard.said()}"

    @over_the_wire
    def test_a_provider_that_cannot_be_reached_gave_no_answer(self) -> None:
        heard = self.ask(httpx.ConnectError("refused"))
        assert isinstance(heard.raised, NotSent), f"let NotSent through: {heard.said()}"

    @over_the_wire
    def test_no_secret_stands_in_an_address(self) -> None:
        for request in self.asked_well().sent:
            for secret in self.secrets():
                assert secret not in str(request.url), (
                    "addresses are logged everywhere: send it in a header or the body"
                )

    @verifying
    @over_the_wire
    def test_good_credentials_are_accepted(self) -> None:
        heard = self._verified(self.scenario("verified"))
        assert heard.raised is None, heard.said()

    @verifying
    @over_the_wire
    def test_bad_credentials_are_told_without_the_secret(self) -> None:
        heard = self._verified(self.scenario("refused_account"))
        assert isinstance(heard.raised, BadCredentials), f"raise BadCredentials: {heard.said()}"
        for secret in self.secrets():
            assert secret not in str(heard.raised), "the refusal repeats a secret"

    @verifying
    @over_the_wire
    @_FAILING
    def test_a_failing_provider_says_nothing_about_an_account(self, status: int) -> None:
        heard = self._verified(httpx.Response(status, json={}))
        assert heard.raised is not None, f"a {status} accepts nobody"
        assert not isinstance(heard.raised, BadCredentials), f"a {status} refuses nobody: {heard.said()}"

    def _verified(self, answer: Answer) -> Heard:
        # An account may be tried by the very call that otherwise goes beside (a log-in, say): nothing is beside here.
        provider, canned = self.built(answer, lambda _: None)
        heard = Heard(None, sent=canned.sent)
        heard.listen(provider.verify_account)
        return heard


def told_to(request: httpx.Request) -> str:
    """Return all that a request says, for a look at what reached the provider."""
    return text_of(request)
