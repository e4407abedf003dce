"""How PayPal is spoken to: where it lives, the access token, and what is an answer at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx

from connectors.access_tokens import AccessTokens, NoToken
from penstock.plugin import BadCredentials, Context, NotSent

HOSTS: Final = {"production": "https://api-m.paypal.com", "sandbox": "https://api-m.sandbox.paypal.com"}
_LOG_IN: Final = "/v1/oauth2/token"

_CONNECT_PHASE: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Answer:
    """What PayPal answered: a status below 500 and a JSON object, empty where there was no body."""

    status: int
    body: Mapping[str, Any]


class Wire:
    """Speaks to PayPal for one account. It keeps the account's access token between calls."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._host = HOSTS[ctx.environment]
        self._tokens = AccessTokens(ctx, "PayPal", self._host + _LOG_IN)

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

    def log_in(self) -> None:
        """Fetch a new access token. Raises `BadCredentials` if PayPal refuses the account."""
        self._tokens.log_in()

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None) -> Answer:
        """Exchange with a good token. A refused account is told as a 401; a write that gets no token was not sent."""
        try:
            return self._tokens.use(
                lambda token: self._exchange(method, path, {**headers, "Authorization": f"Bearer {token}"}, body),
                _is_refused,
            )
        except BadCredentials:
            return Answer(HTTPStatus.UNAUTHORIZED, {})
        except NoToken as exc:
            if method == "GET":
                raise
            raise NotSent(str(exc)) from exc

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


def _is_refused(answer: Answer) -> bool:
    return answer.status == HTTPStatus.UNAUTHORIZED
