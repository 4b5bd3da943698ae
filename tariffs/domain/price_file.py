"""Market prices as they come in: a CSV file, or moments and prices, to checked steps of a series. Pure.

A file has a heading with the columns `start` and `price`, and perhaps `end`, `currency` and `unit`. Times are ISO 8601:
with an offset, or without one on the clock of the series, where an hour the clock repeats stands twice in order.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from common.errors import BadInput

# A year of quarter hours is 35,136 rows.
MOST_ROWS = 40_000
MOST_BYTES = 2_000_000
MOST_DEFECTS = 50
# What the column of a price holds (tariffs.models.price_series).
PLACES = 8
HIGHEST = Decimal(10) ** 6
YEARS = range(2000, 2100)
COLUMNS = ("start", "price", "end", "currency", "unit")
# A price per kWh above this, or a whole file of prices per MWh below 1, was given in the other unit. Only where a unit
# of money is worth about as much as these are.
STRONG_CURRENCIES = frozenset({"EUR", "USD", "GBP", "CHF"})
HIGHEST_PER_KWH = Decimal(10)
_DECIMAL_COMMA = ";"


class PriceUnit(StrEnum):
    """What a price is for."""

    PER_KWH = "kwh"
    PER_MWH = "mwh"

    @property
    def words(self) -> str:
        return {"kwh": "kWh", "mwh": "MWh"}[self.value]


class PricePoint(NamedTuple):
    """The price per kWh from `start_at` (aware) on, for one step of the series."""

    start_at: datetime
    price: Decimal


@dataclass(frozen=True, slots=True)
class SeriesTerms:
    """What a series says about its values."""

    currency: str
    step_minutes: int
    time_zone: str

    @property
    def step(self) -> timedelta:
        return timedelta(minutes=self.step_minutes)


def read_price_file(content: bytes, terms: SeriesTerms, unit: PriceUnit) -> list[PricePoint]:
    """The steps of a CSV file, which must follow each other without a gap; prices per kWh, moments in UTC.

    Raises BadInput that names every defect with its line.
    """
    if len(content) > MOST_BYTES:
        raise BadInput(_SENTENCE, [f"the file has {len(content)} bytes; at most {MOST_BYTES} are read"])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(_SENTENCE, [f"byte {error.start}: is not UTF-8 text"]) from error
    reader = _Reader(terms, unit)
    reader.read(text)
    reader.defects.raise_if_any()
    return reader.points


def check_points(points: Sequence[PricePoint], terms: SeriesTerms) -> list[PricePoint]:
    """Points in the order of time, in UTC; some may be missing. Raises BadInput naming every defect by position."""
    defects = _Defects()
    zone = ZoneInfo(terms.time_zone)
    if len(points) > MOST_ROWS:
        raise BadInput(_SENTENCE, [f"there are {len(points)} prices; at most {MOST_ROWS} are taken at once"])
    seen: dict[datetime, int] = {}
    for index, (start_at, price) in enumerate(points):
        place = f"prices[{index}]"
        if start_at.tzinfo is None:
            defects.add(place, "the start must have an offset from UTC")
            continue
        moment = start_at.astimezone(UTC)
        _check_start(moment, zone, terms, place, defects)
        _check_price(price, terms, place, defects)
        if moment in seen:
            defects.add(place, f"has the same start as prices[{seen[moment]}]")
        seen[moment] = index
    defects.raise_if_any()
    return sorted(PricePoint(start_at.astimezone(UTC), price) for start_at, price in points)


_SENTENCE = "The prices have mistakes. Nothing was saved."


class _Defects:
    def __init__(self) -> None:
        self._details: list[str] = []
        self._more = 0

    def add(self, place: str, words: str) -> None:
        if len(self._details) < MOST_DEFECTS:
            self._details.append(f"{place}: {words}")
        else:
            self._more += 1

    def raise_if_any(self) -> None:
        if self._details:
            more = [f"and {self._more} more"] if self._more else []
            raise BadInput(_SENTENCE, [*self._details, *more])


class _Reader:
    """One file. A row that cannot be read is a defect and is stepped over, so that the ones after it are read too."""

    def __init__(self, terms: SeriesTerms, unit: PriceUnit) -> None:
        self.points: list[PricePoint] = []
        self.defects = _Defects()
        self._terms = terms
        self._zone = ZoneInfo(terms.time_zone)
        self._unit = unit
        self._comma = False
        self._expected: datetime | None = None

    def read(self, text: str) -> None:
        heading, _, _ = text.partition("\n")
        delimiter = max((";", "\t", ","), key=heading.count)
        self._comma = delimiter == _DECIMAL_COMMA
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            names = [name.strip().lower() for name in next(rows, [])]
            if not self._check_heading(names):
                return
            for cells in rows:
                if any(cell.strip() for cell in cells):
                    self._row(f"line {rows.line_num}", names, cells)
                if rows.line_num > MOST_ROWS + 1:
                    self.defects.add(f"line {rows.line_num}", f"more than {MOST_ROWS} lines are not read")
                    return
        except csv.Error as error:
            self.defects.add(f"line {rows.line_num}", f"is not CSV: {error}")
            return
        self._check_unit_of_all()

    def _check_heading(self, names: list[str]) -> bool:
        problems = [
            f"“{name[:40]}” is not a column; there are {', '.join(COLUMNS)}"
            for name in dict.fromkeys(names)
            if name not in COLUMNS
        ]
        problems += [f"the column {name} is missing" for name in ("start", "price") if name not in names]
        if len(set(names)) < len(names):
            problems.append("a column stands there twice")
        for words in problems:
            self.defects.add("line 1", words)
        return not problems

    def _row(self, place: str, names: list[str], cells: list[str]) -> None:
        if len(cells) != len(names):
            self.defects.add(place, f"has {len(cells)} cells; the heading has {len(names)}")
            return
        row = {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
        self._check_words(place, row)
        price = self._price(place, row["price"])
        start_at = self._moment(place, "start", row["start"], self._expected)
        if start_at is None:
            self._expected = None
            return
        _check_start(start_at, self._zone, self._terms, place, self.defects)
        self._check_order(place, start_at)
        end_at = start_at + self._terms.step
        if row.get("end") and self._moment(place, "end", row["end"], end_at) not in (None, end_at):
            self.defects.add(place, f"the end must be {self._terms.step_minutes} minutes after the start")
        self._expected = end_at
        if price is not None:
            self.points.append(PricePoint(start_at, price))

    def _check_words(self, place: str, row: dict[str, str]) -> None:
        if row.get("currency", "") not in ("", self._terms.currency):
            self.defects.add(place, f"is in {row['currency']}; the series is in {self._terms.currency}")
        unit = row.get("unit", "").lower().removeprefix(f"{self._terms.currency.lower()}/")
        if unit not in ("", self._unit):
            self.defects.add(place, f"is per {row['unit']}; per {self._unit.words} was chosen")

    def _price(self, place: str, text: str) -> Decimal | None:
        if self._comma:
            text = text.replace(",", ".")
        try:
            price = Decimal(text)
        except InvalidOperation:
            self.defects.add(place, f"“{text[:40]}” is not a number")
            return None
        if self._unit is PriceUnit.PER_MWH and price.is_finite():
            price = price.scaleb(-3)
        return price if _check_price(price, self._terms, place, self.defects) else None

    def _moment(self, place: str, column: str, text: str, expected: datetime | None) -> datetime | None:
        """In UTC. Of an hour the clock repeats, the one that is expected, else the first."""
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.defects.add(place, f"the {column} “{text[:40]}” is not a time such as 2026-06-17T14:00+02:00")
            return None
        if moment.year not in YEARS:
            self.defects.add(place, f"the {column} is not in this century")
            return None
        if moment.tzinfo is None:
            return self._local(place, column, moment, expected)
        zone_offset = moment.astimezone(self._zone).utcoffset()
        if moment.utcoffset() not in (timedelta(0), zone_offset):
            self.defects.add(
                place, f"the {column} {text} has another offset than UTC or {self._terms.time_zone}: wrong time zone?"
            )
            return None
        return moment.astimezone(UTC)

    def _local(self, place: str, column: str, moment: datetime, expected: datetime | None) -> datetime | None:
        readings = [moment.replace(tzinfo=self._zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
        if readings[0].astimezone(self._zone).replace(tzinfo=None) != moment:
            self.defects.add(
                place,
                f"the {column} {moment:%Y-%m-%d %H:%M} is skipped by the clock in {self._terms.time_zone}: "
                "wrong time zone?",
            )
            return None
        return readings[1] if readings[1] == expected else readings[0]

    def _check_order(self, place: str, start_at: datetime) -> None:
        expected = self._expected
        if expected is None or start_at == expected:
            return
        if start_at > expected:
            missing = (start_at - expected) // self._terms.step or 1
            local = expected.astimezone(self._zone)
            words = f"{missing} steps are missing" if missing > 1 else "a step is missing"
            self.defects.add(place, f"{words} before it, from {local:%Y-%m-%d %H:%M %z} on")
        elif start_at == expected - self._terms.step:
            self.defects.add(place, "has the same start as the line before")
        else:
            self.defects.add(place, "begins before the line above it ends")

    def _check_unit_of_all(self) -> None:
        if not self.points:
            self.defects.add("line 2", "there are no prices")
            return
        low = Decimal("0.001")
        looks_small = all(abs(point.price) < low for point in self.points) and any(p.price for p in self.points)
        if self._unit is PriceUnit.PER_MWH and self._terms.currency in STRONG_CURRENCIES and looks_small:
            self.defects.add("line 2", f"no price reaches 1 {self._terms.currency} per MWh: are they per kWh?")


def _check_start(start_at: datetime, zone: ZoneInfo, terms: SeriesTerms, place: str, defects: _Defects) -> None:
    local = start_at.astimezone(zone)
    if local.year not in YEARS:
        defects.add(place, "is not in this century")
    if local.minute % terms.step_minutes or local.second or local.microsecond:
        defects.add(place, f"{local:%H:%M:%S} is not the start of a step of {terms.step_minutes} minutes")


def _check_price(price: Decimal, terms: SeriesTerms, place: str, defects: _Defects) -> bool:
    if not price.is_finite():
        defects.add(place, f"{str(price)[:40]} is not a price")
    elif abs(price) >= HIGHEST:
        defects.add(place, f"{str(price)[:40]} is too large")
    elif price != round(price, PLACES):
        defects.add(place, f"{str(price)[:40]} per kWh has more than {PLACES} decimals")
    elif terms.currency in STRONG_CURRENCIES and abs(price) > HIGHEST_PER_KWH:
        defects.add(place, f"{price:f} {terms.currency} per kWh is too much: is it per MWh?")
    else:
        return True
    return False
