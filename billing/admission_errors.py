"""Why somebody may not charge now. `code` is stable; the sentence is shown to the driver."""

from django.utils.translation import gettext_lazy as _

from common.errors import Refused


class UnknownToken(Refused):
    code = "unknown_token"
    sentence = _("This card is not known here. Use another card, or register it in your account first.")


class TokenBlocked(Refused):
    code = "token_blocked"
    sentence = _("This card is blocked. Unblock it in your account, or contact customer service.")


class TokenExpired(Refused):
    code = "token_expired"
    sentence = _("This card is no longer valid. Please use another one.")


class NoPaymentMethod(Refused):
    code = "no_payment_method"
    sentence = _("There is no card to pay with. Please add one under Payment methods.")


class OpenDebt(Refused):
    code = "open_debt"
    sentence = _(
        "An earlier session is not paid yet. Please pay it under Payment methods; charging works again at once."
    )


class NoSubscription(Refused):
    code = "no_subscription"
    sentence = _("This contract needs an active subscription. Please choose a plan first.")


class ConnectorBusy(Refused):
    code = "connector_busy"
    sentence = _("Somebody is charging at this connector. Please choose another one.")


class ConnectorNotReady(Refused):
    code = "connector_not_ready"
    sentence = _("This connector cannot be used at the moment. Please choose another one.")


class ChargePointOffline(Refused):
    code = "charge_point_offline"
    sentence = _("This charge point cannot be reached at the moment. Start with your card at the charge point instead.")


class SessionNotRunning(Refused):
    code = "session_not_running"
    sentence = _("This session has already ended.")
