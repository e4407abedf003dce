"""How PayPal is spoken to: where it lives, the access token, and what is an answer at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import httpx

from penstock.plugin import BadCredentials, Context, NotSent

HOSTS: Final = {"production": "https://api-m.paypal.com", "sandbox": "https://api-m.sandbox.paypal.com"}
_LOG_IN: Final = "/v1/oauth2/token"
_SPARE: Final = timedelta(seconds=60)
"""A token is given up this long before it ends, so that it does not end on its way."""

_CONNECT_PHASE: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Answer:
    """What PayPal answered: a status below 500 and a JSON object, empty where there was no body."""

    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    good_until: datetime


class Wire:
    """Speaks to PayPal for one account.

    The access token is kept between calls. It is one immutable value that is replaced whole: threads that find it old
    at the same time fetch one each, and the last one stays.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._host = HOSTS[ctx.environment]
        self._token: _Token | None = None

    def __repr__(self) -> str:
        return f"<Wire {self._host}>"

    def read(self, path: str) -> Mapping[str, Any]:
        """Get one resource. Raises ValueError for every answer but 200."""
        answer = self._send("GET", path, {}, None)
        if answer.status != HTTPStatus.OK:
            raise ValueError(f"PayPal answered {answer.status}")
        return answer.body

    def write(self, path: str, key: str, body: Mapping[str, Any] | None) -> Answer:
        """Post under an idempotency key. Raises `NotSent` where PayPal cannot have got it, and for 5xx ValueError."""
        return self._send("POST", path, {"PayPal-Request-Id": key, "Prefer": "return=representation"}, body)

    def log_in(self) -> str:
        """Fetch a new access token. Raises `BadCredentials` if PayPal refuses the account."""
        settings = self._ctx.settings
        response = self._ctx.http.post(
            self._host + _LOG_IN,
            data={"grant_type": "client_credentials"},
            auth=(settings["client_id"], settings["client_secret"]),
            headers={"Accept": "application/json"},
        )
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            raise BadCredentials("PayPal refuses the client id and secret")
        if response.status_code != HTTPStatus.OK:
            raise ValueError(f"PayPal answered {response.status_code} to the log-in")
        given = response.json()
        text, seconds = given["access_token"], given["expires_in"]
        if not isinstance(text, str) or not text.isprintable() or not isinstance(seconds, int):
            raise ValueError("PayPal gave no usable access token")
        self._token = _Token(text, self._ctx.clock.now() + timedelta(seconds=seconds) - _SPARE)
        return text

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None) -> Answer:
        kept = self._token
        token = self._good_token(kept, is_write=method != "GET")
        if token is None:
            return Answer(HTTPStatus.UNAUTHORIZED, {})
        answer = self._exchange(method, path, {**headers, "Authorization": f"Bearer {token}"}, body)
        if answer.status != HTTPStatus.UNAUTHORIZED or kept is None or kept.text != token:
            return answer
        # PayPal took the kept token back before its time, and so has done nothing. A token just fetched gets no second try.
        again = self._good_token(None, is_write=method != "GET")
        if again is None:
            return answer
        return self._exchange(method, path, {**headers, "Authorization": f"Bearer {again}"}, body)

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None) -> Answer:
        more: dict[str, Any] = {"json": body} if body is not None else {}
        try:
            response = self._ctx.http.request(
                method, self._host + path, headers={**headers, "Content-Type": "application/json"}, **more
            )
        except _CONNECT_PHASE as exc:
            # The log-in was a write of this call too, so the client does not vouch for it. What was to be done is not done.
            raise NotSent(f"{type(exc).__name__} at PayPal") from exc
        if response.is_redirect or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ValueError(f"PayPal answered {response.status_code}")
        if response.status_code == HTTPStatus.NO_CONTENT:
            return Answer(response.status_code, {})
        found = response.json()
        if not isinstance(found, dict):
            raise TypeError("PayPal's answer is no object")
        return Answer(response.status_code, found)

    def _good_token(self, kept: _Token | None, *, is_write: bool) -> str | None:
        """Return a token, or None if PayPal refuses the account. A write that gets no token was not sent."""
        if kept is not None and self._ctx.clock.now() < kept.good_until:
            return kept.text
        try:
            return self.log_in()
        except BadCredentials:
            return None
        except (httpx.TransportError, ValueError, KeyError, TypeError) as exc:
            if not is_write:
                raise
            raise NotSent(f"PayPal gave no access token ({type(exc).__name__})") from exc
