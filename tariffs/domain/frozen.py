"""What a price depends on besides the session and its tariff, as it is frozen when the session is authorised.

Later values of the price series and later sessions of the month change nothing about a session that has begun.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypedDict

from tariffs.domain.spot import SpotPrice

_MINUTE = timedelta(minutes=1)


class RatingArguments(TypedDict):
    """The arguments of `rate` these are."""

    spot_prices: Sequence[SpotPrice]
    month_to_date_wh: Decimal | None


@dataclass(frozen=True, slots=True)
class FrozenInputs:
    """The steps of the tariff's price series around the session, and the driver's energy of the month before it.

    A tariff that depends on neither has neither; its JSON form is an empty object.
    """

    spot_prices: tuple[SpotPrice, ...] = ()
    month_to_date_wh: Decimal | None = None

    def for_rating(self) -> RatingArguments:
        return {"spot_prices": self.spot_prices, "month_to_date_wh": self.month_to_date_wh}

    def to_json(self) -> dict[str, Any]:
        """Steps that follow each other stand as one run: its start, the minutes of a step, the prices per kWh."""
        document: dict[str, Any] = {}
        runs: list[dict[str, Any]] = []
        end_at: datetime | None = None
        for price in self.spot_prices:
            minutes = (price.end_at - price.start_at) // _MINUTE
            if price.start_at != end_at or minutes != runs[-1]["minutes"]:
                runs.append({"start": price.start_at.isoformat(), "minutes": minutes, "prices": []})
            runs[-1]["prices"].append(_text(price.price))
            end_at = price.end_at
        if runs:
            document["spot_prices"] = runs
        if self.month_to_date_wh is not None:
            document["month_to_date_wh"] = _text(self.month_to_date_wh)
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "FrozenInputs":
        """What `to_json` wrote."""
        if not document:
            return NOTHING_FROZEN
        prices: list[SpotPrice] = []
        for run in document.get("spot_prices", ()):
            at = datetime.fromisoformat(run["start"]).astimezone(UTC)
            step = timedelta(minutes=run["minutes"])
            for text in run["prices"]:
                following = at + step
                prices.append(SpotPrice(at, following, Decimal(text)))
                at = following
        used = document.get("month_to_date_wh")
        return cls(tuple(prices), None if used is None else Decimal(used))


NOTHING_FROZEN = FrozenInputs()


def _text(number: Decimal) -> str:
    return format(number.normalize(), "f")
