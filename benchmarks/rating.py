"""Rating 100 periods over 6 elements with the explanation: the engine beside a plain Decimal implementation.

Once as OCPI has it, and with every named extension on: free start, tiers, idle rules, fees, and spot in hours and in
quarter hours.

`python -m benchmarks.rating` prints one JSON object. Times are CPU milliseconds per session, the best of many rounds.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from time import process_time_ns

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
from tariffs.domain.ocpi import parse_tariff
from tariffs.domain.rating import compile_tariff, rate
from tariffs.domain.result import RatedSession
from tariffs.domain.spec import Period, PeriodState, TariffSpec
from tariffs.domain.spot import SpotPrice
from tests.tariffs.domain import oracle

ZONE = "Europe/Berlin"
PERIODS = 100


def tariff() -> TariffSpec:
    """Six elements: day, night and tiered energy, power, parking by the hour of day, a start fee."""
    vat = Decimal(19)

    def component(kind: str, price: str, step_size: int) -> dict[str, object]:
        return {"type": kind, "price": Decimal(price), "vat": vat, "step_size": step_size}

    return parse_tariff(
        {
            "currency": "EUR",
            "max_price": {"excl_vat": 60, "incl_vat": Decimal("71.40")},
            "elements": [
                {"price_components": [component("FLAT", "0.35", 1)]},
                {
                    "price_components": [component("ENERGY", "0.39", 1)],
                    "restrictions": {"start_time": "22:00", "end_time": "06:00"},
                },
                {"price_components": [component("ENERGY", "0.49", 1)], "restrictions": {"max_kwh": 20}},
                {"price_components": [component("ENERGY", "0.69", 1)], "restrictions": {"min_power": 50}},
                {"price_components": [component("ENERGY", "0.54", 1), component("TIME", "0.60", 60)]},
                {
                    "price_components": [component("PARKING_TIME", "6.00", 300)],
                    "restrictions": {
                        "start_time": "08:00",
                        "end_time": "20:00",
                        "day_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"],
                    },
                },
            ],
        }
    )


def session() -> list[Period]:
    """A Wednesday evening: three hours of charging, reported every two minutes, then twenty minutes parked."""
    at = datetime(2026, 6, 17, 18, 3, 20, tzinfo=UTC)
    periods = []
    for index in range(PERIODS):
        end_at = at + timedelta(minutes=2, seconds=index % 3)
        parked = index >= PERIODS - 10
        power_kw = Decimal(0) if parked else Decimal(62) - Decimal(index) / 4
        periods.append(
            Period(
                start_at=at,
                end_at=end_at,
                state=PeriodState.PARKED if parked else PeriodState.CHARGING,
                energy_wh=Decimal(0) if parked else Decimal("483.125") - index,
                min_power_kw=power_kw,
                max_power_kw=power_kw,
            )
        )
        at = end_at
    return periods


def named_tariff() -> TariffSpec:
    """The same with all extensions: free start, a tier of the month, then spot; every idle rule; both fees."""
    return replace(
        tariff(),
        extensions=Extensions(
            service_fee=ServiceFee(Decimal("0.35"), Decimal("2.5"), FeeBase.ALL, Decimal(19)),
            idle=IdleRules(5, Decimal("0.80"), time(22, 30), time(6)),
            connection_fee=ConnectionFee(Decimal("0.50"), 10, Decimal(2), Needs.ALL, Decimal(19)),
            energy_tiers=EnergyTiers((Tier(Decimal("0.42"), Decimal(110)),), TierPeriod.MONTH, Decimal(19)),
            free=FreeStart(Decimal(2), 15),
            spot=SpotFormula("DE-LU", Decimal("0.49"), Decimal("1.03"), Decimal("0.12"), vat_percent=Decimal(19)),
        ),
    )


def series(minutes: int) -> tuple[SpotPrice, ...]:
    """A day of steps of so many minutes; the one from 19:00 is missing."""
    day, step = datetime(2026, 6, 17, tzinfo=UTC), timedelta(minutes=minutes)
    starts = [day + index * step for index in range(24 * 60 // minutes) if index * minutes != 19 * 60]
    return tuple(SpotPrice(at, at + step, Decimal(800 + 7 * index).scaleb(-4)) for index, at in enumerate(starts))


def explained(rated: RatedSession) -> tuple[object, ...]:
    """Touch all that a reader of the result would."""
    return (
        rated.total_net,
        rated.total_gross,
        [(line.kind, line.quantity, line.net, line.gross, line.matched, line.skipped) for line in rated.lines],
    )


def run() -> dict[str, object]:
    """{"engine_ms", "named_ms", "named_quarters_ms", "naive_ms", ...} of one 100-period session over 6 elements."""
    spec, periods = tariff(), session()
    compiled = compile_tariff(spec, ZONE)
    lines = len(rate(compiled, periods).lines)
    named = compile_tariff(named_tariff(), ZONE)

    def rate_named(prices: tuple[SpotPrice, ...]) -> RatedSession:
        return rate(named, periods, spot_prices=prices, month_to_date_wh=Decimal(98_500))

    hours, quarters = series(60), series(15)
    named_ms = _best(lambda: explained(rate_named(hours)), rounds=20, repeats=50)
    quarters_ms = _best(lambda: explained(rate_named(quarters)), rounds=20, repeats=50)
    engine_ms = _best(lambda: explained(rate(compiled, periods)), rounds=20, repeats=100)
    naive_ms = _best(lambda: oracle.price(spec, ZONE, periods, Decimal), rounds=3, repeats=5)
    return {
        "benchmark": "rating",
        "periods": len(periods),
        "elements": len(spec.elements),
        "lines": lines,
        "engine_ms": round(engine_ms, 4),
        "naive_ms": round(naive_ms, 3),
        "ratio": round(naive_ms / engine_ms, 1),
        "aim_ms": 0.15,
        "named_lines": len(rate_named(hours).lines),
        "named_ms": round(named_ms, 4),
        "named_quarters_lines": len(rate_named(quarters).lines),
        "named_quarters_ms": round(quarters_ms, 4),
        "named_aim_ms": 0.4,
    }


def _best(call: Callable[[], object], *, rounds: int, repeats: int) -> float:
    best = None
    for _ in range(rounds):
        began = process_time_ns()
        for _ in range(repeats):
            call()
        spent = process_time_ns() - began
        best = spent if best is None else min(best, spent)
    return (best or 0) / repeats / 1_000_000


if __name__ == "__main__":
    print(json.dumps(run()))
