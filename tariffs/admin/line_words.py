"""The cost lines of a rated session in the words of the operator portal."""

from dataclasses import dataclass
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.formats import duration_words, money_words, number_words, percent_words, unit_price_words
from tariffs.domain.result import CostLine, LineKind, RatedSession, decimal_of
from tariffs.domain.spec import TariffSpec
from tariffs.domain.words import Condition
from tariffs.selectors.conditions import condition_words
from tariffs.selectors.price_card import time_price_words

_SECONDS_PER_HOUR = 3600
_PLAIN = frozenset({LineKind.MIN_PRICE, LineKind.MAX_PRICE, LineKind.IDLE_CAP})
_TIMED = frozenset({LineKind.TIME, LineKind.PARKING_TIME, LineKind.RESERVATION_TIME})

LABELS: dict[LineKind, str | Promise] = {
    LineKind.ENERGY: gettext_lazy("Energy"),
    LineKind.TIME: gettext_lazy("Charging time"),
    LineKind.PARKING_TIME: gettext_lazy("Parking after charging"),
    LineKind.FLAT: gettext_lazy("Per session"),
    LineKind.RESERVATION_FLAT: gettext_lazy("Reservation"),
    LineKind.RESERVATION_TIME: gettext_lazy("Reserved time"),
    LineKind.IDLE_CAP: gettext_lazy("Parking reduced to the most it may cost"),
    LineKind.CONNECTION_FEE: gettext_lazy("Connection fee"),
    LineKind.SERVICE_FEE: gettext_lazy("Service fee"),
    LineKind.MIN_PRICE: gettext_lazy("Raised to the lowest price"),
    LineKind.MAX_PRICE: gettext_lazy("Reduced to the highest price"),
}

_NAMED: dict[str, str | Promise] = {
    "free_energy": gettext_lazy("Free start: the first kWh cost nothing"),
    "free_time": gettext_lazy("Free start: the first minutes cost nothing"),
    "idle_grace": gettext_lazy("Free minutes after charging"),
    "idle_free_hours": gettext_lazy("Hours in which parking is free"),
    "idle_cap": gettext_lazy("Parking has reached the most it may cost"),
    "tier": gettext_lazy("Price by quantity"),
    "spot": gettext_lazy("Market price"),
    "spot_fallback": gettext_lazy("Price without a market price"),
    "connection_fee": gettext_lazy("The session reached what the connection fee asks for"),
    "service_fee": gettext_lazy("Service fee"),
}


@dataclass(frozen=True)
class LineWords:
    """One line: what for, how it was calculated, why this price, what it comes to; a dash for no amount."""

    label: str
    calculation: str
    reasons: tuple[str, ...]
    net: str = "–"
    gross: str = "–"


def words_of(rated: RatedSession) -> list[LineWords]:
    """Every cost line, then what was used and not priced."""
    spec, currency = rated.tariff.spec, rated.currency
    lines = [
        LineWords(
            label=str(LABELS[line.kind]),
            calculation=_calculation(line, currency),
            reasons=tuple(_reasons(line, spec)),
            net="–" if line.net is None else unit_price_words(line.net, currency),
            gross="–" if line.gross is None else unit_price_words(line.gross, currency),
        )
        for line in rated.lines
    ]
    for free in rated.free:
        reasons = tuple(_not_matched(skipped.element, skipped.unmet, spec) for skipped in free.skipped)
        quantity = _quantity(free.kind, decimal_of(free.quantity))
        lines.append(LineWords(str(LABELS[free.kind]), _("%(quantity)s free") % {"quantity": quantity}, reasons))
    return lines


def rule_words(element: int) -> str:
    """How the editor calls an element."""
    return _("Rule %(number)d") % {"number": element + 1}


def _calculation(line: CostLine, currency: str) -> str:
    if line.kind in _PLAIN:
        return ""
    if line.quantity_currency is not None:
        share = {
            "percent": percent_words(line.unit_price * 100),
            "amount": money_words(decimal_of(line.quantity), currency),
        }
        return _("%(percent)s of %(amount)s") % share
    price = unit_price_words(line.unit_price, currency)
    if line.kind in _TIMED:
        price = time_price_words(line.unit_price, currency)
    elif line.kind is LineKind.ENERGY:
        price = _("%(price)s/kWh") % {"price": price}
    return _("%(quantity)s × %(price)s") % {"quantity": _quantity(line.kind, decimal_of(line.quantity)), "price": price}


def _quantity(kind: LineKind, quantity: Decimal) -> str:
    if kind in _TIMED:
        return duration_words(int((quantity * _SECONDS_PER_HOUR).to_integral_value()))
    if kind is LineKind.ENERGY:
        return _("%(energy)s kWh") % {"energy": number_words(quantity, 3)}
    return number_words(quantity, 3)


def _reasons(line: CostLine, spec: TariffSpec) -> list[str]:
    reasons = []
    if line.element is not None:
        when = condition_words(spec.elements[line.element].restrictions)
        values = {"rule": rule_words(line.element), "when": when or _("always")}
        reasons.append(_("%(rule)s applies: %(when)s.") % values)
        reasons += [_not_matched(skipped.element, skipped.unmet, spec) for skipped in line.skipped]
    else:
        for condition in line.matched:
            named = _NAMED.get(condition.code)
            reasons.append(f"{named} ({condition.words})." if named else condition.words)
    if line.step_size > 1 and line.quantity != line.measured:
        used = _quantity(line.kind, decimal_of(line.measured))
        step = (
            duration_words(line.step_size)
            if line.kind in _TIMED
            else _("%(energy)s kWh") % {"energy": number_words(Decimal(line.step_size) / 1000, 3)}
        )
        reasons.append(_("%(used)s used, counted in steps of %(step)s.") % {"used": used, "step": step})
    return reasons


def _not_matched(element: int, unmet: tuple[Condition, ...], spec: TariffSpec) -> str:
    words = condition_words(spec.elements[element].restrictions, only={condition.code for condition in unmet})
    return _("%(rule)s did not apply: it needs “%(unmet)s”.") % {"rule": rule_words(element), "unmet": words}
