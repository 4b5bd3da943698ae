"""The rows of a price card and the phrases of its sentence: every price of a tariff in a consumer's words, with tax."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import time
from decimal import Decimal

from django.utils.translation import gettext as _

from common.formats import (
    duration_words,
    energy_words,
    money_words,
    number_words,
    percent_words,
    unit_price_words,
)
from tariffs.domain.extensions import EnergyTiers, Extensions, FeeBase, Needs, SpotFormula, TierPeriod
from tariffs.domain.spec import Dimension, PriceComponent, Restrictions, TariffSpec, TaxIncluded
from tariffs.selectors.conditions import condition_words

# Order of display (Regulation (EU) 2023/1804, article 5): kWh, minute, session, other.
ORDER = (Dimension.ENERGY, Dimension.TIME, Dimension.FLAT, Dimension.PARKING_TIME)
_MINUTES_PER_HOUR = 60
_MINUTE_PLACES = Decimal("0.0001")


@dataclass(frozen=True)
class PriceRow:
    """One price. `gross` includes tax (None where it is no amount); `price` says it per unit (“0.476 €/kWh”)."""

    dimension: Dimension
    label: str
    gross: Decimal | None
    price: str
    when: str = ""
    steps: str = ""


@dataclass(frozen=True)
class SpotNow:
    """A market price as a card tells it: what the series is called, and today's price by the formula, if known."""

    series: str
    price: Decimal | None = None


class PriceRows:
    """The prices of one tariff where `vat_percent` is the country's rate; a component's own rate goes before it."""

    def __init__(self, spec: TariffSpec, vat_percent: Decimal, spot_now: SpotNow | None = None) -> None:
        self._spec, self._vat_percent = spec, vat_percent
        self._currency = spec.currency
        self._named = spec.extensions or Extensions()
        self._spot_now = spot_now
        self.by_dimension = {dimension: list(self._rows(dimension)) for dimension in ORDER}

    def rows(self) -> tuple[PriceRow, ...]:
        return tuple(row for dimension in ORDER for row in self.by_dimension[dimension])

    def gross(self, price: Decimal, vat_percent: Decimal | None) -> Decimal:
        if self._spec.tax_included is not TaxIncluded.NO:
            return price
        return price * (100 + (self._vat_percent if vat_percent is None else vat_percent)) / 100

    # --- Rows ---------------------------------------------------------------------------------------------------------

    def _rows(self, dimension: Dimension) -> Iterator[PriceRow]:
        if dimension is Dimension.ENERGY:
            yield from self._energy_rows()
        elif dimension is Dimension.FLAT:
            yield from self._element_rows(dimension)
            yield from self._fee_rows()
        else:
            rows = self._element_rows(dimension)
            if rows:
                yield from self._free_time_rows(dimension)
            yield from rows
            if rows and dimension is Dimension.PARKING_TIME:
                yield from self._idle_cap_rows()

    def _energy_rows(self) -> Iterator[PriceRow]:
        free, tiers, spot = self._named.free, self._named.energy_tiers, self._named.spot
        if free is not None and free.kwh:
            yield self._row(Dimension.ENERGY, Decimal(0), when=_("the first %(energy)s") % {"energy": _kwh(free.kwh)})
        beyond = ""
        if tiers is not None:
            yield from self._tier_rows(tiers)
            top = tiers.tiers[-1].up_to_kwh
            if top is None:
                return
            beyond = _("from %(energy)s on") % {"energy": _kwh(top)}
        if spot is not None:
            yield from self._spot_rows(spot, beyond)
            return
        for row in self._element_rows(Dimension.ENERGY):
            when = ", ".join(words for words in (beyond, row.when) if words)
            yield PriceRow(row.dimension, row.label, row.gross, row.price, when, row.steps)

    def _tier_rows(self, tiers: EnergyTiers) -> Iterator[PriceRow]:
        of = _("of the month") if tiers.per is TierPeriod.MONTH else _("of the session")
        low: Decimal | None = None
        for tier in tiers.tiers:
            if tier.up_to_kwh is None:
                when = _("from %(low)s %(of)s on") % {"low": _kwh(low), "of": of} if low else ""
            elif low is None:
                when = _("the first %(energy)s %(of)s") % {"energy": _kwh(tier.up_to_kwh), "of": of}
            else:
                band = {"low": _kwh(low), "high": _kwh(tier.up_to_kwh), "of": of}
                when = _("from %(low)s to %(high)s %(of)s") % band
            yield self._row(Dimension.ENERGY, self.gross(tier.price, tiers.vat_percent), when=when)
            low = tier.up_to_kwh

    def _spot_rows(self, spot: SpotFormula, beyond: str) -> Iterator[PriceRow]:
        def gross_words(price: Decimal) -> str:
            return self.per_unit(Dimension.ENERGY, self.gross(price, spot.vat_percent))

        limits = [
            form % {"price": gross_words(limit)}
            for form, limit in ((_("at least %(price)s"), spot.floor), (_("at most %(price)s"), spot.cap))
            if limit is not None
        ]
        now = self._spot_now.price if self._spot_now is not None else None
        if now is not None:
            limits.append(_("now %(price)s") % {"price": gross_words(now)})
        yield PriceRow(
            Dimension.ENERGY,
            _("Energy"),
            None,
            self._market_words(spot),
            ", ".join(words for words in (beyond, *limits) if words),
        )
        yield self._row(
            Dimension.ENERGY, self.gross(spot.fallback, spot.vat_percent), when=_("if there is no market price")
        )

    def _market_words(self, spot: SpotFormula) -> str:
        """ "market price of Day ahead with VAT plus 0.0357 €/kWh"."""
        series = self._spot_now.series if self._spot_now is not None else spot.series
        words = _("market price of %(series)s") % {"series": series}
        if spot.factor != 1:
            share = {"percent": percent_words(spot.factor * 100), "price": words}
            words = _("%(percent)s of the %(price)s") % share
        if self._spec.tax_included is TaxIncluded.NO:
            words = _("%(price)s with VAT") % {"price": words}
        if not spot.markup:
            return words
        markup = self.per_unit(Dimension.ENERGY, self.gross(abs(spot.markup), spot.vat_percent))
        form = _("%(price)s plus %(markup)s") if spot.markup > 0 else _("%(price)s less %(markup)s")
        return form % {"price": words, "markup": markup}

    def _free_time_rows(self, dimension: Dimension) -> Iterator[PriceRow]:
        free, idle = self._named.free, self._named.idle
        if free is not None and free.minutes:
            first = _("in the first %(time)s of the session") % {"time": _minutes(free.minutes)}
            yield self._row(dimension, Decimal(0), when=first)
        if idle is None or dimension is not Dimension.PARKING_TIME:
            return
        if idle.grace_minutes:
            grace = _("in the first %(time)s after charging has ended") % {"time": _minutes(idle.grace_minutes)}
            yield self._row(dimension, Decimal(0), when=grace)
        if idle.free_from is not None or idle.free_until is not None:
            yield self._row(dimension, Decimal(0), when=_hours(idle.free_from, idle.free_until))

    def _idle_cap_rows(self) -> Iterator[PriceRow]:
        idle = self._named.idle
        if idle is None or idle.max_amount is None:
            return
        parking = next(
            component
            for element in self._spec.elements
            for component in element.components
            if component.dimension is Dimension.PARKING_TIME
        )
        most = self.gross(idle.max_amount, parking.vat_percent)
        price = _("at most %(amount)s") % {"amount": money_words(most, self._currency)}
        yield PriceRow(Dimension.PARKING_TIME, _label(Dimension.PARKING_TIME), None, price, _("in one session"))

    def _fee_rows(self) -> Iterator[PriceRow]:
        connection, service = self._named.connection_fee, self._named.service_fee
        if connection is not None:
            reached = []
            if connection.after_minutes is not None:
                reached.append(_minutes(connection.after_minutes))
            if connection.after_kwh is not None:
                reached.append(_kwh(connection.after_kwh))
            joined = (_(" and ") if connection.needs is Needs.ALL else _(" or ")).join(reached)
            gross = self.gross(connection.price, connection.vat_percent)
            yield PriceRow(
                Dimension.FLAT,
                _("Connection fee"),
                gross,
                self.per_unit(Dimension.FLAT, gross),
                _("once, from %(reached)s on") % {"reached": joined},
            )
        if service is not None and service.flat:
            gross = self.gross(service.flat, service.vat_percent)
            yield PriceRow(Dimension.FLAT, _("Service fee"), gross, self.per_unit(Dimension.FLAT, gross))
        if service is not None and service.percent:
            of = {
                FeeBase.ENERGY: _("of the price of the energy"),
                FeeBase.TIME: _("of the price of the time"),
                FeeBase.ALL: _("of all of the above"),
            }[service.of]
            yield PriceRow(Dimension.FLAT, _("Service fee"), None, percent_words(service.percent), of)

    def _element_rows(self, dimension: Dimension) -> list[PriceRow]:
        """The elements that price a dimension in the order they are tried, up to the first that always applies."""
        rows: list[PriceRow] = []
        for element in self._spec.elements:
            component = element.component(dimension)
            if component is None or element.restrictions.reservation is not None:
                continue
            when = condition_words(element.restrictions)
            if not when and rows:
                when = _("at all other times")
            gross = self.gross(component.price, component.vat_percent)
            rows.append(self._row(dimension, gross, when=when, steps=_steps(component)))
            if element.restrictions == Restrictions():
                return rows
        if rows and dimension is not Dimension.FLAT:
            rows.append(self._row(dimension, Decimal(0), when=_("at all other times")))
        return rows

    def _row(self, dimension: Dimension, gross: Decimal, *, when: str = "", steps: str = "") -> PriceRow:
        return PriceRow(dimension, _label(dimension), gross, self.per_unit(dimension, gross), when, steps)

    def per_unit(self, dimension: Dimension, gross: Decimal) -> str:
        if gross == 0:
            return _("free")
        if dimension is Dimension.ENERGY:
            return _("%(price)s/kWh") % {"price": unit_price_words(gross, self._currency)}
        if dimension is Dimension.FLAT:
            return unit_price_words(gross, self._currency)
        return time_price_words(gross, self._currency)

    # --- The sentence -------------------------------------------------------------------------------------------------

    def phrases(self) -> list[str]:
        """One phrase per dimension that costs anything, in the order of display."""
        phrases: list[str] = []
        for dimension in ORDER:
            rows = self.by_dimension[dimension]
            if not any(row.gross is None or row.gross for row in rows):
                continue
            if dimension is Dimension.FLAT:
                for row in rows:
                    phrases.append(_flat_phrase(row, is_first=not phrases))
                continue
            phrases.append(self._phrase(dimension, rows, is_first=not phrases))
        return phrases

    def _phrase(self, dimension: Dimension, rows: Sequence[PriceRow], *, is_first: bool) -> str:
        """One dimension in a few words: its price with its condition, or its range where it depends on several."""
        words = {
            Dimension.ENERGY: "%(price)s",
            Dimension.TIME: _("%(price)s while charging"),
            Dimension.PARKING_TIME: _("%(price)s once charging has ended"),
        }[dimension]
        form = words if is_first else _("plus %(words)s") % {"words": words}
        if dimension is Dimension.ENERGY and (self._named.spot or self._named.energy_tiers):
            in_words = sorted(rows, key=lambda row: row.gross == 0)
            return form % {"price": "; ".join(_priced_when(row) for row in in_words)}
        asides = [row for row in rows if row.gross is None or self._is_aside(row)]
        rows = [row for row in rows if row not in asides]
        priced = [row for row in rows if row.gross]
        distinct = sorted({row.gross for row in rows if row.gross is not None})
        if len(distinct) == 1:
            phrase = form % {"price": priced[0].price}
        elif len(priced) == 1:
            phrase = f"{form % {'price': priced[0].price}} ({priced[0].when})"
        else:
            low, high = (self.per_unit(dimension, gross) for gross in (distinct[0], distinct[-1]))
            price = _("up to %(high)s depending on the moment")
            if distinct[0]:
                price = _("%(low)s to %(high)s depending on the moment")
            phrase = form % {"price": price % {"low": low, "high": high}}
        return "; ".join([phrase, *(_priced_when(row) for row in asides)])

    def _is_aside(self, row: PriceRow) -> bool:
        """A row a named extension makes free: told after the price, not as the lower end of a range."""
        free, idle = self._named.free, self._named.idle
        if row.gross or not (free or idle):
            return False
        return row.when != _("at all other times") and not any(
            condition_words(element.restrictions) == row.when for element in self._spec.elements
        )


def _flat_phrase(row: PriceRow, *, is_first: bool) -> str:
    if row.label == _label(Dimension.FLAT):
        words = _("%(price)s per session") % {"price": row.price}
    else:
        words = f"{row.price} {row.label[:1].lower()}{row.label[1:]}"
    if row.when:
        words = f"{words} ({row.when})"
    return words if is_first else _("plus %(words)s") % {"words": words}


def _priced_when(row: PriceRow) -> str:
    if row.gross == 0:
        return _("free %(when)s") % {"when": row.when}
    return f"{row.price} ({row.when})" if row.when else row.price


def time_price_words(per_hour: Decimal, currency: str) -> str:
    """A price of time, per minute where four decimals hold that exactly: “0.238 €/min”, else “5.00 €/h”."""
    per_minute = per_hour / _MINUTES_PER_HOUR
    if per_minute == per_minute.quantize(_MINUTE_PLACES):
        return _("%(price)s/min") % {"price": unit_price_words(per_minute, currency)}
    return _("%(price)s/h") % {"price": unit_price_words(per_hour, currency)}


def _label(dimension: Dimension) -> str:
    return {
        Dimension.ENERGY: _("Energy"),
        Dimension.TIME: _("Time while charging"),
        Dimension.FLAT: _("Each session"),
        Dimension.PARKING_TIME: _("Time after charging has ended"),
    }[dimension]


def _steps(component: PriceComponent) -> str:
    """The billing block in words, where it is coarser than a reader would expect."""
    if component.dimension is Dimension.ENERGY and component.step_size > 1:
        return _("counted in steps of %(step)s") % {"step": energy_words(Decimal(component.step_size))}
    if component.dimension in (Dimension.TIME, Dimension.PARKING_TIME) and component.step_size > 1:
        return _("counted in steps of %(step)s") % {"step": duration_words(component.step_size)}
    return ""


def _kwh(kwh: Decimal) -> str:
    return _("%(energy)s kWh") % {"energy": number_words(kwh, 3)}


def _minutes(minutes: int) -> str:
    return duration_words(minutes * _MINUTES_PER_HOUR)


def _hours(start: time | None, end: time | None) -> str:
    return condition_words(Restrictions(start_time=start, end_time=end))
