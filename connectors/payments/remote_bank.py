"""The sandbox's bank in another process, over HTTP: an independent witness, or one bank for several servers."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from connectors.payments.sandbox_bank import PREFIX, Answer
from penstock.connector import NotSent


class RemoteBank:
    """A bank in another process, over HTTP."""

    def __init__(self, http: httpx.Client, url: str) -> None:
        self._http = http
        self._url = url.rstrip("/")

    def charge(self, order: Mapping[str, Any]) -> Answer:
        """Send a charge; the bank does what its token asks for."""
        behaviour = str(order["token"]).removeprefix(PREFIX)
        if behaviour == "not_sent":
            raise NotSent("the sandbox bank cannot be reached, as asked")
        return self._ask("POST", "/charges", {**order, "behaviour": behaviour})

    def find(self, key: str) -> Answer:
        """Ask for the charge under this key."""
        return self._ask("GET", "/charges", params={"key": key})

    def settle(self, ref: str, *, is_approved: bool) -> Answer:
        """Decide a challenged or pending charge."""
        return self._ask("POST", f"/charges/{quote(ref, safe='')}/settle", {"approve": is_approved})

    def transaction(self, ref: str) -> Answer:
        """Ask for a payment made in the bank's own widget."""
        return self._ask("GET", f"/transactions/{quote(ref, safe='')}")

    def follow_up(self, order: Mapping[str, Any]) -> Answer:
        """Send a capture, void or refund; the bank does what the charge's token asks for."""
        return self._ask("POST", "/follow-ups", order)

    def find_follow_up(self, key: str) -> Answer:
        """Ask for the capture, void or refund under this key."""
        return self._ask("GET", "/follow-ups", params={"key": key})

    def settle_follow_up(self, ref: str, *, is_approved: bool) -> Answer:
        """Decide a pending capture, void or refund."""
        return self._ask("POST", f"/follow-ups/{quote(ref, safe='')}/settle", {"approve": is_approved})

    def _ask(self, method: str, path: str, body: Any = None, params: Mapping[str, str] | None = None) -> Answer:
        response = self._http.request(method, self._url + path, json=body, params=params)
        return Answer(response.status_code, response.content)
