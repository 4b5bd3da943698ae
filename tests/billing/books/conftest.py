"""What the tests of the books share."""

import pytest

from billing.selectors.book_checks import CHECKS
from billing.services import books
from tests.billing.books.days import Day, work_a_day


@pytest.fixture(autouse=True)
def only_billings_own_checks(monkeypatch):
    """Upper apps register theirs; they are tested there."""
    own = {name: books.Check(name, sentence, run) for name, sentence, run in CHECKS}
    monkeypatch.setattr(books, "_checks", own)


@pytest.fixture
def day() -> Day:
    return work_a_day()
