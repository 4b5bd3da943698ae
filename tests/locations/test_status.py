"""What charge points report about themselves."""

from datetime import UTC, datetime, timedelta

import pytest

from locations.models import ChargePoint, Connector
from locations.services.status import (
    mark_connected,
    mark_disconnected,
    mark_seen,
    record_boot,
    record_connector_status,
)
from tests.factories import ConnectorFactory

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def connector(db: None) -> Connector:
    connector: Connector = ConnectorFactory()
    return connector


def report(connector: Connector, status: str, at: datetime, error_code: str = "NoError", number: int = 1) -> bool:
    return record_connector_status(
        charge_point_id=connector.charge_point_id,
        connector_number=number,
        status=status,
        error_code=error_code,
        at=at,
    )


def stored(connector: Connector) -> tuple[str, str, datetime | None]:
    connector.refresh_from_db()
    return connector.status, connector.error_code, connector.status_at


def test_a_newer_report_counts_and_an_older_one_does_not(connector: Connector) -> None:
    assert report(connector, "Charging", NOON)
    assert report(connector, "Faulted", NOON + timedelta(minutes=1), "GroundFailure")
    assert not report(connector, "Available", NOON)
    assert stored(connector) == ("Faulted", "GroundFailure", NOON + timedelta(minutes=1))
    assert report(connector, "Available", NOON + timedelta(minutes=1))
    assert stored(connector) == ("Available", "", NOON + timedelta(minutes=1))


def test_connector_zero_and_unknown_connectors_change_nothing(connector: Connector) -> None:
    assert not report(connector, "Faulted", NOON, number=0)
    assert not report(connector, "Faulted", NOON, number=9)
    assert stored(connector) == ("Unknown", "", None)


def test_a_boot_makes_the_model_known_once_and_cuts_what_is_too_long(connector: Connector) -> None:
    for _ in range(2):
        record_boot(
            charge_point_id=connector.charge_point_id,
            vendor="Wallbe",
            model="Eco 2",
            serial_number="S" * 60,
            firmware_version="1.4",
            at=NOON,
        )
    charge_point = ChargePoint.objects.get()
    assert str(charge_point.model) == "Wallbe Eco 2"
    assert charge_point.serial_number == "S" * 50
    assert (charge_point.firmware_version, charge_point.last_boot_at) == ("1.4", NOON)


def test_connected_seen_and_disconnected(connector: Connector) -> None:
    point_id = connector.charge_point_id
    mark_connected(charge_point_id=point_id, ocpp_version="2.0.1", at=NOON)
    mark_seen(charge_point_ids=[point_id], at=NOON + timedelta(seconds=30))
    mark_seen(charge_point_ids=[point_id], at=NOON + timedelta(seconds=10))
    charge_point = ChargePoint.objects.get()
    assert (charge_point.is_connected, charge_point.last_seen_at) == (True, NOON + timedelta(seconds=30))
    assert charge_point.ocpp_version == "2.0.1"
    mark_disconnected(charge_point_ids=[point_id])
    charge_point.refresh_from_db()
    assert (charge_point.is_connected, charge_point.last_seen_at) == (False, NOON + timedelta(seconds=30))
