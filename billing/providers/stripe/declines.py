"""What Stripe's codes mean for the next attempt. Source: Stripe, "Decline codes"."""

from billing.providers.base import Decline

# The same card will never be good for this again.
_HARD = frozenset(
    {
        "expired_card",
        "fraudulent",
        "incorrect_number",
        "invalid_account",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        "lost_card",
        "merchant_blacklist",
        "new_account_information_available",
        "no_action_taken",
        "payment_method_missing",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "security_violation",
        "stolen_card",
        "stop_payment_order",
        "testmode_decline",
        "transaction_not_allowed",
        "card_not_supported",
        "currency_not_supported",
        "service_not_allowed",
    }
)
_SCA = frozenset(
    {
        "authentication_not_handled",
        "authentication_required",
        "offline_pin_required",
        "online_or_offline_pin_required",
        "payment_intent_authentication_failure",
    }
)
_PROVIDER = frozenset(
    {"issuer_not_available", "processing_error", "reenter_transaction", "try_again_later", "approve_with_id"}
)


def decline_class(code: str) -> Decline:
    """Whatever is not known to be final may succeed later: it is soft."""
    if code in _HARD:
        return Decline.HARD
    if code in _SCA:
        return Decline.SCA
    return Decline.PROVIDER if code in _PROVIDER else Decline.SOFT
