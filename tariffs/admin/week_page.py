"""The week of a tariff as a table of coloured prices with their words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import QueryDict
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common import clock
from common.formats import number_words, unit_price_words
from tariffs.admin.places import Place, Places, market_prices, series_words
from tariffs.domain.compiled import compile_tariff
from tariffs.domain.extensions import TierPeriod
from tariffs.domain.result import decimal_of
from tariffs.domain.spec import TariffSpec, TaxIncluded
from tariffs.domain.spot import SpotPrice
from tariffs.domain.week import DAYS, HOUR, QUARTER, PricedTime, Week, first_day_of_week, price_week

LEVELS = 5
# A week with more prices than these is told by its cheapest and dearest hours.
MOST_WORDS = 6
_PLACES = Decimal("0.0001")
_LONGEST_KWH = Decimal(1000)
_LARGEST_KW = Decimal(2000)


class WeekForm(forms.Form):
    """What is assumed about the session behind each price; empty fields take the usual."""

    power_kw = forms.DecimalField(
        label=gettext_lazy("Power, kW"), min_value=Decimal("0.1"), max_value=_LARGEST_KW, required=False
    )
    kwh = forms.DecimalField(
        label=gettext_lazy("Energy, kWh"), min_value=Decimal("0.1"), max_value=_LONGEST_KWH, required=False
    )
    place = forms.ChoiceField(label=gettext_lazy("Where"), required=False)
    month_kwh = forms.DecimalField(
        label=gettext_lazy("kWh used earlier in the month"), min_value=0, max_value=1_000_000, required=False
    )
    week_of = forms.DateField(
        label=gettext_lazy("Week of"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    minutes = forms.TypedChoiceField(
        label=gettext_lazy("Each row is"),
        choices=((HOUR, gettext_lazy("an hour")), (QUARTER, gettext_lazy("a quarter of an hour"))),
        coerce=int,
        required=False,
        empty_value=None,
    )
    vat = forms.ChoiceField(
        label=gettext_lazy("VAT"),
        choices=(("gross", gettext_lazy("with VAT")), ("net", gettext_lazy("before VAT"))),
        required=False,
    )
    part = forms.ChoiceField(
        label=gettext_lazy("Price of"),
        choices=(("energy", gettext_lazy("energy alone")), ("charging", gettext_lazy("energy and charging time"))),
        required=False,
    )

    def __init__(self, data: QueryDict | None, places: Places, *, asks_month: bool = False) -> None:
        first = places.usual
        today = clock.local_date(clock.now(), first.time_zone)
        self.usual: dict[str, Any] = {
            "power_kw": Decimal(11), "kwh": Decimal(20), "place": first.key, "week_of": today, "minutes": HOUR,
            "vat": "gross", "part": "energy", "month_kwh": Decimal(0),
        }  # fmt: skip
        super().__init__({**{name: str(value) for name, value in self.usual.items()}, **data.dict()} if data else None)
        self.places = places.by_key()
        place: forms.ChoiceField = self.fields["place"]  # type: ignore[assignment]
        place.choices = places.choices()
        if not asks_month:
            del self.fields["month_kwh"]
        for name, field in self.fields.items():
            field.initial = self.usual[name]
            field.widget.attrs["class"] = "portal-input"

    def question(self) -> dict[str, Any]:
        """Each answer, or the usual where none or a wrong one was given."""
        self.is_valid()
        given = getattr(self, "cleaned_data", {})
        return {name: given.get(name) or usual for name, usual in self.usual.items()}


@dataclass(frozen=True)
class Cell:
    """One price: what stands in it, how dear it is in this week (0 cheapest; -1 none), and all of it in words."""

    text: str
    level: int
    title: str


@dataclass(frozen=True)
class WeekTable:
    """The week as it is shown. `legend`: levels with their prices; `words`: which price applies when."""

    unit: str
    days: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    legend: tuple[tuple[int, str], ...]
    words: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def week_table(spec: TariffSpec, place: Place, question: dict[str, Any]) -> WeekTable:
    """Price the week that `question` asks about; two queries for a tariff with a market price, none otherwise."""
    first_day = first_day_of_week(question["week_of"])
    week = price_week(
        compile_tariff(spec, place.time_zone),
        first_day=first_day,
        energy_wh=question["kwh"] * 1000,
        power_kw=question["power_kw"],
        minutes=question["minutes"],
        default_vat_percent=place.vat_percent,
        spot_prices=_market_prices(spec, place, first_day),
        month_to_date_wh=question["month_kwh"] * 1000,
    )
    side = "net" if question["vat"] == "net" or spec.tax_included is TaxIncluded.NOT_APPLICABLE else "gross"
    series = series_words(spec, place)
    return _table(week, spec, f"{question['part']}_{side}", with_vat=side == "gross", series=series)


def _market_prices(spec: TariffSpec, place: Place, first_day: date) -> tuple[SpotPrice, ...]:
    begin = datetime.combine(first_day, time(), tzinfo=ZoneInfo(place.time_zone)).astimezone(UTC)
    return market_prices(spec, place, begin - timedelta(hours=1), begin + timedelta(days=DAYS, hours=2))


def counts_month(spec: TariffSpec) -> bool:
    """Whether its energy price depends on what was used earlier in the month."""
    tiers = spec.extensions.energy_tiers if spec.extensions is not None else None
    return tiers is not None and tiers.per is TierPeriod.MONTH


def _table(week: Week, spec: TariffSpec, side: str, *, with_vat: bool, series: str) -> WeekTable:
    def price(cell: PricedTime | None) -> Decimal | None:
        value: Fraction | None = getattr(cell, side) if cell else None
        return None if value is None else decimal_of(value).quantize(_PLACES)

    prices = [[price(cell) for cell in row] for row in week.rows]
    known = sorted({value for row in prices for value in row if value is not None})
    level_of = _levels(known)
    dates = [week.first_day + timedelta(days=offset) for offset in range(DAYS)]
    rows = []
    for index, row in enumerate(week.rows):
        clock_words = _clock(index * week.minutes)
        cells = []
        for day, priced, value in zip(dates, row, prices[index], strict=True):
            cells.append(_cell(day, clock_words, priced, value, level_of, spec.currency))
        rows.append((clock_words, tuple(cells)))
    vat = _("VAT included") if with_vat else _("before VAT")
    if spec.tax_included is TaxIncluded.NOT_APPLICABLE:
        vat = _("no VAT")
    notes = []
    if series:
        notes.append(_("Market prices: %(series)s.") % {"series": series})
    if any(cell is not None and cell.is_fallback for row in week.rows for cell in row):
        notes.append(_("* The market price is not known; the price without a market price counts."))
    if any(cell is None for row in week.rows for cell in row):
        notes.append(_("– The clocks go forward; this time does not exist."))
    if not known:
        notes.append(_("The VAT rate of this country is not known. Enter it under VAT rates, or look before VAT."))
    return WeekTable(
        unit=_("%(currency)s per kWh, %(vat)s") % {"currency": spec.currency, "vat": vat},
        days=tuple((str(WEEKDAYS_ABBR[day.weekday()]), date_format(day, "j.n.")) for day in dates),
        rows=tuple(rows),
        legend=_legend(known, level_of, spec.currency),
        words=tuple(_words(prices, known, week.minutes, spec.currency)),
        notes=tuple(notes),
    )


def _cell(
    day: date,
    clock_words: str,
    priced: PricedTime | None,
    value: Decimal | None,
    level_of: dict[Decimal, int],
    currency: str,
) -> Cell:
    when = f"{date_format(day, 'l j F')}, {clock_words}"
    if priced is None:
        return Cell("–", -1, _("%(when)s: this time does not exist") % {"when": when})
    if value is None:
        return Cell("?", -1, _("%(when)s: VAT not known") % {"when": when})
    text = number_words(value, 3)  # exact in the title; a cell on a phone holds no more
    words = unit_price_words(value, currency) if value else _("free")
    return Cell(f"{text}*" if priced.is_fallback else text, level_of[value], f"{when}: {words}")


def _levels(known: Sequence[Decimal]) -> dict[Decimal, int]:
    """Few prices take a level each, spread over all; many share levels of equal width."""
    if len(known) == 1:
        return {known[0]: 1}
    if len(known) <= LEVELS:
        return {value: index * (LEVELS - 1) // (len(known) - 1) for index, value in enumerate(known)}
    low, high = known[0], known[-1]
    return {value: min(int((value - low) / (high - low) * LEVELS), LEVELS - 1) for value in known}


def _legend(known: Sequence[Decimal], level_of: dict[Decimal, int], currency: str) -> tuple[tuple[int, str], ...]:
    entries = []
    for level in range(LEVELS):
        values = [value for value in known if level_of[value] == level]
        if values:
            low, high = (unit_price_words(value, currency) for value in (values[0], values[-1]))
            entries.append((level, low if low == high else f"{low} – {high}"))
    return tuple(entries)


def _words(
    prices: Sequence[Sequence[Decimal | None]], known: Sequence[Decimal], minutes: int, currency: str
) -> list[tuple[str, str]]:
    """Each price and when it applies: “0.35 €”, “Mon–Sun 22:00–06:00”; the extremes where there are many."""
    if len(known) <= MOST_WORDS:
        chosen = [(unit_price_words(value, currency), value) for value in known]
    else:
        chosen = [
            (_("cheapest: %(price)s") % {"price": unit_price_words(known[0], currency)}, known[0]),
            (_("dearest: %(price)s") % {"price": unit_price_words(known[-1], currency)}, known[-1]),
        ]
    return [(words, "; ".join(_when(prices, value, minutes))) for words, value in chosen]


def _when(prices: Sequence[Sequence[Decimal | None]], value: Decimal, minutes: int) -> list[str]:
    by_hours: dict[str, list[int]] = {}
    for day in range(DAYS):
        hours = _spans([index for index, row in enumerate(prices) if row[day] == value], len(prices), minutes)
        if hours:
            by_hours.setdefault(hours, []).append(day)
    return [f"{_day_span(days)} {hours}" for hours, days in by_hours.items()]


def _spans(indexes: Sequence[int], count: int, minutes: int) -> str:
    if len(indexes) == count:
        return _("all day")
    spans: list[list[int]] = []
    for index in indexes:
        if spans and spans[-1][1] == index:
            spans[-1][1] = index + 1
        else:
            spans.append([index, index + 1])
    return ", ".join(f"{_clock(begin * minutes)}–{_clock(end * minutes)}" for begin, end in spans)


def _day_span(days: Sequence[int]) -> str:
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"{WEEKDAYS_ABBR[days[0]]}–{WEEKDAYS_ABBR[days[-1]]}"
    return ", ".join(str(WEEKDAYS_ABBR[day]) for day in days)


def _clock(minute: int) -> str:
    return f"{minute // HOUR:02d}:{minute % HOUR:02d}"
