"""Read untrusted JSON field by field and collect every defect with its path, instead of stopping at the first."""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from common.errors import BadInput

E = TypeVar("E", bound=StrEnum)

# Wide enough for any price, meter or share of VAT; narrow enough that no input makes arithmetic slow.
LARGEST_NUMBER = Decimal(10) ** 12
MOST_DECIMALS = 12

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_DATE = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"(19|2[01])[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)


class Defects:
    """What was found wrong so far, as "path: what to do" sentences."""

    def __init__(self) -> None:
        self.details: list[str] = []

    def add(self, path: str, sentence: str) -> None:
        self.details.append(f"{path}: {sentence}")

    def raise_if_any(self, sentence: str) -> None:
        """Raises BadInput with every defect."""
        if self.details:
            raise BadInput(sentence, details=self.details)


class Fields:
    """One JSON object, its path, and the keys nobody has asked for yet."""

    def __init__(self, value: object, path: str, defects: Defects) -> None:
        self.path = path
        self.defects = defects
        self.readable = isinstance(value, Mapping)
        self._values: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        self._unread = dict.fromkeys(self._values)
        if not self.readable:
            defects.add(path, f"must be an object, not {_kind(value)}")

    def at(self, key: str) -> str:
        return f"{self.path}.{key}"

    def wrong(self, key: str, sentence: str) -> None:
        self.defects.add(self.at(key), sentence)

    def raw(self, key: str, *, required: bool = False) -> Any:
        """The value as it stands, None when absent or null (OCPI: the same)."""
        self._unread.pop(key, None)
        value = self._values.get(key)
        if value is None and required and self.readable:
            self.wrong(key, "is required")
        return value

    def has_none_of(self, *keys: str) -> bool:
        """True for an object that gives none of `keys` a value."""
        return self.readable and all(self._values.get(key) is None for key in keys)

    def ignore(self, keys: Collection[str]) -> None:
        """These keys are part of the object but decide no price."""
        for key in keys:
            self._unread.pop(key, None)

    def refuse_others(self) -> None:
        """Whatever was neither read nor ignored is not part of this object."""
        for key in self._unread:
            self.wrong(key, "is not a known field here")

    def text(self, key: str, *, required: bool = False, longest: int = 255) -> str | None:
        value = self.raw(key, required=required)
        if value is None:
            return None
        if not isinstance(value, str):
            self.wrong(key, f"must be text, not {_kind(value)}")
            return None
        if len(value) > longest:
            self.wrong(key, f"may have at most {longest} characters")
            return None
        return value

    def choice(self, key: str, kind: type[E], *, required: bool = False) -> E | None:
        value = self.text(key, required=required)
        if value is None:
            return None
        try:
            return kind(value)
        except ValueError:
            self.wrong(key, f"must be one of {', '.join(kind)}")
            return None

    def number(self, key: str, *, required: bool = False, least: Decimal | None = None) -> Decimal | None:
        """A finite number, exactly as written. Floats are refused: they are not what was written."""
        value = self.raw(key, required=required)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            self.wrong(key, f"must be a number, not {_kind(value)}")
            return None
        number = Decimal(value) if value else Decimal(0)  # minus zero is zero
        if not number.is_finite():
            self.wrong(key, "must be a finite number")
            return None
        if abs(number) >= LARGEST_NUMBER or -int(number.as_tuple().exponent) > MOST_DECIMALS:
            self.wrong(key, f"must be below 10^12 and have at most {MOST_DECIMALS} decimals")
            return None
        if least is not None and number < least:
            self.wrong(key, f"must be at least {least}")
            return None
        return number

    def vat(self, key: str) -> Decimal | None:
        """A VAT rate in percent."""
        percent = self.number(key, least=Decimal(0))
        if percent is not None and percent >= 1000:
            self.wrong(key, "is a percentage: 20 means 20 %")
        return percent

    def whole(self, key: str, *, required: bool = False, least: int = 0, most: int = 10**9) -> int | None:
        number = self.number(key, required=required)
        if number is None:
            return None
        if number != number.to_integral_value():
            self.wrong(key, "must be a whole number")
            return None
        if not least <= number <= most:
            self.wrong(key, f"must be between {least} and {most}")
            return None
        return int(number)

    def items(self, key: str, *, required: bool = False, most: int) -> list[Any]:
        """The entries of a list; a required one has at least one."""
        value = self.raw(key, required=required)
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong(key, f"must be a list, not {_kind(value)}")
            return []
        if required and not value:
            self.wrong(key, "must not be empty")
        if len(value) > most:
            self.wrong(key, f"may have at most {most} entries")
            return []
        return value

    def time_of_day(self, key: str) -> time | None:
        value = self.text(key)
        if value is None:
            return None
        if not _TIME.fullmatch(value):
            self.wrong(key, "must be a time of day such as 13:30")
            return None
        return time.fromisoformat(value)

    def day(self, key: str) -> date | None:
        value = self.text(key)
        if value is None:
            return None
        try:
            if _DATE.fullmatch(value):
                return date.fromisoformat(value)
        except ValueError:
            pass
        self.wrong(key, "must be a date such as 2026-12-24")
        return None

    def moment(self, key: str, *, required: bool = False) -> datetime | None:
        """An aware UTC moment. OCPI writes UTC; without a zone UTC is meant."""
        value = self.text(key, required=required)
        if value is None:
            return None
        try:
            if _MOMENT.fullmatch(value):
                moment = datetime.fromisoformat(value)
                return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        self.wrong(key, "must be a moment such as 2026-12-24T18:00:00Z")
        return None


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    for types, name in (((int, Decimal), "a number"), (str, "text"), (list, "a list"), (Mapping, "an object")):
        if isinstance(value, types):
            return name
    return f"a {type(value).__name__}"
