"""Errors people meet. Each class has a stable `code`; each instance a sentence that says what to do.

VoltledgerError
├── Refused               the person may act on it (no funds, no contract, unknown token ...)
├── IdempotencyConflict   the same key came back with other content
├── InvalidTransition     a state machine was asked for a step it does not have
└── BadInput              a file, form or frame that cannot be accepted; `details` lists every defect
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class VoltledgerError(Exception):
    """Base of every error this project raises on purpose."""

    code: ClassVar[str] = "error"
    # May be lazily translated; it is put into words when the error is raised.
    sentence: "ClassVar[StrOrPromise]" = "Something went wrong. Nothing was changed."

    def __init__(self, sentence: "StrOrPromise | None" = None) -> None:
        self.message = str(sentence or self.sentence)
        super().__init__(self.message)


class Refused(VoltledgerError):
    code = "refused"


class IdempotencyConflict(VoltledgerError):
    code = "idempotency_conflict"
    sentence: "ClassVar[StrOrPromise]" = "This request was already carried out with other terms. Use a new reference."


class InvalidTransition(VoltledgerError):
    code = "invalid_transition"
    sentence = "That step is not possible in the present state. Nothing was changed."


class BadInput(VoltledgerError):
    code = "bad_input"
    sentence: "ClassVar[StrOrPromise]" = "The input has mistakes. Nothing was saved."

    def __init__(self, sentence: "StrOrPromise | None" = None, details: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.details = tuple(details)
