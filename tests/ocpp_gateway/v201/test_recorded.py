"""Conversations as independent 2.0.1 station software holds them, replayed: every request gets a valid answer.

One JSON frame a line, as the station sent it, on a clock of our own.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Token
from billing.models import Cdr, ChargingSession
from locations.models import ChargePoint
from ocpp_gateway.models import OcppMessage, ParkedReport
from tests.factories import ConnectorFactory, EvseFactory, TokenFactory
from tests.ocpp_gateway.station import ScriptedStation
from tests.ocpp_gateway.v201.conftest import Plug
from tests.ocpp_gateway.v201.schemas import schema

RECORDED = Path(__file__).parent.parent / "recorded"


def replay(station: ScriptedStation, name: str) -> None:
    for line in (RECORDED / f"v201_{name}.jsonl").read_text().splitlines():
        _, unique_id, action, payload = json.loads(line)
        answer = station.call(action, payload, f"{name[:20]}-{unique_id}")
        assert schema(f"{action}Response").is_valid(answer), (action, answer)


@pytest.fixture
def network(charge_point: ChargePoint, ada: Token) -> None:
    ConnectorFactory(evse=EvseFactory(charge_point=charge_point, number=2), number=2)
    TokenFactory(id_tag="04ADA0002", driver=ada.driver)
    TokenFactory(id_tag="04BLOCKED", driver=ada.driver, status="blocked")


def sessions() -> list[tuple[Any, ...]]:
    """Connector, outcome, why it is not billed, and the energy."""
    return [
        (
            session.connector and session.connector.number,
            session.outcome,
            session.free_rule or session.review_reason,
            session.energy_wh,
        )
        for session in ChargingSession.objects.select_related("connector").order_by("started_at")
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            # The register jumped to 1,500 Wh and fell back; the end says 0.2 kWh. The second session took nothing.
            "values_beside_the_events",
            [(1, "billed", "", Decimal(200)), (2, "free", "no_energy", Decimal(0))],
        ),
        (
            # No event carries a register: nobody can say what to bill.
            "no_energy_register",
            [
                (1, "in_review", "meter_start_missing", Decimal(0)),
                (2, "in_review", "meter_start_missing", Decimal(0)),
            ],
        ),
        (
            # Numbers of events are used again; 150 kWh within minutes is not believed; the last register has no unit,
            # so it is in watt-hours.
            "numbers_that_stand_still",
            [(1, "free", "no_energy", Decimal(0)), (1, "free", "below_least_energy", Decimal("170.31"))],
        ),
    ],
)
def test_every_request_of_a_recorded_station_is_answered(
    plug_in_201: Plug, network: None, name: str, expected: list[tuple[Any, ...]]
) -> None:
    with plug_in_201() as station:
        replay(station, name)
    assert sessions() == expected
    assert not OcppMessage.objects.filter(kind__in=["error", "invalid"]).exists()
    assert not ParkedReport.objects.exists()


def test_the_same_recording_again_adds_no_session(plug_in_201: Plug, network: None) -> None:
    for _ in range(2):
        with plug_in_201() as station:
            replay(station, "values_beside_the_events")
    assert (ChargingSession.objects.count(), Cdr.objects.count()) == (2, 1)
    assert Cdr.objects.get().gross == Decimal("0.10")
