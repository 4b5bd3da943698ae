"""What a check of a tariff found: a stable code, how bad it is, where it stands and what to do, in words.

A finding keeps its sentence apart from the values in it, so that the sentence can be translated where people read it.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

Severity = Literal["error", "warning"]
ERROR: Severity = "error"
WARNING: Severity = "warning"

# From a marked sentence to the reader's language.
Translate = Callable[[str], str]


def same(sentence: str) -> str:
    """The language the sentences are written in."""
    return sentence


class Worded(Protocol):
    """A value that can be told in the reader's language."""

    def words(self, translate: Translate = same) -> str: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """`path` leads into the OCPI document ("tariff.elements[2].restrictions"). An error blocks publishing; a warning
    is accepted by its `code` (all of the kind) or its `key` (this one). `where` is one more value of the sentence."""

    code: str
    severity: Severity
    path: str
    sentence: str
    values: Mapping[str, str] = field(default_factory=dict)
    where: Worded | None = None

    @property
    def words(self) -> str:
        """The sentence with its values."""
        values = dict(self.values)
        if self.where is not None:
            values["where"] = self.where.words()
        return self.sentence % values if values else self.sentence

    def translated(self, translate: Translate) -> "Finding":
        """The same in another language: the sentence, and the words of `where`."""
        values = dict(self.values)
        if self.where is not None:
            values["where"] = self.where.words(translate)
        return replace(self, sentence=translate(self.sentence), values=values, where=None)

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
