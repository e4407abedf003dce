"""The errors of shipping and tax. Status, title, cause and fix stand in ``spec/errors.yaml``, as for all others."""

from penstock.errors import ApiError, FaultyRequest


class StoreNotFound(ApiError):
    """The application is none of this credential's."""

    code = "store_not_found"
    default_message = "There is no application with this id."


class ConfigDraftMissing(ApiError):
    """There is no draft that could be checked, published or discarded."""

    code = "config_draft_missing"
    default_message = "There is no draft of the shipping and tax configuration."


class InvalidQuoteToken(ApiError):
    """The token is wrong, expired, revoked or another application's, or the page's origin is not allowed."""

    code = "invalid_quote_token"
    default_message = "The quote token does not let this page ask."


class TaxProviderError(ApiError):
    """A connected source gave no answer for a final calculation, and nothing may stand in for it."""

    code = "tax_provider_error"
    default_message = "A source of shipping rates or taxes gave no answer."


class ExternalSnapshotNotAllowed(ApiError):
    """Neither axis is in the mode in which another system hands totals in."""

    code = "external_snapshot_not_allowed"
    default_message = "Neither shipping nor tax is in bring-your-own mode."


class UnknownFields(FaultyRequest):
    """The body has fields that the operation does not know, where that is told apart from other faults of a body."""

    code = "unknown_fields"
    default_message = "The body has fields that this operation does not know."

    @property
    def wire_code(self) -> str:
        """The code of every body that does not fit."""
        return "validation_error"
