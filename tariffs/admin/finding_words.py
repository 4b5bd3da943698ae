"""What a check found, told by the editor's names for places: "Rule 2", "Service fee"."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tariffs.domain.findings import Finding
from tariffs.line_words import rule_words

_ELEMENT = re.compile(r"(?:tariff\.)?elements\[(\d+)\]")
_DIMENSIONS: dict[str, str | Promise] = {
    "ENERGY": gettext_lazy("energy"),
    "TIME": gettext_lazy("time while charging"),
    "PARKING_TIME": gettext_lazy("parking"),
    "FLAT": gettext_lazy("the price per session"),
}
_DIMENSION = re.compile(r"\b(ENERGY|PARKING_TIME|TIME|FLAT)\b")
_PLACES: dict[str, str | Promise] = {
    "min_price": gettext_lazy("Lowest price"),
    "max_price": gettext_lazy("Highest price"),
    "service_fee": gettext_lazy("Service fee"),
    "connection_fee": gettext_lazy("Connection fee"),
    "energy_tiers": gettext_lazy("Energy price by quantity"),
    "idle": gettext_lazy("Parking"),
    "free": gettext_lazy("Free start"),
    "spot": gettext_lazy("Market price"),
    "date_time": gettext_lazy("Start and end"),
}


@dataclass(frozen=True)
class ShownFinding:
    """`key` accepts it; `place` says where in the editor it stands, empty for the tariff as a whole."""

    key: str
    severity: str
    place: str
    words: str


def shown_findings(findings: Iterable[Finding]) -> list[ShownFinding]:
    return [
        ShownFinding(finding.key, finding.severity, place_words(finding.path), _plain(finding.words))
        for finding in findings
    ]


def place_words(path: str) -> str:
    """The editor's name of a place in the document."""
    if found := _ELEMENT.match(path):
        return rule_words(int(found[1]))
    return next((str(words) for key, words in _PLACES.items() if key in path), "")


def _plain(words: str) -> str:
    """The sentence without the document's own names."""
    words = _ELEMENT.sub(lambda found: rule_words(int(found[1])), words)
    words = _DIMENSION.sub(lambda found: str(_DIMENSIONS[found[1]]), words)
    for theirs, ours in (("This element", _("This rule")), ("this element", _("this rule")), ("elements", _("rules"))):
        words = words.replace(theirs, ours)
    return words[:1].upper() + words[1:]
