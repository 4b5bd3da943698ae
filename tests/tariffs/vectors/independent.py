"""A second pricer for OCPI tariffs and CDRs, minute by minute, that shares nothing with the first.

It reads the JSON itself and walks the session in single minutes of the clock, each split where the meter passes a limit
in kWh; nothing is cut, summed in runs or remembered. Sessions and their limits lie on whole minutes. Reservations and
our named extensions are not in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
MINUTE = timedelta(minutes=1)
Component = dict[str, Any]


@dataclass
class Piece:
    """A minute of a session, or the part of one before or after the meter passes a limit."""

    clock: str
    day: str
    weekday: str
    seconds: int
    kwh_before: Fraction
    kwh: Fraction
    hours: Fraction
    is_parked: bool
    least_kw: Fraction
    most_kw: Fraction
    least_amps: Fraction | None
    most_amps: Fraction | None


@dataclass
class Sum:
    """What one element prices of one dimension, in kWh or hours."""

    component: Component
    quantity: Fraction = Fraction(0)


@dataclass
class Total:
    net: Fraction | None
    gross: Fraction | None
    counted: dict[str, int] = field(default_factory=dict)


def price(tariff: dict[str, Any], cdr: dict[str, Any], zone: str) -> Total:
    """Totals before and after tax; None where a VAT rate is needed and not stated."""
    sums: dict[tuple[str, int], Sum] = {}
    last: dict[str, tuple[str, int]] = {}
    for piece in _pieces(tariff, cdr, ZoneInfo(zone)):
        quantities = {
            "FLAT": Fraction(1),
            "ENERGY": piece.kwh,
            "PARKING_TIME" if piece.is_parked else "TIME": piece.hours,
        }
        for dimension, quantity in quantities.items():
            found = _first(tariff, dimension, piece) if quantity else None
            if found is None:
                continue
            key = (dimension, found[0])
            one = sums.setdefault(key, Sum(found[1]))
            one.quantity = quantity if dimension == "FLAT" else one.quantity + quantity
            last[dimension] = key
    _round_up(sums, last)
    return _limited(tariff, *_taxed(tariff, sums.values()))


def _round_up(sums: dict[tuple[str, int], Sum], last: dict[str, tuple[str, int]]) -> None:
    """Energy once; of the times the parking, else the charging: by the step of what was priced last, at its price."""
    times = "PARKING_TIME" if "PARKING_TIME" in last else "TIME"
    for dimension, per_unit in (("ENERGY", 1000), (times, 3600)):
        if dimension not in last:
            continue
        by = sums[last[dimension]]
        step = Fraction(by.component["step_size"], per_unit)
        total = sum(one.quantity for (kind, _), one in sums.items() if kind == dimension)
        if step:
            by.quantity += -total % step


def _taxed(tariff: dict[str, Any], sums: Any) -> tuple[Fraction | None, Fraction | None]:
    net: Fraction | None = Fraction(0)
    gross: Fraction | None = Fraction(0)
    included = tariff.get("tax_included", "NO")
    for one in sums:
        amount = one.quantity * Fraction(one.component["price"])
        if not amount:
            continue  # no tax on nothing, whatever its rate
        vat = one.component.get("vat")
        factor = 1 if included == "N/A" else None if vat is None else 1 + Fraction(vat) / 100
        with_tax = without = amount
        if included == "YES":
            without = None if factor is None else amount / factor
        else:
            with_tax = None if factor is None else amount * factor
        net = None if net is None or without is None else net + without
        gross = None if gross is None or with_tax is None else gross + with_tax
    return net, gross


def _limited(tariff: dict[str, Any], net: Fraction | None, gross: Fraction | None) -> Total:
    sides = {"net": net, "gross": gross}
    names = {"net": ("excl_vat", "before_taxes"), "gross": ("incl_vat", "after_taxes")}
    counted: dict[str, int] = {}
    for key, clamp in (("max_price", min), ("min_price", max)):
        limit = tariff.get(key)
        if limit is None:
            continue
        for side, total in sides.items():
            stated = next(Fraction(limit[name]) for name in names[side] if name in limit)
            if total is not None:
                sides[side] = clamp(total, stated)
                counted[key] = counted.get(key, 0) + (sides[side] != total)
    return Total(sides["net"], sides["gross"], counted)


def _pieces(tariff: dict[str, Any], cdr: dict[str, Any], zone: ZoneInfo) -> Iterator[Piece]:
    limits = {
        Fraction(element["restrictions"][name])
        for element in tariff["elements"]
        for name in ("min_kwh", "max_kwh")
        if name in element.get("restrictions", {})
    }
    began = _moment(cdr["start_date_time"])
    periods = cdr["charging_periods"]
    ends = [_moment(period["start_date_time"]) for period in periods[1:]] + [_moment(cdr["end_date_time"])]
    used = Fraction(0)
    for period, end in zip(periods, ends, strict=True):
        volumes = {entry["type"]: Fraction(entry["volume"]) for entry in period["dimensions"]}
        at = _moment(period["start_date_time"])
        minutes = (end - at) // MINUTE
        each = volumes.get("ENERGY", Fraction(0)) / minutes
        parked = "PARKING_TIME" in volumes
        average_kw = Fraction(0) if parked else each * 60
        nothing = Fraction(0) if parked else None
        for _ in range(minutes):
            local = at.astimezone(zone)
            clock, day, weekday = f"{local:%H:%M}", local.date().isoformat(), DAYS[local.weekday()]
            for low, high in _split(used, each, limits):
                share = (high - low) / each if each else Fraction(1)
                yield Piece(
                    clock=clock,
                    day=day,
                    weekday=weekday,
                    seconds=(at - began) // timedelta(seconds=1),
                    kwh_before=low,
                    kwh=high - low,
                    hours=share / 60,
                    is_parked=parked,
                    least_kw=volumes.get("MIN_POWER", average_kw),
                    most_kw=volumes.get("MAX_POWER", average_kw),
                    least_amps=volumes.get("MIN_CURRENT", nothing),
                    most_amps=volumes.get("MAX_CURRENT", nothing),
                )
            used += each
            at += MINUTE


def _split(used: Fraction, each: Fraction, limits: set[Fraction]) -> list[tuple[Fraction, Fraction]]:
    marks = [used, *sorted(limit for limit in limits if used < limit < used + each), used + each]
    return list(pairwise(marks))


def _first(tariff: dict[str, Any], dimension: str, piece: Piece) -> tuple[int, Component] | None:
    for number, element in enumerate(tariff["elements"]):
        for component in element["price_components"]:
            if component["type"] == dimension and _applies(element.get("restrictions", {}), piece):
                return number, component
    return None


def _applies(rules: dict[str, Any], piece: Piece) -> bool:
    clock, day = piece.clock, piece.day
    if "start_time" in rules or "end_time" in rules:
        start, end = rules.get("start_time", "00:00"), rules.get("end_time", "00:00")
        end = "24:00" if end == "00:00" else end
        inside = start <= clock < end if start < end else clock >= start or clock < end
        if not inside:
            return False
    if rules.get("start_date", day) > day or day >= rules.get("end_date", "9999"):
        return False
    if "day_of_week" in rules and piece.weekday not in rules["day_of_week"]:
        return False
    return all(
        limit not in rules or (value is not None and (value >= Fraction(rules[limit])) is is_lower)
        for limit, value, is_lower in (
            ("min_kwh", piece.kwh_before, True),
            ("max_kwh", piece.kwh_before, False),
            ("min_duration", piece.seconds, True),
            ("max_duration", piece.seconds, False),
            ("min_power", piece.least_kw, True),
            ("max_power", piece.most_kw, False),
            ("min_current", piece.least_amps, True),
            ("max_current", piece.most_amps, False),
        )
    )


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def cents(amount: Fraction | Decimal | None) -> int | None:
    """Half up, away from zero."""
    if amount is None:
        return None
    whole = abs(Fraction(amount)) * 100
    rounded = (2 * whole.numerator + whole.denominator) // (2 * whole.denominator)
    return rounded if amount >= 0 else -rounded
