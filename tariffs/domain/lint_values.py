"""Single values of a tariff that are impossible, or so unusual that they are probably a slip."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from tariffs.domain.findings import ERROR, WARNING, Finding, gettext_noop
from tariffs.domain.gaps import seconds_words
from tariffs.domain.spec import Dimension, Element, PriceComponent, PriceLimit, Restrictions, TariffSpec
from tariffs.domain.words import number_text

# What a session can hardly reach. 3.75 MW is the strongest plug there is (MCS).
PLAUSIBLE = {"kwh": Decimal(2000), "power": Decimal(4000), "current": Decimal(9000), "duration": 14 * 24 * 3600}
# The dearest plausible price per unit where one unit of the currency is worth about a euro.
_EURO_LIKE = frozenset({"EUR", "USD", "GBP", "CHF", "CAD", "AUD"})
_DEAREST = {
    Dimension.ENERGY: Decimal(5),
    Dimension.TIME: Decimal(300),
    Dimension.PARKING_TIME: Decimal(300),
    Dimension.FLAT: Decimal(100),
}
_COARSEST_STEP = {Dimension.ENERGY: 10_000, Dimension.TIME: 3600, Dimension.PARKING_TIME: 3600}
_HIGHEST_VAT = 30


def value_findings(spec: TariffSpec, on: date | None) -> Iterator[Finding]:
    yield from _limits(spec)
    if on is not None and spec.valid_until is not None and spec.valid_until.date() <= on:
        yield Finding(
            "tariff_over", ERROR, "tariff.end_date_time",
            gettext_noop("The tariff ends before it is published. Give it a later end or none."),
        )  # fmt: skip
    for number, element in enumerate(spec.elements):
        path = f"tariff.elements[{number}]"
        yield from _restrictions(element.restrictions, f"{path}.restrictions")
        yield from _components(spec, element, path)
    yield from _extensions(spec)


def _limits(spec: TariffSpec) -> Iterator[Finding]:
    for key, limit in (("min_price", spec.min_price), ("max_price", spec.max_price)):
        if limit is None:
            continue
        if any(side is not None and side < 0 for side in (limit.net, limit.gross)):
            yield Finding(
                "negative_price", ERROR, f"tariff.{key}", gettext_noop("A price limit cannot be negative. Correct it.")
            )
        if limit.net is not None and limit.gross is not None and limit.gross < limit.net:
            yield Finding(
                "limit_sides", ERROR, f"tariff.{key}",
                gettext_noop("The amount with tax is below the amount before tax. Correct one of them."),
            )  # fmt: skip
    if spec.min_price is None or spec.max_price is None:
        return
    if any(low > high for low, high in _sides(spec.min_price, spec.max_price)):
        yield Finding(
            "min_above_max", ERROR, "tariff.min_price",
            gettext_noop("The lowest price is above the highest price. Lower the one or raise the other."),
        )  # fmt: skip


def _sides(least: PriceLimit, most: PriceLimit) -> Iterator[tuple[Decimal, Decimal]]:
    for low, high in ((least.net, most.net), (least.gross, most.gross), (least.net, most.gross)):
        if low is not None and high is not None:
            yield low, high


def _restrictions(rules: Restrictions, path: str) -> Iterator[Finding]:
    if rules.start_time is not None and rules.start_time == rules.end_time:
        yield Finding(
            "equal_times", WARNING, f"{path}.end_time",
            gettext_noop("Start and end are the same time, which means the whole day. Leave both out, or correct one."),
        )  # fmt: skip
    for low, high, pair in (
        ("min_kwh", "max_kwh", (rules.min_kwh, rules.max_kwh)),
        ("min_current", "max_current", (rules.min_current, rules.max_current)),
        ("min_power", "max_power", (rules.min_power, rules.max_power)),
        ("min_duration", "max_duration", (rules.min_duration, rules.max_duration)),
        ("start_date", "end_date", (rules.start_date, rules.end_date)),
    ):
        least, most = pair
        if least is not None and most is not None and most <= least:  # type: ignore[operator]
            yield Finding(
                "empty_range", ERROR, f"{path}.{high}",
                gettext_noop("%(high)s is exclusive and not above %(low)s, so nothing matches. Correct one of them."),
                {"low": low, "high": high},
            )  # fmt: skip
        kind = low.removeprefix("min_")
        for key, value in ((low, least), (high, most)):
            if kind in PLAUSIBLE and value is not None and value > PLAUSIBLE[kind]:  # type: ignore[operator]
                yield Finding(
                    "implausible_threshold", WARNING, f"{path}.{key}",
                    gettext_noop("%(value)s is more than a session reaches. Check the unit: %(unit)s."),
                    {
                        "value": seconds_words(value) if kind == "duration" else number_text(value),
                        "unit": {"kwh": "kWh", "power": "kW", "current": "A", "duration": "s"}[kind],
                    },
                )  # fmt: skip


def _components(spec: TariffSpec, element: Element, path: str) -> Iterator[Finding]:
    for index, component in enumerate(element.components):
        yield from _component(spec, component, f"{path}.price_components[{index}]")


def _price(spec: TariffSpec, price: Decimal, dimension: Dimension, path: str) -> Iterator[Finding]:
    if price < 0:
        yield Finding(
            "negative_price", WARNING, path,
            gettext_noop("%(price)s is a negative price: the customer is paid. Correct it if that is not meant."),
            {"price": number_text(price)},
        )  # fmt: skip
    if spec.currency in _EURO_LIKE and price > _DEAREST[dimension]:
        yield Finding(
            "implausible_price", WARNING, path,
            gettext_noop(
                "%(price)s %(currency)s per %(unit)s is unusually dear. Check the decimal point and the unit."
            ),
            {
                "price": number_text(price),
                "currency": spec.currency,
                "unit": {Dimension.ENERGY: "kWh", Dimension.FLAT: "session"}.get(dimension, "hour"),
            },
        )  # fmt: skip


def _component(spec: TariffSpec, component: PriceComponent, path: str) -> Iterator[Finding]:
    yield from _price(spec, component.price, component.dimension, f"{path}.price")
    coarsest = _COARSEST_STEP.get(component.dimension)
    if coarsest is not None and component.step_size > coarsest:
        unit = "Wh" if component.dimension is Dimension.ENERGY else "s"
        yield Finding(
            "implausible_step", WARNING, f"{path}.step_size",
            gettext_noop("Blocks of %(step)s %(unit)s are unusually coarse. Check the unit."),
            {"step": str(component.step_size), "unit": unit},
        )  # fmt: skip
    yield from _vat(component.vat_percent, f"{path}.vat")


def _vat(percent: Decimal | None, path: str) -> Iterator[Finding]:
    if percent is not None and (0 < percent < 1 or percent > _HIGHEST_VAT):
        yield Finding(
            "implausible_vat", WARNING, path,
            gettext_noop("%(percent)s %% is an unusual VAT rate: 19 means 19 %%. Check it."),
            {"percent": number_text(percent)},
        )  # fmt: skip


def _extensions(spec: TariffSpec) -> Iterator[Finding]:
    named = spec.extensions
    if named is None:
        return
    path = "tariff.voltledger"
    tiers = named.energy_tiers
    if tiers is not None:
        yield from _vat(tiers.vat_percent, f"{path}.energy_tiers.vat")
        for index, tier in enumerate(tiers.tiers):
            yield from _price(spec, tier.price, Dimension.ENERGY, f"{path}.energy_tiers.tiers[{index}].price")
        if named.spot is not None and tiers.tiers and tiers.tiers[-1].up_to_kwh is None:
            yield Finding(
                "unreachable_spot", ERROR, f"{path}.spot",
                gettext_noop("The market price never applies, because the tiers price every kWh. Remove one of them."),
            )  # fmt: skip
    spot = named.spot
    if spot is not None:
        yield from _price(spec, spot.fallback, Dimension.ENERGY, f"{path}.spot.fallback")
        yield from _vat(spot.vat_percent, f"{path}.spot.vat")
        if spot.floor is not None and spot.cap is not None and spot.floor > spot.cap:
            yield Finding(
                "empty_range", ERROR, f"{path}.spot.cap",
                gettext_noop("%(high)s is below %(low)s. Correct one of them."), {"low": "floor", "high": "cap"},
            )  # fmt: skip
        if spot.floor is None or spot.floor < 0:
            yield Finding(
                "negative_price", WARNING, f"{path}.spot.floor",
                gettext_noop(
                    "Market prices fall below zero, and this price may too: the customer is then paid. Give a floor of "
                    "0 or more if that is not meant."
                ),
            )  # fmt: skip
    for fee, key in ((named.connection_fee, "connection_fee"), (named.service_fee, "service_fee")):
        if fee is not None:
            yield from _vat(fee.vat_percent, f"{path}.{key}.vat")
