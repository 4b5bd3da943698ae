"""`manage.py rate --batch` over 400 random OCPI tariffs and sessions agrees to the cent with a pricer of its own."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management import call_command

from tariffs.domain import jsontext
from tests.tariffs.vectors import independent

COUNT = 400
# Each zone on the eve of both its clock changes of 2026 (Lord Howe moves by half an hour) and in a plain week.
STARTS = (
    ("Europe/Berlin", datetime(2026, 3, 28, 18, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 24, 18, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 6, 17, 14, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 10, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 10, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 6, 19, 14, tzinfo=UTC)),
)
VATS = ("0", "7", "19", "8.1")


def chance(random: Random, one_in: int) -> bool:
    return random.randrange(one_in) == 0


def clock(random: Random) -> str:
    return f"{random.randrange(24):02}:{random.choice((0, 15, 30, 59)):02}"


def pair(random: Random, rules: dict[str, Any], name: str, values: tuple[Any, Any]) -> None:
    """A lower, an upper, or both limits."""
    sides = "min" if values[0] == values[1] else random.choice(("min", "max", "both"))
    if sides != "max":
        rules[f"min_{name}"] = min(values)
    if sides != "min":
        rules[f"max_{name}"] = max(values)


def restrictions(random: Random) -> dict[str, Any]:
    rules: dict[str, Any] = {}
    if chance(random, 2):
        rules["start_time"] = clock(random)
    if chance(random, 2):
        rules["end_time"] = clock(random)
    if chance(random, 4):
        rules["day_of_week"] = random.sample(independent.DAYS, random.randint(1, 5))
    if chance(random, 3):
        first, last = sorted(random.sample(("2026-03-29", "2026-06-18", "2026-10-25", "2026-12-01"), 2))
        rules |= random.choice(({"start_date": first}, {"end_date": last}, {"start_date": first, "end_date": last}))
    if chance(random, 3):
        pair(random, rules, "kwh", (Decimal(random.randrange(1, 300)) / 10, Decimal(random.randrange(1, 60))))
    if chance(random, 3):
        pair(random, rules, "duration", (60 * random.randrange(1, 300), 3600 * random.randrange(1, 4)))
    if chance(random, 5):
        pair(random, rules, "power", (Decimal(random.choice((4, 11))), Decimal(random.choice((12, 22)))))
    if chance(random, 8):
        pair(random, rules, "current", (Decimal(16), Decimal(32)))
    return rules


def components(random: Random, vats: tuple[str, ...]) -> list[dict[str, Any]]:
    chosen = random.sample(("FLAT", "ENERGY", "TIME", "PARKING_TIME"), random.randint(1, 3))
    steps = {"ENERGY": (1, 1, 100, 500, 1000), "FLAT": (1,)}
    made = []
    for kind in chosen:
        component = {
            "type": kind,
            "price": Decimal(random.randrange(1, 4000)) / 1000,
            "step_size": random.choice(steps.get(kind, (1, 60, 300, 900, 1800))),
        }
        if vats:
            component["vat"] = Decimal(random.choice(vats))
        made.append(component)
    return made


def tariff(random: Random) -> dict[str, Any]:
    """In either version of OCPI; some of the later one hold their tax, and one in ten states no VAT."""
    vats = () if chance(random, 10) else VATS if chance(random, 2) else (random.choice(VATS),)
    elements = []
    for _ in range(random.randint(1, 6)):
        element: dict[str, Any] = {"price_components": components(random, vats)}
        if not chance(random, 3) and (rules := restrictions(random)):
            element["restrictions"] = rules
        elements.append(element)
    document: dict[str, Any] = {"currency": "EUR", "elements": elements}
    is_later = chance(random, 3)
    if is_later:
        document["tax_included"] = random.choice(("YES", "NO", "N/A"))
    for key, amounts in (("min_price", (2, 12)), ("max_price", (4, 25))):
        if chance(random, 4) and "min_price" not in document:
            net = Decimal(random.randrange(100 * amounts[0], 100 * amounts[1])) / 100
            names = ("before_taxes", "after_taxes") if is_later else ("excl_vat", "incl_vat")
            document[key] = dict(zip(names, (net, round(net * Decimal("1.15"), 2)), strict=True))
    return document


def cdr(random: Random, at: datetime) -> dict[str, Any]:
    started = at
    periods = []
    for _ in range(random.randint(1, 7)):
        minutes = random.choice((random.randint(1, 20), random.randint(1, 120), 15 * random.randint(1, 12)))
        is_parked = chance(random, 3)
        kind = "PARKING_TIME" if is_parked else "TIME"
        dimensions = [{"type": kind, "volume": round(Decimal(minutes) / 60, 6)}]
        if not chance(random, 6):
            most = 400 if is_parked else 22_000
            dimensions.append({"type": "ENERGY", "volume": Decimal(random.randrange(most) * minutes // 60) / 1000})
        for name, values in (("POWER", (3, 11, 12, 22)), ("CURRENT", (6, 16, 32))):
            if chance(random, 2):
                low, high = sorted(random.choice(values) for _ in range(2))
                dimensions += [{"type": f"MIN_{name}", "volume": low}, {"type": f"MAX_{name}", "volume": high}]
        periods.append({"start_date_time": f"{at:%Y-%m-%dT%H:%M:%SZ}", "dimensions": dimensions})
        at += timedelta(minutes=minutes)
    return {
        "start_date_time": f"{started:%Y-%m-%dT%H:%M:%SZ}",
        "end_date_time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "currency": "EUR",
        "charging_periods": periods,
    }


def entry(random: Random) -> dict[str, Any]:
    zone, eve = random.choice(STARTS)
    start = eve + timedelta(minutes=random.choice((15 * random.randrange(40), random.randrange(600))))
    return {"tariff": tariff(random), "cdr": cdr(random, start), "time_zone": zone}


def what_it_has(one: dict[str, Any], expected: independent.Total, lines: list[dict[str, Any]]) -> list[str]:
    """Which of the rules this entry put to the test, by what decided its price."""
    rules = [e["restrictions"] for e in one["tariff"]["elements"] if "restrictions" in e]
    zone = ZoneInfo(one["time_zone"])
    start, end = (
        datetime.fromisoformat(one["cdr"][name]).astimezone(zone) for name in ("start_date_time", "end_date_time")
    )
    has = {
        "a clock change": start.utcoffset() != end.utcoffset(),
        "hours past midnight": any(r.get("end_time", "24:00") < r.get("start_time", "") for r in rules)
        and start.date() != end.date(),
        "several VAT rates": len({line["vat_percent"] for line in lines}) > 1,
        "no VAT rate": expected.gross is None or expected.net is None,
        "a lowest price": expected.counted.get("min_price", 0) > 0,
        "a highest price": expected.counted.get("max_price", 0) > 0,
        "energy rounded up": any(line["kind"] == "ENERGY" and line["quantity"] != line["measured"] for line in lines),
        "time rounded up": any("TIME" in line["kind"] and line["quantity"] != line["measured"] for line in lines),
        "charging and parking": {"TIME", "PARKING_TIME"} <= {line["kind"] for line in lines},
        "several start fees": sum(line["kind"] == "FLAT" for line in lines) > 1,
        "prices with tax": one["tariff"].get("tax_included") == "YES",
        "nothing priced": not lines,
        "an element passed over": any(line["skipped"] for line in lines),
        **{name: any(name in r for r in rules) for name in ("min_kwh", "max_duration", "min_power", "max_current")},
    }
    return [name for name, is_so in has.items() if is_so]


def test_400_random_tariffs_and_sessions_agree_to_the_cent(tmp_path: Path) -> None:
    random = Random(400)
    entries = [entry(random) for _ in range(COUNT)]
    file, out = tmp_path / "batch.jsonl", StringIO()
    file.write_text("\n".join(jsontext.dumps(one) for one in entries))
    call_command("rate", "--batch", file, stdout=out)
    results = [jsontext.loads(line) for line in out.getvalue().splitlines()]
    assert len(results) == COUNT

    met: Counter[str] = Counter()
    for number, (one, result) in enumerate(zip(entries, results, strict=True)):
        expected = independent.price(one["tariff"], one["cdr"], one["time_zone"])
        total = result["total_cost"]
        for told, right in ((total["excl_vat"], expected.net), (total["incl_vat"], expected.gross)):
            assert independent.cents(told) == independent.cents(right), (number, jsontext.dumps(one))
            # The command prints ten decimals.
            assert (told is None) is (right is None), (number, jsontext.dumps(one))
            assert right is None or abs(Fraction(told) - right) <= Fraction(1, 10**10), (number, jsontext.dumps(one))
        met.update(what_it_has(one, expected, result["lines"]))
    assert len(met) == 17
    assert min(met.values()) >= 10, met
