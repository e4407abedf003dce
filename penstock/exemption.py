"""A buyer who pays no tax: why, and by which certificate or number. It is the merchant's word, and is told with the total."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ExemptionReason = Literal["exempt", "reverse_charge"]
"""``exempt``: the buyer is free of tax, a school or a reseller say; ``reverse_charge``: the buyer owes the tax itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """Why a buyer pays no tax. ``reference`` is the certificate or the buyer's tax number, as the merchant wrote it."""

    reason: ExemptionReason
    reference: str | None = None

    def kept(self) -> dict[str, str | None]:
        """Return it as the wire and the columns have it."""
        return {"reason": self.reason, "reference": self.reference}


def read_exemption(kept: Mapping[str, str | None] | None) -> Exemption | None:
    """Return an exemption from its shape, whose schema has been checked; None stays None."""
    if kept is None:
        return None
    reason: ExemptionReason = "reverse_charge" if kept["reason"] == "reverse_charge" else "exempt"
    return Exemption(reason=reason, reference=kept.get("reference"))
