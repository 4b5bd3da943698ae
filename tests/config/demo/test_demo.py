"""The demo network can be installed again and again, and its books balance."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.apps import apps
from django.core.management import CommandError, call_command
from django.test import TestCase
from django_q.models import OrmQ, Schedule
from djmoney.money import Money
from pytest_django import Settings

from accounts.models import AuditEvent, ContractType, Driver, User
from accounts.roles import OWN_APPS
from billing.models import ChargingSession, FundingLeg
from billing.selectors.wallets import wallet_of
from common import clock
from config.demo.network import install_market_prices
from config.schedules import install_schedules
from locations.models import ChargePoint, Connector
from locations.services.credentials import key_matches
from ocpp_gateway.simulator.keys import demo_key
from tariffs.models import PriceImport, PriceSeriesValue, Tariff

pytestmark = pytest.mark.django_db


def demo(*arguments: str) -> str:
    output = StringIO()
    call_command("demo", *arguments, stdout=output)
    return output.getvalue()


def row_counts() -> dict[str, int]:
    models = [model for app in (*OWN_APPS, "auth", "account") for model in apps.get_app_config(app).get_models()]
    return {model._meta.label: model._default_manager.count() for model in [*models, Schedule, OrmQ]}


def test_a_second_run_changes_nothing() -> None:
    demo("--day")
    first = row_counts()
    demo("--day")
    assert row_counts() == first
    assert first["billing.ChargingSession"] == 22


def test_what_somebody_changed_stays_changed() -> None:
    demo()
    ChargePoint.objects.filter(identity="DEMO-AC-1").update(serial_number="mine")
    ContractType.objects.filter(code="wallet").update(name="My wallet")
    demo()
    assert ChargePoint.objects.get(identity="DEMO-AC-1").serial_number == "mine"
    assert ContractType.objects.get(code="wallet").name == "My wallet"


def test_the_network_is_the_one_described() -> None:
    demo()
    assert set(ContractType.objects.values_list("billing_model", flat=True)) == set(ContractType.BillingModel.values)
    assert set(Connector.objects.values_list("power_class", flat=True)) == {"AC", "DC", "HPC"}
    assert ChargePoint.objects.count() == 9
    point = ChargePoint.objects.get(identity="DEMO-HPC-1")
    assert key_matches(point, demo_key("DEMO-HPC-1").encode())
    assert not Tariff.objects.exclude(versions__status="published").exists()
    assert User.objects.get(email="otto@demo.voltledger.example").has_perm("billing.add_walletlot")
    assert not AuditEvent.objects.filter(actor__isnull=False).exists()


@pytest.mark.parametrize(
    ("moment", "steps"),
    [
        # Each spans the night in which the clock of the market is changed: an hour less, an hour more in nine days.
        (datetime(2026, 3, 29, 22, 30, tzinfo=UTC), 9 * 24 - 1),
        (datetime(2026, 10, 25, 23, 30, tzinfo=UTC), 9 * 24 + 1),
        (datetime(2026, 6, 17, 12, 0, tzinfo=UTC), 9 * 24),
    ],
)
def test_market_prices_are_the_same_at_the_same_hour_of_every_day(moment: datetime, steps: int) -> None:
    with time_machine.travel(moment, tick=False):
        install_market_prices()
        install_market_prices()
    values = dict(PriceSeriesValue.objects.values_list("start_at", "price"))
    assert len(values) == steps
    berlin = ZoneInfo("Europe/Berlin")
    by_hour = {
        hour: {price for at, price in values.items() if at.astimezone(berlin).hour == hour} for hour in range(24)
    }
    assert (by_hour[13], by_hour[19], by_hour[23]) == ({Decimal("0.018")}, {Decimal("0.138")}, {Decimal("0.07")})
    assert {len(prices) for prices in by_hour.values()} == {1}
    days = {at.astimezone(berlin).date() for at in values}
    today = moment.astimezone(berlin).date()
    assert (min(days), max(days)) == (today - timedelta(days=7), today + timedelta(days=1))
    assert PriceImport.objects.count() == 1


def test_addresses_and_log_ins_are_printed() -> None:
    text = demo()
    assert "voltledger-demo" in text
    assert "otto@demo.voltledger.example" in text
    facts = json.loads(demo("--json"))
    assert facts["operator_portal"].endswith("/admin/")
    assert {"email": "ada@demo.voltledger.example", "name": "Ada Lovelace"}.items() <= facts["log_ins"][4].items()


def test_it_refuses_where_real_money_moves(settings: Settings) -> None:
    settings.PAYMENT_PROVIDER = "stripe"
    with pytest.raises(CommandError, match="fake provider"):
        demo("--force")
    assert not User.objects.exists()


def test_schedules_are_installed_once_and_follow_the_list() -> None:
    names = install_schedules()
    assert sorted(Schedule.objects.values_list("name", flat=True)) == sorted(names)
    kept = Schedule.objects.get(name=names[0])
    Schedule.objects.filter(name=names[1]).update(minutes=977)
    Schedule.objects.create(name="Gone", func="billing.tasks.gone", schedule_type=Schedule.MINUTES, minutes=1)
    Schedule.objects.create(name="Somebody's own", func="other.task", schedule_type=Schedule.MINUTES, minutes=1)
    install_schedules()
    assert Schedule.objects.get(name=names[0]).pk == kept.pk
    assert not Schedule.objects.filter(minutes=977).exists()
    assert set(Schedule.objects.exclude(name__in=names).values_list("name", flat=True)) == {"Somebody's own"}


class TestPastDays(TestCase):
    """What the sessions of the last days leave behind; they are played once for all of these."""

    @classmethod
    def setUpTestData(cls) -> None:
        demo("--day")

    def test_the_books_balance_after_the_demo_days(self) -> None:
        output = StringIO()
        call_command("verify_books", "--json", stdout=output)
        assert json.loads(output.getvalue())["ok"] is True

    def test_the_past_shows_every_way_to_pay(self) -> None:
        sources = set(FundingLeg.objects.values_list("source", flat=True))
        assert sources == {"wallet_cash", "card", "open_access"}
        # Leo: 17.2 kWh x 0.49 EUR = 8.43, of which 4.00 from the wallet.
        legs = FundingLeg.objects.filter(cdr__charging_session__driver__name="Leo Lindt", cdr__gross="8.43").order_by(
            "seq"
        )
        assert [(leg.source, str(leg.amount), leg.state) for leg in legs] == [
            ("wallet_cash", "4.0000", "paid"),
            ("card", "4.4300", "paid"),
        ]
        outcomes = ChargingSession.objects.values_list("outcome", flat=True)
        assert {outcome: list(outcomes).count(outcome) for outcome in set(outcomes)} == {
            "billed": 19,
            "free": 1,
            "in_review": 2,
        }

    def test_a_session_at_market_prices_costs_the_same_on_every_day(self) -> None:
        session = ChargingSession.objects.get(driver__name="Ben Bergmann", charge_point__identity="DEMO-AC-4")
        # 9.455 kWh from 19:15 at 0.138 x 1.21 + 0.24, 6.045 kWh from 20:00 at 0.118 x 1.21 + 0.24.
        assert session.tariff_version is not None
        assert session.tariff_version.tariff.code == "ac-market"
        assert str(session.cdr.gross) == "6.1600"

    def test_days_later_the_same_past_is_not_played_again(self) -> None:
        count = ChargingSession.objects.count()
        with time_machine.travel(clock.now() + timedelta(days=3)):
            demo("--day")
        assert ChargingSession.objects.count() == count

    def test_ada_begins_with_four_euros_of_credit(self) -> None:
        ada = Driver.objects.get(name="Ada Lovelace")
        assert wallet_of(ada.pk).balance == Money("4.00", "EUR")
        assert not ada.charging_sessions.exists()
