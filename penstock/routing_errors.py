"""The errors of routing: what may be wrong with the lists of rules, and what a rule answers."""

from collections.abc import Mapping
from typing import Any

from penstock.errors import ApiError, FaultyRequest


class RoutingDefaultRequired(FaultyRequest):
    """The default cascade is empty."""

    code = "routing_default_required"
    default_message = "defaultCascade needs at least one connector."


class RoutingUnknownConnector(FaultyRequest):
    """A cascade names a connector that does not exist or is not active here."""

    code = "routing_unknown_connector"
    default_message = "A connector is unknown or not active."


class RoutingDuplicateConnector(FaultyRequest):
    """A connector stands twice in one cascade."""

    code = "routing_duplicate_connector"
    default_message = "A connector stands twice in one cascade."


class RoutingEmptyCascade(FaultyRequest):
    """A rule goes nowhere."""

    code = "routing_empty_cascade"
    default_message = "A rule has an empty cascade."


class RoutingRuleNoConditions(FaultyRequest):
    """A rule for cards has no conditions; the default cascade is for what no rule matches."""

    code = "routing_rule_no_conditions"
    default_message = "A routing rule has no conditions."


class RoutingEmptyConditionValues(FaultyRequest):
    """A condition names no values."""

    code = "routing_empty_condition_values"
    default_message = "A condition has no values."


class RoutingInvalidCountry(FaultyRequest):
    """A condition's value is no country."""

    code = "routing_invalid_country"
    default_message = "A country is not an ISO 3166-1 alpha-2 code."


class RoutingInvalidCurrency(FaultyRequest):
    """A condition's currency is none."""

    code = "routing_invalid_currency"
    default_message = "A currency is not an ISO 4217 code."


class RoutingInvalidAmount(FaultyRequest):
    """A bound of an amount is missing, not positive, or finer than its currency."""

    code = "routing_invalid_amount"
    default_message = "An amount is missing or not a positive number."


class RoutingAmountRangeInvalid(FaultyRequest):
    """The lower bound of a range is not below the upper one."""

    code = "routing_amount_range_invalid"
    default_message = "min has to be less than max."


class RoutingInvalidScheme(FaultyRequest):
    """A condition's value is no card scheme."""

    code = "routing_invalid_scheme"
    default_message = "A card scheme is not known."


class RoutingInvalidCardSource(FaultyRequest):
    """A condition's value is no card source."""

    code = "routing_invalid_card_source"
    default_message = "A card source is not known."


class RoutingInvalidCardType(FaultyRequest):
    """A condition's value is no card type."""

    code = "routing_invalid_card_type"
    default_message = "A card type is not known."


class RoutingInvalidCondition(FaultyRequest):
    """A condition's type, operator, fields or values do not fit each other or this list."""

    code = "routing_invalid_condition"
    default_message = "A condition does not fit this list."


class DeclineRuleNoConditions(FaultyRequest):
    """A decline rule has no conditions: it would refuse every payment."""

    code = "decline_rule_no_conditions"
    default_message = "A decline rule has no conditions."


class OtherRoutingMethodRequired(FaultyRequest):
    """A rule names no method, or one that is paid by card."""

    code = "other_routing_method_required"
    default_message = "A rule has no method."


class OtherRoutingEmptyConnections(FaultyRequest):
    """A rule goes nowhere."""

    code = "other_routing_empty_connections"
    default_message = "A rule has no connections."


class OtherRoutingMethodMismatch(FaultyRequest):
    """A connection does not take the rule's method."""

    code = "other_routing_method_mismatch"
    default_message = "A connection does not take the rule's method."


class OtherRoutingUnknownConnector(FaultyRequest):
    """A rule names a connector that does not exist or is not active here."""

    code = "other_routing_unknown_connector"
    default_message = "A connection is unknown or not active."


class PreconditionFailed(ApiError):
    """What ``If-Match`` names is not what stands there any more."""

    code = "precondition_failed"
    default_message = "This was changed since you read it."


class ApplicationKeyWorkspaceRoute(ApiError):
    """An API key was used where only a dashboard session may come."""

    code = "application_key_workspace_route"
    default_message = "API keys cannot call this; use a dashboard session."


class FlowDecline(ApiError):
    """A decline rule of the merchant's matched; nobody was asked. ``wire_code`` is the rule's own code, if it has one."""

    code = "flow_decline"
    default_message = "The payment was declined."

    def __init__(self, own_code: str | None, *, details: Mapping[str, Any]) -> None:
        super().__init__(details=details)
        self._own_code = own_code

    @property
    def wire_code(self) -> str:
        """The rule's code, or the generic one."""
        return self._own_code or self.code


class Gr4vyUpstreamError(ApiError):
    """A provider that the answer needs failed or said something unusable."""

    code = "gr4vy_upstream_error"
    default_message = "The payment provider returned an unexpected error."
