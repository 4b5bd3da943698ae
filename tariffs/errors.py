"""Refusals of the tariffs app."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from common.errors import BadInput, Refused
from tariffs.domain.findings import Finding


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


class TariffNotPublishable(BadInput):
    """`findings` are those that stand in the way: every error, and every warning that nobody accepted."""

    code = "tariff_not_publishable"
    sentence = _(
        "The tariff cannot be published as it is. Correct the errors and accept the warnings; it stays a draft."
    )

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(details=[f"{finding.path}: {finding.words}" for finding in findings])
        self.findings = tuple(findings)
