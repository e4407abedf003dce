"""Stripe's words for no, in ours.

Sources: https://docs.stripe.com/declines/codes for the decline codes and advice codes, and
https://docs.stripe.com/error-codes for the rest. A code that stands nowhere here is a hard decline.
"""

from collections.abc import Mapping
from typing import Final

from penstock.plugin import DeclineKind

_BY_KIND: Final[Mapping[DeclineKind, str]] = {
    # The issuer gave no reason, or asks for another try: another provider may have more luck.
    "soft": """
        approve_with_id call_issuer do_not_honor generic_decline issuer_not_available no_action_taken
        processing_error reenter_transaction try_again_later
    """,
    "hard": """
        account_closed card_not_supported currency_not_supported do_not_try_again expired_card incorrect_cvc
        incorrect_number incorrect_pin incorrect_zip incorrect_address invalid_account invalid_amount invalid_cvc
        invalid_expiry_month invalid_expiry_year invalid_number invalid_pin lost_card
        new_account_information_available not_permitted offline_pin_required online_or_offline_pin_required
        pickup_card pin_try_exceeded restricted_card revocation_of_all_authorizations revocation_of_authorization
        security_violation service_not_allowed stolen_card stop_payment_order testmode_decline
        transaction_not_allowed
    """,
    "insufficient_funds": "insufficient_funds card_velocity_exceeded withdrawal_count_limit_exceeded",
    "fraud": "fraudulent merchant_blacklist highest_risk_level",
    "duplicate": "duplicate_transaction",
    "auth_required": "authentication_required",
    "authentication_failed": "payment_intent_authentication_failure authentication_not_handled",
}

DECLINES: Final[Mapping[str, DeclineKind]] = {code: kind for kind, codes in _BY_KIND.items() for code in codes.split()}

UNSUPPORTED: Final = frozenset(
    {
        "amount_too_large",
        "amount_too_small",
        "invalid_charge_amount",
        "invalid_currency",
        "country_unsupported",
        "payment_intent_mandate_invalid",
        "payment_method_currency_mismatch",
        "payment_method_not_available",
        "payment_method_unactivated",
        "payment_method_unsupported_type",
        "capture_unauthorized_payment",
    }
)

CONFIGURATION: Final = frozenset(
    {
        "account_invalid",
        "account_number_invalid",
        "api_key_expired",
        "application_fees_not_allowed",
        "livemode_mismatch",
        "platform_api_key_expired",
        "secret_key_required",
        "testmode_charges_only",
        "tls_version_unsupported",
    }
)


def kind_of(code: str, advice: object = None) -> DeclineKind:
    """Return our kind of a decline. ``advice`` is Stripe's advice code: one against retrying makes a soft no a hard one."""
    kind = DECLINES.get(code, "hard")
    return "hard" if kind == "soft" and advice in ("do_not_try_again", "confirm_card_data") else kind
