"""The errors of shipping and tax. Status, title, cause and fix stand in ``spec/errors.yaml``, as for all others."""

from penstock.errors import ApiError


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
