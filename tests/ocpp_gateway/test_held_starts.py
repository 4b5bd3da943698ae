"""A start that waits for the bank, from the driver's tap to the charge point, over a live gateway."""

from collections.abc import Callable

import pytest

from accounts.models import Driver
from billing.models import ChargingSession, Hold
from locations.models import ChargePoint, Connector
from ocpp_gateway.services.remote import remote_start
from tests.billing.payments.world import save_card, work_off_queue
from tests.factories import ContractFactory, TokenFactory
from tests.ocpp_gateway.station import ScriptedStation
from tests.ocpp_gateway.test_conversation import start, status

pytestmark = pytest.mark.django_db(transaction=True)

PlugIn = Callable[..., ScriptedStation]


@pytest.fixture
def driver(connector: Connector) -> Callable[[str], Driver]:
    """Ada pays by an amount held on this test card."""

    def with_card(card: str) -> Driver:
        token = TokenFactory(id_tag="04ADA0001")
        ContractFactory(driver=token.driver, contract_type__preauth=True)
        save_card(token.driver, card)
        work_off_queue()
        return token.driver

    return with_card


def test_the_station_is_asked_as_soon_as_the_bank_holds_the_amount(
    plug_in: PlugIn, connector: Connector, driver: Callable[[str], Driver]
) -> None:
    ada = driver("visa")
    station = plug_in()
    station.call("StatusNotification", status("Available"))
    session = remote_start(connector_id=connector.pk, driver_id=ada.pk)
    assert not session.commands.exists()

    work_off_queue()

    assert Hold.objects.get().status == Hold.Status.ACTIVE
    asked = station.request("RemoteStartTransaction")
    assert asked[3] == {"connectorId": connector.number, "idTag": session.id_tag}
    station.reply(asked, {"status": "Accepted"})
    session.refresh_from_db()
    assert session.status == ChargingSession.Status.REQUESTED


def test_the_station_stops_a_session_whose_amount_the_bank_refuses(
    plug_in: PlugIn, charge_point: ChargePoint, driver: Callable[[str], Driver]
) -> None:
    driver("insufficient_funds")
    station = plug_in()
    session_id = station.call("StartTransaction", start())["transactionId"]

    work_off_queue()

    assert ChargingSession.objects.get(pk=session_id).stop_request_reason == "hold_refused"
    assert station.request("RemoteStopTransaction")[3] == {"transactionId": session_id}
