"""Rating 100 periods over 6 elements with the explanation: the engine beside a plain Decimal implementation.

`python -m benchmarks.rating` prints one JSON object. Times are CPU milliseconds per session, the best of many rounds.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tariffs.domain.ocpi import parse_tariff
from tariffs.domain.rating import compile_tariff, rate
from tariffs.domain.result import RatedSession
from tariffs.domain.spec import Period, PeriodState, TariffSpec
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


def explained(rated: RatedSession) -> tuple[object, ...]:
    """Touch all that a reader of the result would."""
    return (
        rated.total_net,
        rated.total_gross,
        [(line.kind, line.quantity, line.net, line.gross, line.matched, line.skipped) for line in rated.lines],
    )


def run() -> dict[str, object]:
    """{"engine_ms", "naive_ms", "ratio", ...} of one 100-period session over 6 elements."""
    spec, periods = tariff(), session()
    compiled = compile_tariff(spec, ZONE)
    lines = len(rate(compiled, periods).lines)
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
    }


def _best(call: Callable[[], object], *, rounds: int, repeats: int) -> float:
    best = None
    for _ in range(rounds):
        began = time.process_time_ns()
        for _ in range(repeats):
            call()
        spent = time.process_time_ns() - began
        best = spent if best is None else min(best, spent)
    return (best or 0) / repeats / 1_000_000


if __name__ == "__main__":
    print(json.dumps(run()))
