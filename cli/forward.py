"""Posts an event to a developer's own server as a delivery would be, signed anew, and says in a line how it went."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
from rich.markup import escape

from cli.trouble import Trouble
from penstock.clock import SystemClock, monotonic_seconds
from penstock.event_message import written
from penstock.webhook_signature import PREFIX, new_secret, signed_headers

TIMEOUT_SECONDS: Final = 10.0
"""As long as a real delivery waits."""

_SHOWN: Final = 13


@dataclass(frozen=True, slots=True)
class Forwarded:
    """How one post ended."""

    says: str
    is_taken: bool
    milliseconds: int


class Forwarder:
    """Posts to one address under one secret."""

    def __init__(self, url: str, secret: str | None) -> None:
        if not url.startswith(("http://", "https://")):
            raise Trouble(f"{url} is no address: it begins with http:// or https://")
        if secret is not None and not secret.startswith(PREFIX):
            raise Trouble(f"a signing secret begins with {PREFIX}")
        self.secret = secret or new_secret()
        self._url = url
        self._clock = SystemClock()
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False)

    def post(self, event: Mapping[str, Any]) -> Forwarded:
        """Post an event with the bytes that a delivery has. Never raises for the receiver's sake."""
        body = written(event)
        headers = signed_headers(event["id"], event["type"], body, [self.secret], self._clock.now())
        began = monotonic_seconds()
        try:
            status = self._client.post(self._url, content=body, headers=headers).status_code
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            return Forwarded(f"no answer ({type(exc).__name__})", is_taken=False, milliseconds=_since(began))
        is_taken = httpx.codes.is_success(status)
        return Forwarded(str(status), is_taken=is_taken, milliseconds=_since(began))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def line(event: Mapping[str, Any], forwarded: Forwarded | None) -> str:
    """Return an event as one readable line, with colours for a console."""
    at = event["createdAt"][11:19]
    what = f"{event['objectType']} {event['objectId'][:_SHOWN]}…"
    told = f"{at}  [bold]{escape(event['type']):<28}[/] {escape(what):<34} #{event['streamSequence']}  {event['id']}"
    if forwarded is None:
        return told
    mark = "[green]✓[/]" if forwarded.is_taken else "[red]✗[/]"
    return f"{told}  {mark} {escape(forwarded.says)} in {forwarded.milliseconds} ms"


def _since(began: float) -> int:
    return round((monotonic_seconds() - began) * 1000)
