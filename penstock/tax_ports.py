"""What shipping and tax need from storage. `penstock.ports` has the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from penstock.shipping_tax import Config, ConfigHead, ConfigVersion

if TYPE_CHECKING:
    from penstock.ports import Page


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
