"""Energy at a market price: frozen values of a price series and the tariff's formula make prices per kWh.

Pure: which series and which of its values apply is resolved before, and frozen with the session.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from operator import itemgetter, lt
from typing import NamedTuple
from zoneinfo import ZoneInfo

from common.errors import BadInput
from tariffs.domain.compiled import NAMED, Choice, unit_rate
from tariffs.domain.extensions import SpotFormula
from tariffs.domain.spec import Dimension, PriceComponent
from tariffs.domain.words import Condition, number_text

STEPS = (timedelta(minutes=15), timedelta(hours=1))
MOST_CACHED_CHOICES = 5000
_START = itemgetter(0)


class SpotPrice(NamedTuple):
    """The value of a price series per kWh in [start_at, end_at), aware UTC; a step is 15 or 60 minutes long."""

    start_at: datetime
    end_at: datetime
    price: Decimal


# A gap in the series, open where no step follows or goes before.
_Gap = tuple[datetime | None, datetime | None]


class SpotChoices:
    """The choices one formula gives, per step; the same steps are asked for by every session and kept."""

    def __init__(self, formula: SpotFormula, time_zone: str) -> None:
        self._formula = formula
        self._zone = ZoneInfo(time_zone)
        self._choices: dict[_Gap | Decimal, Choice] = {}

    def between(
        self, prices: Sequence[SpotPrice], start_at: datetime, end_at: datetime
    ) -> Iterator[tuple[datetime, Choice]]:
        """What energy costs from `start_at` on, and from every later moment until `end_at` at which that changes.

        Raises BadInput for prices that are out of order, and around the session for steps that overlap or are not 15 or
        60 minutes of UTC long.
        """
        first = max(bisect_right(prices, start_at, key=_START) - 1, 0)
        last = bisect_right(prices, end_at, key=_START) + 1
        known_until: datetime | None = None
        for begin, end, _ in prices[first:last]:
            # Every session asks this, so the defects are only looked for where there is one.
            if end - begin not in STEPS or begin.tzinfo is not UTC or end.tzinfo is not UTC:
                raise _defects(prices, first, last)
            if known_until is not None and begin < known_until:
                raise _defects(prices, first, last)
            known_until = end
        if list(prices) != sorted(prices):
            raise _defects(prices, first, last)
        at = start_at
        known_until = following = None
        for price in prices[first:last]:
            if price.start_at > end_at:
                following = price.start_at
                break
            if price.end_at > start_at:
                if price.start_at > at:
                    yield at, self._choice((known_until, price.start_at))
                yield max(at, price.start_at), self._choice(price.price)
                at = price.end_at
            known_until = price.end_at
        if at <= end_at:
            yield at, self._choice((known_until, following))

    def _choice(self, step: _Gap | Decimal) -> Choice:
        choice = self._choices.get(step)
        if choice is None:
            if len(self._choices) >= MOST_CACHED_CHOICES:
                self._choices.clear()
            choice = self._choices[step] = self._resolve(step)
        return choice

    def _resolve(self, step: _Gap | Decimal) -> Choice:
        formula = self._formula
        if not isinstance(step, Decimal):
            price, why = formula.fallback, Condition("spot_fallback", "spot", self._gap_words(*step))
        else:
            price = step * formula.factor + formula.markup
            words = f"{formula.series} {number_text(step)} × {number_text(formula.factor)}"
            words += f" {'-' if formula.markup < 0 else '+'} {number_text(abs(formula.markup))}"
            if formula.cap is not None and price > formula.cap:
                price, words = formula.cap, f"{words}, at most {number_text(formula.cap)}"
            if formula.floor is not None and price < formula.floor:
                price, words = formula.floor, f"{words}, at least {number_text(formula.floor)}"
            why = Condition("spot", "spot", words)
        component = PriceComponent(Dimension.ENERGY, price, formula.vat_percent, step_size=0)
        return Choice(NAMED, component, unit_rate(component), (), (why,))

    def _gap_words(self, start_at: datetime | None, end_at: datetime | None) -> str:
        words = f"{self._formula.series} has no price"
        for word, at in (("from", start_at), ("until", end_at)):
            if at is not None:
                words += f" {word} {at.astimezone(self._zone):%Y-%m-%d %H:%M}"
        return f"{words}: fallback"


def _defects(prices: Sequence[SpotPrice], first: int, last: int) -> BadInput:
    """What is wrong: all must follow each other, and those from `first` to before `last` be proper steps."""
    starts = [price[0] for price in prices]
    details = []
    if not all(map(lt, starts, starts[1:])):
        details.append("spot_prices: must be in the order of their steps")
    details += [
        f"spot_prices[{index}]: must be a step of 15 or 60 minutes in UTC"
        for index, (start_at, end_at, _) in enumerate(prices[first:last], first)
        if end_at - start_at not in STEPS or start_at.tzinfo is not UTC or end_at.tzinfo is not UTC
    ]
    details += [
        f"spot_prices[{index}]: begins before the step before it ends"
        for index, ((_, end_at, _), (start_at, _, _)) in enumerate(pairwise(prices[first:last]), first + 1)
        if start_at < end_at
    ]
    return BadInput("The spot prices do not fit together.", details=details)
