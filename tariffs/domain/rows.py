"""A tariff as a sheet of text cells that a person fills in, and how a TariffSpec becomes one.

A sheet says everything the document says; `rows_reading` makes the document of it again. Cells are text as people type
it: prices per minute or per hour, the last day included, durations such as "1 h 30 min", an empty cell for nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from tariffs.domain.extensions import Extensions, FeeBase, Needs, TierPeriod
from tariffs.domain.spec import Dimension, Element, PriceComponent, PriceLimit, Restrictions, TariffSpec, TaxIncluded
from tariffs.domain.words import number_text

# A form may have a thousand fields; a longer tariff is edited as a document.
MOST_RULES = 24
MOST_TIERS = 20

MINUTES_PER_HOUR = 60
PER_MINUTE = "min"
PER_HOUR = "h"
# More decimals than this read better per hour.
_MINUTE_PLACES = Decimal("0.0001")

# How the cells of a dimension begin; their order is that of a component list which says nothing else.
SLOTS = {
    "energy": Dimension.ENERGY,
    "time": Dimension.TIME,
    "parking": Dimension.PARKING_TIME,
    "flat": Dimension.FLAT,
}
SLOT_OF = {dimension: slot for slot, dimension in SLOTS.items()}
TIMED = ("time", "parking")
LIMITED = ("kwh", "power", "current")

Cells = Mapping[str, str]


@dataclass(frozen=True)
class Rule:
    """One element: its prices and its conditions. `days`: ISO weekdays as text, none for every day."""

    cells: Cells
    days: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """A tariff in cells. `general` holds what stands once: VAT, limits and the named extensions."""

    currency: str
    general: Cells
    rules: Sequence[Rule]
    tiers: Sequence[Cells] = field(default=())


def fits(spec: TariffSpec) -> bool:
    """True where a sheet has room for all of the tariff."""
    tiers = spec.extensions.energy_tiers.tiers if spec.extensions and spec.extensions.energy_tiers else ()
    return len(spec.elements) <= MOST_RULES and len(tiers) <= MOST_TIERS


def blank_sheet(currency: str) -> Sheet:
    """The sheet of a tariff about which nothing is known yet."""
    return sheet_of(TariffSpec(currency=currency, elements=(Element(()),), tax_included=TaxIncluded.YES))


def sheet_of(spec: TariffSpec) -> Sheet:
    """The cells of `spec`; reading them back gives an equal TariffSpec."""
    extensions = spec.extensions or Extensions()
    general = {
        "tax_included": spec.tax_included.value,
        **_limit("min", spec.min_price),
        **_limit("max", spec.max_price),
        "usable_from": moment_text(spec.valid_from),
        "usable_until": moment_text(spec.valid_until),
        **_extensions(extensions),
    }
    tiers = extensions.energy_tiers.tiers if extensions.energy_tiers else ()
    return Sheet(
        currency=spec.currency,
        general=general,
        rules=tuple(_rule(element) for element in spec.elements),
        tiers=tuple({"up_to": number(tier.up_to_kwh), "price": number(tier.price)} for tier in tiers),
    )


def duration_text(seconds: int | None) -> str:
    """ "1 h 30 min"; nothing is rounded away."""
    if seconds is None:
        return ""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, MINUTES_PER_HOUR)
    parts = [f"{count} {unit}" for count, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if count]
    return " ".join(parts) or "0 min"


def moment_text(moment: datetime | None) -> str:
    """ "2026-12-24 18:00" in UTC; seconds only where there are any."""
    if moment is None:
        return ""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
    return text.removesuffix(":00")


def number(value: Decimal | int | None) -> str:
    return "" if value is None else number_text(value)


def clock(value: time | None) -> str:
    return "" if value is None else value.strftime("%H:%M")


def _rule(element: Element) -> Rule:
    cells: dict[str, str] = {}
    for slot, dimension in SLOTS.items():
        cells |= _prices(slot, element.component(dimension))
    order = [SLOT_OF[component.dimension] for component in element.components]
    usual = [slot for slot in SLOTS if slot in order]
    cells["order"] = "" if order == usual else ",".join(order)
    return Rule(
        {**cells, **_conditions(element.restrictions)}, tuple(str(day) for day in sorted(element.restrictions.days))
    )


def _prices(slot: str, component: PriceComponent | None) -> dict[str, str]:
    cells = {f"{slot}_price": "", f"{slot}_vat": "", f"{slot}_step": ""}
    price = component.price if component else None
    if slot in TIMED:
        cells[f"{slot}_unit"] = PER_MINUTE
        if price is not None:
            per_minute = price / MINUTES_PER_HOUR
            if per_minute * MINUTES_PER_HOUR == price and per_minute == per_minute.quantize(_MINUTE_PLACES):
                price = per_minute
            else:
                cells[f"{slot}_unit"] = PER_HOUR
    if component is not None:
        cells[f"{slot}_price"] = number(price)
        cells[f"{slot}_vat"] = number(component.vat_percent)
        cells[f"{slot}_step"] = "" if component.step_size == 1 else number(component.step_size)
    return cells


def _conditions(restrictions: Restrictions) -> dict[str, str]:
    end_date = restrictions.end_date
    cells = {
        "from_time": clock(restrictions.start_time),
        "until_time": clock(restrictions.end_time),
        "first_day": restrictions.start_date.isoformat() if restrictions.start_date else "",
        "last_day": (end_date - timedelta(days=1)).isoformat() if end_date else "",
        "after": duration_text(restrictions.min_duration),
        "within": duration_text(restrictions.max_duration),
        "reservation": restrictions.reservation.value if restrictions.reservation else "",
    }
    for quantity in LIMITED:
        cells[f"min_{quantity}"] = number(getattr(restrictions, f"min_{quantity}"))
        cells[f"max_{quantity}"] = number(getattr(restrictions, f"max_{quantity}"))
    return cells


def _limit(which: str, limit: PriceLimit | None) -> dict[str, str]:
    limit = limit or PriceLimit()
    return {f"{which}_net": number(limit.net), f"{which}_gross": number(limit.gross)}


def _extensions(extensions: Extensions) -> dict[str, str]:
    fee, connection, free = extensions.service_fee, extensions.connection_fee, extensions.free
    idle, tiers, spot = extensions.idle, extensions.energy_tiers, extensions.spot
    return {
        "fee_flat": number(fee.flat) if fee else "",
        "fee_percent": number(fee.percent) if fee else "",
        "fee_of": (fee.of if fee else FeeBase.ALL).value,
        "fee_vat": number(fee.vat_percent) if fee else "",
        "connection_price": number(connection.price) if connection else "",
        "connection_minutes": number(connection.after_minutes) if connection else "",
        "connection_kwh": number(connection.after_kwh) if connection else "",
        "connection_needs": (connection.needs if connection else Needs.ALL).value,
        "connection_vat": number(connection.vat_percent) if connection else "",
        "free_kwh": number(free.kwh) if free else "",
        "free_minutes": number(free.minutes) if free else "",
        "idle_grace": number(idle.grace_minutes or None) if idle else "",
        "idle_max": number(idle.max_amount) if idle else "",
        "idle_from": clock(idle.free_from) if idle else "",
        "idle_until": clock(idle.free_until) if idle else "",
        "tiers_per": (tiers.per if tiers else TierPeriod.SESSION).value,
        "tiers_vat": number(tiers.vat_percent) if tiers else "",
        "spot_series": spot.series if spot else "",
        "spot_factor": number(spot.factor) if spot else "",
        "spot_markup": number(spot.markup) if spot else "",
        "spot_floor": number(spot.floor) if spot else "",
        "spot_cap": number(spot.cap) if spot else "",
        "spot_fallback": number(spot.fallback) if spot else "",
        "spot_vat": number(spot.vat_percent) if spot else "",
    }
