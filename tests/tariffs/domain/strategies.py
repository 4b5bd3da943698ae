"""Random tariffs and sessions that make the rules meet: overlapping hours, clock changes, tiers, blocks, VAT rates."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from tariffs.domain.extensions import (
    ConnectionFee,
    EnergyTiers,
    Extensions,
    FeeBase,
    FreeStart,
    IdleRules,
    Needs,
    ServiceFee,
    SpotFormula,
    Tier,
    TierPeriod,
)
from tariffs.domain.spec import (
    Dimension,
    Element,
    Period,
    PeriodState,
    PriceComponent,
    PriceLimit,
    ReservationRestriction,
    Restrictions,
    TariffSpec,
    TaxIncluded,
)
from tariffs.domain.spot import SpotPrice

ZONES = ("UTC", "Europe/Berlin", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
VATS = (None, Decimal(0), Decimal(7), Decimal(19), Decimal("8.1"))
STEPS = (0, 1, 7, 60, 300, 500, 900, 1800)
# Hours before the clock changes of 2026 in Berlin, New York and Lord Howe (by half an hour), and a plain week.
STARTS = {
    "Europe/Berlin": (datetime(2026, 3, 28, 20, tzinfo=UTC), datetime(2026, 10, 24, 20, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, 1, tzinfo=UTC), datetime(2026, 11, 1, 1, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 4, 4, 10, tzinfo=UTC), datetime(2026, 10, 3, 10, tzinfo=UTC)),
}
PLAIN_STARTS = (datetime(2026, 6, 18, 9, 30, tzinfo=UTC),)


def decimals(top: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.integers(0, top * 10**places).map(lambda n: Decimal(n).scaleb(-places))


def maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(st.none(), st.none(), strategy)


# Strategies are built once: to build one for every draw costs more than the draw.
times = st.builds(time, st.integers(0, 23), st.sampled_from((0, 15, 30, 59)))
dates = st.dates(date(2026, 3, 1), date(2026, 11, 10))
prices = decimals(4, 3)
vats = {False: st.sampled_from(VATS), True: st.sampled_from(VATS[1:])}
flags = st.booleans()
steps = st.sampled_from(STEPS)


def pairs(values: st.SearchStrategy) -> st.SearchStrategy[tuple]:
    """Two different values, the lower one first."""
    return st.lists(values, min_size=2, max_size=2, unique=True).map(sorted).map(tuple)


def ranges(values: st.SearchStrategy) -> st.SearchStrategy[tuple]:
    """The lower and the upper end of a limit, each or both of them open."""

    def opened(drawn: tuple) -> tuple:
        (low, high), ends = drawn
        return low if ends & 1 else None, high if ends & 2 else None

    return st.tuples(pairs(values), st.sampled_from((0, 0, 0, 0, 1, 1, 2, 2, 3))).map(opened)


# Half the limits are round, and so are half the sessions: they meet exactly.
_kwh = ranges(st.one_of(decimals(8, 0), decimals(30, 2)))
_seconds = ranges(st.one_of(st.integers(0, 20).map(lambda n: n * 900), st.integers(0, 90_000)))
_days = ranges(dates)
_weekdays = st.one_of(st.just(frozenset[int]()), st.frozensets(st.integers(1, 7), min_size=1, max_size=6))
_clock = st.tuples(maybe(times), maybe(times))
_loads = st.tuples(
    maybe(st.sampled_from((Decimal(4), Decimal(11)))),
    maybe(st.sampled_from((Decimal(12), Decimal(22)))),
    maybe(st.just(Decimal(16))),
    maybe(st.just(Decimal(32))),
)
_limits = st.tuples(_clock, _days, _kwh, _seconds, _loads, _weekdays)
_reservations = st.sampled_from(ReservationRestriction)


@st.composite
def restrictions(draw: st.DrawFn, *, reservation: bool) -> Restrictions:
    clock, days, kwh, seconds, loads, weekdays = draw(_limits)
    return Restrictions(
        start_time=clock[0],
        end_time=clock[1],
        start_date=days[0],
        end_date=days[1],
        min_kwh=kwh[0],
        max_kwh=kwh[1],
        min_duration=seconds[0],
        max_duration=seconds[1],
        min_power=loads[0],
        max_power=loads[1],
        min_current=loads[2],
        max_current=loads[3],
        days=weekdays,
        reservation=draw(_reservations) if reservation else None,
    )


_dimensions = {
    reserved: st.lists(
        st.sampled_from((Dimension.FLAT, Dimension.TIME) if reserved else tuple(Dimension)),
        min_size=1,
        max_size=3 - reserved,
        unique=True,
    )
    for reserved in (False, True)
}
_components = {priced: st.tuples(prices, vats[priced], steps) for priced in (False, True)}
_of_six, _of_three = st.integers(0, 5), st.integers(0, 2)
_restrictions = {reserved: restrictions(reservation=reserved) for reserved in (False, True)}


@st.composite
def elements(draw: st.DrawFn, *, priced: bool = False) -> Element:
    reservation = draw(_of_six) == 0
    components = tuple(
        PriceComponent(dimension, *draw(_components[priced])) for dimension in draw(_dimensions[reservation])
    )
    if not reservation and draw(_of_three) == 0:
        return Element(components)
    return Element(components, draw(_restrictions[reservation]))


_minutes = st.one_of(st.integers(1, 8).map(lambda n: n * 15), st.integers(1, 300))
_most_kwh = st.one_of(decimals(8, 0), decimals(20, 2))
_service_fees = {
    priced: maybe(
        st.builds(
            ServiceFee,
            flat=st.one_of(st.none(), prices),
            percent=decimals(20, 1),
            of=st.sampled_from(FeeBase),
            vat_percent=vats[priced],
        )
    )
    for priced in (False, True)
}
_idle_rules = maybe(
    st.builds(
        lambda grace, most, hours, has_hours: IdleRules(grace, most, *(hours if has_hours else (None, None))),
        _minutes,
        st.one_of(st.none(), prices),
        st.lists(times, min_size=2, max_size=2, unique=True),
        flags,
    )
)
_connection_fees = {
    priced: maybe(
        st.builds(
            lambda price, minutes, kwh, looked_at, needs, vat: ConnectionFee(
                price, minutes if looked_at & 1 else None, kwh if looked_at & 2 else None, needs, vat
            ),
            prices,
            _minutes,
            _most_kwh,
            st.sampled_from((1, 2, 3)),
            st.sampled_from(Needs),
            vats[priced],
        )
    )
    for priced in (False, True)
}
_tops = st.lists(_most_kwh.filter(bool), min_size=1, max_size=3, unique=True).map(sorted)
_tier_prices = st.lists(prices, min_size=4, max_size=4)
_tiers = {
    priced: maybe(
        st.builds(
            lambda tops, amounts, has_rest, per, vat: EnergyTiers(
                (*map(Tier, amounts, tops), *([Tier(amounts[-1])] if has_rest else [])), per, vat
            ),
            _tops,
            _tier_prices,
            flags,
            st.sampled_from(TierPeriod),
            vats[priced],
        )
    )
    for priced in (False, True)
}
_free_starts = st.one_of(
    st.none(),
    st.builds(FreeStart, kwh=_most_kwh),
    st.builds(FreeStart, minutes=_minutes),
    st.builds(FreeStart, kwh=_most_kwh, minutes=_minutes),
)
_spot = {
    priced: maybe(
        st.builds(
            SpotFormula,
            series=st.just("DE-LU"),
            fallback=prices,
            factor=decimals(2, 2),
            markup=prices,
            floor=st.sampled_from((None, Decimal("0.1"))),
            cap=st.sampled_from((None, Decimal("1.5"))),
            vat_percent=vats[priced],
        )
    )
    for priced in (False, True)
}
_extensions = {
    priced: st.builds(
        Extensions,
        service_fee=_service_fees[priced],
        idle=_idle_rules,
        connection_fee=_connection_fees[priced],
        energy_tiers=_tiers[priced],
        free=_free_starts,
        spot=_spot[priced],
    )
    for priced in (False, True)
}


def extensions(*, priced: bool = False) -> st.SearchStrategy[Extensions]:
    """Any of the named extensions; with `priced` all of them state a VAT rate."""
    return _extensions[priced]


_hours_before = st.integers(0, 2)
_step_lengths = st.sampled_from((timedelta(minutes=15), timedelta(hours=1)))
_market_values = st.lists(st.one_of(st.none(), decimals(1, 4), decimals(1, 2).map(lambda n: -n)), max_size=30)


@st.composite
def spot_prices(draw: st.DrawFn, periods: list[Period]) -> list[SpotPrice]:
    """Steps around a session, some of them missing."""
    at = periods[0].start_at.replace(minute=0, second=0) - timedelta(hours=draw(_hours_before))
    step = draw(_step_lengths)
    return [
        SpotPrice(at + index * step, at + (index + 1) * step, value)
        for index, value in enumerate(draw(_market_values))
        if value is not None
    ]


_element_lists = {priced: st.lists(elements(priced=priced), min_size=1, max_size=6) for priced in (False, True)}
_some_extensions = {priced: _extensions[priced].filter(lambda some: some != Extensions()) for priced in (False, True)}
_price_limits = st.sampled_from((None, None, "max", "min"))
_taxes = st.sampled_from(TaxIncluded)


@st.composite
def tariffs(draw: st.DrawFn, *, priced: bool = False, named: bool = False) -> TariffSpec:
    """With `priced` every component has a VAT rate and the tariff no limits; `named` ones have extensions."""
    limits = None if priced else draw(_price_limits)
    limit = PriceLimit(Decimal("3.00"), Decimal("3.40"))
    return TariffSpec(
        currency="EUR",
        elements=tuple(draw(_element_lists[priced])),
        tax_included=draw(_taxes),
        min_price=limit if limits == "min" else None,
        max_price=limit if limits == "max" else None,
        extensions=draw(_some_extensions[priced]) if named else None,
    )


_zones = st.sampled_from(ZONES)
_starts = {zone: st.sampled_from(STARTS.get(zone, PLAIN_STARTS)) for zone in ZONES}
_later = st.integers(0, 60)
_quarters = st.integers(0, 16).map(lambda n: n * 900)
_lengths = st.one_of(_quarters, _quarters, st.integers(0, 7200), st.integers(7200, 50_000))
_energies = st.one_of(st.just(Decimal(0)), decimals(4, 0).map(lambda kwh: kwh * 1000), decimals(12_000, 1))
_powers = st.one_of(st.none(), st.sampled_from((Decimal(3), Decimal(11), Decimal(22), Decimal("11.5"))))
_currents = st.one_of(st.none(), st.sampled_from((Decimal(6), Decimal(16), Decimal(32))))
_states = st.sampled_from([PeriodState.CHARGING] * 4 + [PeriodState.PARKED] * 2)
_stretch = st.tuples(_lengths, _energies, _powers, _currents, _states)
_leads = st.sampled_from((0, 0, 0, 1, 2))
_reserved_states = st.sampled_from((PeriodState.RESERVED, PeriodState.RESERVATION_EXPIRED))


@st.composite
def sessions(draw: st.DrawFn, *, most: int = 8) -> tuple[str, list[Period]]:
    """A time zone, and the periods of a session near one of its clock changes or in a plain week."""
    zone = draw(_zones)
    at = draw(_starts[zone]) + timedelta(minutes=15 * draw(_later))
    lead, kind = draw(_leads), draw(_reserved_states)
    periods = []
    for index, (seconds, energy_wh, power, current, state) in enumerate(
        draw(st.lists(_stretch, min_size=1, max_size=most))
    ):
        reserved = index < lead
        end_at = at + timedelta(seconds=seconds)
        periods.append(
            Period(
                start_at=at,
                end_at=end_at,
                state=kind if reserved else state,
                energy_wh=Decimal(0) if reserved else energy_wh,
                min_power_kw=power,
                max_power_kw=power,
                min_current_a=current,
                max_current_a=current,
            )
        )
        at = end_at
    return zone, periods
