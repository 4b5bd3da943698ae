"""Whoever comes charges for nothing where the place is open: there, then, and within its bounds only."""

from datetime import time, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from billing.models import ChargingSession, Hold, LedgerEntry, OpenAccess
from billing.selectors.open_access import given_away, open_access_at
from billing.services.ad_hoc import FreeHere, offer_at
from billing.services.books import verify
from billing.services.review import release_from_review
from billing.services.sessions import authorize, request_start, stop_used_up
from billing.services.settlement import settle_session
from common.errors import Refused
from locations.models import Connector
from tariffs.models import TariffAssignment
from tests.billing.sessions.conftest import NOON, Stand, stand_with
from tests.factories import ConnectorFactory, StaffFactory

pytestmark = pytest.mark.django_db

STRANGER = "04A1B2C3D4"


def open_up(stand: Stand, **changes) -> OpenAccess:
    traits = {"name": "Car park", "location": stand.connector.charge_point.location, "valid_from": NOON}
    return OpenAccess.objects.create(**(traits | changes))


def asks(stand: Stand, id_tag: str = STRANGER) -> str:
    answer = authorize(charge_point_id=stand.connector.charge_point_id, id_tag=id_tag, at=NOON)
    return "accepted" if answer.accepted else answer.code


class TestAStranger:
    def test_is_refused_where_the_place_is_not_open(self, stand):
        open_up(stand, location=ConnectorFactory().charge_point.location)
        assert asks(stand) == "unknown_token"
        assert stand.start(id_tag=STRANGER).code == "unknown_token"

    def test_charges_and_the_operator_bears_the_price(self, stand):
        grant = open_up(stand, cost_centre="Marketing")
        assert asks(stand) == "accepted"
        started = stand.start(id_tag=STRANGER)
        assert started.accepted
        stand.stop(started.session_id, 30, "5000")
        cdr = settle_session(session_id=started.session_id)
        # 5 kWh x 0.40 EUR net and 19 % VAT.
        assert [(leg.source, leg.amount, leg.state) for leg in cdr.legs.all()] == [
            ("open_access", Decimal("2.38"), "paid")
        ]
        entries = LedgerEntry.objects.filter(transaction=cdr.ledger_transaction)
        assert {(entry.account.code, entry.side, entry.amount) for entry in entries} == {
            ("open_access_expense", "debit", Decimal("2.38")),
            ("revenue_energy", "credit", Decimal("2.00")),
            ("vat_payable", "credit", Decimal("0.38")),
        }
        session = stand.session(started.session_id)
        assert (session.driver, session.payment_status) == (None, "paid")
        assert verify().errors == []
        (month,) = given_away(grant)
        assert (month["sessions"], month["energy"], month["net"], month["gross"]) == (
            1,
            5000,
            Decimal("2.00"),
            Decimal("2.38"),
        )

    def test_without_a_tariff_it_is_in_review_and_billed_once_there_is_one(self, stand):
        open_up(stand)
        (assignment,) = TariffAssignment.objects.all()
        TariffAssignment.objects.filter(pk=assignment.pk).update(valid_from=NOON + timedelta(days=1))
        started = stand.start(id_tag=STRANGER)
        assert started.code == "no_tariff"
        stand.stop(started.session_id, 30, "5000")
        assert settle_session(session_id=started.session_id) is None
        TariffAssignment.objects.filter(pk=assignment.pk).update(valid_from=NOON - timedelta(days=1))
        release_from_review(session_id=started.session_id, actor_id=StaffFactory().pk, reason="assigned")
        assert settle_session(session_id=started.session_id).gross == Decimal("2.38")


class TestADriver:
    def test_pays_nothing_whatever_their_contract_or_card_says(self):
        stand = stand_with(wallet=True)
        grant = open_up(stand)
        started = stand.start()
        session = stand.session(started.session_id)
        assert (started.accepted, session.driver, session.open_access) == (True, stand.contract.driver, grant)
        assert not Hold.objects.exists()
        stand.stop(started.session_id, 30, "5000")
        cdr = settle_session(session_id=started.session_id)
        assert [leg.source for leg in cdr.legs.all()] == ["open_access"]

    def test_starts_from_the_site_as_well(self):
        stand = stand_with(wallet=True)
        connector, driver_id = stand.connector.pk, stand.contract.driver_id
        with time_machine.travel(NOON, tick=False):
            with pytest.raises(Refused):
                request_start(connector_id=connector, driver_id=driver_id)
            grant = open_up(stand)
            session = request_start(connector_id=connector, driver_id=driver_id)
        assert (session.open_access, session.spend_limit, session.contract) == (grant, None, None)

    def test_pays_as_usual_outside_the_hours(self, stand):
        # Noon UTC is 13:00 in Berlin.
        grant = open_up(stand, begins_at=time(13, 1), ends_at=time(18))
        assert stand.session(stand.start().session_id).open_access is None
        grant.delete()


class TestBounds:
    def test_after_so_much_energy_the_charging_stops(self, stand):
        open_up(stand, max_kwh=Decimal(5))
        session_id = stand.start(id_tag=STRANGER).session_id
        assert not stand.meter(session_id, 25, "4500").stop
        directive = stand.meter(session_id, 30, "5000")
        assert (directive.stop, directive.reason) == (True, "open_access_used_up")

    def test_after_so_long_it_stops_although_the_station_is_silent(self, stand):
        open_up(stand, max_minutes=60)
        session_id = stand.start(id_tag=STRANGER).session_id
        assert stop_used_up(now=NOON + timedelta(minutes=58)) == 0
        assert stop_used_up(now=NOON + timedelta(minutes=59)) == 1
        assert stand.session(session_id).stop_request_reason == "open_access_used_up"
        assert stop_used_up(now=NOON + timedelta(minutes=60)) == 0

    def test_when_the_day_is_full_the_next_one_pays(self, stand):
        open_up(stand, max_sessions_per_day=1)
        stand.stop(stand.start(id_tag=STRANGER).session_id, 10, "1000")
        later = NOON + timedelta(minutes=20)
        second = stand.start(started_at=later, reported_at=later, received_at=later)
        assert stand.session(second.session_id).open_access is None
        assert asks(stand) == "unknown_token"
        # 21 November begins at 23:00 UTC in Berlin.
        midnight = NOON + timedelta(hours=11)
        assert open_access_at(stand.connector, midnight - timedelta(seconds=1)) is None
        assert open_access_at(stand.connector, midnight) is not None


def test_a_connectors_own_goes_before_its_locations(stand):
    open_up(stand)
    own = open_up(stand, location=None, connector=stand.connector)
    assert open_access_at(stand.connector, NOON) == own
    elsewhere: Connector = ConnectorFactory(charge_point=stand.connector.charge_point, number=2)
    assert open_access_at(elsewhere, NOON) != own


@pytest.mark.parametrize(
    "changes",
    [
        {"is_active": False},
        {"valid_from": NOON + timedelta(seconds=1)},
        {"valid_until": NOON, "valid_from": NOON - timedelta(days=1)},
    ],
)
def test_it_is_not_in_force(stand, changes):
    open_up(stand, **changes)
    assert open_access_at(stand.connector, NOON) is None


def test_nothing_is_sold_where_charging_is_free(stand):
    open_up(stand)
    with pytest.raises(FreeHere):
        offer_at(connector=stand.connector, at=NOON)


@pytest.mark.parametrize(
    "changes",
    [
        {"location": None},
        {"valid_until": NOON},
        {"begins_at": time(8)},
        {"begins_at": time(8), "ends_at": time(8)},
    ],
)
def test_what_makes_no_sense_is_not_stored(stand, changes):
    with pytest.raises(IntegrityError), transaction.atomic():
        open_up(stand, **changes)


@pytest.mark.parametrize("weekdays", [[], [0], [8], "1", [1, "2"]])
def test_days_are_days_of_the_week(stand, weekdays):
    with pytest.raises(ValidationError):
        OpenAccess(name="x", location=stand.connector.charge_point.location, weekdays=weekdays).full_clean()


def test_a_session_of_nobody_free_by_nothing_stays_in_review(stand):
    session_id = stand.start(id_tag=STRANGER).session_id
    stand.stop(session_id, 30, "5000")
    assert settle_session(session_id=session_id) is None
    assert stand.session(session_id).outcome == ChargingSession.Outcome.IN_REVIEW
