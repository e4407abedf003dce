"""The errors of accounts at providers, and of the messages that providers send."""

from penstock.errors import ApiError


class ConnectorUnavailable(ApiError):
    """No installed plugin offers the connector, or it is not for this kind of environment."""

    code = "connector_unavailable"
    default_message = "This connector cannot be used here."


class ConnectorInUse(ApiError):
    """Payments were tried there, so the connection has to stay."""

    code = "connector_in_use"
    default_message = "Payments were tried at this connection, so it can be disabled and not deleted."


class WebhookSignatureInvalid(ApiError):
    """A provider's message is not from the provider, or too old to be believed."""

    code = "webhook_signature_invalid"
    default_message = "The message is not signed as this connection's provider signs."


class WebhookUnreadable(ApiError):
    """The connector can make nothing of a message."""

    code = "webhook_unreadable"
    default_message = "The connector can make nothing of this message."
