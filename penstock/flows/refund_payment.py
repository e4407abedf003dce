"""Give money of a payment back: all that is left, or a part."""

from penstock.flows.take_step import Followed, take_step
from penstock.ports import Cascade, Work


def refund_payment(work: Work, cascade: Cascade, payment_id: str, amount: int | None) -> Followed:
    """Give money of a payment back: all that is left, or ``amount`` minor units.

    Several refunds never give back more than was captured, however they race.
    Raises `NotFound`, `PaymentInProgress`, `RefundNotAllowed` and `NoEligibleConnector`; see `take_step`.
    """
    return take_step(work, cascade, payment_id, "refund", amount)
