"""Who asks, and for which tenant: every query and every permission hangs on these two values."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

CallerKind = Literal["secret", "publishable", "dashboard", "session", "quote", "provider", "public"]


@dataclass(frozen=True, slots=True)
class Scope:
    """One application in one environment of one workspace: what a row belongs to. All three are UUID texts.

    ``stands_at`` is the moment at which the environment's test clock stands; None where time is the machine's. It says
    nothing about whose a row is, so it takes no part in comparisons.
    """

    workspace_id: str
    environment_id: str
    application_id: str
    stands_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the workspace may do in production. ``trial_over`` means: ended, and no payment method on file."""

    is_live: bool
    is_entitled: bool
    is_trial_over: bool


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.

    ``principal_id`` is the id of the key, the member, the session, the quote token or the connection; ``scopes`` are a key's own
    (``*`` for all), ``permissions`` a dashboard member's, resolved from its role in this environment.
    """

    scope: Scope
    kind: CallerKind
    principal_id: str
    environment_slug: str
    is_production: bool
    standing: Standing
    scopes: frozenset[str] = field(default_factory=frozenset)
    permissions: frozenset[str] = field(default_factory=frozenset)
