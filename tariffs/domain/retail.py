"""A retail tariff made of another tariff and a mark-up. Pure; the result is a tariff like any other."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Context, Decimal, Inexact, localcontext

from common.errors import BadInput
from tariffs.domain.extensions import Extensions
from tariffs.domain.reading import MOST_DECIMALS
from tariffs.domain.spec import Dimension, Element, PriceComponent, PriceLimit, TariffSpec

_EXACT = Context(prec=60, traps=[Inexact])
_HUNDRED = Decimal(100)
_Change = Callable[[Decimal], Decimal]


def mark_up_by_percent(base: TariffSpec, percent: Decimal) -> TariffSpec:
    """Every amount of `base` times (100 + percent) / 100: prices, fees, lowest and highest price, named extensions.

    So the same session costs exactly that much more, or less for a negative percent. Percentages and VAT rates stay.
    Raises BadInput for -100 % or less, or where a price would need more decimals than a tariff can hold.
    """
    if percent <= -_HUNDRED:
        raise BadInput("A mark-up must be above -100 %.", details=["percent: must be above -100"])
    with localcontext(_EXACT):
        factor = (_HUNDRED + percent).scaleb(-2)

    def scaled(amount: Decimal) -> Decimal:
        return _held(amount * factor, "percent")

    with localcontext(_EXACT):
        return replace(
            base,
            elements=_elements(base, lambda component: scaled(component.price)),
            min_price=_limit(base.min_price, scaled),
            max_price=_limit(base.max_price, scaled),
            extensions=base.extensions and _scaled_extensions(base.extensions, scaled),
        )


def mark_up_per_kwh(base: TariffSpec, amount: Decimal) -> TariffSpec:
    """Every price per kWh of `base` plus `amount`, which is with or without tax as the prices of `base` are.

    Energy that `base` gives away stays free. Lowest and highest price stay.
    Raises BadInput where a price would need more decimals than a tariff can hold.
    """

    def raised(price: Decimal) -> Decimal:
        return _held(price + amount, "amount")

    def price_of(component: PriceComponent) -> Decimal:
        return raised(component.price) if component.dimension is Dimension.ENERGY else component.price

    with localcontext(_EXACT):
        extensions = base.extensions
        if extensions is not None:
            extensions = _with_energy(extensions, raised)
        return replace(base, elements=_elements(base, price_of), extensions=extensions)


def _held(price: Decimal, path: str) -> Decimal:
    """The price without trailing zeros, if a tariff document can hold it."""
    price = price.normalize()
    if -int(price.as_tuple().exponent) > MOST_DECIMALS:
        raise BadInput(
            "The mark-up makes prices with too many decimals. Give it fewer.",
            details=[f"{path}: makes a price with more than {MOST_DECIMALS} decimals"],
        )
    return price


def _elements(base: TariffSpec, price_of: Callable[[PriceComponent], Decimal]) -> tuple[Element, ...]:
    return tuple(
        replace(
            element, components=tuple(replace(component, price=price_of(component)) for component in element.components)
        )
        for element in base.elements
    )


def _limit(limit: PriceLimit | None, change: _Change) -> PriceLimit | None:
    return limit and PriceLimit(_changed(limit.net, change), _changed(limit.gross, change))


def _changed(amount: Decimal | None, change: _Change) -> Decimal | None:
    return None if amount is None else change(amount)


def _with_energy(extensions: Extensions, change: _Change) -> Extensions:
    """Prices per kWh changed: tiers, and of the spot formula mark-up, fallback, floor and cap."""
    tiers, spot = extensions.energy_tiers, extensions.spot
    return replace(
        extensions,
        energy_tiers=tiers
        and replace(tiers, tiers=tuple(replace(tier, price=change(tier.price)) for tier in tiers.tiers)),
        spot=spot
        and replace(
            spot,
            markup=change(spot.markup),
            fallback=change(spot.fallback),
            floor=_changed(spot.floor, change),
            cap=_changed(spot.cap, change),
        ),
    )


def _scaled_extensions(extensions: Extensions, scaled: _Change) -> Extensions:
    energy = _with_energy(extensions, scaled)
    service, idle, connection, spot = energy.service_fee, energy.idle, energy.connection_fee, energy.spot
    return replace(
        energy,
        service_fee=service and replace(service, flat=_changed(service.flat, scaled)),
        idle=idle and replace(idle, max_amount=_changed(idle.max_amount, scaled)),
        connection_fee=connection and replace(connection, price=scaled(connection.price)),
        spot=spot and replace(spot, factor=scaled(spot.factor)),
    )
