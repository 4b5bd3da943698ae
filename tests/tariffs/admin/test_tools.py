"""The week of a version and what a session would cost, as the portal shows them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tariffs.domain.jsontext import loads
from tariffs.models import PriceSeriesValue, TariffVersion
from tests.config.portal.staff import browser_of
from tests.factories import (
    ChargePointFactory,
    LocationFactory,
    PriceSeriesFactory,
    RegionFactory,
    TariffVersionFactory,
    VatRateFactory,
    component,
    element,
    tariff_document,
)
from tests.tariffs.admin.pages import page_of

pytestmark = pytest.mark.django_db

NIGHT = element(component("ENERGY", "0.30"), start_time="22:00", end_time="06:00")
DAY = element(component("ENERGY", "0.50"), component("TIME", "6"))
WEEK = {"week_of": "2026-06-17", "place": "DE:Europe/Berlin"}
SESSION = {
    "start": "2026-06-17T21:00",
    "kwh": "20",
    "charging_minutes": "120",
    "parked_minutes": "30",
    "place": "DE:Europe/Berlin",
}


@pytest.fixture
def rita() -> Client:
    """Rita, who may look."""
    VatRateFactory()
    LocationFactory(time_zone="Europe/Berlin")
    return browser_of("Read-only")


def texts(client: Client, version: TariffVersion, **asked: str) -> list[list[str]]:
    week = client.get(page_of(version, "week"), {**WEEK, **asked}).context["week"]
    return [[cell.text for cell in cells] for _clock, cells in week.rows]


def test_the_week_says_each_price_with_and_without_vat_and_time(rita: Client) -> None:
    version = TariffVersionFactory(document=tariff_document(NIGHT, DAY))
    gross = texts(rita, version)
    assert len(gross) == 24
    assert gross[5] == ["0.357"] * 7
    assert gross[6] == ["0.595"] * 7
    net = texts(rita, version, vat="net", minutes="15")
    assert len(net) == 96
    assert (net[23][0], net[24][0]) == ("0.3", "0.5")
    # An hour at 12 kW charges 12 kWh and costs 6 more: 0.50 a kWh.
    assert texts(rita, version, vat="net", part="charging", power_kw="12")[12][0] == "1"
    asked = rita.get(page_of(version, "week"), {"vat": "net"}).context["form"]
    assert (asked["power_kw"].value(), asked["kwh"].value(), asked["vat"].value()) == ("11", "20", "net")


def test_colours_are_told_in_words_and_in_a_legend(rita: Client) -> None:
    version = TariffVersionFactory(document=tariff_document(NIGHT, DAY))
    page = rita.get(page_of(version, "week"), WEEK)
    week = page.context["week"]
    assert week.legend == ((0, "0.357\xa0€"), (4, "0.595\xa0€"))
    assert week.words[1] == ("0.595\xa0€", "Mon–Sun 06:00–22:00")
    html = page.content.decode()
    assert 'title="Wednesday 17 June, 06:00: 0.595\xa0€"' in html
    assert "EUR per kWh, VAT included" in html


def test_a_wrong_question_gets_the_usual_answer_and_says_what_is_wrong(rita: Client) -> None:
    version = TariffVersionFactory()
    page = rita.get(page_of(version, "week"), {"power_kw": "0", "kwh": "x", "minutes": "7", "place": "XX:Mars"})
    assert page.status_code == 200
    assert {"power_kw", "kwh", "minutes", "place"} <= set(page.context["form"].errors)
    assert len(page.context["week"].rows) == 24


def test_without_a_vat_rate_the_page_says_so() -> None:
    LocationFactory(time_zone="Europe/Berlin")
    version = TariffVersionFactory()
    page = browser_of("Read-only").get(page_of(version, "week"), WEEK)
    assert "The VAT rate of this country is not known." in page.content.decode()
    assert texts(browser_of("Read-only"), version, vat="net")[0][0] == "0.4"


def test_market_prices_stand_where_they_are_known(
    rita: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    spot = {"series": "DE-LU", "markup": Decimal("0.2"), "fallback": Decimal("0.59")}
    version = TariffVersionFactory(document=tariff_document(DAY, voltledger={"spot": spot}))
    series = PriceSeriesFactory(code="DE-LU")
    monday = datetime(2026, 6, 14, 22, tzinfo=UTC)
    for hour in range(24):
        at = monday + timedelta(hours=hour)
        PriceSeriesValue.objects.create(series=series, start_at=at, price=Decimal(hour) / 100)
    dearer = PriceSeriesFactory(code="DE-LU", region=RegionFactory())
    location = LocationFactory(time_zone="Europe/Lisbon", name="Pier")
    point = ChargePointFactory(location=location)
    for place, price in ((dearer, "0.5"), (PriceSeriesFactory(code="DE-LU", charge_point=point), "0.7")):
        PriceSeriesValue.objects.create(series=place, start_at=monday + timedelta(hours=1), price=Decimal(price))
    net = texts(rita, version, vat="net")
    assert [row[0] for row in net[:3]] == ["0.2", "0.21", "0.22"]
    assert net[0][1] == "0.59*"
    # What every page of the portal asks is in it, the counts of its work queues above all.
    with django_assert_max_num_queries(22):
        rita.get(page_of(version, "week"), {**WEEK, "minutes": "15"})

    # A location has the prices of its region and its own clock; one of its charge points has prices of its own.
    for place, first, series in (
        (f"location:{location.pk}", "0.7", "DE-LU · Berlin"),
        (f"point:{point.pk}", "0.9", f"DE-LU · {point.identity}"),
    ):
        assert texts(rita, version, vat="net", place=place)[0][0] == first
        page = rita.get(page_of(version, "week"), {**WEEK, "place": place})
        assert page.context["week"].notes[0] == f"Market prices: {series}."
        asked = {**SESSION, "start": "2026-06-15T00:00", "kwh": "10", "charging_minutes": "60", "place": place}
        assert rita.get(page_of(version, "what_if"), asked).context["outcome"].payable.net == Decimal(first) * 10 + 6


def test_tiers_of_the_month_go_on_from_what_was_used(rita: Client) -> None:
    tiers = {"per": "MONTH", "tiers": [{"up_to_kwh": 100, "price": Decimal("0.6")}, {"price": Decimal("0.4")}]}
    version = TariffVersionFactory(document=tariff_document(DAY, voltledger={"energy_tiers": tiers}))
    for used, price in (("", "0.6"), ("90", "0.5"), ("100", "0.4")):
        assert texts(rita, version, vat="net", kwh="20", month_kwh=used)[0][0] == price
    assert "month_kwh" not in rita.get(page_of(TariffVersionFactory(), "week")).context["form"].fields


def test_a_session_is_priced_line_by_line_beside_the_version_in_force(rita: Client) -> None:
    old = TariffVersionFactory()
    draft = TariffVersionFactory(
        tariff=old.tariff,
        number=2,
        document=tariff_document(NIGHT, DAY),
        status=TariffVersion.Status.DRAFT,
        published_at=None,
    )
    page = rita.get(page_of(draft, "what_if"), SESSION)
    # 10 kWh at 0.50, 10 kWh at 0.30 and two hours at 6: 20.00 net; now 20 kWh at 0.40: 8.00 net. VAT 19 %.
    assert page.context["outcome"].payable.gross == Decimal("23.80")
    assert page.context["old"].payable.gross == Decimal("9.52")
    assert page.context["difference"] == Decimal("14.28")
    html = page.content.decode()
    assert "14.28\xa0€ more than now" in html
    assert "10 kWh × 0.50\xa0€/kWh" in html
    assert "Rule 2 applies: always." in html
    assert "Rule 1 did not apply: it needs “22:00 to 06:00”." in html
    other_vat = rita.get(page_of(draft, "what_if"), {**SESSION, "vat_percent": "0"})
    assert other_vat.context["outcome"].payable.gross == Decimal("20.00")
    assert "This is the version in force." in rita.get(page_of(old, "what_if"), SESSION).content.decode()


def test_fees_and_tiers_of_the_month_are_explained(rita: Client) -> None:
    tiers = {"per": "MONTH", "tiers": [{"up_to_kwh": 100, "price": Decimal("0.6")}, {"price": Decimal("0.4")}]}
    named = {"energy_tiers": tiers, "service_fee": {"percent": 10}, "idle": {"grace_minutes": 15}}
    parking = element(component("PARKING_TIME", "6"))
    version = TariffVersionFactory(document=tariff_document(parking, voltledger=named))
    page = rita.get(page_of(version, "what_if"), {**SESSION, "month_kwh": "90"})
    # 10 kWh at 0.60 and 10 at 0.40, 15 of 30 minutes of parking at 6 an hour, and a tenth on top: 12.65 net.
    assert page.context["outcome"].payable.net == Decimal("12.65")
    html = page.content.decode()
    assert "Service fee" in html
    assert "Price by quantity" in html


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"start": "soon"}, "start"),
        ({"start": "2026-03-29T02:30"}, "start"),
        ({"kwh": "-1"}, "kwh"),
        ({"kwh": "NaN"}, "kwh"),
        ({"charging_minutes": "0"}, "charging_minutes"),
        ({"charging_minutes": "99999999"}, "charging_minutes"),
        ({"place": "DE:Mars"}, "place"),
    ],
)
def test_a_session_that_cannot_be_is_told_at_its_field(rita: Client, asked: dict[str, str], field: str) -> None:
    page = rita.get(page_of(TariffVersionFactory(), "what_if"), {**SESSION, **asked})
    assert list(page.context["form"].errors) == [field]
    assert "outcome" not in page.context


def test_a_version_is_downloaded_as_ocpi(rita: Client) -> None:
    version = TariffVersionFactory(document=tariff_document(DAY))
    answer = rita.get(page_of(version, "export"), {"ocpi": "2.2.1"})
    assert answer["Content-Disposition"] == f'attachment; filename="{version.tariff.code}-v1-ocpi-2.2.1.json"'
    assert loads(answer.content)["elements"][0]["price_components"][0]["price"] == Decimal("0.5")
    gross = TariffVersionFactory(document=tariff_document(DAY, tax_included="YES"))
    assert loads(rita.get(page_of(gross, "export")).content)["tax_included"] == "YES"
    assert rita.get(page_of(gross, "export"), {"ocpi": "9"}).status_code == 404
