"""What charging costs at a connector, in a sentence and a table a consumer understands: gross, before it starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from accounts.models import Contract
from common import clock
from common.formats import duration_words, energy_words, money_words, number_words, unit_price_words
from locations.models import Connector
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.domain.spec import Dimension, PriceComponent, PriceLimit, TariffSpec, TaxIncluded
from tariffs.models import VatRate
from tariffs.selectors.conditions import condition_words
from tariffs.selectors.resolution import resolve_tariffs

# Order of display (Regulation (EU) 2023/1804, article 5): kWh, minute, session, other.
_ORDER = (Dimension.ENERGY, Dimension.TIME, Dimension.FLAT, Dimension.PARKING_TIME)
_MINUTES_PER_HOUR = 60
_MINUTE_PLACES = Decimal("0.0001")


@dataclass(frozen=True)
class PriceRow:
    """One price. `gross` includes tax; `price` says it per unit (“0.476 €/kWh”); `when` and `steps` may be empty."""

    dimension: Dimension
    label: str
    gross: Decimal
    price: str
    when: str = ""
    steps: str = ""


@dataclass(frozen=True)
class PriceCard:
    """The prices of one connector for one customer. `limits` are lowest and highest totals in words."""

    tariff_version_id: int
    currency: str
    sentence: str
    rows: tuple[PriceRow, ...]
    limits: tuple[str, ...]
    tax_note: str


def price_cards(
    *, connectors: Sequence[Connector], contract: Contract | None, channel: str, at: datetime
) -> dict[int, PriceCard | None]:
    """Price cards by connector id, in three queries; None where no tariff or no VAT rate applies.

    Give connectors with their charge point and its location loaded.
    """
    resolutions = resolve_tariffs(connectors=connectors, contract=contract, channel=channel, at=at)
    countries = {connector.charge_point.location.country for connector in connectors}
    rates = list(VatRate.objects.filter(country__in=countries).order_by("-valid_from"))
    made: dict[tuple[int, Decimal], PriceCard] = {}
    cards: dict[int, PriceCard | None] = {}
    for connector in connectors:
        location = connector.charge_point.location
        on = clock.local_date(at, location.time_zone)
        rate = next((rate for rate in rates if rate.country == location.country and rate.valid_from <= on), None)
        resolution = resolutions[connector.pk]
        if resolution is None or rate is None:
            cards[connector.pk] = None
            continue
        version = resolution.version
        key = (version.pk, rate.percent)
        if key not in made:
            made[key] = price_card(parse_tariff_text(version.document), rate.percent, tariff_version_id=version.pk)
        cards[connector.pk] = made[key]
    return cards


def price_card(spec: TariffSpec, vat_percent: Decimal, *, tariff_version_id: int) -> PriceCard:
    """The card of one tariff where `vat_percent` is the country's rate; a component's own rate goes before it."""
    rows = tuple(row for dimension in _ORDER for row in _rows(spec, dimension, vat_percent))
    limits = tuple(_limits(spec, vat_percent))
    return PriceCard(
        tariff_version_id=tariff_version_id,
        currency=spec.currency,
        sentence=_sentence(rows, limits, spec.currency),
        rows=rows,
        limits=limits,
        tax_note=_tax_note(spec, vat_percent),
    )


def _rows(spec: TariffSpec, dimension: Dimension, vat_percent: Decimal) -> list[PriceRow]:
    """The elements that price a dimension in the order they are tried, up to the first that always applies."""
    rows: list[PriceRow] = []
    for element in spec.elements:
        component = element.component(dimension)
        if component is None or element.restrictions.reservation is not None:
            continue
        when = condition_words(element.restrictions)
        if not when and rows:
            when = _("at all other times")
        gross = _gross(spec, component, vat_percent)
        rows.append(_row(spec.currency, dimension, gross, when=when, steps=_steps(component)))
        if element.restrictions == type(element.restrictions)():
            return rows
    if rows and dimension is not Dimension.FLAT:
        rows.append(_row(spec.currency, dimension, Decimal(0), when=_("at all other times")))
    return rows


def _row(currency: str, dimension: Dimension, gross: Decimal, *, when: str = "", steps: str = "") -> PriceRow:
    label = {
        Dimension.ENERGY: _("Energy"),
        Dimension.TIME: _("Time while charging"),
        Dimension.FLAT: _("Each session"),
        Dimension.PARKING_TIME: _("Time after charging has ended"),
    }[dimension]
    return PriceRow(
        dimension=dimension,
        label=label,
        gross=gross,
        price=_per_unit(currency, dimension, gross),
        when=when,
        steps=steps,
    )


def _per_unit(currency: str, dimension: Dimension, gross: Decimal) -> str:
    if gross == 0:
        return _("free")
    if dimension is Dimension.ENERGY:
        return _("%(price)s/kWh") % {"price": unit_price_words(gross, currency)}
    if dimension is Dimension.FLAT:
        return unit_price_words(gross, currency)
    return time_price_words(gross, currency)


def time_price_words(per_hour: Decimal, currency: str) -> str:
    """A price of time, per minute where four decimals hold that exactly: “0.238 €/min”, else “5.00 €/h”."""
    per_minute = per_hour / _MINUTES_PER_HOUR
    if per_minute == per_minute.quantize(_MINUTE_PLACES):
        return _("%(price)s/min") % {"price": unit_price_words(per_minute, currency)}
    return _("%(price)s/h") % {"price": unit_price_words(per_hour, currency)}


def _steps(component: PriceComponent) -> str:
    """The billing block in words, where it is coarser than a reader would expect."""
    if component.dimension is Dimension.ENERGY and component.step_size > 1:
        return _("counted in steps of %(step)s") % {"step": energy_words(Decimal(component.step_size))}
    if component.dimension in (Dimension.TIME, Dimension.PARKING_TIME) and component.step_size > 1:
        return _("counted in steps of %(step)s") % {"step": duration_words(component.step_size)}
    return ""


def _gross(spec: TariffSpec, component: PriceComponent, vat_percent: Decimal) -> Decimal:
    if spec.tax_included is not TaxIncluded.NO:
        return component.price
    percent = vat_percent if component.vat_percent is None else component.vat_percent
    return component.price * (100 + percent) / 100


def _limits(spec: TariffSpec, vat_percent: Decimal) -> list[str]:
    words: list[str] = []
    for limit, form in ((spec.min_price, _("at least %(amount)s")), (spec.max_price, _("at most %(amount)s"))):
        gross = _limit_gross(spec, limit, vat_percent)
        if gross is not None:
            words.append(form % {"amount": money_words(gross, spec.currency)})
    return words


def _limit_gross(spec: TariffSpec, limit: PriceLimit | None, vat_percent: Decimal) -> Decimal | None:
    if limit is None or limit.gross is not None or limit.net is None:
        return limit.gross if limit else None
    if spec.tax_included is TaxIncluded.NOT_APPLICABLE:
        return limit.net
    return limit.net * (100 + vat_percent) / 100


def _sentence(rows: Sequence[PriceRow], limits: Sequence[str], currency: str) -> str:
    phrases: list[str] = []
    for dimension in _ORDER:
        priced = [row for row in rows if row.dimension is dimension]
        if any(row.gross for row in priced):
            phrases.append(_phrase(dimension, priced, currency, is_first=not phrases))
    if not phrases and not limits:
        return _("Charging is free here.")
    return ", ".join([*phrases, *limits])


def _phrase(dimension: Dimension, rows: Sequence[PriceRow], currency: str, *, is_first: bool) -> str:
    """One dimension in a few words: its price with its condition, or its range where it depends on several."""
    words = {
        Dimension.ENERGY: "%(price)s",
        Dimension.TIME: _("%(price)s while charging"),
        Dimension.FLAT: _("%(price)s per session"),
        Dimension.PARKING_TIME: _("%(price)s once charging has ended"),
    }[dimension]
    form = words if is_first else _("plus %(words)s") % {"words": words}
    priced = [row for row in rows if row.gross]
    distinct = sorted({row.gross for row in rows})
    if len(distinct) == 1:
        return form % {"price": priced[0].price}
    if len(priced) == 1:
        return f"{form % {'price': priced[0].price}} ({priced[0].when})"
    low, high = (_per_unit(currency, dimension, gross) for gross in (distinct[0], distinct[-1]))
    price = _("up to %(high)s depending on the moment")
    if distinct[0]:
        price = _("%(low)s to %(high)s depending on the moment")
    return form % {"price": price % {"low": low, "high": high}}


def _tax_note(spec: TariffSpec, vat_percent: Decimal) -> str:
    if spec.tax_included is TaxIncluded.NOT_APPLICABLE:
        return _("No VAT is added.")
    own = {component.vat_percent for element in spec.elements for component in element.components}
    percents = sorted({vat_percent if percent is None else percent for percent in own})
    listed = ", ".join(f"{number_words(percent, 2)} %" for percent in percents)
    return _("All prices include VAT (%(percents)s).") % {"percents": listed}
