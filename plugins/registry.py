"""The three kinds of provider that plugins offer: payment connectors, tax engines and rate sources.

A name is one plugin's, whatever its kind: a connection names no more than that.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import pluggy

from connectors import http
from penstock.clock import Clock
from penstock.connector import Capabilities, PaymentConnector, Provider, unkept_claims, unkept_verify
from penstock.rate_source import RateClaims, RateSource
from penstock.tax_engine import TaxClaims, TaxEngine
from plugins.manager import BrokenPlugin
from plugins.setting_faults import SettingsFault
from plugins.shelf import Kind, Shelf, UnusableConnection, classes_of

__all__ = [
    "Engines",
    "Registry",
    "SettingsFault",
    "Sources",
    "UnusableConnection",
    "connector_classes",
]

PAYMENT: Final[Kind[PaymentConnector]] = Kind(
    "penstock_payment_connectors", "payment connector", PaymentConnector, Capabilities, unkept_claims
)
TAX: Final[Kind[TaxEngine]] = Kind("penstock_tax_engines", "tax engine", TaxEngine, TaxClaims, unkept_verify)
RATES: Final[Kind[RateSource]] = Kind("penstock_rate_sources", "rate source", RateSource, RateClaims, unkept_verify)


class Registry(Shelf[PaymentConnector]):
    """The payment connectors."""

    def __init__(
        self,
        pm: pluggy.PluginManager,
        *,
        clock: Clock,
        client: Callable[[], httpx.Client] = http.client,
        defaults: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(PAYMENT, pm, clock=clock, client=client, defaults=defaults)


class Engines(Shelf[TaxEngine]):
    """The tax engines."""

    def __init__(
        self, pm: pluggy.PluginManager, *, clock: Clock, client: Callable[[], httpx.Client] = http.client
    ) -> None:
        super().__init__(TAX, pm, clock=clock, client=client)


class Sources(Shelf[RateSource]):
    """The sources of shipping rates."""

    def __init__(
        self, pm: pluggy.PluginManager, *, clock: Clock, client: Callable[[], httpx.Client] = http.client
    ) -> None:
        super().__init__(RATES, pm, clock=clock, client=client)


def connector_classes(pm: pluggy.PluginManager) -> dict[str, type[PaymentConnector]]:
    """Return every offered payment connector by name. Raises `BrokenPlugin` for one that cannot be what it says."""
    return classes_of(PAYMENT, pm)


def engine_classes(pm: pluggy.PluginManager) -> dict[str, type[TaxEngine]]:
    """Return every offered tax engine by name. Raises `BrokenPlugin` for one that cannot be what it says."""
    return classes_of(TAX, pm)


def source_classes(pm: pluggy.PluginManager) -> dict[str, type[RateSource]]:
    """Return every offered rate source by name. Raises `BrokenPlugin` for one that cannot be what it says."""
    return classes_of(RATES, pm)


def every_class(pm: pluggy.PluginManager) -> dict[str, type[Provider]]:
    """Return every offered class of every kind by name. Raises `BrokenPlugin`, also for two of one name."""
    found: dict[str, type[Provider]] = {}
    for classes in (connector_classes(pm), engine_classes(pm), source_classes(pm)):
        for name, cls in classes.items():
            if (other := found.setdefault(name, cls)) is not cls:
                raise BrokenPlugin(f"{cls.__module__} and {other.__module__} both offer something named {name!r}")
    return found
