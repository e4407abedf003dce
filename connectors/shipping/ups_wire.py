"""How UPS is spoken to: where it lives, the access token, and what is an answer at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import httpx

from penstock.plugin import BadCredentials, Context

HOSTS: Final = {"production": "https://onlinetools.ups.com", "sandbox": "https://wwwcie.ups.com"}
LOG_IN: Final = "/security/v1/oauth/token"
RATES: Final = "/api/rating/v2409/Shop"
_SPARE: Final = timedelta(seconds=60)
"""A token is given up this long before it ends, so that it does not end on its way."""

_REFUSED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class WireFault(ValueError):
    """UPS answered in a way that is not known."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    good_until: datetime


class Wire:
    """Speaks to UPS for one account.

    The access token is kept between calls. It is one immutable value that is replaced whole: threads that find it old
    at the same time fetch one each, and the last one stays.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._host = HOSTS[ctx.environment]
        self._token: _Token | None = None

    def __repr__(self) -> str:
        return f"<Wire {self._host}>"

    def ask(self, body: Mapping[str, Any]) -> httpx.Response:
        """Ask for the rates and days of all services. Raises `BadCredentials` if UPS refuses the account."""
        kept = self._token
        token = self._good_token(kept)
        answer = self._exchange(token, body)
        if answer.status_code == HTTPStatus.UNAUTHORIZED and kept is not None and kept.text == token:
            # UPS took the kept token back before its time. One just fetched gets no second try.
            answer = self._exchange(self.log_in(), body)
        return answer

    def log_in(self) -> str:
        """Fetch a new access token. Raises `BadCredentials` if UPS refuses the account."""
        settings = self._ctx.settings
        response = self._ctx.http.post(
            self._host + LOG_IN,
            data={"grant_type": "client_credentials"},
            auth=(settings["client_id"], settings["client_secret"]),
            headers={"Accept": "application/json", "x-merchant-id": settings["account_number"]},
        )
        if response.status_code in _REFUSED:
            raise BadCredentials("UPS refuses the client id and secret")
        if response.status_code != HTTPStatus.OK:
            raise WireFault(f"UPS answered {response.status_code} to the log-in")
        given = response.json()
        text, seconds = given["access_token"], int(given["expires_in"])
        if not isinstance(text, str) or not text or not text.isprintable():
            raise WireFault("UPS gave no usable access token")
        self._token = _Token(text, self._ctx.clock.now() + timedelta(seconds=seconds) - _SPARE)
        return text

    def _good_token(self, kept: _Token | None) -> str:
        if kept is not None and self._ctx.clock.now() < kept.good_until:
            return kept.text
        return self.log_in()

    def _exchange(self, token: str, body: Mapping[str, Any]) -> httpx.Response:
        return self._ctx.http.post(
            self._host + RATES,
            params={"additionalinfo": "timeintransit"},
            json=body,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json", "transactionSrc": "penstock"},
        )
