"""What a person decides about a session in doubt: its meter corrected, its other half added."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.models import AuditEvent
from billing.errors import MeterImplausible, MeterRunsBackwards, NotOneStay, TimesOutOfOrder
from billing.models import ChargingSession, Hold
from billing.services.books import verify
from billing.services.review import correct_meter, release_from_review
from billing.services.session_merging import merge_sessions, other_halves
from billing.services.sessions import close_overdue_sessions
from billing.services.settlement import settle_session
from common.errors import InvalidTransition
from locations.models import Connector
from tests.billing.sessions.conftest import NOON, stand_with
from tests.billing.sessions.test_starting import top_up
from tests.factories import ConnectorFactory, StaffFactory

pytestmark = pytest.mark.django_db

Outcome = ChargingSession.Outcome


def minutes(count: int):
    return NOON + timedelta(minutes=count)


class TestTheMeter:
    """A station reported 0 at the start and 910 kWh at the end, half an hour later."""

    @pytest.fixture
    def session(self, stand) -> ChargingSession:
        session_id = stand.start(meter_start_wh=Decimal(0)).session_id
        stand.stop(session_id, 30, "909000")
        session = stand.session(session_id)
        assert (session.outcome, session.review_reason) == (Outcome.IN_REVIEW, "energy_above_rated_power")
        return session

    def correct(self, session: ChargingSession, **changes) -> ChargingSession:
        figures = {
            "meter_start_wh": Decimal(905_000),
            "meter_stop_wh": Decimal(910_000),
            "stopped_at": minutes(30),
            "ended_at": minutes(30),
        }
        return correct_meter(
            session_id=session.pk, **(figures | changes), actor_id=StaffFactory().pk, reason="read off the display"
        )

    def test_it_is_billed_by_what_somebody_read(self, session):
        self.correct(session)
        cdr = settle_session(session_id=session.pk)
        # 5 kWh x 0.40 EUR net, 19 % VAT.
        assert (cdr.energy_wh, cdr.net, cdr.gross) == (5000, Decimal("2.00"), Decimal("2.38"))
        event = AuditEvent.objects.get(action="session_meter_corrected")
        assert event.data == {
            "doubt": "energy_above_rated_power",
            "changes": {"meter_start_wh": ["0.0000", "905000"], "meter_stop_wh": ["0.0000", "910000"]},
        }
        assert verify().errors == []

    def test_what_the_station_said_is_still_recognised(self, stand, session):
        self.correct(session)
        again = stand.start(meter_start_wh=Decimal(0))
        assert (again.session_id, ChargingSession.objects.count()) == (session.pk, 1)
        stop = stand.stop(session.pk, 30, "909000")
        assert (stop.recognised, stop.parked) == (True, False)

    def test_an_earlier_end_ends_the_charging_too(self, session):
        corrected = self.correct(session, stopped_at=minutes(28), ended_at=minutes(40))
        assert (corrected.stopped_at, corrected.ended_at) == (minutes(28), minutes(40))

    @pytest.mark.parametrize(
        ("changes", "refusal"),
        [
            ({"meter_start_wh": Decimal(910_001)}, MeterRunsBackwards),
            ({"meter_start_wh": Decimal(-1)}, MeterRunsBackwards),
            # 11 kW for half an hour is 5.5 kWh, and a tenth more is believed.
            ({"meter_start_wh": Decimal(903_000)}, MeterImplausible),
            ({"stopped_at": minutes(-1)}, TimesOutOfOrder),
            ({"stopped_at": minutes(31)}, TimesOutOfOrder),
            ({"ended_at": NOON + timedelta(days=10_000)}, TimesOutOfOrder),
        ],
    )
    def test_what_cannot_be_is_refused_and_nothing_changes(self, session, changes, refusal):
        with pytest.raises(refusal):
            self.correct(session, **changes)
        unchanged = ChargingSession.objects.get(pk=session.pk)
        assert (unchanged.outcome, unchanged.meter_stop_wh) == (Outcome.IN_REVIEW, session.meter_stop_wh)
        assert not AuditEvent.objects.filter(action="session_meter_corrected").exists()

    def test_a_billed_session_keeps_its_meter(self, session):
        self.correct(session)
        settle_session(session_id=session.pk)
        with pytest.raises(InvalidTransition):
            self.correct(session, meter_stop_wh=Decimal(909_999))


class TestTwoHalves:
    """The station lost power after a quarter of an hour and took the vehicle for a new one when it came back."""

    @pytest.fixture
    def halves(self, stand) -> tuple[ChargingSession, ChargingSession]:
        return self.stay(stand)

    def stay(self, stand) -> tuple[ChargingSession, ChargingSession]:
        first = stand.start().session_id
        stand.meter(first, 15, "2000")
        close_overdue_sessions(now=NOON + timedelta(days=3))
        second = stand.start(
            meter_start_wh=Decimal(3000), started_at=minutes(20), reported_at=minutes(20), received_at=minutes(20)
        ).session_id
        stand.meter(second, 40, "5000")
        close_overdue_sessions(now=NOON + timedelta(days=3))
        return stand.session(first), stand.session(second)

    def merge(self, *sessions: ChargingSession) -> ChargingSession:
        first, second = sessions
        return merge_sessions(session_ids=(first.pk, second.pk), actor_id=StaffFactory().pk, reason="power cut")

    def test_they_become_one_stay_with_one_price(self, halves):
        first, second = halves
        assert list(other_halves(first)) == [second]
        merged = self.merge(second, first)
        assert (merged.pk, merged.outcome, merged.energy_wh) == (first.pk, Outcome.IN_REVIEW, 5000)
        assert (merged.started_at, merged.ended_at) == (NOON, minutes(40))
        release_from_review(session_id=merged.pk, actor_id=StaffFactory().pk, reason="complete")
        cdr = settle_session(session_id=merged.pk)
        assert (cdr.energy_wh, cdr.gross, cdr.duration_seconds) == (5000, Decimal("2.38"), 40 * 60)
        second.refresh_from_db()
        assert (second.outcome, second.merged_into_id) == (Outcome.DISCARDED, first.pk)
        assert settle_session(session_id=second.pk) is None
        assert verify().errors == []

    def test_what_was_measured_stays_and_is_copied(self, halves):
        first, second = halves
        self.merge(first, second)
        assert list(second.meter_values.values_list("value", flat=True)) == [6000]
        assert list(first.meter_values.values_list("value", flat=True)) == [3000, 6000]

    def test_again_changes_nothing(self, halves):
        self.merge(*halves)
        self.merge(*halves)
        assert AuditEvent.objects.filter(action="sessions_merged").count() == 2

    def test_what_the_second_half_reserved_is_free_again(self):
        stand = stand_with(wallet=True)
        top_up(stand.contract.driver_id, "60.00")
        first, second = self.stay(stand)
        self.merge(first, second)
        holds = dict(Hold.objects.values_list("charging_session_id", "status"))
        assert holds == {first.pk: Hold.Status.ACTIVE, second.pk: Hold.Status.RELEASED}

    @pytest.mark.parametrize(
        "changes",
        [
            {"outcome": Outcome.PENDING, "review_reason": ""},
            {"meter_start_wh": Decimal(2999)},
            {"meter_start_wh": None},
            {"started_at": minutes(14)},
            {"started_at": minutes(15) + timedelta(hours=25), "ended_at": minutes(15) + timedelta(hours=26)},
        ],
        ids=["decided", "register runs back", "no register", "times overlap", "long after"],
    )
    def test_what_was_not_one_stay_is_not_merged(self, halves, changes):
        first, second = halves
        ChargingSession.objects.filter(pk=second.pk).update(**changes)
        self.refused(first, second)

    def test_another_connectors_session_is_not_the_other_half(self, halves):
        first, second = halves
        elsewhere: Connector = ConnectorFactory()
        ChargingSession.objects.filter(pk=second.pk).update(connector=elsewhere)
        self.refused(first, second)
        assert not other_halves(first).exists()

    def test_a_session_is_not_its_own_other_half(self, halves):
        self.refused(halves[0], halves[0])

    def refused(self, first: ChargingSession, second: ChargingSession) -> None:
        with pytest.raises(NotOneStay):
            self.merge(first, second)
        assert not ChargingSession.objects.filter(merged_into__isnull=False).exists()
