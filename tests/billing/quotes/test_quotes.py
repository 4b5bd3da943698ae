"""The price a person is told before charging, and `manage.py quote`, which tells it to operators and scripts."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Driver
from billing.models import ChargingSession
from billing.services.quotes import connector_named, quote
from common.errors import BadInput
from locations.models import Connector
from tariffs.errors import NoTariff
from tariffs.models import PriceSeries, PriceSeriesValue, TariffAssignment
from tests.billing.factories import EndedSessionFactory
from tests.config.api.callers import Caller
from tests.factories import (
    LONG_AGO,
    ConnectorFactory,
    ContractFactory,
    ContractTypeFactory,
    DriverFactory,
    NetworkAssignmentFactory,
    TariffVersionFactory,
    VatRateFactory,
    component,
    element,
    tariff_document,
)

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def network(*elements: dict, **extra: Any) -> Connector:
    """A 50 kW connector HARBOUR1 in Berlin under a tariff with tax in its prices."""
    VatRateFactory()
    document = tariff_document(*elements, **{"tax_included": "YES", **extra})
    NetworkAssignmentFactory(tariff=TariffVersionFactory(document=document).tariff)
    return ConnectorFactory(dc=True, code="HARBOUR1", evse__charge_point__identity="CP-7", evse__number=2)


@pytest.fixture
def connector() -> Connector:
    return network(element(component("ENERGY", "0.49"), component("PARKING_TIME", "6")))


@pytest.fixture
def ada() -> Driver:
    driver = DriverFactory(email="ada@example.org")
    ContractFactory(driver=driver, contract_type=ContractTypeFactory())
    return driver


def told(*options: str) -> dict[str, Any]:
    """What the command prints."""
    out = StringIO()
    call_command("quote", *options, "--json", stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue(), parse_float=Decimal)
    return answer


# --- The price ----------------------------------------------------------------------------------------------------


def test_a_session_is_priced_with_its_lines(connector: Connector) -> None:
    found = quote(connector=connector, contract=None, at=NOON, kwh=Decimal(30), minutes=45, parked_minutes=10)

    assert found.example is not None
    assert found.example.payable().gross == Decimal("15.70")  # 30 x 0.49, and 10 minutes at 6.00 an hour
    assert [line.kind.value for line in found.example.lines] == ["ENERGY", "PARKING_TIME"]
    assert found.trace[0]["result"] == "applies"
    assert found.card.sentence.replace("\N{NO-BREAK SPACE}", " ") == (
        "0.49 €/kWh, plus 0.10 €/min once charging has ended"
    )


def test_what_is_not_given_follows_from_the_connector(connector: Connector) -> None:
    by_energy = quote(connector=connector, contract=None, at=NOON, kwh=Decimal(30))
    by_time = quote(connector=connector, contract=None, at=NOON, minutes=30)

    assert (by_energy.energy_wh, by_energy.minutes) == (30_000, 36)
    assert (by_time.energy_wh, by_time.minutes) == (25_000, 30)
    nothing = quote(connector=connector, contract=None, at=NOON)
    assert nothing.example is None
    # An hour at 50 kW: 24.50; all of it parked would be 6.00 more, and a step of a second.
    assert (nothing.worst_case.minutes, nothing.worst_case.energy_wh, nothing.worst_case.gross) == (
        60,
        50_000,
        Decimal("30.50"),
    )


def test_what_a_wallet_must_hold_to_start_is_told() -> None:
    # 833.3 Wh in the first minute at 50 kW and 0.49: 0.41, and a cent more than what would stop it.
    network(element(component("ENERGY", "0.49"), component("FLAT", "1.50")))
    assert told("--connector", "HARBOUR1")["worst_case"]["to_start"] == Decimal("1.92")


def test_the_worst_case_is_never_below_the_quoted_session(connector: Connector) -> None:
    found = quote(connector=connector, contract=None, at=NOON, kwh=Decimal(80), minutes=45)
    assert found.worst_case.energy_wh == 80_000
    assert found.worst_case.gross >= found.example.payable().gross


def test_without_a_tariff_there_is_no_quote() -> None:
    with pytest.raises(NoTariff):
        quote(connector=ConnectorFactory(), contract=None, at=NOON)


def test_impossible_sessions_are_refused_with_every_defect(connector: Connector) -> None:
    with pytest.raises(BadInput) as refusal:
        quote(connector=connector, contract=None, at=NOON, kwh=Decimal("NaN"), minutes=0, parked_minutes=-1)
    assert [detail.partition(":")[0] for detail in refusal.value.details] == ["kwh", "minutes", "parked_minutes"]


def test_a_quote_needs_no_more_queries_for_more_assignments(connector: Connector, django_assert_num_queries) -> None:
    connector = connector_named("HARBOUR1")
    for _ in range(5):
        NetworkAssignmentFactory(tariff=TariffVersionFactory().tariff)
    # Assignments, versions, the VAT rate.
    with django_assert_num_queries(3):
        quote(connector=connector, contract=None, at=NOON, kwh=Decimal(30), minutes=45)


def test_market_prices_and_the_month_are_those_a_session_would_keep(ada: Driver) -> None:
    connector = network(
        element(component("FLAT", "0")),
        voltledger={
            "energy_tiers": {"per": "MONTH", "tiers": [{"price": Decimal("0.30"), "up_to_kwh": 20}]},
            "spot": {"series": "DE-LU", "fallback": Decimal("0.60"), "markup": Decimal("0.03")},
        },
    )
    series = PriceSeries.objects.create(code="DE-LU", name="Day ahead", currency="EUR", time_zone="Europe/Berlin")
    PriceSeriesValue.objects.create(series=series, start_at=NOON, price=Decimal("0.28"))
    EndedSessionFactory(
        contract=ada.contracts.get(),
        driver=ada,
        started_at=NOON - timedelta(days=3),
        used_wh=15_000,
        connector=connector,
    )

    answer = told("--connector", "HARBOUR1", "--driver", "ada@example.org", "--kwh", "10", "--minutes", "60",
                  "--at", "2026-06-15T14:00")  # fmt: skip

    assert answer["inputs"]["month_to_date_kwh"] == 15
    assert [step["price"] for step in answer["inputs"]["spot_prices"]] == [Decimal("0.2800")]
    # 5 kWh are left of the month's first 20 at 0.30, 5 kWh cost 0.28 + 0.03.
    assert answer["payable"]["gross"] == Decimal("3.05")


# --- The command --------------------------------------------------------------------------------------------------


def test_the_command_tells_the_price_and_why(connector: Connector, ada: Driver) -> None:
    contract_type = ada.contracts.get().contract_type
    special = TariffVersionFactory(
        document=tariff_document(element(component("ENERGY", "0.39")), tax_included="YES"), tariff__code="members"
    )
    TariffAssignment.objects.create(
        tariff=special.tariff, scope="network", contract_type=contract_type, valid_from=LONG_AGO
    )

    answer = told("--connector", "harbour1", "--driver", "ADA@example.org", "--kwh", "30", "--minutes", "45",
                  "--at", "2026-06-15T12:00:00Z")  # fmt: skip

    assert (answer["connector"], answer["charge_point"], answer["connector_number"]) == ("HARBOUR1", "CP-7", 2)
    assert (answer["tariff"]["code"], answer["currency"], answer["vat_percent"]) == ("members", "EUR", 19)
    assert [row["result"] for row in answer["trace"]] == ["applies", "less_specific"]
    assert answer["payable"] == {"net": Decimal("9.83"), "vat": Decimal("1.87"), "gross": Decimal("11.70")}
    assert answer["total_cost"]["incl_vat"] == Decimal("11.7000")
    assert [line["kind"] for line in answer["lines"]] == ["ENERGY"]
    assert answer["at"] == "2026-06-15T12:00:00Z"
    anybody = told("--connector", "HARBOUR1", "--kwh", "30", "--minutes", "45")
    assert (anybody["driver"], anybody["payable"]["gross"]) == (None, Decimal("14.70"))


def test_a_moment_without_an_offset_is_on_the_location_s_clock(connector: Connector) -> None:
    assert told("--connector", "HARBOUR1", "--at", "2026-06-15T12:00")["at"] == "2026-06-15T10:00:00Z"


@pytest.mark.parametrize("name", ["HARBOUR1", " harbour1 ", "CP-7/2", "cp-7 / 2", "pk"])
def test_a_connector_goes_by_its_label_its_place_or_its_row(connector: Connector, name: str) -> None:
    assert connector_named(str(connector.pk) if name == "pk" else name) == connector


def test_plain_text_for_a_person(connector: Connector, capsys) -> None:
    call_command("quote", "--connector", "CP-7/2", "--kwh", "30", "--minutes", "45", "--at", "2026-06-15T12:00")
    text = capsys.readouterr().out
    assert "anybody without a contract, 2026-06-15 12:00 CEST" in text
    assert "30 kWh in 45 min:" in text
    assert "To pay: 14.70 EUR, 2.35 of it VAT" in text
    # A minute parked, counted in whole seconds, at 6.00 an hour.
    assert "A wallet must hold 0.52 EUR to start." in text


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (["--connector", "NOWHERE1"], "unknown_connector", "label"),
        (["--connector", "CP-7/99999999"], "unknown_connector", "label"),
        (["--connector", "\x00"], "unknown_connector", "label"),
        (["--connector", "HARBOUR1", "--driver", "nobody@example.org"], "unknown_driver", "e-mail"),
        (["--connector", "HARBOUR1", "--driver", ""], "unknown_driver", "e-mail"),
        (["--connector", "HARBOUR1", "--kwh", "1e9999"], "bad_input", "kwh"),
        (["--connector", "HARBOUR1", "--kwh", "ten", "--minutes", "1.5", "--at", "soon"], "bad_input", "minutes"),
        (["--connector", "HARBOUR1", "--kwh", "-3"], "bad_input", "kwh"),
        (["--connector", "HARBOUR1", "--at", "9999-12-31T23:59:59-23:00"], "bad_input", "at"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(
    connector: Connector, capsys, options: list[str], code: str, word: str
) -> None:
    if code == "unknown_driver" and options[-1] == "":
        DriverFactory(email="")
        options = [*options[:-1], " "]
    with pytest.raises(CommandError) as refusal:
        call_command("quote", *options, "--json")
    printed = json.loads(capsys.readouterr().out)
    assert printed["code"] == code
    assert word in str(refusal.value)
    assert refusal.value.returncode != 0


# --- The API ------------------------------------------------------------------------------------------------------


def test_the_api_answers_what_the_command_prints(connector: Connector, ada: Driver) -> None:
    answer = Caller().get(
        "/api/v1/quotes/?connector=CP-7/2&driver=ada@example.org&kwh=30&minutes=45&at=2026-06-15T12:00:00Z"
    )
    command = told("--connector", "HARBOUR1", "--driver", "ada@example.org", "--kwh", "30", "--minutes", "45",
                   "--at", "2026-06-15T12:00:00Z")  # fmt: skip

    assert answer.status_code == 200
    assert json.loads(answer.content, parse_float=Decimal) == command


def test_the_api_names_every_defect_and_reserves_nothing(connector: Connector) -> None:
    caller = Caller()
    answer = caller.get("/api/v1/quotes/?kwh=NaN&minutes=0&at=2026-06-15T12:00&driver=x&colour=red&connector=a")
    assert answer.status_code == 400
    unknown = caller.get("/api/v1/quotes/?connector=NOWHERE1").json()
    assert [error["path"] for error in unknown["errors"]] == ["connector"]
    TariffAssignment.objects.all().delete()
    refused = caller.get("/api/v1/quotes/?connector=HARBOUR1")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_tariff")
    assert not ChargingSession.objects.exists()
