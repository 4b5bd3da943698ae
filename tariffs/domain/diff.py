"""What changed between two states of a tariff, in the words of the person who sets prices.

Elements are compared with the one most like them, wherever it stands; one that only moved is said to have moved.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal

from tariffs.domain.diff_named import TITLES, money_text, part_label, part_words, symbol_of, whole_words
from tariffs.domain.extensions_json import extensions_document
from tariffs.domain.findings import gettext_noop
from tariffs.domain.gaps import day_words, seconds_words
from tariffs.domain.spec import (
    Dimension,
    Element,
    PriceComponent,
    PriceLimit,
    Restrictions,
    TariffSpec,
    TaxIncluded,
)
from tariffs.domain.words import clock_range, conditions_of, number_text

_MINUTES = 60
# Elements less alike than this are another price, not a changed one.
_ALIKE = Decimal("0.5")
# Pairs of changed elements that are compared; beyond, elements are matched by their place in the list.
_MOST_PAIRS = 40_000
_RULES = [rule.name for rule in fields(Restrictions)]

_WHAT = {
    Dimension.ENERGY: gettext_noop("Energy"),
    Dimension.TIME: gettext_noop("Time while charging"),
    Dimension.PARKING_TIME: gettext_noop("Time after charging"),
    Dimension.FLAT: gettext_noop("Start fee"),
}
_TAX = {
    TaxIncluded.YES: gettext_noop("prices include tax"),
    TaxIncluded.NO: gettext_noop("prices are before tax"),
    TaxIncluded.NOT_APPLICABLE: gettext_noop("no tax applies"),
}
_NOTHING = gettext_noop("none")
_ALWAYS = gettext_noop("always")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `path` leads into the new document, for what was removed into the old one.

    before, after: the values alone, "" for what was not there.
    """

    path: str
    before: str
    after: str
    sentence: str
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """ "Energy 0.39 → 0.42 €/kWh, Mon–Fri 08:00–20:00"."""
        return self.sentence % self.values


def diff(old: TariffSpec, new: TariffSpec) -> list[Change]:
    """Every difference that may change a price, in the order of the new document; none for equal tariffs."""
    return [*_terms(old, new), *_elements(old, new), *_named(old, new)]


# --- The tariff itself --------------------------------------------------------------------------------------------


def _terms(old: TariffSpec, new: TariffSpec) -> Iterator[Change]:
    for path, label, before, after in (
        ("currency", gettext_noop("Currency"), old.currency, new.currency),
        ("tax_included", gettext_noop("Tax"), _TAX[old.tax_included], _TAX[new.tax_included]),
        ("min_price", gettext_noop("Lowest price"), _limit(old.min_price), _limit(new.min_price)),
        ("max_price", gettext_noop("Highest price"), _limit(old.max_price), _limit(new.max_price)),
        ("start_date_time", gettext_noop("Valid from"), _moment(old.valid_from), _moment(new.valid_from)),
        ("end_date_time", gettext_noop("Valid until"), _moment(old.valid_until), _moment(new.valid_until)),
    ):
        if before != after:
            yield _replaced(f"tariff.{path}", label, before, after)


def _replaced(path: str, what: str, before: str, after: str) -> Change:
    values = {"what": what, "before": before or _NOTHING, "after": after or _NOTHING}
    return Change(path, before, after, gettext_noop("%(what)s: %(before)s → %(after)s"), values)


def _limit(limit: PriceLimit | None) -> str:
    if limit is None:
        return ""
    sides = ((limit.net, "before tax"), (limit.gross, "with tax"))
    return ", ".join(f"{money_text(side)} {words}" for side, words in sides if side is not None)


def _moment(value: datetime | None) -> str:
    return "" if value is None else f"{value:%Y-%m-%d %H:%M} UTC"


# --- Elements -----------------------------------------------------------------------------------------------------


def _elements(old: TariffSpec, new: TariffSpec) -> Iterator[Change]:
    pairs = _matched(old.elements, new.elements)
    moved = _moved(pairs)
    for number, element in enumerate(new.elements):
        path = f"tariff.elements[{number}]"
        origin = pairs.get(number)
        if origin is None:
            words = _element_words(new, element)
            yield Change(path, "", words, gettext_noop("New: %(words)s"), {"words": words})
            continue
        if number in moved:
            yield Change(
                path, str(origin + 1), str(number + 1),
                gettext_noop("%(words)s: place %(before)s → %(after)s among the prices that are tried in turn"),
                {"words": _element_words(new, element), "before": str(origin + 1), "after": str(number + 1)},
            )  # fmt: skip
        yield from _element(old, new, old.elements[origin], element, path)
    kept = set(pairs.values())
    for number, element in enumerate(old.elements):
        if number not in kept:
            words = _element_words(old, element)
            yield Change(f"tariff.elements[{number}]", words, "", gettext_noop("Removed: %(words)s"), {"words": words})


def _element(old: TariffSpec, new: TariffSpec, before: Element, after: Element, path: str) -> Iterator[Change]:
    for index, component in enumerate(after.components):
        here = f"{path}.price_components[{index}]"
        former = before.component(component.dimension)
        if former is None:
            words = _price_words(new, component)
            yield Change(
                here, "", words, gettext_noop("New: %(what)s %(words)s%(when)s"),
                {"what": _WHAT[component.dimension], "words": words, "when": _when(after.restrictions)},
            )  # fmt: skip
        else:
            yield from _component(old, new, former, component, after.restrictions, here)
    for index, component in enumerate(before.components):
        if after.component(component.dimension) is None:
            words = _price_words(old, component)
            yield Change(
                f"{path}.price_components[{index}]", words, "", gettext_noop("Removed: %(what)s %(words)s%(when)s"),
                {"what": _WHAT[component.dimension], "words": words, "when": _when(before.restrictions)},
            )  # fmt: skip
    if before.restrictions != after.restrictions:
        past, now = when_words(before.restrictions), when_words(after.restrictions)
        yield Change(
            f"{path}.restrictions", past, now, gettext_noop("%(words)s: applies %(before)s → %(after)s"),
            {"words": _components_words(new, after), "before": past or _ALWAYS, "after": now or _ALWAYS},
        )  # fmt: skip


def _component(
    old: TariffSpec,
    new: TariffSpec,
    before: PriceComponent,
    after: PriceComponent,
    rules: Restrictions,
    path: str,
) -> Iterator[Change]:
    what, when = _WHAT[after.dimension], _when(rules)
    if before.price != after.price:
        (past, unit), (now, unit_now) = _price(old, before), _price(new, after)
        if unit != unit_now:  # one of them has no exact price per minute
            past, now, unit = number_text(before.price), number_text(after.price), f"{symbol_of(new.currency)}/h"
        yield Change(
            f"{path}.price", past, now, gettext_noop("%(what)s %(before)s → %(after)s %(unit)s%(when)s"),
            {"what": what, "before": past, "after": now, "unit": unit, "when": when},
        )  # fmt: skip
    for key, label, past, now in (
        ("vat", gettext_noop("VAT"), _percent(before.vat_percent), _percent(after.vat_percent)),
        ("step_size", gettext_noop("counted in steps of"), _step(before), _step(after)),
    ):
        if past != now:
            yield Change(
                f"{path}.{key}", past, now, gettext_noop("%(what)s: %(label)s %(before)s → %(after)s%(when)s"),
                {"what": what, "label": label, "before": past or _NOTHING, "after": now or _NOTHING, "when": when},
            )  # fmt: skip


def _matched(old: Sequence[Element], new: Sequence[Element]) -> dict[int, int]:
    """For elements of the new tariff the one of the old it was: the same, then the same rules, then the most alike."""
    pairs: dict[int, int] = {}
    free_old, free_new = dict.fromkeys(range(len(old))), dict.fromkeys(range(len(new)))
    for same in (lambda element: element, lambda element: element.restrictions):
        places: dict[object, list[int]] = {}
        for number in free_old:
            places.setdefault(same(old[number]), []).append(number)
        for number in list(free_new):
            candidates = [n for n in places.get(same(new[number]), ()) if _likeness(old[n], new[number])]
            if candidates:
                origin = max(candidates, key=lambda n: (_likeness(old[n], new[number]), -abs(n - number)))
                places[same(new[number])].remove(origin)
                pairs[number] = origin
                del free_old[origin], free_new[number]
    if len(free_old) * len(free_new) > _MOST_PAIRS:
        scored = [(_likeness(old[n], new[n]), 0, n, n) for n in free_new if n in free_old]
    else:
        scored = [(_likeness(old[o], new[n]), -abs(o - n), n, o) for n in free_new for o in free_old]
    for likeness, _distance, number, origin in sorted(scored, key=lambda row: (-row[0], -row[1], row[2], row[3])):
        if likeness >= _ALIKE and number in free_new and origin in free_old:
            pairs[number] = origin
            del free_old[origin], free_new[number]
    return pairs


def _likeness(old: Element, new: Element) -> Decimal:
    """0 for elements that price nothing in common, 1 for equal ones."""
    before = {component.dimension for component in old.components}
    after = {component.dimension for component in new.components}
    if not before & after:
        return Decimal(0)
    prices = Decimal(len(before & after)) / len(before | after)
    rules = [(getattr(old.restrictions, name), getattr(new.restrictions, name)) for name in _RULES]
    named = [pair for pair in rules if any(value not in (None, frozenset()) for value in pair)]
    kept = Decimal(sum(a == b for a, b in named)) / len(named) if named else Decimal(1)
    same = Decimal(len(set(old.components) & set(new.components))) / max(len(before), len(after))
    return prices * (kept * 3 + same * 2 + 1) / 6


def _moved(pairs: Mapping[int, int]) -> set[int]:
    """The fewest elements of the new tariff that must have moved for the rest to stand in the old order."""
    order = sorted(pairs)
    tails: list[int] = []
    tail_of: list[int] = []
    before: dict[int, int | None] = {}
    for number in order:
        place = bisect_left(tails, pairs[number])
        before[number] = tail_of[place - 1] if place else None
        tails[place : place + 1] = [pairs[number]]
        tail_of[place : place + 1] = [number]
    kept: set[int] = set()
    last = tail_of[-1] if tail_of else None
    while last is not None:
        kept.add(last)
        last = before[last]
    return set(order) - kept


# --- Named extensions ---------------------------------------------------------------------------------------------


def _named(old: TariffSpec, new: TariffSpec) -> Iterator[Change]:
    before = extensions_document(old.extensions) if old.extensions else {}
    after = extensions_document(new.extensions) if new.extensions else {}
    for key, what in TITLES.items():
        past, now = before.get(key), after.get(key)
        if past == now:
            continue
        path = f"tariff.voltledger.{key}"
        if past is None or now is None:
            yield _replaced(path, what, whole_words(key, past, old.currency), whole_words(key, now, new.currency))
            continue
        for name in dict.fromkeys((*past, *now)):
            if past.get(name) != now.get(name):
                was, becomes = part_words(key, name, past, old.currency), part_words(key, name, now, new.currency)
                yield Change(
                    f"{path}.{name}", was, becomes, gettext_noop("%(what)s, %(part)s: %(before)s → %(after)s"),
                    {
                        "what": what,
                        "part": part_label(key, name),
                        "before": was or _NOTHING,
                        "after": becomes or _NOTHING,
                    },
                )  # fmt: skip


# --- Words --------------------------------------------------------------------------------------------------------


def when_words(rules: Restrictions) -> str:
    """ "Mon–Fri 08:00–20:00, ≥ 20 kWh"; "" for always."""
    parts = []
    moments = [day_words(sorted(rules.days))] if rules.days else []
    if rules.start_time is not None or rules.end_time is not None:
        moments.append(clock_range(rules.start_time, rules.end_time))
    if moments:
        parts.append(" ".join(moments))
    parts += [
        condition.words
        for condition in conditions_of(rules)
        if condition.code not in ("weekdays", "time_of_day", "duration")
    ]
    if rules.min_duration:
        parts.append(f"after {seconds_words(rules.min_duration)}")
    if rules.max_duration is not None:
        parts.append(f"in the first {seconds_words(rules.max_duration)}")
    return ", ".join(parts)


def _when(rules: Restrictions) -> str:
    words = when_words(rules)
    return f", {words}" if words else ""


def _element_words(spec: TariffSpec, element: Element) -> str:
    return f"{_components_words(spec, element)}{_when(element.restrictions)}"


def _components_words(spec: TariffSpec, element: Element) -> str:
    return " + ".join(f"{_WHAT[c.dimension]} {_price_words(spec, c)}" for c in element.components)


def _price_words(spec: TariffSpec, component: PriceComponent) -> str:
    return " ".join(_price(spec, component))


def _price(spec: TariffSpec, component: PriceComponent) -> tuple[str, str]:
    """The price and its unit: time per minute where that is exact to four decimals."""
    symbol = symbol_of(spec.currency)
    if component.dimension is Dimension.ENERGY:
        return money_text(component.price), f"{symbol}/kWh"
    if component.dimension is Dimension.FLAT:
        return money_text(component.price), symbol
    per_minute = component.price / _MINUTES
    if per_minute == round(per_minute, 4):
        return money_text(round(per_minute, 4)), f"{symbol}/min"
    return money_text(component.price), f"{symbol}/h"


def _percent(percent: Decimal | None) -> str:
    return "" if percent is None else f"{number_text(percent)} %"


def _step(component: PriceComponent) -> str:
    if component.step_size <= 1 or component.dimension is Dimension.FLAT:
        return ""
    if component.dimension is Dimension.ENERGY:
        return f"{number_text(Decimal(component.step_size) / 1000)} kWh"
    return seconds_words(component.step_size)
