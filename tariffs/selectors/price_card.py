"""What charging costs at a connector, in a sentence, a table and an example a consumer understands: with tax, before it
starts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from django.utils.translation import gettext as _

from accounts.models import Contract
from common import clock
from common.formats import duration_words, energy_words, money_words, number_words
from common.units import kwh_to_wh
from locations.models import Connector
from tariffs.domain.assumed import assumed_periods
from tariffs.domain.compiled import CompiledTariff, compile_document
from tariffs.domain.extensions import Extensions, TierPeriod
from tariffs.domain.frozen import FrozenInputs
from tariffs.domain.rating import rate
from tariffs.domain.spec import PriceLimit, TariffSpec, TaxIncluded
from tariffs.models import VatRate
from tariffs.selectors.price_rows import PriceRow, PriceRows, SpotNow
from tariffs.selectors.price_rows import time_price_words as time_price_words
from tariffs.selectors.resolution import resolve_tariffs
from tariffs.selectors.spot_book import SpotBook

# The session of the example: as much as a stop needs, at four fifths of the rated power, which few vehicles exceed.
_EXAMPLE_KWH = {"AC": Decimal(15), "DC": Decimal(30), "HPC": Decimal(30)}
_SHARE_OF_POWER = Decimal("0.8")
_MOST_POWER_W = 80_000
_MINUTES_PER_HOUR = 60
_EXAMPLE_STEP = 5

UsedThisMonth = Callable[[str], Decimal]


@dataclass(frozen=True)
class PriceCard:
    """The prices of one connector for one customer. `limits` are lowest and highest totals in words.

    `example` is a session that starts now, priced by the engine: “30 kWh in 45 min: 14.70 €”; empty where a card is
    made for no connector in particular.
    """

    tariff_version_id: int
    currency: str
    sentence: str
    rows: tuple[PriceRow, ...]
    limits: tuple[str, ...]
    tax_note: str
    example: str = ""


def price_cards(
    *,
    connectors: Sequence[Connector],
    contract: Contract | None,
    channel: str,
    at: datetime,
    used_this_month: UsedThisMonth | None = None,
) -> dict[int, PriceCard | None]:
    """Price cards by connector id, in three queries; None where no tariff or no VAT rate applies.

    Two more where a tariff follows a market price. `used_this_month` tells the Wh the customer used in the month of a
    time zone, and is asked where a tariff has tiers per month; without it the example is the month's first session.
    Give connectors with their charge point and its location loaded.
    """
    resolutions = resolve_tariffs(connectors=connectors, contract=contract, channel=channel, at=at)
    countries = {connector.charge_point.location.country for connector in connectors}
    rates = list(VatRate.objects.filter(country__in=countries).order_by("-valid_from"))
    found: list[tuple[Connector, int, CompiledTariff, Decimal]] = []
    for connector in connectors:
        location = connector.charge_point.location
        on = clock.local_date(at, location.time_zone)
        rate_row = next((row for row in rates if row.country == location.country and row.valid_from <= on), None)
        resolution = resolutions[connector.pk]
        if resolution is not None and rate_row is not None:
            tariff = compile_document(resolution.version.document, location.time_zone)
            found.append((connector, resolution.version.pk, tariff, rate_row.percent))
    book = SpotBook([(connector, tariff) for connector, _version, tariff, _percent in found], at=at)
    made: dict[tuple[object, ...], PriceCard] = {}
    cards: dict[int, PriceCard | None] = dict.fromkeys((connector.pk for connector in connectors), None)
    for connector, version_id, tariff, percent in found:
        series, prices = book.prices(connector, tariff)
        key = (version_id, percent, tariff.time_zone, connector.power_class, connector.max_power_w, series)
        if key not in made:
            used = used_this_month(tariff.time_zone) if used_this_month and _counts_month(tariff.spec) else None
            frozen = FrozenInputs(prices, used)
            name = book.name(series)
            made[key] = card_at(
                tariff, percent, connector=connector, at=at, frozen=frozen, tariff_version_id=version_id, series=name
            )
        cards[connector.pk] = made[key]
    return cards


def card_at(
    tariff: CompiledTariff,
    vat_percent: Decimal,
    *,
    connector: Connector,
    at: datetime,
    frozen: FrozenInputs,
    tariff_version_id: int,
    series: str = "",
) -> PriceCard:
    """The card of a tariff at a connector at a moment: with the market price of now, and an example from now on.

    `series`: what the market price is called, where it has a name besides its code.
    """
    spot = (tariff.spec.extensions or Extensions()).spot
    now: SpotNow | None = None
    if spot is not None:
        value = next((step.price for step in frozen.spot_prices if step.start_at <= at < step.end_at), None)
        price = None if value is None else value * spot.factor + spot.markup
        if price is not None and spot.cap is not None:
            price = min(price, spot.cap)
        if price is not None and spot.floor is not None:
            price = max(price, spot.floor)
        now = SpotNow(series or spot.series, price)
    card = price_card(tariff.spec, vat_percent, tariff_version_id=tariff_version_id, spot_now=now)
    return replace(card, example=_example(tariff, vat_percent, connector, at, frozen))


def price_card(
    spec: TariffSpec, vat_percent: Decimal, *, tariff_version_id: int, spot_now: SpotNow | None = None
) -> PriceCard:
    """The card of one tariff where `vat_percent` is the country's rate; a component's own rate goes before it."""
    rows = PriceRows(spec, vat_percent, spot_now)
    limits = tuple(_limits(spec, vat_percent))
    phrases = [*rows.phrases(), *limits]
    return PriceCard(
        tariff_version_id=tariff_version_id,
        currency=spec.currency,
        sentence=", ".join(phrases) if phrases else _("Charging is free here."),
        rows=rows.rows(),
        limits=limits,
        tax_note=_tax_note(spec, vat_percent),
    )


def _example(
    tariff: CompiledTariff, vat_percent: Decimal, connector: Connector, at: datetime, frozen: FrozenInputs
) -> str:
    energy_wh = kwh_to_wh(_EXAMPLE_KWH[connector.power_class])
    power_w = min(connector.max_power_w * _SHARE_OF_POWER, Decimal(_MOST_POWER_W))
    steps = (energy_wh * _MINUTES_PER_HOUR / power_w / _EXAMPLE_STEP).to_integral_value(ROUND_CEILING)
    seconds = int(steps) * _EXAMPLE_STEP * _MINUTES_PER_HOUR
    counted = frozen
    if _counts_month(tariff.spec) and frozen.month_to_date_wh is None:
        counted = replace(frozen, month_to_date_wh=Decimal(0))
    rated = rate(
        tariff,
        assumed_periods(start_at=at, energy_wh=energy_wh, charging_seconds=seconds),
        **counted.for_rating(),
        default_vat_percent=vat_percent,
    )
    return _("%(energy)s in %(time)s: %(amount)s") % {
        "energy": energy_words(energy_wh),
        "time": duration_words(seconds),
        "amount": money_words(rated.payable().gross, rated.currency),
    }


def _counts_month(spec: TariffSpec) -> bool:
    tiers = spec.extensions.energy_tiers if spec.extensions is not None else None
    return tiers is not None and tiers.per is TierPeriod.MONTH


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


def _tax_note(spec: TariffSpec, vat_percent: Decimal) -> str:
    if spec.tax_included is TaxIncluded.NOT_APPLICABLE:
        return _("No VAT is added.")
    own = {component.vat_percent for element in spec.elements for component in element.components}
    named = spec.extensions or Extensions()
    priced = (named.service_fee, named.connection_fee, named.energy_tiers, named.spot)
    own |= {one.vat_percent for one in priced if one is not None}
    percents = sorted({vat_percent if percent is None else percent for percent in own})
    listed = ", ".join(f"{number_words(percent, 2)} %" for percent in percents)
    return _("All prices include VAT (%(percents)s).") % {"percents": listed}
