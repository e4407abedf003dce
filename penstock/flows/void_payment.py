"""Release the money that a payment holds."""

from penstock.flows.take_step import Followed, take_step
from penstock.ports import Cascade, Work


def void_payment(work: Work, cascade: Cascade, payment_id: str) -> Followed:
    """Release the money that a payment holds.

    A payment that is being captured cannot be voided, nor the other way round.
    Raises `NotFound`, `PaymentInProgress`, `VoidNotAllowed` and `NoEligibleConnector`; see `take_step`.
    """
    return take_step(work, cascade, payment_id, "void")
