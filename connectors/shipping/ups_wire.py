"""How UPS is spoken to: where it lives, the access token, and what is an answer at all."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import httpx

from connectors.access_tokens import AccessTokens
from penstock.plugin import Context

HOSTS: Final = {"production": "https://onlinetools.ups.com", "sandbox": "https://wwwcie.ups.com"}
LOG_IN: Final = "/security/v1/oauth/token"
RATES: Final = "/api/rating/v2409/Shop"
_REFUSED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class WireFault(ValueError):
    """UPS answered in a way that is not known."""


class Wire:
    """Speaks to UPS for one account. It keeps the account's access token between calls."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._host = HOSTS[ctx.environment]
        named = {"x-merchant-id": ctx.settings["account_number"]}
        self._tokens = AccessTokens(ctx, "UPS", self._host + LOG_IN, headers=named, refusals=_REFUSED)

    def __repr__(self) -> str:
        return f"<Wire {self._host}>"

    def ask(self, body: Mapping[str, Any]) -> httpx.Response:
        """Ask for the rates and days of all services. Raises `BadCredentials` if UPS refuses the account."""
        return self._tokens.use(lambda token: self._exchange(token, body), _is_refused)

    def log_in(self) -> None:
        """Fetch a new access token. Raises `BadCredentials` if UPS refuses the account."""
        self._tokens.log_in()

    def _exchange(self, token: str, body: Mapping[str, Any]) -> httpx.Response:
        return self._ctx.http.post(
            self._host + RATES,
            params={"additionalinfo": "timeintransit"},
            json=body,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json", "transactionSrc": "penstock"},
        )


def _is_refused(answer: httpx.Response) -> bool:
    return answer.status_code == HTTPStatus.UNAUTHORIZED
