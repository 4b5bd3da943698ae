"""Refusals of the tariffs app."""

from django.utils.translation import gettext_lazy as _

from common.errors import Refused


class NoTariff(Refused):
    """No tariff applies. Never free: an operator must assign one."""

    code = "no_tariff"
    sentence = _("There is no price for this charge point yet, so charging cannot start. Please use another one.")


class NoVatRate(Refused):
    code = "no_vat_rate"
    sentence = _("No VAT rate is known for this country and date. Enter it under Tariffs, VAT rates.")


class CurrencyMismatch(Refused):
    code = "tariff_currency_mismatch"
    sentence = _("The price here is in another currency than the contract. Please use another charge point.")
