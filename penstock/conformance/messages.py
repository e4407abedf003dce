"""What every connector keeps about a provider's own messages: believed only when signed, and only ever a hint."""

# ruff: noqa: D102  a test's name is its sentence

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from penstock.conformance.bench import Bench, claiming
from penstock.conformance.provider import Heard
from penstock.connector import Context
from penstock.request import Forged, Hint, WebhookDelivery

_KINDS: Final = ("payment", "refund", "dispute", "other")
_ODD: Final = ("", "garbage", "v1", "v1,", "t=,v1=", "t=1,v1=00", "=", ",", "🙂", "0" * 4096)
_UNREADABLE: Final = (b"", b"{", b"[]", b"null", b'"yes"', b"{}", b"\xff\xfe\x00", b"<xml/>")


class MessagePromises(Bench):
    """Messages, for connectors that claim ``webhooks``."""

    def stranger_settings(self) -> Mapping[str, Any]:
        """Return the settings of somebody else's account: every secret changed, its shape kept."""
        marked = set(self.secrets())
        return {name: _turned(value) if value in marked else value for name, value in self.settings.items()}

    @claiming("webhooks")
    def test_a_genuine_message_gives_hints(self) -> None:
        for about in ("payment", "refund"):
            if about == "refund" and not self.connector.capabilities.refund:
                continue
            heard = self._parsed(self._message(about))
            assert heard.raised is None, f"a genuine message about a {about}: {heard.said()}"
            hints = list(heard.returned)
            assert hints, f"a genuine message about a {about} gave no hint"
            for hint in hints:
                _check(hint)
            assert any(hint.kind == about for hint in hints), f"no hint is of the kind {about}"

    @claiming("webhooks")
    def test_a_repeated_message_gives_the_same_hints(self) -> None:
        message = self._message("payment")
        connector, _ = self.built("approved")
        first, second = list(connector.parse_webhook(message)), list(connector.parse_webhook(message))
        assert first == second, "the same message gave other hints: event_id is the provider's"

    @claiming("webhooks")
    def test_a_message_of_a_kind_it_does_not_know_is_no_trouble(self) -> None:
        heard = self._parsed(self._message("novel"))
        assert heard.raised is None, f"a genuine message of a new kind is no forgery: {heard.said()}"
        assert all(hint.kind == "other" for hint in heard.returned), f"it cannot know that kind: {heard.said()}"

    @claiming("webhooks")
    def test_a_message_of_another_account_is_forged(self) -> None:
        message = self._message("payment")
        connector, _ = self.built("approved")
        stranger = self.connector(
            Context(self.stranger_settings(), connector.ctx.http, connector.ctx.clock, self.environment)
        )
        heard = Heard(message)
        heard.listen(lambda: stranger.parse_webhook(message))
        assert isinstance(heard.raised, Forged), f"its signature is not of this account: {heard.said()}"

    @claiming("webhooks")
    def test_an_altered_message_is_forged(self) -> None:
        message = self._message("payment")
        genuine = self._parsed(message).returned
        for at in range(0, len(message.body), max(1, len(message.body) // 40)):
            body = message.body[:at] + bytes([message.body[at] ^ 1]) + message.body[at + 1 :]
            heard = self._parsed(replace(message, body=body))
            kept = heard.raised is None and list(heard.returned) == list(genuine)
            assert isinstance(heard.raised, Forged) or kept, f"byte {at} was altered: {heard.said()}"
        self._refused(replace(message, body=message.body.replace(b'"', b"'")), "every quote was altered")

    @claiming("webhooks")
    @pytest.mark.parametrize("body", _UNREADABLE)
    def test_a_message_it_cannot_read_is_forged(self, body: bytes) -> None:
        self._refused(replace(self._message("payment"), body=body), f"the body was {body!r}")

    @claiming("webhooks")
    def test_a_signature_it_cannot_read_is_forged(self) -> None:
        message = self._message("payment")
        genuine = list(self._parsed(message).returned)
        for name in message.headers:
            others = {header: value for header, value in message.headers.items() if header != name}
            for headers in (others, *({**message.headers, name: odd} for odd in _ODD)):
                heard = self._parsed(replace(message, headers=headers))
                kept = heard.raised is None and list(heard.returned) == genuine
                told = f"the header {name} was {headers.get(name)!r:.40}"
                assert isinstance(heard.raised, Forged) or kept, f"{told}: raise Forged; {heard.said()}"

    @claiming("webhooks")
    def test_an_old_message_is_forged(self) -> None:
        message = self._message("payment")
        if self.message_age is None:
            pytest.skip("this provider signs no time")
        late = replace(message, received_at=message.received_at + self.message_age + timedelta(seconds=1))
        self._refused(late, f"it came {self.message_age} after it was signed (compare with delivery.received_at)")

    def _message(self, about: str) -> WebhookDelivery:
        self.need_claim("webhooks")
        made = self.message(about)
        if made is None:
            pytest.skip(f"this provider sends no message about a {about}")
        return made

    def _parsed(self, message: WebhookDelivery) -> Heard:
        heard = self.ask("approved", lambda connector: list(connector.parse_webhook(message)))
        heard.request = message
        return heard

    def _refused(self, message: WebhookDelivery, why: str) -> None:
        heard = self._parsed(message)
        assert isinstance(heard.raised, Forged), f"{why}: raise Forged; {heard.said()}"


def _check(hint: object) -> None:
    assert isinstance(hint, Hint), f"{hint!r} is no Hint"
    assert hint.event_id.strip(), "event_id is empty: it is how a repeat is known"
    assert hint.kind in _KINDS, f"kind is one of {', '.join(_KINDS)}"
    assert hint.told is None or hint.key, "what a message tells itself must name its payment by key"
    assert hint.kind == "other" or hint.key or hint.ref, "a hint names the payment by key or by ref"


def _turned(secret: str) -> str:
    head, mark, tail = secret.rpartition("_")
    return head + mark + "".join(_next(letter) for letter in tail)


def _next(letter: str) -> str:
    circles: Sequence[str] = ("0123456789", "abcdef", "ABCDEF", "ghijklmnopqrstuvwxyz", "GHIJKLMNOPQRSTUVWXYZ")
    for circle in circles:
        if letter in circle:
            return circle[(circle.index(letter) + 1) % len(circle)]
    return letter
