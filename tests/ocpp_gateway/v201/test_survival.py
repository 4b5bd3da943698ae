"""Real stations: events lost, repeated, late, out of order, dated wrongly, of somebody else's transaction."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import AuditEvent, Token
from billing.models import Cdr, ChargingSession, MeterValue
from billing.services.sessions import close_overdue_sessions
from locations.models import ChargePoint, Connector
from locations.services.credentials import issue_key
from ocpp_gateway.models import ParkedReport, StationTransaction, TransactionReport
from ocpp_gateway.services.v201.transactions import GAP_WAIT, prune_transactions
from ocpp_gateway.services.v201.waiting import tell_waiting_events
from ocpp_gateway.tasks import sweep_transactions
from tests.factories import ConnectorFactory
from tests.ocpp_gateway.station import ScriptedStation
from tests.ocpp_gateway.v201.conftest import BEGAN, TAG, Plug, energy, event, whole_session

pytestmark = pytest.mark.usefixtures("ada")


def tell(station: ScriptedStation, *events: dict[str, Any]) -> list[dict[str, Any]]:
    return [station.call("TransactionEvent", payload) for payload in events]


def after_the_wait() -> None:
    tell_waiting_events(now=datetime.now(UTC) + GAP_WAIT)


def as_billed(transaction_id: str) -> dict[str, Any]:
    """Everything about a session that must not depend on how its events arrived."""
    session = ChargingSession.objects.get(station_transaction_id=transaction_id)
    names = (
        "status", "outcome", "id_tag", "started_at", "stopped_at", "ended_at", "meter_start_wh", "meter_stop_wh",
        "energy_wh", "stop_reason", "connector_id",
    )  # fmt: skip
    rows = MeterValue.objects.filter(charging_session=session).order_by("occurred_at", "measurand", "value")
    cdr = Cdr.objects.get(charging_session=session)
    return {name: getattr(session, name) for name in names} | {
        "samples": list(rows.values_list("occurred_at", "measurand", "context", "value")),
        "cost": (cdr.net, cdr.vat, cdr.gross),
        "periods": cdr.periods,
    }


_numbers = itertools.count(1)


@pytest.fixture
def talking(plug_in_201: Plug) -> Iterator[ScriptedStation]:
    with plug_in_201() as station:
        yield station


@given(
    arrivals=st.permutations([*range(5), *range(5)]).flatmap(lambda order: st.integers(5, 10).map(lambda n: (order, n)))
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_and_repetition_is_the_same_billed_session(
    talking: ScriptedStation, arrivals: tuple[list[int], int]
) -> None:
    order, kept = arrivals
    # Each event comes once or twice: the first of each, and as many repeats as are kept.
    seen: set[int] = set()
    told = [i for i in order if i not in seen and not seen.add(i)]  # type: ignore[func-returns-value]
    repeats = order[: kept - 5]
    expected_id, transaction_id = f"IN-ORDER-{next(_numbers)}", f"SHUFFLED-{next(_numbers)}"
    tell(talking, *whole_session(expected_id))
    events = whole_session(transaction_id)
    tell(talking, *(events[i] for i in [*told, *repeats]))
    assert as_billed(transaction_id) == as_billed(expected_id)
    assert not ParkedReport.objects.exists()


def test_an_offline_backlog_is_billed_at_the_time_it_happened(plug_in_201: Plug) -> None:
    with plug_in_201() as station:
        answers = tell(station, *(payload | {"offline": True} for payload in whole_session()))
    session = ChargingSession.objects.get()
    assert (session.started_at, session.ended_at) == (BEGAN, BEGAN + timedelta(minutes=30))
    assert (session.outcome, answers[-1]["totalCost"]) == ("billed", 2.38)


def test_the_offline_mark_makes_no_new_report(plug_in_201: Plug) -> None:
    with plug_in_201() as station:
        tell(station, *whole_session())
        again = tell(station, *(payload | {"offline": True} for payload in whole_session()))
    assert again[-1]["totalCost"] == 2.38
    assert (ChargingSession.objects.count(), Cdr.objects.count(), TransactionReport.objects.count()) == (1, 1, 5)
    assert not ParkedReport.objects.exists()


def test_a_lost_update_delays_the_bill_and_does_not_change_it(plug_in_201: Plug) -> None:
    events = whole_session()
    with plug_in_201() as station:
        answers = tell(station, *events[:2], *events[3:])
        assert "totalCost" not in answers[-1]
        assert ChargingSession.objects.get().status == "active"
        after_the_wait()
    session = ChargingSession.objects.get()
    assert (session.status, session.energy_wh, session.review_reason) == ("ended", Decimal(5000), "")
    assert sweep_transactions() == 0


def test_what_comes_after_the_end_was_told_is_parked_and_changes_nothing(plug_in_201: Plug) -> None:
    events = whole_session()
    with plug_in_201() as station:
        tell(station, *events)
        for _ in range(2):
            tell(station, event("Updated", 5, 31, meterValue=energy(31, 9000)))
        tell(station, event("Ended", 4, 30, state="Idle", meterValue=energy(30, 8000)))
    assert [report.reason for report in ParkedReport.objects.all()] == ["event_after_end"] * 2
    assert ParkedReport.objects.first().suggested_session == ChargingSession.objects.get()
    assert Cdr.objects.get().gross == Decimal("2.38")


def test_only_the_end_arrives_with_both_registers_and_is_billed(plug_in_201: Plug) -> None:
    end = whole_session()[4] | {"evse": {"id": 1, "connectorId": 1}}
    end["meterValue"] = energy(0, 1000, context="Transaction.Begin") + end["meterValue"]
    with plug_in_201() as station:
        assert "totalCost" not in tell(station, end)[0]
        after_the_wait()
    session = ChargingSession.objects.get()
    assert (session.started_at, session.energy_wh, session.review_reason) == (BEGAN, Decimal(5000), "")
    assert session.status == "ended"


def test_only_the_end_arrives_with_one_register_and_waits_for_a_decision(plug_in_201: Plug) -> None:
    end = whole_session()[4] | {"evse": {"id": 1, "connectorId": 1}}
    with plug_in_201() as station:
        tell(station, end)
        after_the_wait()
    session = ChargingSession.objects.get()
    assert (session.outcome, session.review_reason) == ("in_review", "meter_start_missing")


def test_a_start_that_never_came_makes_the_session_doubtful(plug_in_201: Plug) -> None:
    events = whole_session()
    updates = [events[2] | {"idToken": {"idToken": TAG, "type": "ISO14443"}, "evse": {"id": 1}}, *events[3:]]
    with plug_in_201() as station:
        tell(station, updates[0])
        after_the_wait()
        assert ChargingSession.objects.get().status == "active"
        tell(station, *updates[1:])
        # The start turns up when its session is decided about.
        tell(station, events[0])
    session = ChargingSession.objects.get()
    assert (session.outcome, session.review_reason) == ("in_review", "start_report_missing")
    assert ParkedReport.objects.get().reason == "event_after_end"


def test_a_station_that_does_not_count_is_waited_for_once(plug_in_201: Plug) -> None:
    """Every event with a number far ahead: after the first wait the others are told as they come."""
    events = whole_session()
    for number, payload in zip([0, 7, 19, 23, 40], events, strict=True):
        payload["seqNo"] = number
    with plug_in_201() as station:
        tell(station, *events[:2])
        after_the_wait()
        answers = tell(station, *events[2:])
    assert answers[-1]["totalCost"] == 2.38


def test_numbers_that_stand_still_are_no_repeats(plug_in_201: Plug) -> None:
    events = whole_session()
    for payload in events:
        payload["seqNo"] = 0
    with plug_in_201() as station:
        assert tell(station, *events)[-1]["totalCost"] == 2.38


def test_no_end_ever_closes_the_session_into_review(plug_in_201: Plug) -> None:
    with plug_in_201() as station:
        tell(station, *whole_session()[:4])
    close_overdue_sessions(now=datetime.now(UTC) + timedelta(days=2))
    session = ChargingSession.objects.get()
    assert (session.status, session.outcome, session.review_reason) == ("ended", "in_review", "no_stop_report")


@pytest.mark.parametrize("clock", ["1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "yesterday", ""])
def test_a_garbage_clock_is_replaced_by_the_moment_of_arrival(plug_in_201: Plug, clock: str) -> None:
    before = datetime.now(UTC)
    events = [event("Started", 0, 0, tag=TAG, evse={"id": 1}), event("Ended", 1, 0, state="Idle")]
    for payload in events:
        payload["timestamp"] = clock
        payload["meterValue"] = [{"timestamp": clock, "sampledValue": [{"value": 1000}]}]
    with plug_in_201() as station:
        tell(station, *events)
    session = ChargingSession.objects.get()
    assert session.status == "ended"
    assert session.started_at is not None
    assert before <= session.started_at <= datetime.now(UTC)


def test_two_transactions_under_a_stopped_clock_are_two_sessions(plug_in_201: Plug) -> None:
    with plug_in_201() as station:
        for transaction_id in ("A", "B"):
            start = event("Started", 0, 0, transaction_id=transaction_id, tag=TAG, evse={"id": 1})
            tell(station, start | {"timestamp": "1970-01-01T00:00:00Z"})
    assert ChargingSession.objects.count() == 2


def test_an_unknown_token_is_a_session_in_review(plug_in_201: Plug) -> None:
    with plug_in_201() as station:
        start = event("Started", 0, 0, tag="04NOBODY", evse={"id": 1}, meterValue=energy(0, 0))
        assert tell(station, start)[0]["idTokenInfo"]["status"] == "Unknown"
    assert ChargingSession.objects.get().review_reason == "unknown_token"


def test_a_card_blocked_while_the_station_was_offline_waits_for_a_decision(plug_in_201: Plug, ada: Token) -> None:
    Token.objects.filter(pk=ada.pk).update(status="blocked")
    with plug_in_201() as station:
        tell(station, *(payload | {"offline": True} for payload in whole_session()))
    session = ChargingSession.objects.get()
    assert (session.outcome, session.review_reason) == ("in_review", "token_blocked")
    assert session.energy_wh == Decimal(5000)


def test_another_points_transaction_has_no_effect_and_is_put_on_record(plug_in_201: Plug, connector: Connector) -> None:
    other: ChargePoint = ConnectorFactory(evse__charge_point__identity="BERLIN-02").charge_point
    with plug_in_201() as station:
        tell(station, *whole_session()[:3])
        with plug_in_201(identity=other.identity, key=issue_key(charge_point_id=other.pk)) as stranger:
            assert tell(stranger, whole_session()[4]) == [{"idTokenInfo": {"status": "Invalid"}}]
    session = ChargingSession.objects.get()
    assert (session.charge_point, session.status) == (connector.charge_point, "active")
    assert ParkedReport.objects.get().reason == "foreign_transaction_id"
    assert AuditEvent.objects.filter(action="foreign_transaction_id").count() == 1


def test_two_points_may_count_their_transactions_alike(plug_in_201: Plug) -> None:
    other: ChargePoint = ConnectorFactory(evse__charge_point__identity="BERLIN-02").charge_point
    with plug_in_201() as first, plug_in_201(identity="BERLIN-02", key=issue_key(charge_point_id=other.pk)) as second:
        tell(first, *whole_session("1"))
        tell(second, *whole_session("1"))
    assert ChargingSession.objects.filter(outcome="billed").count() == 2


def test_a_transaction_without_a_name_is_parked(plug_in_201: Plug) -> None:
    with plug_in_201() as station:
        tell(station, event("Started", 0, 0, transaction_id=" ", tag=TAG))
        nameless = event("Started", 0, 0)
        nameless["transactionInfo"] = {}
        assert station.ask("TransactionEvent", nameless)[2] == "OccurrenceConstraintViolation"
    assert sorted(ParkedReport.objects.values_list("reason", flat=True)) == ["not_readable", "transaction_id_missing"]


def test_told_transactions_are_forgotten_in_time_and_their_sessions_stay(plug_in_201: Plug) -> None:
    with plug_in_201() as station:
        tell(station, *whole_session())
        assert prune_transactions(before=datetime.now(UTC) - timedelta(days=1)) == 0
        assert prune_transactions(before=datetime.now(UTC) + timedelta(days=1)) == 6
        assert not StationTransaction.objects.exists()
        # A repeat of the end, long after: the session is known by its number and is not billed again.
        tell(station, whole_session()[4])
        after_the_wait()
    assert (ChargingSession.objects.count(), Cdr.objects.count()) == (1, 1)
