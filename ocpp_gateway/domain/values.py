"""From what stations write to our values: moments in UTC, energy in Wh, power in W, normalised tags. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, Final

from billing.domain.samples import MeterSample

# Stations without a battery-backed clock start in 1970 or 2000; no charge point spoke OCPP 1.6 before this.
_EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC)
# A clock may run a little ahead; beyond this a moment in the future is a mistake.
_AHEAD: Final = timedelta(minutes=5)
_OFFSET_WITHOUT_COLON: Final = re.compile(r"[+-]\d{4}$")
# The resolution kept: a tenth of a milliwatt-hour, as the database stores it.
_RESOLUTION: Final = Decimal("0.0001")
_LARGEST: Final = Decimal(10) ** 13

_THOUSAND: Final = Decimal(1000)
_ONE: Final = Decimal(1)
DEFAULT_MEASURAND: Final = "Energy.Active.Import.Register"
# measurand -> (ours, {unit: factor}); the empty unit is the measurand's default (OCPP 1.6, 7.35).
_MEASURANDS: Final[Mapping[str, tuple[str, Mapping[str, Decimal]]]] = {
    DEFAULT_MEASURAND: ("energy_wh", {"": _ONE, "Wh": _ONE, "kWh": _THOUSAND}),
    "Power.Active.Import": ("power_w", {"": _ONE, "W": _ONE, "kW": _THOUSAND}),
    "Current.Import": ("current_a", {"": _ONE, "A": _ONE}),
    "Voltage": ("voltage_v", {"": _ONE, "V": _ONE}),
    "SoC": ("soc_percent", {"": _ONE, "Percent": _ONE}),
}
_LONGEST_PHASE: Final = 8
_LONGEST_CONTEXT: Final = 24


@dataclass(frozen=True, slots=True)
class Moment:
    """What a station said about time: `reported_at` as it came, `occurred_at` as we believe it; both aware UTC."""

    occurred_at: datetime
    reported_at: datetime
    is_believed: bool


def read_moment(text: Any, *, received_at: datetime, clock_offset: timedelta = timedelta(0)) -> Moment:
    """Read a station's timestamp.

    Without a zone it is UTC (OCPP 1.6, 3.14). `clock_offset` is added to what was said. A moment before 2015, or more
    than five minutes after it was received, is not believed and is replaced by `received_at`; so is one that is
    missing or cannot be read, which is then also what was reported.
    """
    reported_at = _read(text) if isinstance(text, str) else None
    if reported_at is None:
        return Moment(received_at, received_at, is_believed=False)
    try:
        occurred_at = reported_at + clock_offset
    except OverflowError:
        return Moment(received_at, received_at, is_believed=False)
    if not _EARLIEST <= occurred_at <= received_at + _AHEAD:
        return Moment(received_at, reported_at, is_believed=False)
    return Moment(occurred_at, reported_at, is_believed=True)


def _read(text: str) -> datetime | None:
    text = text.strip()
    if _OFFSET_WITHOUT_COLON.search(text):
        text = f"{text[:-2]}:{text[-2:]}"
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write_moment(moment: datetime) -> str:
    """A moment as OCPP writes it: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_samples(
    meter_values: Iterable[Mapping[str, Any]], *, received_at: datetime, clock_offset: timedelta = timedelta(0)
) -> list[MeterSample]:
    """The samples of an OCPP 1.6 meterValue or transactionData list, in our units, at the outlet.

    Skipped: measurands we do not keep, samples taken elsewhere than at the outlet, signed data (kept raw in the message
    log), units that do not belong to the measurand, values that are not numbers.
    """
    samples: list[MeterSample] = []
    for entry in meter_values:
        moment = read_moment(entry.get("timestamp"), received_at=received_at, clock_offset=clock_offset)
        for sampled in entry.get("sampledValue") or ():
            sample = _read_sample(sampled, moment)
            if sample is not None:
                samples.append(sample)
    return samples


def _read_sample(sampled: Mapping[str, Any], moment: Moment) -> MeterSample | None:
    if sampled.get("format", "Raw") != "Raw":
        return None
    return sample_of(
        moment,
        value=sampled.get("value"),
        measurand=sampled.get("measurand", DEFAULT_MEASURAND),
        unit=sampled.get("unit", ""),
        location=sampled.get("location", "Outlet"),
        phase=sampled.get("phase", ""),
        context=sampled.get("context", ""),
    )


def sample_of(
    moment: Moment,
    *,
    value: Any,
    measurand: str,
    unit: str,
    location: str,
    phase: str,
    context: str,
    multiplier: Decimal = _ONE,
) -> MeterSample | None:
    """One sample of any OCPP version in our units; None for what is not kept (see `read_samples`).

    `value` times `multiplier` is in `unit`; the empty unit is the measurand's default.
    """
    known = _MEASURANDS.get(measurand)
    if known is None or location != "Outlet":
        return None
    ours, factors = known
    factor = factors.get(unit)
    if factor is None:
        return None
    number = read_decimal(value, factor=factor if multiplier is _ONE else factor * multiplier)
    if number is None:
        return None
    return MeterSample(
        moment.occurred_at, moment.reported_at, ours, number, phase[:_LONGEST_PHASE], context[:_LONGEST_CONTEXT]
    )


def read_decimal(value: Any, *, factor: Decimal = _ONE) -> Decimal | None:
    """A finite number of sensible size, times `factor`, at the resolution kept; else None.

    Text, int and Decimal are read, a float never is.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number) >= _LARGEST:
        return None
    if factor is not _ONE:
        number *= factor
    if abs(number) >= _LARGEST:
        return None
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -4:
        number = number.quantize(_RESOLUTION, rounding=ROUND_HALF_EVEN)
    return number


def plain_numbers(value: Any) -> Any:
    """JSON whose exact numbers became those a JSON column takes: OCPP asks for no more than one decimal."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: plain_numbers(item) for name, item in value.items()}
    return [plain_numbers(item) for item in value] if isinstance(value, list) else value


def exact_numbers(value: Any) -> Any:
    """The other way round: a number a JSON column gave back, as the decimal it was written as."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, dict):
        return {name: exact_numbers(item) for name, item in value.items()}
    return [exact_numbers(item) for item in value] if isinstance(value, list) else value


def normalise_id_tag(id_tag: Any, *, suffix_separator: str = "") -> str:
    """The tag as tokens are looked up: without surrounding blanks and, for models whose quirk it is, without the
    reader's serial number behind `suffix_separator`. Case stays: tags are compared without regard to it."""
    tag = id_tag.strip() if isinstance(id_tag, str) else ""
    if suffix_separator:
        tag = tag.split(suffix_separator, 1)[0]
    return tag
