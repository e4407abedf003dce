"""The contract of a payment connector as tests: one class to subclass, put together from the parts beside it."""

from penstock.conformance.accounts import AccountPromises
from penstock.conformance.charges import ChargePromises
from penstock.conformance.follow_ups import FollowUpPromises
from penstock.conformance.live import LivePromises
from penstock.conformance.matrix import FaultMatrix
from penstock.conformance.messages import MessagePromises
from penstock.conformance.provider import NOON, delivery, reply
from penstock.conformance.returns import ReturnPromises

__all__ = ["NOON", "PaymentConnectorContract", "delivery", "reply"]


class PaymentConnectorContract(
    ChargePromises, FollowUpPromises, ReturnPromises, AccountPromises, MessagePromises, FaultMatrix, LivePromises
):
    """Subclass it, say what your provider puts on the wire, and run pytest.

    The connector's capabilities decide which tests run; `Bench` says what to fill in, and a test that misses something
    names it.
    """
