"""A billed session gets one receipt, numbered without a gap and never changed."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine
from django.db import DatabaseError, transaction
from django_q.models import OrmQ

from invoicing.errors import LinesDoNotAddUp, NothingToReceipt
from invoicing.guards import FROZEN_COLUMNS
from invoicing.models import Document, DocumentLine, DocumentVatTotal, NumberSeries
from invoicing.services.receipts import issue_receipt
from tests.factories import ChargePointFactory, ConnectorFactory, EvseFactory, LegalEntityFactory, LocationFactory
from tests.invoicing.builders import Leg, Line, ada, bill

pytestmark = pytest.mark.django_db


def test_a_receipt_says_what_was_billed():
    with time_machine.travel(datetime(2026, 11, 20, 14, 20, tzinfo=UTC), tick=False):
        document = issue_receipt(cdr_id=bill().pk)
    document.refresh_from_db()

    assert (document.number, document.status, document.kind) == ("VL-R-2026-000001", "issued", "receipt")
    assert document.issued_at == datetime(2026, 11, 20, 14, 20, tzinfo=UTC)
    assert (document.issued_on, document.supplied_on) == (date(2026, 11, 20), date(2026, 11, 20))
    assert (document.net, document.vat, document.gross) == (Decimal("8.57"), Decimal("1.63"), Decimal("10.20"))
    assert document.seller == {
        "name": "Voltledger Demo GmbH",
        "address": "Stromallee 1",
        "postal_code": "10115",
        "city": "Berlin",
        "country": "DE",
        "vat_id": "DE123456788",
        "registration": "",
        "email": "",
        "time_zone": "Europe/Berlin",
    }
    assert document.buyer["name"] == "Ada Ström"
    assert [
        (line.description, line.quantity, line.unit, line.unit_price, line.gross) for line in document.lines.all()
    ] == [
        ("Energy", Decimal("18.4"), "kWh", Decimal("0.50"), Decimal("9.20")),
        ("Start fee", Decimal(1), "1", Decimal("1.00"), Decimal("1.00")),
    ]
    assert list(document.vat_totals.values_list("category", "country", "percent", "net", "vat", "gross")) == [
        ("S", "DE", Decimal(19), Decimal("8.57"), Decimal("1.63"), Decimal("10.20"))
    ]
    assert document.content["payment"] == [
        {"source": "wallet_cash", "amount": "4.0000", "state": "paid", "card": "", "paid_at": ""},
        {
            "source": "card",
            "amount": "6.2000",
            "state": "paid",
            "card": "Visa •4242",
            "paid_at": "2026-11-20T14:15:00+00:00",
        },
    ]
    assert document.content["online"].endswith(f"/documents/{document.public_id}/")


def test_again_is_the_same_receipt():
    cdr = bill()
    first = issue_receipt(cdr_id=cdr.pk)
    again = issue_receipt(cdr_id=cdr.pk)
    assert (again.pk, again.number) == (first.pk, "VL-R-2026-000001")
    assert NumberSeries.objects.get().last_number == 1
    assert OrmQ.objects.count() == 1  # one PDF to make


def test_numbers_follow_one_another_per_seller_and_year():
    numbers = [issue_receipt(cdr_id=bill().pk).number for _ in range(3)]
    other = LocationFactory(legal_entity=LegalEntityFactory(document_prefix="NW", name="Nachbar Werke AG"))
    connector = ConnectorFactory(evse=EvseFactory(charge_point=ChargePointFactory(location=other)))
    year = Document.objects.first().issued_on.year
    assert numbers == [f"VL-R-{year}-00000{n}" for n in (1, 2, 3)]
    assert issue_receipt(cdr_id=bill(connector=connector).pk).number == f"NW-R-{year}-000001"


def test_the_year_and_the_dates_are_the_sellers_and_the_places_own():
    """New Year in Berlin is still 2026 in UTC, and still the 31st at a charge point in Lisbon."""
    lisbon = LocationFactory(time_zone="Europe/Lisbon", city="Lisboa", country="PT")
    connector = ConnectorFactory(evse=EvseFactory(charge_point=ChargePointFactory(location=lisbon)))
    ended_at = datetime(2026, 12, 31, 23, 20, tzinfo=UTC)
    with time_machine.travel(datetime(2026, 12, 31, 22, 59, tzinfo=UTC), tick=False):
        before = issue_receipt(cdr_id=bill().pk)
    with time_machine.travel(datetime(2026, 12, 31, 23, 30, tzinfo=UTC), tick=False):
        after = issue_receipt(cdr_id=bill(connector=connector, ended_at=ended_at).pk)
    assert (before.number, before.issued_on) == ("VL-R-2026-000001", date(2026, 12, 31))
    assert (after.number, after.issued_on, after.supplied_on) == (
        "VL-R-2027-000001",
        date(2027, 1, 1),
        date(2026, 12, 31),
    )
    assert after.vat_totals.get().country == "PT"


def test_a_free_session_has_no_receipt():
    cdr = bill(lines=(), vat_totals=(), legs=())
    with pytest.raises(NothingToReceipt):
        issue_receipt(cdr_id=cdr.pk)
    assert not Document.objects.exists()
    assert not NumberSeries.objects.exists()


def test_a_refusal_takes_no_number():
    issue_receipt(cdr_id=bill().pk)
    wrong = bill(lines=(Line("ENERGY", "18.4", "kWh", "0.60"),))
    with pytest.raises(LinesDoNotAddUp):
        issue_receipt(cdr_id=wrong.pk)
    assert Document.objects.count() == 1
    assert issue_receipt(cdr_id=bill().pk).number.endswith("-000002")


def test_a_rounding_difference_is_a_visible_line():
    lines = tuple(Line(kind, "1", "1", "0.336") for kind in ("ENERGY", "TIME", "FLAT"))
    totals = ({"percent": "19", "net": "0.85", "vat": "0.16", "gross": "1.01"},)
    document = issue_receipt(cdr_id=bill(lines=lines, vat_totals=totals, legs=(Leg("card", "1.01"),)).pk)
    assert list(document.lines.values_list("description", "gross")) == [
        ("Energy", Decimal("0.34")),
        ("Charging time", Decimal("0.34")),
        ("Start fee", Decimal("0.34")),
        ("Rounding of the lines above", Decimal("-0.01")),
    ]


def test_a_later_change_of_address_does_not_rewrite_the_past():
    driver = ada()
    document = issue_receipt(cdr_id=bill(driver=driver).pk)
    driver.name, driver.city = "Ada Neu", "Hamburg"
    driver.save()
    document.refresh_from_db()
    assert (document.buyer["name"], document.buyer["city"]) == ("Ada Ström", "Berlin")


def test_every_column_of_a_document_is_frozen_or_the_pdfs_own():
    columns = {field.column for field in Document._meta.concrete_fields}
    assert columns - set(FROZEN_COLUMNS) == {"pdf_claimed_at", "pdf_file", "pdf_digest", "rendered_at"}


@pytest.mark.parametrize(
    "change",
    [
        {"number": "VL-R-2026-999999"},
        {"gross": Decimal("10.21"), "net": Decimal("8.58")},
        {"buyer": {"name": "Mallory"}},
        {"content": {}},
        {"status": "draft", "number": "", "series": None, "sequence": None, "issued_at": None, "issued_on": None},
    ],
)
def test_an_issued_document_is_never_changed(change):
    document = issue_receipt(cdr_id=bill().pk)
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        Document.objects.filter(pk=document.pk).update(**change)
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        Document.objects.filter(pk=document.pk)._raw_delete("default")


@pytest.mark.parametrize("model", [DocumentLine, DocumentVatTotal])
def test_its_lines_and_totals_are_never_changed_removed_or_joined(model):
    row = model.objects.filter(document=issue_receipt(cdr_id=bill().pk)).first()
    for change in (
        lambda: model.objects.filter(pk=row.pk).update(gross=Decimal("1.00")),
        lambda: model.objects.filter(pk=row.pk)._raw_delete("default"),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()
    row.pk, row.seq, row.category = None, 99, "Z"
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        row.save(force_insert=True)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_series_grows_by_one_and_never_goes_back(number):
    issue_receipt(cdr_id=bill().pk)
    with pytest.raises(DatabaseError, match="grow by one"), transaction.atomic():
        NumberSeries.objects.update(last_number=number)
