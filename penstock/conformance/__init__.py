"""The tests that every connector passes, ours and a stranger's alike.

Subclass `PaymentConnectorContract`, say what your provider puts on the wire, run pytest.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.conformance.payments import NOON, PaymentConnectorContract, delivery, reply

__all__ = ["NOON", "PaymentConnectorContract", "delivery", "reply"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: pytest imports this package at every start, and rewrites the kit's asserts after that.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from penstock.conformance import payments  # noqa: PLC0415  see above

    return getattr(payments, name)
