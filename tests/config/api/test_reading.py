"""What the reading resources answer, page by page, without asking the database once per row."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.models import Cdr, ChargingSession
from locations.models import ChargePoint, Connector
from tests.config.api.callers import Caller
from tests.config.site.world import MORNING, driver_with, priced_network, reachable_connector, settled_session
from tests.factories import ConnectorFactory, EvseFactory, LocationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller() -> Caller:
    return Caller()


def test_a_location_with_its_connectors_their_status_and_price(caller: Caller) -> None:
    priced_network()
    connector = reachable_connector(
        dc=True,
        code="HARBOUR1",
        status_at=datetime(2026, 11, 20, 9, tzinfo=UTC),
        evse__charge_point__identity="CP-HARBOUR",
        evse__charge_point__location__code="harbour",
    )
    hidden = EvseFactory(charge_point__location=connector.charge_point.location)
    ConnectorFactory(evse=hidden)
    ChargePoint.objects.filter(pk=hidden.charge_point_id).update(admission=ChargePoint.Admission.RETIRED)

    location = caller.get("/api/v1/locations/harbour/").json()

    assert (location["id"], location["time_zone"], location["is_public"]) == ("harbour", "Europe/Berlin", True)
    (only,) = location["connectors"]
    price = only.pop("price")
    assert only == {
        "id": "HARBOUR1",
        "charge_point": "CP-HARBOUR",
        "number": 1,
        "standard": "IEC_62196_T2",
        "power_type": "DC",
        "max_power_w": 50000,
        "status": "Available",
        "status_at": "2026-11-20T09:00:00Z",
        "is_connected": True,
    }
    assert price["currency"] == "EUR"
    assert price["sentence"].replace("\N{NO-BREAK SPACE}", " ") == "0.476 €/kWh"


def test_where_no_price_is_known_none_is_told(caller: Caller) -> None:
    location = ConnectorFactory().charge_point.location
    assert caller.get(f"/api/v1/locations/{location.code}/").json()["connectors"][0]["price"] is None


def test_locations_are_filtered_and_what_is_not_known_is_refused(caller: Caller) -> None:
    LocationFactory(code="berlin")
    LocationFactory(code="lyon", country="FR", is_public=False)

    def codes(query: str) -> list[str]:
        return [row["id"] for row in caller.get(f"/api/v1/locations/?{query}").json()["results"]]

    assert codes("") == ["lyon", "berlin"]
    assert codes("country=DE") == ["berlin"]
    assert codes("is_public=false") == ["lyon"]
    refused = caller.get("/api/v1/locations/?country=de&colour=red&is_public=1&is_public=0")
    assert refused.status_code == 400
    assert {error["path"] for error in refused.json()["errors"]} == {"colour", "is_public"}


def test_pages_follow_each_other_and_new_rows_move_none(caller: Caller) -> None:
    for number in range(5):
        LocationFactory(code=f"place-{number}")

    first = caller.get("/api/v1/locations/?limit=2").json()
    LocationFactory(code="newcomer")
    second = caller.get(first["next"]).json()
    third = caller.get(second["next"]).json()

    pages = [[row["id"] for row in page["results"]] for page in (first, second, third)]
    assert pages == [["place-4", "place-3"], ["place-2", "place-1"], ["place-0"]]
    assert third["next"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "limit=", "cursor=x", "cursor=", "cursor=%00"])
def test_a_page_nobody_can_turn_to_is_refused(caller: Caller, query: str) -> None:
    answer = caller.get(f"/api/v1/sessions/?{query}")
    assert answer.status_code == 400
    assert [error["path"] for error in answer.json()["errors"]] == [query.partition("=")[0]]


def test_a_session_and_its_cdr(caller: Caller) -> None:
    priced_network()
    ada = driver_with("credit")
    session = settled_session(ada)
    cdr = Cdr.objects.get(charging_session=session)

    told = caller.get(f"/api/v1/sessions/{session.public_id}/").json()
    billed = caller.get(f"/api/v1/cdrs/{cdr.public_id}/").json()

    assert told["number"] == session.pk
    assert (told["status"], told["outcome"], told["driver"]) == ("ended", "billed", str(ada.public_id))
    assert (told["started_at"], told["energy_wh"]) == ("2026-11-20T08:00:00Z", "15000.0000")
    assert (told["tariff_version"], told["connector"]) == (1, session.connector.code)
    assert (billed["net"], billed["vat"], billed["gross"]) == ("6.00", "1.14", "7.14")
    assert billed["session"] == told["id"]
    (line,) = billed["lines"]
    assert (line["kind"], line["quantity"], line["unit_price"]) == ("ENERGY", "15.000000000", "0.400000000")
    assert [row["gross"] for row in billed["vat_totals"]] == ["7.14"]


def test_sessions_and_cdrs_are_filtered(caller: Caller) -> None:
    priced_network()
    ada = driver_with("credit")
    old = settled_session(ada, started_at=MORNING - timedelta(days=1))
    new = settled_session(ada)

    def ids(address: str) -> list[str]:
        return [row["id"] for row in caller.get(address).json()["results"]]

    assert ids("/api/v1/sessions/") == [str(new.public_id), str(old.public_id)]
    assert ids("/api/v1/sessions/?started_from=2026-11-20T00:00:00Z") == [str(new.public_id)]
    assert ids("/api/v1/sessions/?started_before=2026-11-20T01:00:00%2B01:00&status=ended") == [str(old.public_id)]
    assert ids("/api/v1/sessions/?status=active") == []
    assert ids(f"/api/v1/sessions/?charge_point={new.charge_point.identity}") == [str(new.public_id)]
    assert ids(f"/api/v1/cdrs/?session={old.public_id}") == [str(old.cdr.public_id)]


def test_a_moment_without_its_offset_is_refused(caller: Caller) -> None:
    answer = caller.get("/api/v1/sessions/?started_from=2026-11-20T00:00:00")
    assert answer.json()["errors"] == [
        {"path": "started_from", "message": "Must say its offset from UTC, as in 2026-06-15T12:00:00Z."}
    ]


@pytest.mark.parametrize(
    ("resource", "queries"),
    [
        # The key; the page; charge points, connectors; assignments, versions, VAT rates.
        ("locations", 7),
        # The key; the page with everything beside it.
        ("sessions", 2),
        # The key; the page; the lines.
        ("cdrs", 3),
    ],
)
def test_no_resource_asks_once_per_row(caller: Caller, resource: str, queries: int, django_assert_num_queries) -> None:
    priced_network()
    ada = driver_with("credit")
    for number in range(3):
        settled_session(ada, started_at=MORNING + timedelta(hours=3 * number))
    Connector.objects.update(status=Connector.Status.AVAILABLE)
    caller.get("/api/v1/locations/")  # the first use of the key is noted

    with django_assert_num_queries(queries):
        page = caller.get(f"/api/v1/{resource}/").json()

    assert len(page["results"]) == 3
    assert ChargingSession.objects.count() == 3
