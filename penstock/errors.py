"""Every error that a client can see, by code. Status, title, cause and fix stand in ``spec/errors.yaml``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request: where it is (a JSON pointer) and what is wrong with it."""

    pointer: str
    code: str
    message: str
    received: Any = None
    suggestion: str | None = None

    @property
    def field(self) -> str:
        """The place as a dotted name: ``/lines/0/rate`` is ``lines.0.rate``."""
        return self.pointer.lstrip("/").replace("/", ".").replace("~1", "/").replace("~0", "~")

    def shape(self) -> dict[str, Any]:
        """Return the fault as the wire has it."""
        out: dict[str, Any] = {
            "field": self.field,
            "pointer": self.pointer,
            "code": self.code,
            "message": self.message,
        }
        if self.received is not None:
            out["received"] = self.received
        if self.suggestion is not None:
            out["suggestion"] = self.suggestion
        return out


class ApiError(Exception):
    """An error that the spec declares. ``details`` fits the schema that ``spec/errors.yaml`` gives for the code."""

    code: ClassVar[str]
    default_message: ClassVar[str]

    def __init__(
        self,
        message: str = "",
        *,
        details: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message or self.default_message
        self.details = details
        self.headers = dict(headers or {})
        super().__init__(self.message)

    @property
    def wire_code(self) -> str:
        """The code that the answer carries: one of a family that `code` stands for in the spec."""
        return self.code


class FaultyRequest(ApiError):
    """An error that lists what is wrong with the request, fault by fault."""

    whole: ClassVar[str] = "The body"
    """What a fault without a place of its own is about."""

    def __init__(self, *faults: Fault, message: str = "") -> None:
        super().__init__(
            message or (f"{faults[0].field or self.whole}: {faults[0].message}" if faults else ""),
            details=[fault.shape() for fault in faults] or None,
        )
        self.faults = faults


class ValidationError(FaultyRequest):
    """The body is JSON but does not fit the schema or a rule about its values."""

    code = "validation_error"
    default_message = "The request does not fit the schema."


class InvalidRequest(FaultyRequest):
    """A query parameter or header does not fit."""

    code = "invalid_request"
    whole = "The query"
    default_message = "A parameter does not fit."


class MissingRequiredField(FaultyRequest):
    """The session asks for a field that neither it nor the request has."""

    code = "missing_required_field"
    default_message = "A required field is missing."


class InvalidJson(ApiError):
    """The body is not strict JSON in UTF-8."""

    code = "invalid_json"
    default_message = "The body is not JSON."


class InvalidCursor(ApiError):
    """The cursor was altered, belongs to another list or filter, or is not one of ours."""

    code = "invalid_cursor"
    default_message = "The cursor is not one that this list gave for these filters."


class InvalidScope(ApiError):
    """A scope is unknown, staff-only, or not for this kind of key."""

    code = "invalid_scope"
    default_message = "A requested scope cannot be given to this key."


class AllowedMethodsUnsupported(ApiError):
    """``allowedMethods`` was sent where the provider's widget shows the methods."""

    code = "allowed_methods_unsupported"
    default_message = "allowedMethods cannot be used with a payment-only session."


class ImageUrlUnresolvable(ApiError):
    """A relative image path, and no base address to complete it with."""

    code = "image_url_unresolvable"
    default_message = "imageUrl is relative and the application has no storefrontBaseUrl or allowed origin."


class CartNotReady(ApiError):
    """The cart cannot become an order as it is."""

    code = "cart_not_ready"
    default_message = "The cart is not ready for checkout."


class MissingApplicationId(ApiError):
    """A dashboard request names no application."""

    code = "missing_application_id"
    default_message = "Name the application in the X-Application-Id header."


class MissingEnvironmentId(ApiError):
    """A dashboard request names no environment."""

    code = "missing_environment_id"
    default_message = "Name the environment in the X-Throttle-Environment-Id header."


class Unauthorized(ApiError):
    """No credential, or one that is malformed, unknown or revoked."""

    code = "unauthorized"
    default_message = "A valid credential is needed."


class PaymentFailed(ApiError):
    """The payment was declined or refused, for certain; nothing was taken."""

    code = "payment_failed"
    default_message = "The payment was declined."


class WorkspaceNotLive(ApiError):
    """Production was asked of a workspace that has not gone live."""

    code = "workspace_not_live"
    default_message = "The workspace is not live: production credentials cannot take payments yet."


class WorkspaceNotEntitledForLive(ApiError):
    """Production was asked of a workspace that does not pay for it."""

    code = "workspace_not_entitled_for_live"
    default_message = "The workspace has no active subscription: production payments are paused."


class TrialExpired(ApiError):
    """The trial is over and there is no payment method on file."""

    code = "trial_expired"
    default_message = "The workspace's trial has ended."


class Forbidden(ApiError):
    """This kind of caller may not do this at all."""

    code = "forbidden"
    default_message = "This kind of credential cannot do this."


class InsufficientScopes(ApiError):
    """The key lacks the scope of the operation."""

    code = "insufficient_scopes"
    default_message = "The key lacks a scope that this operation needs."


class PermissionDenied(ApiError):
    """The member's role does not grant this in this environment."""

    code = "permission_denied"
    default_message = "Your role does not permit this."


class NotFound(ApiError):
    """Nothing of this caller's stands at this address."""

    code = "not_found"
    default_message = "There is nothing here under this id."


class SessionNotFound(ApiError):
    """No checkout session with this id."""

    code = "session_not_found"
    default_message = "There is no checkout session with this id."


class CartNotFound(ApiError):
    """No cart with this id for this caller."""

    code = "cart_not_found"
    default_message = "There is no cart with this id."


class EnvironmentNotFound(ApiError):
    """No environment with this id for this caller."""

    code = "environment_not_found"
    default_message = "There is no environment with this id."


class MethodNotAllowed(ApiError):
    """The address exists; the method does not."""

    code = "method_not_allowed"
    default_message = "This address does not take this method."


class CartNotOpen(ApiError):
    """The cart is in checkout, converted or abandoned."""

    code = "cart_not_open"
    default_message = "The cart is not open, so it cannot be changed."


class PaymentInProgress(ApiError):
    """Another completion of this session is running, or its outcome is not known yet."""

    code = "payment_in_progress"
    default_message = "A payment for this session is in progress."


class IdempotencyConflict(ApiError):
    """The key was used for another request."""

    code = "idempotency_conflict"
    default_message = "This Idempotency-Key was used for another request."


class IdempotencyInProgress(ApiError):
    """The first request with this key still runs."""

    code = "idempotency_in_progress"
    default_message = "The first request with this Idempotency-Key is still running."


class SessionExpired(ApiError):
    """The session's time is over."""

    code = "session_expired"
    default_message = "The checkout session has expired."


class PayloadTooLarge(ApiError):
    """The body is larger than the operation takes."""

    code = "payload_too_large"
    default_message = "The body is too large."


class UnsupportedMediaType(ApiError):
    """The body is not declared as plain, uncompressed JSON."""

    code = "unsupported_media_type"
    default_message = "Send application/json in UTF-8, without a content encoding."


class SessionNotOpen(ApiError):
    """The session is completed or cancelled."""

    code = "session_not_open"
    default_message = "The checkout session is not open."


class DiscountInvalid(ApiError):
    """The code cannot be used on this cart."""

    code = "discount_invalid"
    default_message = "The discount code is not valid for this cart."


class NoGr4vyConnection(ApiError):
    """The merchant has no active payment connection of the kind that this needs."""

    code = "no_gr4vy_connection"
    default_message = "There is no active payment connection."


class NoEligibleConnector(ApiError):
    """No active connection can take this payment; nothing was sent."""

    code = "no_eligible_connector"
    default_message = "No active payment connection can take this payment."


class PaymentMethodUnavailable(ApiError):
    """The session does not offer this payment method."""

    code = "payment_method_unavailable"
    default_message = "This session does not offer this payment method."


class FeatureUnavailable(ApiError):
    """The field is known and this installation does not act on it."""

    code = "feature_unavailable"
    default_message = "This installation does not offer this feature."


class CardDataNotAllowed(ApiError):
    """The body seems to hold a card number, which must never reach this API."""

    code = "card_data_not_allowed"
    default_message = "The body seems to hold a card number. Send a payment token instead."


class TooManyAttempts(ApiError):
    """The session has used up its payment attempts."""

    code = "too_many_attempts"
    default_message = "This session has used up its payment attempts."


class HeadersTooLarge(ApiError):
    """The request's headers are larger or more than the server takes."""

    code = "headers_too_large"
    default_message = "The request's headers are too large."


class InternalError(ApiError):
    """Something broke on this side; the log has it under the request id."""

    code = "internal_error"
    default_message = "Something broke on our side."


class ServiceUnavailable(ApiError):
    """Something that the answer needs cannot be reached right now."""

    code = "service_unavailable"
    default_message = "The service cannot answer right now."


def all_errors() -> dict[str, type[ApiError]]:
    """Return every error class that has a code, by code."""
    for part in ("account_errors", "clock_errors", "payment_errors", "routing_errors", "tax_errors"):
        import_module(f"penstock.{part}")
    found: dict[str, type[ApiError]] = {}
    queue: list[type[ApiError]] = [ApiError]
    while queue:
        for cls in queue.pop().__subclasses__():
            queue.append(cls)
            if "code" in vars(cls):
                found[cls.code] = cls
    return found
