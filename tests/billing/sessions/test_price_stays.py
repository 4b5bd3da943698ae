"""A session that has begun keeps its price, whatever is published, withdrawn or assigned while it runs."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing.models import Cdr
from billing.services.settlement import settle_session
from tariffs.models import TariffAssignment, TariffVersion, VatRate
from tariffs.services.versions import draft_version, publish_version, withdraw_version
from tests.billing.sessions.conftest import NOON
from tests.factories import TariffVersionFactory, VatRateFactory, component, element, tariff_document

pytestmark = pytest.mark.django_db

DEARER = tariff_document(element(component("ENERGY", "0.80")))


def publish_a_dearer_version(stand):
    version = TariffVersion.objects.get()
    made = draft_version(tariff_id=version.tariff_id, ocpi_text=DEARER, valid_from=NOON - timedelta(days=1))
    publish_version(version_id=made.pk)


def withdraw_the_version_for_a_dearer_one(stand):
    publish_a_dearer_version(stand)
    withdraw_version(version_id=TariffVersion.objects.get(number=1).pk)


def assign_a_dearer_tariff_to_the_connector(stand):
    TariffAssignment.objects.create(
        tariff=TariffVersionFactory(document=DEARER).tariff,
        scope="connector",
        connector=stand.connector,
        valid_from=NOON - timedelta(days=1),
    )


def assign_another_tariff_instead(stand):
    TariffAssignment.objects.update(tariff=TariffVersionFactory(document=DEARER).tariff)


def enter_another_vat_rate(stand):
    VatRate.objects.all().delete()
    VatRateFactory(percent=Decimal(50))


@pytest.mark.parametrize(
    ("edit", "next_price"),
    [
        (publish_a_dearer_version, "4.76"),
        (withdraw_the_version_for_a_dearer_one, "4.76"),
        (assign_a_dearer_tariff_to_the_connector, "4.76"),
        (assign_another_tariff_instead, "4.76"),
        (enter_another_vat_rate, "3.00"),
    ],
)
def test_an_edit_while_a_session_runs_changes_the_next_one_only(stand, edit, next_price):
    session_id = stand.start().session_id
    stand.meter(session_id, 30, "5000")
    assert stand.session(session_id).live_gross == Decimal("2.38")
    trace = stand.session(session_id).tariff_trace
    edit(stand)
    stand.meter(session_id, 45, "7500")
    assert stand.session(session_id).live_gross == Decimal("3.57")
    stand.stop(session_id, 60, "10000")
    settle_session(session_id=session_id)
    assert Cdr.objects.get(charging_session=session_id).gross == Decimal("4.76")
    assert stand.session(session_id).tariff_trace == trace
    # The control: the same edit does reach a session that begins after it. 5 kWh x 0.80 + 19 %, or x 0.40 + 50 %.
    later = stand.start(
        started_at=NOON + timedelta(hours=2),
        reported_at=NOON + timedelta(hours=2),
        received_at=NOON + timedelta(hours=2),
    ).session_id
    stand.meter(later, 150, "5000")
    assert stand.session(later).live_gross == Decimal(next_price)
