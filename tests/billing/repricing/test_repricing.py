"""Past sessions priced again: their own tariff gives what was billed, another one the difference, to the cent."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import ChargingSession, LedgerTransaction
from billing.services.repricing import Selection, reprice
from billing.services.settlement import settle_session
from tests.billing.factories import NOON, EndedSessionFactory, meter
from tests.factories import TariffVersionFactory, component, element, tariff_document

pytestmark = pytest.mark.django_db

EVERYTHING = Selection()
THIRTY_CENTS = tariff_document(element(component("ENERGY", "0.30")))


def billed(**terms) -> ChargingSession:
    session = EndedSessionFactory(**terms)
    assert settle_session(session_id=session.pk) is not None
    return session


def parked_session(**terms) -> ChargingSession:
    """An hour of charging, then an hour of parking; power thresholds and two VAT rates matter to its price."""
    document = tariff_document(
        element(component("ENERGY", "0.60"), min_power=20),
        element(component("ENERGY", "0.40"), component("PARKING_TIME", "6.00", vat="7")),
    )
    session = EndedSessionFactory(
        tariff_version=TariffVersionFactory(document=document), started_at=NOON, ended_at=NOON + timedelta(hours=2)
    )
    for minutes, register, power in ((10, "4000", "24000.5"), (20, "9000", "30000"), (40, "12000", "9000")):
        meter(session, minutes, register)
        meter(session, minutes, power, "power_w")
    meter(session, 60, "0", "charging")
    settle_session(session_id=session.pk)
    return session


def test_its_own_tariff_gives_what_it_was_billed():
    sessions = [billed(), parked_session(), billed(contract_type__wallet=True)]
    again = list(reprice(selection=EVERYTHING))
    assert [(one.past.session_id, one.difference, one.problem) for one in again] == [
        (session.pk, Decimal(0), "") for session in sessions
    ]
    assert [one.rated.digest for one in again] == [session.cdr.rating_digest for session in sessions]
    assert [str(one.past.billed.gross) for one in again] == ["10.2000", str(sessions[1].cdr.gross), "10.2000"]


def test_another_tariff_gives_another_price_with_the_vat_frozen_then():
    session = billed(vat_percent=Decimal("7"))
    (again,) = reprice(selection=EVERYTHING, document=THIRTY_CENTS)
    # 15 kWh x 0.30 = 4.50 net and 0.32 VAT at 7 %, instead of 8.57 and 0.60.
    assert (again.payable.net, again.payable.vat, again.payable.gross) == (
        Decimal("4.50"),
        Decimal("0.32"),
        Decimal("4.82"),
    )
    assert (session.cdr.gross, again.difference) == (Decimal("9.17"), Decimal("-4.35"))
    assert sum(period.energy_wh for period in again.periods) == 15_000


def test_it_writes_nothing():
    billed()
    before = LedgerTransaction.objects.count()
    list(reprice(selection=EVERYTHING, document=THIRTY_CENTS))
    assert LedgerTransaction.objects.count() == before


def test_what_cannot_be_priced_says_why():
    foreign = billed()
    (again,) = reprice(
        selection=EVERYTHING, document=tariff_document(element(component("ENERGY", "0.30")), currency="CHF")
    )
    assert (again.past.session_id, again.problem, again.note, again.difference) == (
        foreign.pk,
        "tariff_currency_mismatch",
        "CHF",
        None,
    )
    untaxed = billed(
        vat_percent=None,
        tariff_version=TariffVersionFactory(document=tariff_document(element(component("ENERGY", "0.40", vat="19")))),
    )
    assert [(one.past.session_id, one.problem) for one in reprice(selection=EVERYTHING, document=THIRTY_CENTS)] == [
        (foreign.pk, ""),
        (untaxed.pk, "vat_unknown"),
    ]


def test_only_billed_sessions_of_the_selection():
    first, second = billed(), billed()
    EndedSessionFactory()
    settle_session(session_id=EndedSessionFactory(used_wh=0).pk)

    def found(**criteria):
        return [one.past.session_id for one in reprice(selection=Selection(**criteria), document=THIRTY_CENTS)]

    assert found() == [first.pk, second.pk]
    assert found(since=second.started_at) == [second.pk]
    assert found(until=second.started_at) == [first.pk]
    assert found(tariff_id=first.tariff_version.tariff_id) == [first.pk]
    assert found(version_ids=[second.tariff_version_id]) == [second.pk]
    assert found(location_ids=[first.charge_point.location_id]) == [first.pk]
    assert found(driver_id=second.driver_id) == [second.pk]
    assert found(session_ids=[second.pk]) == [second.pk]
    assert found(session_ids=[]) == []
    assert [one.past.session_id for one in reprice(selection=EVERYTHING, after_id=first.pk)] == [second.pk]


@pytest.mark.parametrize("document", [THIRTY_CENTS, None])
def test_four_queries_a_chunk_however_many_sessions(document):
    for _ in range(5):
        meter(billed(), 30, "9000")
    done: list[int] = []
    with CaptureQueriesContext(connection) as queries:
        found = list(reprice(selection=EVERYTHING, document=document, chunk_size=2, progress=done.append))
    assert (len(found), done) == (5, [2, 4, 5])
    # Three chunks of four queries, and one that finds no more.
    assert len(queries) == 13
