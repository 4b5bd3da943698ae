"""The portal's people: one member of staff per role."""

from collections.abc import Callable

import pytest
from django.test import Client

from tests.config.portal.staff import browser_of

LogIn = Callable[[str], Client]


@pytest.fixture
def log_in(db: None) -> LogIn:
    return browser_of


@pytest.fixture
def otto(log_in: LogIn) -> Client:
    """Otto, who owns the network."""
    return log_in("Owner")
