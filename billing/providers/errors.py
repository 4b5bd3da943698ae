"""What can go wrong between us and a payment provider. A declined card is an answer, not an error.

ProviderError
├── ProviderUnavailable    no answer: whether it took effect is unknown until the provider is read again
├── IdempotencyMismatch    the key was used before with other terms: nothing was done now
├── RequestRefused         the provider knows the request and will not do it (unknown reference, more than is left ...)
├── WebhookRefused         SignatureInvalid | WebhookMalformed: nothing of it may be stored
└── UnknownProvider        no provider of that name takes part here
"""

from django.utils.translation import gettext_lazy as _

from common.errors import VoltledgerError


class ProviderError(VoltledgerError):
    code = "provider_error"
    sentence = _("The payment provider could not do this. Nothing was changed; please try again later.")


class ProviderUnavailable(ProviderError):
    code = "provider_unavailable"
    sentence = _("The payment provider does not answer. We will find out what happened; please do not pay twice.")


class IdempotencyMismatch(ProviderError):
    code = "provider_idempotency_mismatch"
    sentence = _("The payment provider saw this reference before with other terms. Nothing was done.")


class RequestRefused(ProviderError):
    code = "provider_request_refused"


class WebhookRefused(ProviderError):
    code = "webhook_refused"


class SignatureInvalid(WebhookRefused):
    code = "webhook_signature_invalid"
    sentence = _("The message is not signed by the payment provider, or too long ago. It was not stored.")


class WebhookMalformed(WebhookRefused):
    code = "webhook_malformed"
    sentence = _("The message cannot be read. It was not stored.")


class UnknownProvider(ProviderError):
    code = "unknown_provider"
    sentence = _("No payment provider of that name is in use here.")
