"""The errors of what follows a charge. Status, title, cause and fix stand in ``spec/errors.yaml``, as for all others."""

from penstock.errors import ApiError


class AmountChanged(ApiError):
    """The session would charge another amount than the buyer agreed to."""

    code = "amount_changed"
    default_message = "The total has changed since it was shown. Nothing was charged."


class RefundNotAllowed(ApiError):
    """The payment cannot be refunded, or not by so much, or the provider refuses it."""

    code = "refund_not_allowed"
    default_message = "The payment is not captured, or not so much of it is left to refund."


class CaptureNotAllowed(ApiError):
    """The payment holds no money to take, or not so much, or the provider refuses it."""

    code = "capture_not_allowed"
    default_message = "The payment is not authorized, or not for so much."


class VoidNotAllowed(ApiError):
    """The payment holds no money to release, or the provider refuses it."""

    code = "void_not_allowed"
    default_message = "The payment is not authorized, so there is nothing to release."


class NothingToResolve(ApiError):
    """No outcome of the payment is open, so a person has nothing to say about it."""

    code = "nothing_to_resolve"
    default_message = "No outcome of this payment is open."
