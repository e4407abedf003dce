"""An account at Stripe: its key, the mode that the key is for, and how every request names them."""

from collections.abc import Mapping
from typing import Any, Final

from penstock.plugin import Context

API: Final = "https://api.stripe.com"
VERSION: Final = "2023-10-16"
"""The version that every request names, so that an account's own default changes nothing here."""

SECRET_KEY: Final[Mapping[str, Any]] = {
    "type": "string",
    "pattern": "^(sk|rk)_(test|live)_[A-Za-z0-9]{8,}$",
    "writeOnly": True,
    "description": "A secret or restricted key. Sandbox environments take test keys, production live ones.",
}
"""The setting ``secret_key``."""


def account_setting(purpose: str) -> Mapping[str, Any]:
    """Return the setting ``account``; ``purpose`` says what the connected account is there for."""
    return {
        "type": "string",
        "pattern": "^acct_[A-Za-z0-9]+$",
        "description": f"For platforms: the connected account to {purpose}.",
    }


def check_mode(ctx: Context) -> None:
    """Raise ValueError unless the key is a live one in production, and a test key elsewhere."""
    is_live = ctx.settings["secret_key"].split("_")[1] == "live"
    if is_live != (ctx.environment == "production"):
        raise ValueError("the secret_key is of the other mode than the environment")


def headers(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return what every request of this account carries."""
    own = {"Authorization": f"Bearer {settings['secret_key']}", "Stripe-Version": VERSION}
    return own | ({"Stripe-Account": settings["account"]} if "account" in settings else {})
