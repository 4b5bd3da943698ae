"""What a session nobody has had yet would cost under a version, beside the version in force."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common import clock
from common.errors import BadInput
from common.formats import unit_price_words
from tariffs.admin.places import Place, Places, market_prices
from tariffs.domain.assumed import MOST_SECONDS, assumed_periods
from tariffs.domain.compiled import compile_tariff
from tariffs.domain.explain import free_document, line_document
from tariffs.domain.rating import rate
from tariffs.domain.result import UNITS, CostLine, FreeQuantity, Payable, RatedSession, decimal_of
from tariffs.domain.spec import Period, TariffSpec
from tariffs.line_words import calculation_words, kind_words, quantity_words, rule_words, skipped_words, why_words

_MOST_MINUTES = MOST_SECONDS // 60
_LOCAL = "%Y-%m-%dT%H:%M"


class LocalMoment(forms.Field):
    """Date and time on the wall clock of a place that another field names: a naive datetime."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_LOCAL)

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError as error:
            raise forms.ValidationError(_("Enter date and time such as 2026-12-24 18:00.")) from error
        return moment.replace(tzinfo=None)


class WhatIfForm(forms.Form):
    """The session to price. Its start is on the clock of the place."""

    start = LocalMoment(
        label=gettext_lazy("Start"),
        help_text=gettext_lazy("On the clock of the place chosen below."),
    )
    kwh = forms.DecimalField(
        label=gettext_lazy("Energy, kWh"), min_value=0, max_value=100_000, max_digits=9, decimal_places=3
    )
    charging_minutes = forms.IntegerField(
        label=gettext_lazy("Minutes of charging"), min_value=0, max_value=_MOST_MINUTES
    )
    parked_minutes = forms.IntegerField(
        label=gettext_lazy("Minutes parked afterwards"), min_value=0, max_value=_MOST_MINUTES, required=False
    )
    power_kw = forms.DecimalField(
        label=gettext_lazy("Power, kW"),
        help_text=gettext_lazy("Empty: the average of the energy. Rules by power look at it."),
        min_value=0,
        max_value=2000,
        required=False,
    )
    month_kwh = forms.DecimalField(
        label=gettext_lazy("kWh used earlier in the month"),
        help_text=gettext_lazy("For energy prices by quantity per month."),
        min_value=0,
        max_value=1_000_000,
        required=False,
    )
    place = forms.ChoiceField(label=gettext_lazy("Where"))
    vat_percent = forms.DecimalField(
        label=gettext_lazy("VAT, %"),
        help_text=gettext_lazy("Empty: the country's rate."),
        min_value=0,
        max_value=100,
        required=False,
    )

    def __init__(self, data: Any, places: Places) -> None:
        first = places.usual
        now = clock.now().astimezone(ZoneInfo(first.time_zone))
        noon = (now + timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0)
        initial = {
            "start": noon.strftime(_LOCAL), "kwh": 30, "charging_minutes": 90, "parked_minutes": 0, "place": first.key,
        }  # fmt: skip
        super().__init__(data, initial=initial)
        self.places = places.by_key()
        field: forms.ChoiceField = self.fields["place"]  # type: ignore[assignment]
        field.choices = places.choices()
        for one in self.fields.values():
            one.widget.attrs["class"] = "portal-input"

    def clean(self) -> dict[str, Any]:
        """Also builds the session, so that what no session can be is told at its field."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        if cleaned["kwh"] and not cleaned["charging_minutes"]:
            self.add_error("charging_minutes", _("Energy takes time to flow: enter more than 0 minutes."))
            return cleaned
        place = self.places[cleaned["place"]]
        local = cleaned["start"].replace(tzinfo=ZoneInfo(place.time_zone))
        cleaned["start_at"] = local.astimezone(UTC)
        if cleaned["start_at"].astimezone(local.tzinfo).replace(tzinfo=None) != cleaned["start"]:
            self.add_error("start", _("This time does not exist there: the clocks go forward."))
            return cleaned
        try:
            cleaned["periods"] = assumed_periods(
                start_at=cleaned["start_at"],
                energy_wh=cleaned["kwh"] * 1000,
                charging_seconds=cleaned["charging_minutes"] * 60,
                parked_seconds=(cleaned["parked_minutes"] or 0) * 60,
                power_kw=cleaned["power_kw"],
            )
        except BadInput as error:
            raise forms.ValidationError([str(error), *error.details]) from error
        return cleaned


@dataclass(frozen=True)
class LineWords:
    """One line: what for, how it was calculated, why this price, what it comes to; a dash for no amount."""

    label: str
    calculation: str
    reasons: tuple[str, ...]
    net: str = "–"
    gross: str = "–"


@dataclass(frozen=True)
class Outcome:
    """The price of the session under one tariff. `payable` is None where the VAT rate is not known."""

    lines: list[LineWords]
    payable: Payable | None


def outcome(spec: TariffSpec, asked: dict[str, Any], place: Place) -> Outcome:
    """Rate the session that was asked about; one query for a tariff with a market price, none otherwise."""
    periods: list[Period] = asked["periods"]
    percent = asked["vat_percent"] if asked["vat_percent"] is not None else place.vat_percent
    used = (asked["month_kwh"] or Decimal(0)) * 1000
    rated = rate(
        compile_tariff(spec, place.time_zone),
        periods,
        default_vat_percent=percent,
        spot_prices=market_prices(spec, place, periods[0].start_at - timedelta(hours=1), periods[-1].end_at),
        month_to_date_wh=used,
    )
    lines = [_line_words(line, rated) for line in rated.lines]
    lines += [_free_words(free, rated.tariff.spec) for free in rated.free]
    return Outcome(lines=lines, payable=_payable(rated))


def _line_words(line: CostLine, rated: RatedSession) -> LineWords:
    quantity, currency = decimal_of(line.quantity), rated.currency
    return LineWords(
        label=kind_words(line.kind),
        calculation=calculation_words(line.kind, line.unit, quantity, line.unit_price, currency),
        reasons=tuple(why_words(line_document(line), rated.tariff.spec, rule=rule_words)),
        net="–" if line.net is None else unit_price_words(line.net, currency),
        gross="–" if line.gross is None else unit_price_words(line.gross, currency),
    )


def _free_words(free: FreeQuantity, spec: TariffSpec) -> LineWords:
    """What was used and not priced."""
    quantity = quantity_words(UNITS[free.kind], decimal_of(free.quantity))
    reasons = tuple(skipped_words(skipped, spec, rule_words) for skipped in free_document(free)["skipped"])
    return LineWords(kind_words(free.kind), _("%(quantity)s free") % {"quantity": quantity}, reasons)


def _payable(rated: RatedSession) -> Payable | None:
    unknown = any(total.exact_net is None or total.exact_gross is None for total in rated.vat_totals)
    return None if unknown else rated.payable()
