"""Conversations as independent station software holds them, replayed: every request gets a valid answer.

One JSON frame a line, as the station sent it; a transactionId is written as the count of the start it belongs to.
"""

import importlib.resources
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from accounts.models import Token
from billing.models import ChargingSession, MeterValue
from locations.models import ChargePoint
from ocpp_gateway.models import OcppMessage
from tests.factories import ConnectorFactory, EvseFactory, TokenFactory
from tests.ocpp_gateway.station import ScriptedStation

RECORDED = Path(__file__).parent / "recorded"
Plug = Callable[..., ScriptedStation]


def replay(station: ScriptedStation, name: str) -> None:
    transaction_ids: list[int] = []
    for line in (RECORDED / f"{name}.jsonl").read_text().splitlines():
        _, unique_id, action, payload = json.loads(line)
        if "transactionId" in payload:
            payload["transactionId"] = transaction_ids[payload["transactionId"] - 1]
        answer = station.call(action, payload, unique_id)
        assert response_schema(action).is_valid(answer), (action, answer)
        if action == "StartTransaction":
            transaction_ids.append(answer["transactionId"])


def response_schema(action: str) -> jsonschema_rs.Validator:
    source = importlib.resources.files("ocpp.v16") / "schemas" / f"{action}Response.json"
    return jsonschema_rs.validator_for(json.loads(source.read_text()))


@pytest.fixture
def cards(ada: Token) -> None:
    for number in (2, 3, 4):
        TokenFactory(id_tag=f"04ADA000{number}", driver=ada.driver)


@pytest.fixture
def second_connector(charge_point: ChargePoint) -> None:
    ConnectorFactory(evse=EvseFactory(charge_point=charge_point, number=2), number=2)


def sessions() -> list[tuple[Any, ...]]:
    """Connector, tag, status, and the energy, or that an operator has to look at it."""
    return [
        (
            session.connector and session.connector.number,
            session.id_tag,
            session.status,
            "in_review" if session.outcome == "in_review" else session.energy_wh,
        )
        for session in ChargingSession.objects.select_related("connector").order_by("pk")
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "two_connectors_remote_and_reserved",
            [(1, "04ADA0001", "ended", Decimal(52)), (2, "04ADA0002", "ended", Decimal(28))],
        ),
        (
            "offline_backlog",
            [
                (1, "04ADA0001", "ended", Decimal(79)),
                (1, "04ADA0003", "ended", Decimal(37)),
                (2, "04ADA0004", "active", Decimal(135)),
            ],
        ),
        (
            # The register jumped to 1,500 Wh, more than 11 kW give in eight seconds, and fell back to 200.
            "no_status_timestamps",
            [(1, "04ADA0001", "ended", Decimal(200)), (2, "04ADA0002", "ended", Decimal(0))],
        ),
        (
            # The register jumped to 43 kWh within seconds and fell back to 2.
            "kilowatt_hours_and_signed_data",
            [(1, "04ADA0001", "ended", "in_review"), (1, "04ADA0002", "ended", Decimal(405))],
        ),
    ],
)
def test_every_request_of_a_recorded_station_is_answered(
    plug_in: Plug, cards: None, second_connector: None, name: str, expected: list[tuple[Any, ...]]
) -> None:
    with plug_in() as station:
        replay(station, name)
    assert sessions() == expected
    assert not OcppMessage.objects.filter(kind__in=["error", "invalid"]).exists()


def test_the_same_recording_again_adds_no_session(plug_in: Plug, cards: None, second_connector: None) -> None:
    for _ in range(2):
        with plug_in() as station:
            replay(station, "two_connectors_remote_and_reserved")
    assert len(sessions()) == 2
    assert MeterValue.objects.filter(measurand="energy_wh").count() == 6
