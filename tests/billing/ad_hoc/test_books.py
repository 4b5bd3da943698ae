"""`verify_books` knows who paid without an account: what is tampered with is named."""

from datetime import timedelta

import pytest
import time_machine

from accounts.models import Driver
from billing.models import AdHocSession
from billing.services.books import verify
from tests.billing.ad_hoc.world import catch_up, charging, session_of
from tests.billing.books.days import tamper
from tests.billing.sessions.conftest import NOON, stand_with
from tests.factories import TariffVersionFactory

pytestmark = pytest.mark.django_db

CORRUPTIONS = [
    ("UPDATE billing_chargingsession SET channel = 'app'", {"ad_hoc_has_its_payer"}),
    ("UPDATE billing_chargingsession SET driver_id = {driver}", {"ad_hoc_has_its_payer"}),
    ("UPDATE billing_adhocsession SET charging_session_id = NULL", {"ad_hoc_has_its_payer", "ad_hoc_is_owed"}),
    ("UPDATE billing_adhocsession SET tariff_version_id = {version}", {"ad_hoc_keeps_its_price"}),
    ("UPDATE billing_adhocsession SET vat_percent = 7", {"ad_hoc_keeps_its_price"}),
    ("UPDATE billing_payment SET driver_id = {driver}", {"ad_hoc_is_owed"}),
]


@pytest.fixture
def order(db: None) -> AdHocSession:
    with time_machine.travel(NOON, tick=False) as now:
        stand = stand_with()
        order = charging(stand)
        now.move_to(NOON + timedelta(minutes=90))
        stand.stop(session_of(order).pk, 90, "13025")
        catch_up()
        assert verify().errors == []
    return order


@pytest.mark.parametrize(("change", "expected"), CORRUPTIONS)
def test_a_planted_corruption_is_named(order: AdHocSession, change: str, expected: set[str]) -> None:
    version = TariffVersionFactory()
    tamper(change.format(driver=session_driver(), version=version.pk))
    with time_machine.travel(NOON + timedelta(minutes=95), tick=False):
        assert {finding.check for finding in verify().errors} == expected


def session_driver() -> int:
    """Ada, whose stand it is."""
    return Driver.objects.get().pk
