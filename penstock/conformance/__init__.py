"""The tests that every connector, tax engine and rate source passes, ours and a stranger's alike.

Subclass `PaymentConnectorContract`, `TaxEngineContract` or `RateSourceContract`, say what your provider puts on the
wire, run pytest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from penstock.conformance.payments import NOON, PaymentConnectorContract, delivery, reply
    from penstock.conformance.rates import RateCase, RateSourceContract
    from penstock.conformance.taxes import TaxCase, TaxEngineContract

__all__ = [
    "NOON",
    "PaymentConnectorContract",
    "RateCase",
    "RateSourceContract",
    "TaxCase",
    "TaxEngineContract",
    "delivery",
    "reply",
]

_WHERE: Final = {"RateCase": "rates", "RateSourceContract": "rates", "TaxCase": "taxes", "TaxEngineContract": "taxes"}


def __getattr__(name: str) -> Any:
    # Loaded on first use: pytest imports this package at every start, and rewrites the kit's asserts after that.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"penstock.conformance.{_WHERE.get(name, 'payments')}"), name)
