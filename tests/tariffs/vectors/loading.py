"""The vectors: one file per tariff with priced sessions, each told as "60 min charging 20 kWh 11 kW 16 A" rows.

Files named spec-… tell the worked examples of the OCPI specification anew, named-… our named extensions; the others are
this project's own cases of OCPI. Spot prices are [minutes after the session's start, minutes, price].
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tariffs.domain import jsontext
from tariffs.domain.extensions_json import EXTENSION_KEY
from tariffs.domain.ocpi import parse_tariff
from tariffs.domain.ocpi_cdr import parse_cdr
from tariffs.domain.rating import compile_tariff, rate
from tariffs.domain.result import RatedSession

FOLDER = Path(__file__).parent
ROW = re.compile(
    r"(?P<minutes>[\d.]+) min (?P<state>charging|parked|reserved)"
    r"(?: (?P<kwh>[\d.]+) kWh)?(?: (?P<kw>[\d.]+) kW)?(?: (?P<amps>[\d.]+) A)?"
)
TIME_DIMENSION = {"charging": "TIME", "parked": "PARKING_TIME", "reserved": "RESERVATION_TIME"}


@dataclass(frozen=True)
class Vector:
    name: str
    tariff: dict[str, Any]
    cdr: dict[str, Any]
    time_zone: str
    net: Decimal | None
    gross: Decimal | None
    lines: dict[str, Decimal] | None
    payable: dict[str, Decimal] | None


def all_vectors() -> list[Vector]:
    vectors = []
    for file in sorted(FOLDER.glob("*.json")):
        document = jsontext.loads(file.read_bytes())
        vectors += [vector_of(file.stem, document["tariff"], case) for case in document["cases"]]
    return vectors


def vector_of(slug: str, tariff: dict[str, Any], case: dict[str, Any]) -> Vector:
    return Vector(
        name=f"{slug}: {case['name']}",
        tariff=tariff,
        cdr=cdr_of(case, tariff["currency"]),
        time_zone=case["time_zone"],
        net=_decimal(case["net"]),
        gross=_decimal(case["gross"]),
        lines=_decimals(case.get("lines")),
        payable=_decimals(case.get("payable")),
    )


def cdr_of(case: dict[str, Any], currency: str) -> dict[str, Any]:
    """The session as an OCPI CDR; the local start is the first of two where the clock repeats it."""
    at = datetime.fromisoformat(case["start_local"]).replace(tzinfo=ZoneInfo(case["time_zone"])).astimezone(UTC)
    started = at
    periods = []
    for row in case["periods"]:
        match = ROW.fullmatch(row)
        assert match, row
        minutes = Decimal(match["minutes"])
        dimensions = [{"type": TIME_DIMENSION[match["state"]], "volume": round(minutes / 60, 6)}]
        for unit, kinds in (
            ("kwh", ("ENERGY",)),
            ("kw", ("MIN_POWER", "MAX_POWER")),
            ("amps", ("MIN_CURRENT", "MAX_CURRENT")),
        ):
            if match[unit]:
                dimensions += [{"type": kind, "volume": Decimal(match[unit])} for kind in kinds]
        periods.append({"start_date_time": _moment(at), "dimensions": dimensions})
        at += timedelta(seconds=int(minutes * 60))
    cdr = {
        "start_date_time": _moment(started),
        "end_date_time": _moment(at),
        "currency": currency,
        "charging_periods": periods,
    }
    inputs: dict[str, Any] = {}
    if "month_to_date_kwh" in case:
        inputs["month_to_date_kwh"] = case["month_to_date_kwh"]
    if "spot_prices" in case:
        inputs["spot_prices"] = [
            {
                "start_date_time": _moment(started + timedelta(minutes=start)),
                "end_date_time": _moment(started + timedelta(minutes=start + length)),
                "price": price,
            }
            for start, length, price in case["spot_prices"]
        ]
    return cdr | {EXTENSION_KEY: inputs} if inputs else cdr


def rated_by_engine(tariff: dict[str, Any], cdr: dict[str, Any], time_zone: str) -> RatedSession:
    """The pure engine on what the documents say."""
    read = parse_cdr(cdr)
    return rate(
        compile_tariff(parse_tariff(tariff), time_zone),
        read.periods,
        spot_prices=read.spot_prices,
        month_to_date_wh=read.month_to_date_wh,
    )


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _decimals(texts: dict[str, str] | None) -> dict[str, Decimal] | None:
    return None if texts is None else {key: Decimal(text) for key, text in texts.items()}
