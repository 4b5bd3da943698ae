"""Where a tariff is looked at: a country, a location or a charge point, with its VAT, clock and market prices."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from common import clock
from locations.models import ChargePoint, Location
from tariffs.domain.spec import TariffSpec
from tariffs.domain.spot import SpotPrice
from tariffs.models import PriceSeries, TariffVersion, VatRate
from tariffs.selectors.price_card import PriceCard, price_card
from tariffs.selectors.price_series import series_for, spot_prices


@dataclass(frozen=True)
class Place:
    """`vat_percent` is None where no rate is entered. A country with a time zone has no region and no charge point:
    the market prices for everywhere count there."""

    key: str
    words: str
    time_zone: str
    vat_percent: Decimal | None
    region_id: int | None = None
    charge_point: ChargePoint | None = None


@dataclass(frozen=True)
class Places:
    """Where a tariff can be looked at. `countries` are never empty, the one with most locations first."""

    countries: tuple[Place, ...]
    locations: tuple[Place, ...]

    @property
    def usual(self) -> Place:
        return self.countries[0]

    def by_key(self) -> dict[str, Place]:
        return {place.key: place for place in (*self.countries, *self.locations)}

    def choices(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """As a select shows them."""
        groups = ((_("Anywhere in"), self.countries), (_("At a location"), self.locations))
        return [(name, [(place.key, place.words) for place in each]) for name, each in groups if each]


def known_places() -> Places:
    """The network's countries with their time zones, its locations by name, and after each location those of its
    charge points that have market prices of their own. Three queries."""
    rates = vat_rates(clock.now().date())
    own = PriceSeries.objects.filter(charge_point__isnull=False).values("charge_point")
    points: dict[int, list[ChargePoint]] = {}
    for point in ChargePoint.objects.filter(pk__in=own).select_related("location").order_by("identity"):
        points.setdefault(point.location_id, []).append(point)
    found: Counter[tuple[str, str]] = Counter()
    locations = []
    for location in Location.objects.order_by("name", "pk"):
        vat_percent, zone = rates.get(location.country), location.time_zone
        found[location.country, zone] += 1
        name = f"{location.name}, {location.city}"
        locations.append(Place(f"location:{location.pk}", name, zone, vat_percent, location.region_id))
        for point in points.get(location.pk, ()):
            words = f"{name} · {point.identity}"
            locations.append(Place(f"point:{point.pk}", words, zone, vat_percent, location.region_id, point))
    countries = [
        Place(f"{country}:{zone}", f"{country} · {zone.replace('_', ' ')}", zone, rates.get(country))
        for country, zone in sorted(found, key=lambda pair: (-found[pair], pair))
    ]
    return Places(tuple(countries) or (Place(":UTC", "UTC", "UTC", None),), tuple(locations))


def market_prices(spec: TariffSpec, place: Place, start_at: datetime, end_at: datetime) -> tuple[SpotPrice, ...]:
    """Those steps at a place of the series the tariff follows; one query, none for a tariff that follows none."""
    if spec.extensions is None or spec.extensions.spot is None:
        return ()
    return spot_prices(
        code=spec.extensions.spot.series,
        currency=spec.currency,
        charge_point=place.charge_point,
        region_id=place.region_id,
        start_at=start_at,
        end_at=end_at,
    )


def series_words(spec: TariffSpec, place: Place) -> str:
    """Which series that is: its code, and the region or charge point it is for. Empty where there is none."""
    if spec.extensions is None or spec.extensions.spot is None:
        return ""
    series = series_for(
        code=spec.extensions.spot.series,
        currency=spec.currency,
        charge_point=place.charge_point,
        region_id=place.region_id,
    )
    found = series.select_related("region", "charge_point").first()
    return str(found) if found is not None else ""


def vat_rates(on: date) -> dict[str, Decimal]:
    """The rate of each country on a date."""
    rates = VatRate.objects.filter(valid_from__lte=on).order_by("country", "valid_from")
    return {rate.country: rate.percent for rate in rates}


@dataclass(frozen=True)
class CountryCard:
    """What consumers read in some countries. `notes` are about tax, by country where they differ."""

    countries: str
    card: PriceCard
    notes: tuple[str, ...]


def cards_by_country(spec: TariffSpec, version: TariffVersion | None = None) -> list[CountryCard]:
    """What consumers read, by country, because VAT differs; countries that read the same together."""
    number = version.pk if version else 0
    countries: dict[Decimal, list[str]] = {}
    for country, percent in vat_rates(clock.now().date()).items():
        countries.setdefault(percent, []).append(country)
    alike: dict[PriceCard, list[tuple[str, PriceCard]]] = {}
    for percent, names in countries.items():
        card = price_card(spec, percent, tariff_version_id=number)
        alike.setdefault(replace(card, tax_note=""), []).append((", ".join(names), card))
    return [_together(cards) for cards in alike.values()]


def _together(cards: list[tuple[str, PriceCard]]) -> CountryCard:
    notes = tuple(card.tax_note if len(cards) == 1 else f"{names}: {card.tax_note}" for names, card in cards)
    return CountryCard(", ".join(names for names, _card in cards), cards[0][1], notes)


def sentences(cards: Iterable[CountryCard]) -> list[tuple[str, str]]:
    """The cards' sentences, countries with the same one together."""
    countries: dict[str, list[str]] = {}
    for each in cards:
        countries.setdefault(each.card.sentence, []).append(each.countries)
    return [(", ".join(names), sentence) for sentence, names in countries.items()]
