"""What a receiver of webhooks is tried with: each trial is a few posts and what a good receiver says to them.

A refusal is any 4xx but 410, which would switch an endpoint off. A 5xx never counts as one: that is a receiver which
fell over. Everything is marked ``isTest``, so that no receiver takes it for something that happened.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from penstock.event_example import example_event
from penstock.event_message import event_name, written
from penstock.ids import new_id
from penstock.webhook_signature import new_secret, signed_headers

Wanted = Literal["taken", "refused"]
STALE: Final = timedelta(minutes=10)
BIG_BYTES: Final = 200_000
BURST: Final = 16


@dataclass(frozen=True, slots=True)
class Letter:
    """One post."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Trial:
    """Posts that are sent one after the other, or ``at_once``. ``wrong`` says what it means if they go otherwise."""

    name: str
    wanted: Wanted
    wrong: str
    letters: Sequence[Letter] = field(repr=False)
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Pen:
    """Writes and signs made-up events."""

    secret: str = field(repr=False)
    now: datetime

    def event(self, kind: str = "order.created", **changed: Any) -> dict[str, Any]:
        """Return a made-up event with an id of its own."""
        return {**example_event(kind), "id": event_name(new_id()), "isTest": True, "streamSequence": None, **changed}

    def letter(
        self,
        event: Mapping[str, Any],
        *,
        body: bytes | None = None,
        secrets: Sequence[str] = (),
        at: datetime | None = None,
    ) -> Letter:
        """Return an event's post, genuine unless something else is asked for."""
        sent = written(event) if body is None else body
        signers = list(secrets) or [self.secret]
        return Letter(sent, signed_headers(event["id"], event["type"], sent, signers, at or self.now))


def trials(secret: str, now: datetime) -> Iterator[Trial]:
    """Yield all trials for a receiver that knows this secret."""
    pen = Pen(secret, now)
    for make in (_genuine, _tolerant, _forged, _stale, _malformed):
        yield from make(pen)


def _genuine(pen: Pen) -> Iterator[Trial]:
    once = pen.letter(pen.event())
    yield Trial("a genuine event", "taken", "nothing genuine gets through: the secret or the check is wrong", [once])
    yield Trial("the same event again", "taken", "a repeat is refused, so it would be repeated for days", [once, once])
    cart = str(UUID(int=1))
    late = [pen.letter(pen.event("cart.updated", objectId=cart, sequence=number)) for number in (3, 2, 1)]
    yield Trial("events out of order", "taken", "an event that comes late is refused, so it would be repeated", late)


def _tolerant(pen: Pen) -> Iterator[Trial]:
    unknown = pen.event()
    unknown["type"] = "order.type_of_tomorrow"
    yield Trial(
        "a type that is not known yet",
        "taken",
        "a new type stops it: ignore what you do not know",
        [pen.letter(unknown)],
    )
    more = pen.event(fieldOfTomorrow={"a": [1, 2, 3]})
    yield Trial(
        "a field that is not known yet",
        "taken",
        "a new field stops it: ignore what you do not know",
        [pen.letter(more)],
    )
    loose = pen.event()
    spaced = json.dumps(loose, indent=2, sort_keys=True).encode()
    yield Trial(
        "the same JSON in other bytes",
        "taken",
        "it signs JSON that it wrote itself, not the bytes that came",
        [pen.letter(loose, body=spaced)],
    )
    wide = pen.event()
    wide["data"] = {**wide["data"], "orderNumber": "Žluťoučký kůň 🐎 \u2028"}
    yield Trial(
        "letters of all scripts", "taken", "it decodes the body before it checks the signature", [pen.letter(wide)]
    )
    big = pen.event(fieldOfTomorrow="x" * BIG_BYTES)
    yield Trial("a body of 200 kB", "taken", "its limit on bodies is too low", [pen.letter(big)])
    both = pen.letter(pen.event(), secrets=[new_secret(), pen.secret])
    yield Trial(
        "two signatures, as in a rotation",
        "taken",
        "it looks at the first signature alone, so a rotation would stop it",
        [both],
    )
    burst = [pen.letter(pen.event()) for _ in range(BURST)]
    yield Trial(f"{BURST} events at once", "taken", "it does not take several events at a time", burst, at_once=True)


def _forged(pen: Pen) -> Iterator[Trial]:
    stranger = pen.letter(pen.event(), secrets=[new_secret()])
    yield Trial("another secret", "refused", "it takes what anybody signed", [stranger])
    genuine = pen.letter(pen.event())
    changed = Letter(genuine.body.replace(b'"total":6007', b'"total":1'), genuine.headers)
    yield Trial("a body that was changed", "refused", "it takes a body that is not the one that was signed", [changed])
    bare = {name: value for name, value in genuine.headers.items() if "signature" not in name}
    yield Trial("no signature", "refused", "it takes what nobody signed", [Letter(genuine.body, bare)])
    empty = {name: "" if "signature" in name else value for name, value in genuine.headers.items()}
    yield Trial("empty signatures", "refused", "an empty signature passes", [Letter(genuine.body, empty)])
    other = pen.event()
    moved = Letter(genuine.body, {**pen.letter(other).headers, "x-throttle-signature": _blunt(genuine)})
    yield Trial(
        "another event's signature", "refused", "a signature passes for an event that it was not made for", [moved]
    )
    why = "the timestamp is not part of what it checks, so an old delivery can be made fresh"
    yield Trial("a fresh timestamp on an old signature", "refused", why, [_refreshed(pen)])


def _blunt(letter: Letter) -> str:
    stamp, _, _ = letter.headers["x-throttle-signature"].partition(",")
    return f"{stamp},v1={'0' * 64}"


def _refreshed(pen: Pen) -> Letter:
    """Return a letter whose signatures are those of ten minutes ago, under the timestamps of now."""
    event, at = pen.event(), int(pen.now.timestamp())
    old = pen.letter(event, at=pen.now - STALE)
    hexed = old.headers["x-throttle-signature"].partition(",")[2]
    return Letter(old.body, {**old.headers, "webhook-timestamp": str(at), "x-throttle-signature": f"t={at},{hexed}"})


def _stale(pen: Pen) -> Iterator[Trial]:
    old = pen.letter(pen.event(), at=pen.now - STALE)
    yield Trial("signed ten minutes ago", "refused", "whoever recorded a delivery can play it back at any time", [old])
    ahead = pen.letter(pen.event(), at=pen.now + STALE)
    yield Trial(
        "signed ten minutes ahead", "refused", "a recorded delivery stays good for longer than it should", [ahead]
    )


def _malformed(pen: Pen) -> Iterator[Trial]:
    why = "it falls over, or passes, where a header is not as it expects"
    letter = pen.letter(pen.event())
    spoiled: Sequence[tuple[str, Callable[[str, str], str]]] = (
        ("signature headers that say nothing", lambda name, value: "v1" if "signature" in name else value),
        ("timestamps that are no numbers", _without_time),
        ("signatures that are no base64 and no hex", _without_digits),
    )
    for name, spoil in spoiled:
        headers = {each: spoil(each, value) for each, value in letter.headers.items()}
        yield Trial(name, "refused", why, [Letter(letter.body, headers)])
    garbage = pen.letter(pen.event(), body=b"{")
    unsigned = {name: value for name, value in garbage.headers.items() if "signature" not in name}
    yield Trial("a body that is no JSON and not signed", "refused", why, [Letter(b"{", unsigned)])


def _without_time(name: str, value: str) -> str:
    if name == "webhook-timestamp":
        return "yesterday"
    return "t=yesterday," + value.partition(",")[2] if name == "x-throttle-signature" else value


def _without_digits(name: str, value: str) -> str:
    if name == "webhook-signature":
        return "v1,not*base64"
    return value.partition(",")[0] + ",v1=xyz" if name == "x-throttle-signature" else value
