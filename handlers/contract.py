"""What the door needs of the house that it is built into. `bootstrap.House` fits these shapes."""

from collections.abc import Collection
from pathlib import Path
from typing import Literal, Protocol

from penstock.caller import Caller
from penstock.clock import Clock
from penstock.ports import OpenWork

ResponseCheck = Literal["raise", "log", "off"]


class DoorSettings(Protocol):
    """The settings that the door reads."""

    @property
    def public_url(self) -> str:
        """Where this server is reached, for links in errors."""
        ...

    @property
    def threads(self) -> int:
        """How many requests are served at once."""
        ...

    @property
    def queue_limit(self) -> int:
        """How many requests may wait for a thread before further ones are refused."""
        ...

    @property
    def sqlite_file(self) -> Path | None:
        """The database file; None where the database is a server."""
        ...

    @property
    def validate_responses(self) -> ResponseCheck:
        """What happens to an answer of ours that breaks the spec."""
        ...


class DoorKeys(Protocol):
    """The keys that the door needs, from the installation's root secret."""

    def key(self, purpose: Literal["answers"]) -> bytes:
        """Return the key for one purpose, 32 bytes."""
        ...


class Identity(Protocol):
    """Who a credential belongs to. Each raises an `ApiError` for a credential that is not good."""

    def by_key(self, raw_key: str) -> Caller:
        """Return whose key it is."""
        ...

    def by_dashboard_token(self, token: str, application_id: str | None, environment_id: str | None) -> Caller:
        """Return the member, as they stand in one application and environment."""
        ...

    def by_quote_token(self, raw_token: str, application_id: str, origin: str | None) -> Caller:
        """Return whose quote token it is, for a page of this origin; None for a request that is no page's."""
        ...

    def by_connection(self, connection_id: str) -> Caller | None:
        """Return the connection as a caller, or None where there is none."""
        ...

    def by_session(self, session_id: str) -> Caller | None:
        """Return the session as a caller, or None where there is none."""
        ...


class DoorHouse(Protocol):
    """Everything that a request can reach."""

    @property
    def settings(self) -> DoorSettings:
        """What the operator set."""
        ...

    @property
    def keyring(self) -> DoorKeys:
        """Keys from the installation's root secret."""
        ...

    @property
    def clock(self) -> Clock:
        """What tells the time."""
        ...

    @property
    def work(self) -> OpenWork:
        """What opens units of work."""
        ...

    @property
    def identity(self) -> Identity:
        """Who a credential belongs to."""
        ...

    def cors_origins(self, session_id: str) -> Collection[str]:
        """Return the origins whose pages may act on a session; none for an unknown one."""
        ...

    def unready(self) -> str | None:
        """Return why no request can be served now (database, migrations), or None."""
        ...
