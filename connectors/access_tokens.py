"""Keeps the access token of an account: fetched with the account's own credentials, used until shortly before it ends.

The one way in which OAuth 2.0 is spoken here is RFC 6749, section 4.4: client credentials in a Basic header.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, TypeVar

import httpx

from penstock.plugin import BadCredentials, Context

Answer = TypeVar("Answer")

SPARE: Final = timedelta(seconds=60)
"""A token is given up this long before it ends, so that it does not end on its way."""

_LONGEST: Final = 24 * 60 * 60
"""For how many seconds a token is believed to be good at the most, whatever its provider says."""


class NoToken(ValueError):
    """The provider neither gave a token nor refused the account. What the token was for was not sent."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    good_until: datetime


class AccessTokens:
    """The access token of one account, for many threads.

    It is one immutable value that is replaced whole, without a lock: a log-in that hangs holds nobody else up. Threads
    that find it old at the same time fetch one each, and the last one stays; each is good by itself.
    """

    def __init__(
        self,
        ctx: Context,
        provider: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        refusals: Collection[int] = frozenset({HTTPStatus.UNAUTHORIZED}),
    ) -> None:
        """Keep tokens for ``ctx``'s ``client_id`` and ``client_secret``, fetched from ``url``.

        ``provider`` is the name in messages, ``headers`` go along with each log-in, ``refusals`` are the statuses by
        which the provider refuses the account.
        """
        self._ctx = ctx
        self._provider = provider
        self._url = url
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._refusals = frozenset(refusals)
        self._kept: _Token | None = None

    def __repr__(self) -> str:
        return f"<AccessTokens {self._provider}>"

    def log_in(self) -> str:
        """Fetch a new token and keep it. Raises `BadCredentials` if the account is refused, `NoToken`, and `NotSent`."""
        try:
            given = self._fetched()
        except (httpx.RequestError, ValueError, KeyError, TypeError) as exc:
            raise NoToken(f"{self._provider} gave no usable access token ({type(exc).__name__}: {exc})") from exc
        self._kept = given
        return given.text

    def use(self, call: Callable[[str], Answer], was_refused: Callable[[Answer], bool]) -> Answer:
        """Return what ``call`` comes to with a good token.

        A kept token that the provider took back before its time has done nothing, so ``call`` is made once more with
        another one. A token that was just fetched gets no second try. Raises what `log_in` and ``call`` raise.
        """
        kept = self._kept
        if kept is None or self._ctx.clock.now() >= kept.good_until:
            return call(self.log_in())
        answer = call(kept.text)
        if not was_refused(answer):
            return answer
        now = self._kept
        return call(self.log_in() if now is None or now is kept else now.text)

    def _fetched(self) -> _Token:
        settings = self._ctx.settings
        response = self._ctx.http.post(
            self._url,
            data={"grant_type": "client_credentials"},
            auth=(settings["client_id"], settings["client_secret"]),
            headers=self._headers,
        )
        if response.status_code in self._refusals:
            raise BadCredentials(f"{self._provider} refuses the client id and secret")
        if response.status_code != HTTPStatus.OK:
            raise ValueError(f"it answered {response.status_code} to the log-in")
        return self._read(response.json())

    def _read(self, given: Mapping[str, Any]) -> _Token:
        text, lifetime = given["access_token"], given["expires_in"]
        if not isinstance(text, str) or not text or not (text.isascii() and text.isprintable()):
            raise ValueError("it gave no text that a header can carry")
        if isinstance(lifetime, bool) or not isinstance(lifetime, int | str):
            raise TypeError("it did not say for how many seconds the token is good")
        seconds = min(int(lifetime), _LONGEST)
        return _Token(text, self._ctx.clock.now() + timedelta(seconds=seconds) - SPARE)
