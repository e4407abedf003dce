"""What shipping and tax need from storage. `penstock.ports` has the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from penstock.quote_token import QuoteToken
from penstock.shipping_tax import Config, ConfigHead, ConfigVersion

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from penstock.ports import Page
    from penstock.snapshot import Snapshot


class ShippingTax(Protocol):
    """The shipping and tax configuration: its draft, what is published, and every version."""

    def head(self) -> ConfigHead: ...
    def hold(self) -> ConfigHead:
        """Return where the configuration stands; nobody changes it until the block ends."""
        ...

    def put(self, head: ConfigHead) -> None: ...
    def in_force(self) -> Config:
        """Return the published configuration; one with both axes off where there is none."""
        ...

    def version(self, version_id: str) -> ConfigVersion | None: ...
    def add(self, version: ConfigVersion) -> None: ...
    def versions(self, *, cursor: str | None, limit: int) -> Page: ...


class QuoteTokens(Protocol):
    """The quote tokens of the scope."""

    def list_active(self) -> Sequence[QuoteToken]: ...
    def add(self, token: QuoteToken) -> None: ...
    def revoke(self, token_id: str, at: datetime) -> bool:
        """Revoke an active token; False where there is none with this id."""
        ...


class Calculations(Protocol):
    """Calculations of shipping and tax that were kept."""

    def get(self, snapshot_id: str) -> Snapshot | None: ...
    def add(self, snapshot: Snapshot) -> None: ...
