"""Where a tariff is looked at: a country, whose VAT counts, with a time zone, on whose clock its hours are."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from common import clock
from locations.models import Location
from tariffs.domain.spec import TariffSpec
from tariffs.models import TariffVersion, VatRate
from tariffs.selectors.price_card import PriceCard, price_card


@dataclass(frozen=True)
class Place:
    """A country and a time zone in which there are locations; `vat_percent` is None where no rate is entered."""

    country: str
    time_zone: str
    vat_percent: Decimal | None

    @property
    def key(self) -> str:
        return f"{self.country}:{self.time_zone}"

    @property
    def words(self) -> str:
        return f"{self.country} · {self.time_zone.replace('_', ' ')}"


def known_places() -> list[Place]:
    """Every country and time zone of the network, the one with most locations first; two queries."""
    found: dict[tuple[str, str], int] = {}
    for pair in Location.objects.order_by().values_list("country", "time_zone"):
        found[pair] = found.get(pair, 0) + 1
    rates = vat_rates(clock.now().date())
    ordered = sorted(found, key=lambda pair: (-found[pair], pair))
    return [Place(country, zone, rates.get(country)) for country, zone in ordered] or [Place("", "UTC", None)]


def vat_rates(on: date) -> dict[str, Decimal]:
    """The rate of each country on a date."""
    rates = VatRate.objects.filter(valid_from__lte=on).order_by("country", "valid_from")
    return {rate.country: rate.percent for rate in rates}


def cards_by_country(spec: TariffSpec, version: TariffVersion | None = None) -> list[tuple[str, PriceCard]]:
    """What consumers read, by country, because VAT differs; countries with the same rate together."""
    number = version.pk if version else 0
    countries: dict[Decimal, list[str]] = {}
    for country, percent in vat_rates(clock.now().date()).items():
        countries.setdefault(percent, []).append(country)
    return [
        (", ".join(names), price_card(spec, percent, tariff_version_id=number)) for percent, names in countries.items()
    ]


def sentences(cards: Iterable[tuple[str, PriceCard]]) -> list[tuple[str, str]]:
    """The cards' sentences, countries with the same one together."""
    countries: dict[str, list[str]] = {}
    for country, card in cards:
        countries.setdefault(card.sentence, []).append(country)
    return [(", ".join(names), sentence) for sentence, names in countries.items()]
