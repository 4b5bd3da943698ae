"""Noon, and a driver with nothing in the wallet yet."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine

from accounts.models import Driver
from tests.billing.payments.world import NOON
from tests.billing.wallets.world import wallet_driver


@pytest.fixture
def clockwork() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def ada(transactional_db: None, clockwork: Any) -> Driver:
    """Noon; nothing in the wallet yet."""
    return wallet_driver(auto_topup=True)
