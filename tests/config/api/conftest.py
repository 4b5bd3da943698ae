from collections.abc import Iterator

import pytest
from django.core.cache import cache

from tests.config.api.callers import resource_for_notes


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    """No test's requests count for another's limit."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def notes_resource() -> Iterator[None]:
    with resource_for_notes():
        yield
