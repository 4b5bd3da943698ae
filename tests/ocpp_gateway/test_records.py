"""Rows around the sockets: connections and their fence, parked reports, the message log."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import Error as DatabaseFailure
from django.db import IntegrityError, connections, transaction

from accounts.models import Token
from billing.services.sessions import start_session
from locations.models import ChargePoint, Connector
from ocpp_gateway.database_threads import DatabaseThreads
from ocpp_gateway.domain.frames import Call
from ocpp_gateway.errors import ReportAlreadyResolved
from ocpp_gateway.handlers.v16 import DIALECT_16
from ocpp_gateway.links import StationLink, new_answers
from ocpp_gateway.message_log import MessageLog, store_what_is_taken
from ocpp_gateway.models import OcppMessage, ParkedReport, StationConnection
from ocpp_gateway.services.admission import Station
from ocpp_gateway.services.connections import (
    claim_connection,
    drop_stale_connections,
    refresh_connections,
    release_connection,
)
from ocpp_gateway.services.messages import prune_messages, store_messages
from ocpp_gateway.services.reports import park_report, resolve_report, start_id_of
from ocpp_gateway.services.rounds import Round, do_round
from tests.factories import StaffFactory

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROCESS = uuid.uuid4()


def claim(charge_point: ChargePoint, *, process_id: uuid.UUID = PROCESS, at: datetime = NOON) -> uuid.UUID:
    connection_id = uuid.uuid4()
    claim_connection(
        charge_point_id=charge_point.pk,
        connection_id=connection_id,
        process_id=process_id,
        subprotocol="ocpp1.6",
        ocpp_version="1.6",
        remote_address="192.0.2.7",
        at=at,
    )
    return connection_id


def is_connected(charge_point: ChargePoint) -> bool:
    charge_point.refresh_from_db()
    return charge_point.is_connected


def test_the_late_end_of_a_replaced_socket_has_no_effect(charge_point: ChargePoint) -> None:
    old = claim(charge_point)
    new = claim(charge_point, process_id=uuid.uuid4())
    assert not release_connection(charge_point_id=charge_point.pk, connection_id=old)
    assert is_connected(charge_point)
    assert release_connection(charge_point_id=charge_point.pk, connection_id=new)
    assert not release_connection(charge_point_id=charge_point.pk, connection_id=new)
    assert not is_connected(charge_point)


def test_what_a_killed_process_left_behind_goes_stale(charge_point: ChargePoint) -> None:
    claim(charge_point)
    refresh_connections(process_id=PROCESS, heard_from=[charge_point.pk], at=NOON + timedelta(seconds=50))
    assert drop_stale_connections(now=NOON + timedelta(seconds=110)) == 0
    assert is_connected(charge_point)
    assert charge_point.last_seen_at == NOON + timedelta(seconds=50)
    assert drop_stale_connections(now=NOON + timedelta(seconds=111)) == 1
    assert not is_connected(charge_point)
    assert not StationConnection.objects.exists()


def test_a_round_tells_a_process_which_of_its_sockets_still_count(charge_point: ChargePoint) -> None:
    mine = claim(charge_point)
    state = Round(process_id=PROCESS)
    assert do_round(state, held={charge_point.pk}, heard_from=set(), now=NOON).current == {mine}
    assert do_round(state, held={charge_point.pk}, heard_from=set(), now=NOON + timedelta(seconds=4)).current is None
    claim(charge_point, process_id=uuid.uuid4())
    outcome = do_round(state, held={charge_point.pk}, heard_from=set(), now=NOON + timedelta(seconds=5))
    assert outcome.current == set()


# Parked reports -----------------------------------------------------------------------------------------------


def park(charge_point: ChargePoint, **payload: Any) -> ParkedReport:
    return park_report(
        charge_point_id=charge_point.pk,
        action="StopTransaction",
        payload={"transactionId": 4711, "meterStop": 900} | payload,
        reason="unknown_transaction",
        received_at=NOON,
    )


def test_a_report_parks_once_and_a_different_one_again(charge_point: ChargePoint) -> None:
    assert park(charge_point) == park(charge_point)
    assert park(charge_point, meterStop=901) != park(charge_point)
    assert ParkedReport.objects.count() == 2


def test_the_running_session_is_suggested(charge_point: ChargePoint, connector: Connector, ada: Token) -> None:
    assert park(charge_point).suggested_session is None
    started = start_session(
        charge_point_id=charge_point.pk,
        connector_number=1,
        id_tag=ada.id_tag,
        meter_start_wh=Decimal(0),
        started_at=NOON,
        reported_at=NOON,
        received_at=NOON,
    )
    assert park(charge_point, meterStop=901).suggested_session_id == started.session_id
    assert park(charge_point, idTag=ada.id_tag.lower()).suggested_session_id == started.session_id
    assert park(charge_point, idTag="SOMEONE").suggested_session_id is None


def test_a_decision_is_made_once_and_says_why(charge_point: ChargePoint) -> None:
    otto = StaffFactory()
    report = park(charge_point)
    resolve_report(report_id=report.pk, actor_id=otto.pk, note="Test stop by the electrician.")
    report.refresh_from_db()
    assert (report.resolved_by, report.resolution_note) == (otto, "Test stop by the electrician.")
    with pytest.raises(ReportAlreadyResolved):
        resolve_report(report_id=report.pk, actor_id=otto.pk, note="again")
    with pytest.raises(IntegrityError), transaction.atomic():
        ParkedReport.objects.update(resolution_note="")


def test_the_id_of_a_parked_start_fits_the_protocol_and_stays_the_same(charge_point: ChargePoint) -> None:
    report = park(charge_point)
    assert start_id_of(report) == 2_147_483_647 - report.pk == start_id_of(park(charge_point))


# The message log ----------------------------------------------------------------------------------------------


def frame(charge_point: ChargePoint, at: datetime) -> OcppMessage:
    return OcppMessage(
        charge_point=charge_point,
        connection_id=uuid.uuid4(),
        at=at,
        direction="in",
        kind="call",
        action="Heartbeat",
        unique_id="1",
        frame='[2,"1","Heartbeat",{}]',
    )


def keep(charge_point: ChargePoint, *calls: Call) -> None:
    """Give frames to the log's writer at once, as one batch."""

    async def run() -> None:
        threads = DatabaseThreads(1)
        log = MessageLog(threads)
        station = Station(charge_point.pk, charge_point.identity, "1.6", is_admitted=True)
        link = StationLink(
            station,
            dialect=DIALECT_16,
            answers=new_answers(),
            remote_address="",
            send=nothing,
            close=nothing,
        )
        for call in calls:
            log.add(link, frame=call, text=call.unique_id, direction="in", at=NOON)
        await log.flush()
        await threads.run(connections.close_all)
        threads.close()

    asyncio.run(run())


async def nothing(*_: Any) -> None:
    """A socket nobody listens to."""


@pytest.mark.postgresql
def test_one_frame_the_database_does_not_take_costs_no_other(
    charge_point: ChargePoint, caplog: pytest.LogCaptureFixture
) -> None:
    keep(charge_point, Call("1", "Heartbeat", {}), Call("2", "x" * 51, {}), Call("3", "Heartbeat", {}))
    assert list(OcppMessage.objects.order_by("pk").values_list("frame", flat=True)) == ["1", "3"]
    assert [record.getMessage() for record in caplog.records if record.name == "ocpp_gateway.message_log"] == [
        f"A frame of charge point {charge_point.pk} is not in the message log"
    ]


def test_one_row_against_the_rules_costs_no_other(charge_point: ChargePoint) -> None:
    rows = [frame(charge_point, NOON), frame(charge_point, NOON), frame(charge_point, NOON)]
    rows[1].kind = "noise"
    store_what_is_taken(rows)
    assert list(OcppMessage.objects.values_list("kind", flat=True)) == ["call", "call"]


def test_the_log_keeps_text_with_a_nul(charge_point: ChargePoint) -> None:
    keep(charge_point, Call("\x00", "Heart\x00beat", {}))
    assert OcppMessage.objects.values_list("action", "unique_id", "frame").get() == (
        "Heart\ufffdbeat", "\ufffd", "\ufffd",
    )  # fmt: skip


def test_the_log_may_be_pruned_and_not_changed(charge_point: ChargePoint) -> None:
    store_messages(messages=[frame(charge_point, NOON), frame(charge_point, NOON + timedelta(days=1))])
    with pytest.raises(DatabaseFailure), transaction.atomic():
        OcppMessage.objects.update(frame="nothing happened")
    assert prune_messages(before=NOON + timedelta(hours=1)) == 1
    assert prune_messages(before=NOON + timedelta(hours=1)) == 0
    assert OcppMessage.objects.get().frame == '[2,"1","Heartbeat",{}]'
