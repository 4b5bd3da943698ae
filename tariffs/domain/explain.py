"""A RatedSession as plain JSON values: what `manage.py rate` prints and a Cdr keeps as its explanation.

Numbers are Decimals for `jsontext.dumps`; None where a VAT rate is needed and unknown.
"""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from common.units import wh_to_kwh
from tariffs.domain.compiled import Skipped
from tariffs.domain.extensions_json import EXTENSION_KEY
from tariffs.domain.result import CostLine, FreeQuantity, RatedSession, RatingInputs
from tariffs.domain.words import Condition

SHOWN_PLACES = 10
LEAST_PLACES = 4
_SHOWN_SCALE = 10**SHOWN_PLACES


def shown(value: Fraction | Decimal | None) -> Decimal | None:
    """A number with at least four and at most ten decimals, half up."""
    if value is None:
        return None
    numerator, denominator = value.as_integer_ratio()
    digits, rest = divmod(abs(numerator) * _SHOWN_SCALE, denominator)
    digits += 2 * rest >= denominator
    places = SHOWN_PLACES
    while places > LEAST_PLACES and not digits % 10:
        digits //= 10
        places -= 1
    return Decimal(digits if numerator > 0 else -digits).scaleb(-places)


def session_document(rated: RatedSession) -> dict[str, Any]:
    """Totals as OCPI reports them, every line with its reasons, what was free, and the hashes that reproduce it."""
    document = {
        "total_cost": {"excl_vat": shown(rated.exact_total_net), "incl_vat": shown(rated.exact_total_gross)},
        "currency": rated.currency,
        "time_zone": rated.tariff.time_zone,
        "lines": [line_document(line) for line in rated.lines],
        "free": [free_document(free) for free in rated.free],
        "tariff_digest": rated.tariff.digest,
        "digest": rated.digest,
    }
    if rated.inputs is not None:
        document[EXTENSION_KEY] = _inputs_document(rated.inputs)
    return document


def line_document(line: CostLine) -> dict[str, Any]:
    """One cost line with everything that explains it."""
    return {
        "kind": line.kind.value,
        "quantity": shown(line.quantity),
        "measured": shown(line.measured),
        "unit": line.unit,
        "unit_price": shown(line.unit_price),
        "vat_percent": line.vat_percent,
        "net": shown(line.exact_net),
        "gross": shown(line.exact_gross),
        "step_size": line.step_size,
        "element": line.element,
        "matched": _conditions(line.matched),
        "skipped": _skipped(line.skipped),
        "first_period": line.first_period,
        "last_period": line.last_period,
        "start_date_time": line.start_at.isoformat(),
        "end_date_time": line.end_at.isoformat(),
    }


def free_document(free: FreeQuantity) -> dict[str, Any]:
    """What was used and not priced, and why."""
    return {
        "kind": free.kind.value,
        "quantity": shown(free.quantity),
        "skipped": _skipped(free.skipped),
        "start_date_time": free.start_at.isoformat(),
        "end_date_time": free.end_at.isoformat(),
    }


def _inputs_document(inputs: RatingInputs) -> dict[str, Any]:
    used_wh = inputs.month_to_date_wh
    return {
        "spot_prices": [
            {
                "start_date_time": step.start_at.isoformat(),
                "end_date_time": step.end_at.isoformat(),
                "price": shown(step.price),
            }
            for step in inputs.spot_prices
        ],
        "month_to_date_kwh": None if used_wh is None else shown(wh_to_kwh(used_wh)),
    }


def _conditions(conditions: Iterable[Condition]) -> list[dict[str, str]]:
    return [{"code": condition.code, "words": condition.words} for condition in conditions]


def _skipped(skipped: Iterable[Skipped]) -> list[dict[str, Any]]:
    return [{"element": entry.element, "unmet": _conditions(entry.unmet)} for entry in skipped]
