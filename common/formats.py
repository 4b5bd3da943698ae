"""Amounts, prices, energy, dates and durations as people write them in the active language; CLDR's rules through Babel.

For reading, never for booking. Pages are brief; documents are exact, because a reader of a receipt must be able to
repeat the multiplication: `exact_energy_words` and `exact_duration_words` round no unit away.
"""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.core import UnknownLocaleError
from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal
from django.utils.translation import get_language, to_locale
from django.utils.translation import gettext as _

from common.money import exponent
from common.units import wh_to_kwh

# A price per unit is shown with as many places as it has, up to these.
UNIT_PRICE_PLACES = 4

_SPACE = "\N{NO-BREAK SPACE}"

# English on a European network: 10.20 €, as on the documents.
_EUROPEAN_ENGLISH = "en_150"


def babel_locale() -> Locale:
    """The active language as Babel knows it; European English where it does not, and for plain English."""
    name = to_locale(get_language() or "en")
    try:
        return Locale.parse(_EUROPEAN_ENGLISH if name == "en" else name)
    except (UnknownLocaleError, ValueError):
        return Locale.parse(_EUROPEAN_ENGLISH)


def money_words(amount: Decimal, currency: str) -> str:
    """An amount with its currency: “10.20 €”, “10,20 €”."""
    return str(format_currency(amount, currency, locale=babel_locale()))


def unit_price_words(amount: Decimal, currency: str) -> str:
    """A price per unit, unrounded up to four places and never with fewer than the currency has: “0.476 €”."""
    least = exponent(currency)
    places = max(least, UNIT_PRICE_PLACES)
    shown = amount.quantize(Decimal(1).scaleb(-places))
    while places > least and shown == shown.quantize(Decimal(1).scaleb(1 - places)):
        places -= 1
        shown = shown.quantize(Decimal(1).scaleb(-places))
    locale = babel_locale()
    pattern = locale.currency_formats["standard"].pattern.replace("0.00", "0." + "0" * places if places else "0")
    return str(format_currency(shown, currency, format=pattern, locale=locale, currency_digits=False))


def number_words(value: Decimal, places: int) -> str:
    """A number with at most `places` decimals."""
    return str(format_decimal(value, format="#,##0." + "#" * places, locale=babel_locale()))


def percent_words(value: Decimal) -> str:
    """“19 %”, “5.5 %”."""
    return f"{number_words(value, 3)}{_SPACE}%"


def energy_words(energy_wh: Decimal) -> str:
    """Energy in kWh with at most two decimals: “12.35 kWh”."""
    return _("%(energy)s kWh") % {"energy": number_words(wh_to_kwh(energy_wh), 2)}


def exact_energy_words(energy_kwh: Decimal) -> str:
    """Energy in kWh with always three decimals, the Wh of a meter: “18.400 kWh”."""
    return f"{format_decimal(energy_kwh, format='#,##0.000', locale=babel_locale())}{_SPACE}kWh"


def power_words(power_w: Decimal) -> str:
    """Power in kW with at most one decimal: “10.8 kW”."""
    return _("%(power)s kW") % {"power": number_words(wh_to_kwh(power_w), 1)}


def duration_words(seconds: int) -> str:
    """Whole seconds as “2 d 3 h”, “1 h 23 min”, “4 min” or “50 s”."""
    days, rest = divmod(max(seconds, 0), 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, left = divmod(rest, 60)
    parts = [
        (days, _("%(count)d d")),
        (hours, _("%(count)d h")),
        (0 if days else minutes, _("%(count)d min")),
        (0 if days or hours or minutes else left, _("%(count)d s")),
    ]
    words = [form % {"count": count} for count, form in parts if count]
    return " ".join(words) or _("%(count)d s") % {"count": 0}


def exact_duration_words(seconds: int) -> str:
    """“1 h 12 min”, “12 min 30 s”, “1 h 00 min 05 s”, “0 s”: no unit is rounded away."""
    hours, rest = divmod(seconds, 3_600)
    minutes, left = divmod(rest, 60)
    parts: list[tuple[int, str]] = [(hours, "h")] if hours else []
    if minutes or (hours and left):
        parts.append((minutes, "min"))
    if left or not parts:
        parts.append((left, "s"))
    first, *others = parts
    words = [f"{first[0]}{_SPACE}{first[1]}", *(f"{count:02d}{_SPACE}{unit}" for count, unit in others)]
    return _SPACE.join(words)


def day_words(day: date) -> str:
    """“20 November 2026”."""
    return str(format_date(day, format="long", locale=babel_locale()))


def span_words(started_at: datetime, ended_at: datetime, time_zone: str) -> str:
    """“14:02 – 15:14 CET”: with the last date when it passed midnight, with both zones when the clock was changed."""
    locale = babel_locale()
    start, end = (moment.astimezone(ZoneInfo(time_zone)) for moment in (started_at, ended_at))
    first, last = (str(format_time(moment.time(), format="short", locale=locale)) for moment in (start, end))
    if start.date() != end.date():
        last = f"{day_words(end.date())}, {last}"
    if start.tzname() != end.tzname():
        first = f"{first} {start.tzname()}"
    return f"{first} – {last} {end.tzname()}"
