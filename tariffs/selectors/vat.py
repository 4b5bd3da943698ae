"""VAT rates by country and date."""

from datetime import date
from decimal import Decimal

from tariffs.errors import NoVatRate
from tariffs.models import VatRate


def vat_percent(country: str, on: date) -> Decimal:
    """The country's rate in percent on a local date. Raises NoVatRate."""
    rate = VatRate.objects.filter(country=country, valid_from__lte=on).order_by("-valid_from").first()
    if rate is None:
        raise NoVatRate
    return rate.percent
