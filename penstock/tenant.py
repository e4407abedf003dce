"""What a tenant is made of: workspaces, applications, environments, keys, members, connections."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from penstock.caller import Scope, Standing
from penstock.cart import IDLE
from penstock.verdict import Connection as Account

CART_PLACEHOLDER: Final = "{cartId}"
"""What stands for the cart's id in the address where a buyer finds it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A merchant. ``lifecycle_stage`` is sandbox or live; ``billing_status`` is active, trialing or lapsed."""

    id: str
    name: str
    created_at: datetime
    lifecycle_stage: str = "sandbox"
    billing_status: str = "active"
    is_partner: bool = False
    trial_ends_at: datetime | None = None
    has_payment_method: bool = True


def standing_of(
    *,
    lifecycle_stage: str,
    billing_status: str,
    is_partner: bool,
    has_payment_method: bool,
    trial_ends_at: datetime | None,
    now: datetime,
) -> Standing:
    """Return what a workspace may do in production at a moment. A partner needs no subscription."""
    is_trialing = billing_status == "trialing"
    is_over = is_trialing and trial_ends_at is not None and trial_ends_at <= now
    return Standing(
        is_live=lifecycle_stage == "live",
        is_entitled=is_partner or billing_status == "active" or (is_trialing and not is_over),
        is_trial_over=is_over and not has_payment_method and not is_partner,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One shop of a workspace."""

    id: str
    workspace_id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One set of data of a workspace: production or one of several for tests. ``slug`` stands in its keys."""

    id: str
    workspace_id: str
    slug: str
    name: str
    is_production: bool
    created_at: datetime
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person in a workspace. ``subject`` is the identity provider's name for them."""

    id: str
    workspace_id: str
    subject: str
    email: str
    role: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key's metadata. The raw key is never kept: ``digest`` is its HMAC, ``prefix`` and ``last4`` are for people."""

    id: str
    scope: Scope
    name: str
    kind: str
    prefix: str
    last4: str
    digest: str = field(repr=False)
    scopes: Sequence[str]
    created_at: datetime
    created_by: str | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection(Account):
    """A configured account at a provider, and its place in the application's order."""

    scope: Scope
    display_name: str
    position: int
    created_at: datetime
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedConfig:
    """How the checkout may be embedded and what it looks like."""

    allowed_origins: Sequence[str] = ()
    primary_color: str | None = None
    logo_url: str | None = None
    merchant_name: str | None = None
    storefront_base_url: str | None = None
    cart_recovery_url_template: str | None = None
    cart_abandonment_threshold_minutes: int | None = None

    @property
    def idle(self) -> timedelta:
        """After how long without a change a cart is abandoned."""
        minutes = self.cart_abandonment_threshold_minutes
        return IDLE if minutes is None else timedelta(minutes=minutes)

    def recovery_url(self, cart_id: str) -> str | None:
        """Return where a buyer finds a cart again. Only the literal ``{cartId}`` is replaced: the rest is no format."""
        template = self.cart_recovery_url_template
        return None if template is None else template.replace(CART_PLACEHOLDER, cart_id)
