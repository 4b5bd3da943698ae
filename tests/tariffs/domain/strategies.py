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


times = st.builds(time, st.integers(0, 23), st.sampled_from((0, 15, 30, 59)))
dates = st.dates(date(2026, 3, 1), date(2026, 11, 10))


@st.composite
def restrictions(draw: st.DrawFn, *, reservation: bool) -> Restrictions:
    # Half the limits are round, and so are half the sessions: they meet exactly.
    kwh = sorted(draw(st.lists(st.one_of(decimals(8, 0), decimals(30, 2)), min_size=2, max_size=2, unique=True)))
    seconds = st.one_of(st.integers(0, 20).map(lambda n: n * 900), st.integers(0, 90_000))
    duration = sorted(draw(st.lists(seconds, min_size=2, max_size=2, unique=True)))
    days = sorted(draw(st.lists(dates, min_size=2, max_size=2, unique=True)))
    return Restrictions(
        start_time=draw(maybe(times)),
        end_time=draw(maybe(times)),
        start_date=draw(maybe(st.just(days[0]))),
        end_date=draw(maybe(st.just(days[1]))),
        min_kwh=draw(maybe(st.just(kwh[0]))),
        max_kwh=draw(maybe(st.just(kwh[1]))),
        min_duration=draw(maybe(st.just(duration[0]))),
        max_duration=draw(maybe(st.just(duration[1]))),
        min_power=draw(maybe(st.sampled_from((Decimal(4), Decimal(11))))),
        max_power=draw(maybe(st.sampled_from((Decimal(12), Decimal(22))))),
        min_current=draw(maybe(st.just(Decimal(16)))),
        max_current=draw(maybe(st.just(Decimal(32)))),
        days=draw(st.one_of(st.just(frozenset[int]()), st.frozensets(st.integers(1, 7), min_size=1, max_size=6))),
        reservation=draw(st.sampled_from(ReservationRestriction)) if reservation else None,
    )


@st.composite
def elements(draw: st.DrawFn, *, priced: bool = False) -> Element:
    reservation = draw(st.integers(0, 5)) == 0
    dimensions = (Dimension.FLAT, Dimension.TIME) if reservation else tuple(Dimension)
    vats = VATS[1:] if priced else VATS
    chosen = draw(st.lists(st.sampled_from(dimensions), min_size=1, max_size=3, unique=True))
    components = tuple(
        PriceComponent(
            dimension,
            draw(decimals(4, 3)),
            draw(st.sampled_from(vats)),
            draw(st.sampled_from(STEPS)),
        )
        for dimension in chosen
    )
    if not reservation and draw(st.integers(0, 2)) == 0:
        return Element(components)
    return Element(components, draw(restrictions(reservation=reservation)))


@st.composite
def extensions(draw: st.DrawFn, *, priced: bool = False) -> Extensions:
    """Any of the named extensions; with `priced` all of them state a VAT rate."""
    vats = st.sampled_from(VATS[1:] if priced else VATS)
    prices = decimals(4, 3)
    minutes = st.one_of(st.integers(1, 8).map(lambda n: n * 15), st.integers(1, 300))
    kwh = st.one_of(decimals(8, 0), decimals(20, 2))
    hours = draw(st.lists(times, min_size=2, max_size=2, unique=True))
    tops = sorted(draw(st.lists(kwh.filter(bool), min_size=1, max_size=3, unique=True)))
    tiers = [Tier(draw(prices), top) for top in tops] + [Tier(draw(prices))] * draw(st.booleans())
    has_hours = draw(st.booleans())
    needs = draw(st.sampled_from(((True, False), (False, True), (True, True))))
    return Extensions(
        service_fee=draw(
            maybe(
                st.builds(
                    ServiceFee,
                    flat=st.one_of(st.none(), prices),
                    percent=decimals(20, 1),
                    of=st.sampled_from(FeeBase),
                    vat_percent=vats,
                )
            )
        ),
        idle=draw(
            maybe(
                st.builds(
                    IdleRules,
                    grace_minutes=minutes,
                    max_amount=st.one_of(st.none(), prices),
                    free_from=st.just(hours[0] if has_hours else None),
                    free_until=st.just(hours[1] if has_hours else None),
                )
            )
        ),
        connection_fee=draw(
            maybe(
                st.builds(
                    ConnectionFee,
                    price=prices,
                    after_minutes=minutes if needs[0] else st.none(),
                    after_kwh=kwh if needs[1] else st.none(),
                    needs=st.sampled_from(Needs),
                    vat_percent=vats,
                )
            )
        ),
        energy_tiers=draw(
            maybe(
                st.builds(EnergyTiers, tiers=st.just(tuple(tiers)), per=st.sampled_from(TierPeriod), vat_percent=vats)
            )
        ),
        free=draw(
            st.one_of(
                st.none(),
                st.builds(FreeStart, kwh=kwh),
                st.builds(FreeStart, minutes=minutes),
                st.builds(FreeStart, kwh=kwh, minutes=minutes),
            )
        ),
        spot=draw(
            maybe(
                st.builds(
                    SpotFormula,
                    series=st.just("DE-LU"),
                    fallback=prices,
                    factor=decimals(2, 2),
                    markup=prices,
                    floor=st.sampled_from((None, Decimal("0.1"))),
                    cap=st.sampled_from((None, Decimal("1.5"))),
                    vat_percent=vats,
                )
            )
        ),
    )


@st.composite
def spot_prices(draw: st.DrawFn, periods: list[Period]) -> list[SpotPrice]:
    """Steps around a session, some of them missing."""
    at = periods[0].start_at.replace(minute=0, second=0) - timedelta(hours=draw(st.integers(0, 2)))
    step = draw(st.sampled_from((timedelta(minutes=15), timedelta(hours=1))))
    values = draw(st.lists(st.one_of(st.none(), decimals(1, 4), decimals(1, 2).map(lambda n: -n)), max_size=30))
    return [
        SpotPrice(at + index * step, at + (index + 1) * step, value)
        for index, value in enumerate(values)
        if value is not None
    ]


@st.composite
def tariffs(draw: st.DrawFn, *, priced: bool = False, named: bool = False) -> TariffSpec:
    """With `priced` every component has a VAT rate and the tariff no limits; `named` ones have extensions."""
    limits = None if priced else draw(st.sampled_from((None, None, "max", "min")))
    limit = PriceLimit(Decimal("3.00"), Decimal("3.40"))
    return TariffSpec(
        currency="EUR",
        elements=tuple(draw(st.lists(elements(priced=priced), min_size=1, max_size=6))),
        tax_included=draw(st.sampled_from(TaxIncluded)),
        min_price=limit if limits == "min" else None,
        max_price=limit if limits == "max" else None,
        extensions=draw(extensions(priced=priced).filter(lambda some: some != Extensions())) if named else None,
    )


@st.composite
def sessions(draw: st.DrawFn, *, most: int = 8) -> tuple[str, list[Period]]:
    """A time zone, and the periods of a session near one of its clock changes or in a plain week."""
    zone = draw(st.sampled_from(ZONES))
    at = draw(st.sampled_from(STARTS.get(zone, PLAIN_STARTS))) + timedelta(minutes=15 * draw(st.integers(0, 60)))
    quarters = st.integers(0, 16).map(lambda n: n * 900)
    lengths = st.one_of(quarters, quarters, st.integers(0, 7200), st.integers(7200, 50_000))
    energies = st.one_of(st.just(Decimal(0)), decimals(4, 0).map(lambda kwh: kwh * 1000), decimals(12_000, 1))
    periods = []
    states = [PeriodState.CHARGING] * 4 + [PeriodState.PARKED] * 2
    lead = draw(st.sampled_from((0, 0, 0, 1, 2)))
    kind = draw(st.sampled_from((PeriodState.RESERVED, PeriodState.RESERVATION_EXPIRED)))
    count = draw(st.integers(1, most))
    for index in range(count):
        reserved = index < lead
        end_at = at + timedelta(seconds=draw(lengths))
        power = draw(st.one_of(st.none(), st.sampled_from((Decimal(3), Decimal(11), Decimal(22), Decimal("11.5")))))
        current = draw(st.one_of(st.none(), st.sampled_from((Decimal(6), Decimal(16), Decimal(32)))))
        periods.append(
            Period(
                start_at=at,
                end_at=end_at,
                state=kind if reserved else draw(st.sampled_from(states)),
                energy_wh=Decimal(0) if reserved else draw(energies),
                min_power_kw=power,
                max_power_kw=power,
                min_current_a=current,
                max_current_a=current,
            )
        )
        at = end_at
    return zone, periods
