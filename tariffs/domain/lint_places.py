"""What a tariff must keep to where it is assigned: VAT, ad hoc rules, meters and clocks, currencies, market prices."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from tariffs.domain.findings import ERROR, WARNING, Finding, gettext_noop, listed
from tariffs.domain.spec import Dimension, TariffSpec


@dataclass(frozen=True, slots=True)
class LintContext:
    """Where and for whom a tariff applies. Empty: assigned nowhere, or not known yet.

    on: the day from which on; what is over by then matches nothing.
    countries_without_vat: countries in which it is assigned and no VAT rate is known.
    fast_ad_hoc_points: public connectors of 50 kW or more in the EU where it is what an ad hoc customer pays.
    points_without_clock, points_without_current: charge points it is assigned to whose clock may not be used for
    billing, and whose meters report no current.
    contract_currencies: other currencies of contract types it is assigned to, by their name.
    series_currencies: the currencies of each known price series by code. None: not looked up.
    """

    on: date | None = None
    countries_without_vat: tuple[str, ...] = ()
    fast_ad_hoc_points: tuple[str, ...] = ()
    points_without_clock: tuple[str, ...] = ()
    points_without_current: tuple[str, ...] = ()
    contract_currencies: Mapping[str, str] = field(default_factory=dict)
    series_currencies: Mapping[str, frozenset[str]] | None = None


def place_findings(spec: TariffSpec, context: LintContext) -> Iterator[Finding]:
    if context.countries_without_vat:
        yield from _vat(context)
    if context.fast_ad_hoc_points and _costs_anything(spec):
        yield from _ad_hoc(spec, listed(context.fast_ad_hoc_points))
    if context.points_without_clock:
        yield from _clock(spec, listed(context.points_without_clock))
    if context.points_without_current:
        yield from _current(spec, listed(context.points_without_current))
    yield from _currencies(spec, context)


def _vat(context: LintContext) -> Iterator[Finding]:
    """A session starts only with the country's rate, even where every component states its own: limits and fees fall
    back on it."""
    yield Finding(
        "vat_missing", ERROR, "tariff",
        gettext_noop("The tariff applies in %(countries)s, where no VAT rate is known. Enter one under VAT rates."),
        {"countries": ", ".join(context.countries_without_vat)},
    )  # fmt: skip


def _costs_anything(spec: TariffSpec) -> bool:
    return (
        spec.extensions is not None
        or spec.min_price is not None
        or any(component.price for element in spec.elements for component in element.components)
    )


def _ad_hoc(spec: TariffSpec, points: str) -> Iterator[Finding]:
    """Regulation (EU) 2023/1804, Article 5(4): from 50 kW on a price per kWh, beside it an occupancy fee per minute.

    Time that costs from a later minute on, and time after charging, are occupancy; time from the start is not.
    """
    named = spec.extensions
    has_energy = named is not None and (named.spot is not None or named.energy_tiers is not None)
    for number, element in enumerate(spec.elements):
        reserved = element.restrictions.reservation is not None
        for index, component in enumerate(element.components):
            if component.dimension is Dimension.ENERGY:
                has_energy = True
            occupancy = component.dimension is Dimension.PARKING_TIME or (
                component.dimension is Dimension.TIME and bool(element.restrictions.min_duration)
            )
            if component.dimension is Dimension.ENERGY or occupancy or reserved or not component.price:
                continue
            yield _not_ad_hoc(f"tariff.elements[{number}].price_components[{index}]", component.dimension.value, points)
    if spec.min_price is not None and any((spec.min_price.net, spec.min_price.gross)):
        yield _not_ad_hoc("tariff.min_price", "min_price", points)
    if named is not None and named.connection_fee is not None and named.connection_fee.price:
        yield _not_ad_hoc("tariff.voltledger.connection_fee", "connection_fee", points)
    if named is not None and named.service_fee is not None:
        yield _not_ad_hoc("tariff.voltledger.service_fee", "service_fee", points)
    if not has_energy:
        yield Finding(
            "ad_hoc_without_energy_price", ERROR, "tariff.elements",
            gettext_noop(
                "Ad hoc charging at 50 kW and more must be priced per kWh (Regulation (EU) 2023/1804, Article 5), "
                "and this tariff has no such price. It applies at: %(points)s. Add one, or assign another tariff for "
                "ad hoc."
            ),
            {"points": points},
        )  # fmt: skip


def _not_ad_hoc(path: str, what: str, points: str) -> Finding:
    return Finding(
        "ad_hoc_component", ERROR, path,
        gettext_noop(
            "%(what)s is not allowed for ad hoc charging at 50 kW and more: only a price per kWh and an occupancy fee "
            "per minute are (Regulation (EU) 2023/1804, Article 5). It applies at: %(points)s. Remove it, or assign "
            "another tariff for ad hoc."
        ),
        {"what": what, "points": points},
    )  # fmt: skip


def _clock(spec: TariffSpec, points: str) -> Iterator[Finding]:
    for number, element in enumerate(spec.elements):
        rules = element.restrictions
        timed = (rules.start_time, rules.end_time, rules.min_duration, rules.max_duration)
        if any(value is not None for value in timed) or rules.days or rules.start_date or rules.end_date:
            yield _needs_clock(f"tariff.elements[{number}].restrictions", points)
        for index, component in enumerate(element.components):
            if component.dimension in (Dimension.TIME, Dimension.PARKING_TIME) and component.price:
                yield _needs_clock(f"tariff.elements[{number}].price_components[{index}]", points)
    named = spec.extensions
    if named is not None:
        fee = named.connection_fee
        for key, uses in (
            ("idle", named.idle is not None),
            ("free", named.free is not None and named.free.minutes is not None),
            ("spot", named.spot is not None),
            ("connection_fee", fee is not None and fee.after_minutes is not None),
        ):
            if uses:
                yield _needs_clock(f"tariff.voltledger.{key}", points)


def _needs_clock(path: str, points: str) -> Finding:
    return Finding(
        "clock_not_allowed", ERROR, path,
        gettext_noop(
            "This price depends on a clock, but the tariff applies to charge points whose clock may not be used for "
            "billing: %(points)s. Take it out, or assign another tariff to them."
        ),
        {"points": points},
    )  # fmt: skip


def _current(spec: TariffSpec, points: str) -> Iterator[Finding]:
    for number, element in enumerate(spec.elements):
        rules = element.restrictions
        if rules.min_current is not None or rules.max_current is not None:
            yield Finding(
                "current_not_reported", WARNING, f"tariff.elements[{number}].restrictions",
                gettext_noop(
                    "This element depends on the current, which these charge points do not report: %(points)s. It "
                    "never applies there. Limit it by power instead."
                ),
                {"points": points},
            )  # fmt: skip


def _currencies(spec: TariffSpec, context: LintContext) -> Iterator[Finding]:
    foreign = {name: code for name, code in context.contract_currencies.items() if code != spec.currency}
    if foreign:
        yield Finding(
            "currency_mix", ERROR, "tariff.currency",
            gettext_noop(
                "The tariff is in %(currency)s but assigned to contracts in another currency: %(contracts)s. They "
                "could not charge. Assign it to contracts in its own currency."
            ),
            {"currency": spec.currency, "contracts": listed([f"{n} ({code})" for n, code in foreign.items()])},
        )  # fmt: skip
    spot = spec.extensions.spot if spec.extensions else None
    if spot is None or context.series_currencies is None:
        return
    currencies = context.series_currencies.get(spot.series)
    if not currencies:
        yield Finding(
            "series_unknown", ERROR, "tariff.voltledger.spot.series",
            gettext_noop("There is no price series “%(series)s”. Create it and import its prices, or name another."),
            {"series": spot.series},
        )  # fmt: skip
    elif spec.currency not in currencies:
        yield Finding(
            "series_currency", ERROR, "tariff.voltledger.spot.series",
            gettext_noop("The series “%(series)s” is in %(theirs)s, the tariff in %(ours)s. They must be the same."),
            {"series": spot.series, "theirs": ", ".join(sorted(currencies)), "ours": spec.currency},
        )  # fmt: skip
