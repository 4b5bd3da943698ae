"""What a check of a tariff found: a stable code, how bad it is, where it stands and what to do, in words.

A finding keeps its sentence apart from the values in it, so that the sentence can be translated where people read it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning"]
ERROR: Severity = "error"
WARNING: Severity = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """`path` leads into the OCPI document ("tariff.elements[2].restrictions"). An error blocks publishing; a warning
    is accepted by its `code` (all of the kind) or its `key` (this one)."""

    code: str
    severity: Severity
    path: str
    sentence: str
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The sentence with its values."""
        return self.sentence % self.values if self.values else self.sentence

    @property
    def key(self) -> str:
        """Names this finding among all of one tariff: at one path each code is found once per dimension."""
        return " ".join(filter(None, (self.code, self.path, self.values.get("dimension"))))

    def is_accepted(self, accepted: Collection[str]) -> bool:
        return self.severity == WARNING and (self.code in accepted or self.key in accepted)


def gettext_noop(sentence: str) -> str:
    """Marks a sentence for translation; it is translated where it is shown."""
    return sentence


def listed(names: Collection[str], most: int = 5) -> str:
    """A few names, and how many more there are."""
    shown = list(names)[:most]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" (+{more})" if more else "")
