"""How long a cart lives, and where it stands meanwhile."""

from datetime import timedelta
from enum import StrEnum
from typing import Final

ABANDON: Final = "abandon_cart"
"""The kind of the due row that every cart has which may still be abandoned."""

FIRST_LOOK: Final = timedelta(minutes=15)
"""When a new cart is looked at first: after the shortest time that an application may choose."""

IDLE: Final = timedelta(days=1)
"""After how long without a change a cart is abandoned where the application says nothing else."""

LIFETIME: Final = timedelta(days=30)
"""After how long without a change a cart expires, whatever the application says (semantics 1.3)."""


class CartStatus(StrEnum):
    """Where a cart stands (semantics 1.3)."""

    OPEN = "open"
    CHECKOUT = "checkout"
    CONVERTED = "converted"
    ABANDONED = "abandoned"
