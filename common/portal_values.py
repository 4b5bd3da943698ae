"""Values as the operator portal's lists and pages show them; a dash where there is none."""

from datetime import datetime
from decimal import Decimal

from django.utils import timezone
from django.utils.formats import date_format
from djmoney.money import Money

from common.formats import energy_words, money_words


def show_amount(amount: Decimal | None, currency: str) -> str:
    """An amount as people write it in their language, such as 12.40 €; a dash where there is none."""
    return "–" if amount is None or not currency else money_words(amount, currency)


def show_money(money: Money) -> str:
    """The same, of a Money."""
    return money_words(money.amount, str(money.currency))


def show_energy(energy_wh: Decimal | None) -> str:
    """Energy in kWh; a dash where there is none."""
    return "–" if energy_wh is None else energy_words(energy_wh)


def show_moment(moment: datetime | None) -> str:
    """A moment in the operator's time zone, to the minute; a dash where there is none."""
    return "–" if moment is None else date_format(timezone.localtime(moment), "DATETIME_FORMAT")


def show_number(number: Decimal | None) -> str:
    """A number without its trailing zeros."""
    return "–" if number is None else f"{number.normalize():f}"
