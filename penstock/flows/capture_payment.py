"""Take the money that a payment holds: all of it, or a part, which releases the rest."""

from penstock.flows.take_step import Followed, take_step
from penstock.ports import Cascade, Work


def capture_payment(work: Work, cascade: Cascade, payment_id: str, amount: int | None) -> Followed:
    """Take the money that a payment holds: all of it, or ``amount`` minor units, which releases the rest.

    A payment is captured once.
    Raises `NotFound`, `PaymentInProgress`, `CaptureNotAllowed` and `NoEligibleConnector`; see `take_step`.
    """
    return take_step(work, cascade, payment_id, "capture", amount)
