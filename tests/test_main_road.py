"""The main road, whole: a station's transaction becomes a priced, paid, receipted session with clean books."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO

import pytest
from channels.routing import ProtocolTypeRouter, URLRouter
from django.test import Client
from django.urls import reverse
from djmoney.money import Money
from pypdf import PdfReader

from accounts.models import ContractType, Token
from accounts.services.contracts import change_contract
from billing.errors import SelfTopUpNotOffered
from billing.models import Cdr, ChargingSession, FundingLeg
from billing.selectors.wallets import wallet_of
from billing.services import books
from billing.services.wallets import assert_may_top_up, credit_wallet
from invoicing.models import Document
from invoicing.tasks import issue_due_receipts
from locations.models import Connector
from locations.services.credentials import issue_key
from ocpp_gateway.routing import websocket_urlpatterns
from tests.billing.payments.world import charged_at_bank, save_card, work_off_queue
from tests.factories import (
    ConnectorFactory,
    ContractFactory,
    ContractTypeFactory,
    NetworkAssignmentFactory,
    TariffVersionFactory,
    TokenFactory,
    VatRateFactory,
    component,
    element,
    tariff_document,
)
from tests.ocpp_gateway.conftest import serve
from tests.ocpp_gateway.station import ScriptedStation

# 0.51 €/kWh, VAT included: 20 kWh cost 10.20 €.
PRICE = tariff_document(element(component("ENERGY", "0.51", vat="19")), tax_included="YES")


@pytest.fixture
def gateway_url(transactional_db: None) -> Iterator[str]:
    yield from serve(ProtocolTypeRouter({"websocket": URLRouter(websocket_urlpatterns)}))


@pytest.fixture
def connector(transactional_db: None) -> Connector:
    VatRateFactory()
    NetworkAssignmentFactory(tariff=TariffVersionFactory(document=PRICE).tariff)
    connector: Connector = ConnectorFactory()
    return connector


def charge_20_kwh(gateway_url: str, connector: Connector, token: Token) -> ChargingSession:
    """Two hours at the connector, reported as a station reports them."""
    charge_point = connector.charge_point
    started_at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)

    def at(minutes: int) -> str:
        return (started_at + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")

    def register(minutes: int, energy_wh: int) -> dict[str, object]:
        sample = {"value": str(5000 + energy_wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
        return {"timestamp": at(minutes), "sampledValue": [sample]}

    key = issue_key(charge_point_id=charge_point.pk)
    with ScriptedStation(gateway_url, charge_point.identity, key) as station:
        station.call("BootNotification", {"chargePointVendor": "Test", "chargePointModel": "One"})
        assert station.call("Authorize", {"idTag": token.id_tag})["idTagInfo"]["status"] == "Accepted"
        start = {"connectorId": 1, "idTag": token.id_tag, "meterStart": 5000, "timestamp": at(0)}
        transaction_id = station.call("StartTransaction", start)["transactionId"]
        for minutes in (30, 60, 90):
            values = {"connectorId": 1, "transactionId": transaction_id}
            station.call("MeterValues", values | {"meterValue": [register(minutes, minutes * 10_000 // 60)]})
        stop = {"transactionId": transaction_id, "meterStop": 25_000, "timestamp": at(120), "reason": "Local"}
        station.call("StopTransaction", stop)
    work_off_queue()
    return ChargingSession.objects.get(pk=transaction_id)


def give(driver_id: int, amount: str) -> None:
    credit_wallet(
        driver_id=driver_id,
        amount=Money(amount, "EUR"),
        kind="cash",
        origin="operator",
        reason="goodwill",
        idempotency_key=f"test:{driver_id}",
    )


def legs(session: ChargingSession) -> list[tuple[str, Decimal, str]]:
    return list(FundingLeg.objects.filter(cdr__charging_session=session).values_list("source", "amount", "state"))


@pytest.mark.parametrize(
    ("wallet_use", "expected_legs", "balance", "charged"),
    [
        ("draw_first", [("wallet_cash", Decimal(4), "paid"), ("card", Decimal("6.2"), "paid")], "0.00", "6.20"),
        ("none", [("card", Decimal("10.2"), "paid")], "4.00", "10.20"),
    ],
)
def test_the_credit_mechanism_draws_the_wallet_first_and_only_where_it_is_on(
    gateway_url, connector, wallet_use, expected_legs, balance, charged
):
    token = TokenFactory()
    ContractFactory(driver=token.driver, contract_type__wallet_use=wallet_use)
    save_card(token.driver)
    give(token.driver_id, "4.00")

    session = charge_20_kwh(gateway_url, connector, token)

    cdr = Cdr.objects.get(charging_session=session)
    assert (cdr.net, cdr.vat, cdr.gross) == (Decimal("8.57"), Decimal("1.63"), Decimal("10.20"))
    assert (session.outcome, session.payment_status) == ("billed", "paid")
    assert legs(session) == expected_legs
    assert wallet_of(token.driver_id).balance == Money(balance, "EUR")
    assert charged_at_bank(str(session.public_id)) == Decimal(charged)
    books.assert_books()


def test_a_pay_as_you_go_driver_cannot_top_up_but_the_operator_can_and_a_new_contract_keeps_the_balance(
    gateway_url, connector
):
    token = TokenFactory()
    pay_as_you_go = ContractTypeFactory(credit=True)
    ContractFactory(driver=token.driver, contract_type=pay_as_you_go)
    with pytest.raises(SelfTopUpNotOffered):
        assert_may_top_up(driver_id=token.driver_id, amount=Money(20, "EUR"))
    give(token.driver_id, "20.00")

    wallet: ContractType = ContractTypeFactory(wallet=True)
    change_contract(driver_id=token.driver_id, contract_type_id=wallet.pk, at=datetime.now(UTC) - timedelta(hours=3))
    assert wallet_of(token.driver_id).balance == Money("20.00", "EUR")
    assert_may_top_up(driver_id=token.driver_id, amount=Money(20, "EUR"))

    session = charge_20_kwh(gateway_url, connector, token)
    assert legs(session) == [("wallet_cash", Decimal("10.2"), "paid")]
    assert wallet_of(token.driver_id).balance == Money("9.80", "EUR")
    books.assert_books()


def test_the_receipt_says_what_was_paid_and_opens_for_its_owner_only(gateway_url, connector):
    token = TokenFactory(driver__user__email="ada@example.org")
    ContractFactory(driver=token.driver, contract_type__credit=True)
    save_card(token.driver)
    give(token.driver_id, "4.00")
    session = charge_20_kwh(gateway_url, connector, token)

    issue_due_receipts()

    receipt = Document.objects.get()
    page = reverse("session_detail", args=[session.public_id])
    pdf = reverse("document_pdf", args=[receipt.public_id])
    ada, stranger = Client(), Client()
    ada.force_login(token.driver.user)
    stranger.force_login(TokenFactory().driver.user)
    text = PdfReader(BytesIO(b"".join(ada.get(pdf)))).pages[0].extract_text()
    assert receipt.number in text
    for words in ("10.20", "4.00", "6.20", "4242", "20.000"):
        assert words in text, f"{words} in {text}"
    assert "10.20" in ada.get(page).content.decode()
    assert [stranger.get(address).status_code for address in (page, pdf)] == [404, 404]


def test_a_frame_that_is_not_json_costs_nobody_anything(gateway_url, connector):
    key = issue_key(charge_point_id=connector.charge_point_id)
    with ScriptedStation(gateway_url, connector.charge_point.identity, key) as station:
        station.send_text("{" * 50)
        assert "currentTime" in station.call("Heartbeat", json.loads("{}"))
