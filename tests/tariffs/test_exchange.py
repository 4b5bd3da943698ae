"""Tariffs in and out as files: kept whole, refused whole."""

from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from accounts.models import AuditEvent
from common.errors import BadInput
from tariffs.domain import jsontext
from tariffs.domain.exchange import OcpiVersion
from tariffs.models import Tariff, TariffVersion
from tariffs.services.exchange import export_tariff, import_tariff
from tariffs.services.versions import draft_version, publish_version
from tests.factories import StaffFactory, TariffFactory, component, element, tariff_document

pytestmark = pytest.mark.django_db

DAY = element(component("ENERGY", "0.49"), start_time="08:00", end_time="20:00")
EVENING = element(component("ENERGY", "0.39"), start_time="18:00", end_time="23:00")
# Everything that a tidy document would say otherwise: empty and null values, days in no order, a moment with an offset.
WHOLE = tariff_document(
    element(component("ENERGY", "0.490", vat="19.0"), day_of_week=["SUNDAY", "MONDAY"]),
    {"price_components": [component("ENERGY", "0.39")], "restrictions": {}},
    type="REGULAR",
    tariff_alt_text=[{"language": "de", "text": "Tag & Nacht"}],
    tariff_alt_url=None,
    max_price={"excl_vat": Decimal("10.00"), "incl_vat": Decimal("11.90")},
    start_date_time="2026-01-01T00:00:00+01:00",
    energy_mix={"is_green_energy": True},
    voltledger={"free": {"kwh": 1}, "preauthorize_amount": 30},
)


def nothing_was_saved():
    return not (Tariff.objects.exists() or TariffVersion.objects.exists() or AuditEvent.objects.exists())


def refusal_of(text, **options):
    with pytest.raises(BadInput) as refusal:
        import_tariff(text=text, **options)
    assert nothing_was_saved()
    return list(refusal.value.details)


def test_an_imported_tariff_is_exported_as_the_same_document():
    otto = StaffFactory()
    version = import_tariff(text=WHOLE, actor_id=otto.pk)
    assert (version.tariff.code, version.tariff.name, version.status) == ("test", "Tag & Nacht", "draft")
    assert export_tariff(version, ocpi=OcpiVersion.V221) == jsontext.loads(WHOLE)
    assert AuditEvent.objects.get(action="tariff_imported").actor == otto


def test_it_is_exported_in_the_other_version_with_all_it_says():
    later = export_tariff(import_tariff(text=WHOLE), ocpi=OcpiVersion.V230)
    assert later["max_price"] == {"before_taxes": 10, "after_taxes": Decimal("11.9")}
    assert (later["tax_included"], later["preauthorize_amount"]) == ("NO", 30)
    assert (later["tariff_alt_text"], later["type"]) == ([{"language": "de", "text": "Tag & Nacht"}], "REGULAR")
    assert later["start_date_time"] == "2025-12-31T23:00:00Z"
    assert later["voltledger"] == {"free": {"kwh": 1}}


def test_the_same_file_again_is_the_same_version_and_another_is_the_next():
    first = import_tariff(text=WHOLE)
    assert import_tariff(text=WHOLE) == first
    second = import_tariff(text=WHOLE.replace("0.490", "0.50"))
    assert (second.tariff_id, second.number) == (first.tariff_id, 2)


def test_what_came_stays_as_it_came_once_published():
    version = publish_version(version_id=import_tariff(text=WHOLE).pk)
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        TariffVersion.objects.filter(pk=version.pk).update(source="{}")


def test_a_tariff_made_here_is_exported_under_the_networks_ids(settings):
    settings.OCPI_COUNTRY_CODE, settings.OCPI_PARTY_ID = "NL", "ABC"
    version = draft_version(
        tariff_id=TariffFactory(code="day").pk,
        ocpi_text=tariff_document(element(component("ENERGY", "0.49")), tax_included="YES"),
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
    )
    document = export_tariff(version)
    assert (document["country_code"], document["party_id"], document["id"]) == ("NL", "ABC", "day")
    assert (document["tax_included"], document["last_updated"]) == ("YES", "2026-01-01T00:00:00Z")
    with pytest.raises(BadInput, match=r"2\.3\.0"):
        export_tariff(version, ocpi=OcpiVersion.V221)


@pytest.mark.parametrize(
    ("text", "details"),
    [
        (tariff_document(element(component("ENERGY", "0.49")), colour="red"),
         ["tariff.colour: is not a known field here"]),
        (tariff_document(element({"type": "ENERGY", "price": "0.49 EUR", "step_size": 1})),
         ["tariff.elements[0].price_components[0].price: must be a number, not text"]),
        (tariff_document(element(component("ENERGY", "0.49"), min_duration="2h")),
         ["tariff.elements[0].restrictions.min_duration: must be a number, not text"]),
        (tariff_document(element(component("ENERGY", "0.40"), max_power=11_000), element(component("ENERGY", "0.49"))),
         ["tariff.elements[0].restrictions.max_power: 11000 is more than a session reaches. Check the unit: kW."]),
        (tariff_document(element(component("ENERGY", "49"))),
         ["tariff.elements[0].price_components[0].price: 49 EUR per kWh is unusually dear. Check the decimal point and "
          "the unit."]),
        (tariff_document(element(component("ENERGY", "0.49"))).replace("0.49", "NaN"),
         ["tariff.elements[0].price_components[0].price: must be a finite number"]),
        (tariff_document(*[element(component("ENERGY", "0.49"))] * 10_000),
         ["tariff.elements: may have at most 500 entries"]),
        (tariff_document(element(component("ENERGY", "0.49")), start_date_time="2026-01-01T00:00:00+27:00"),
         ["tariff.start_date_time: must be a moment such as 2026-12-24T18:00:00Z"]),
        (tariff_document(element(component("ENERGY", "0.49")), time_zone="Mars/Olympus"),
         ["tariff.time_zone: is not a known field here"]),
        (tariff_document(DAY, EVENING),
         ["tariff.elements[1].price_components[0]: ENERGY is priced here and by elements[0] at the same moments; there "
          "this one never decides. Change the restrictions so that they no longer overlap."]),
        ("{", ["line 1 column 2: Expecting property name enclosed in double quotes"]),
        (b"\xff", ["byte 0: invalid start byte"]),
        ("[]", ["tariff: must be an object, not a list"]),
        (" " * 5_000_001, ["$: is over 5000000 bytes"]),
    ],
    ids=["unknown field", "price with a unit", "duration with a unit", "watts", "cents", "NaN", "10,000 elements",
         "bad offset", "bad time zone", "overlap", "no JSON", "no text", "a list", "too large"],
)  # fmt: skip
def test_a_bad_file_is_refused_with_path_and_reason_and_nothing_is_saved(text, details):
    assert refusal_of(text) == details


def test_every_defect_is_named_at_once_overlaps_too():
    text = tariff_document(
        DAY,
        element({"type": "ENERGY", "price": True, "step_size": Decimal("1.5")}),
        EVENING,
        colour="red",
        type="CHEAP",
    )
    assert [detail.partition(":")[0] for detail in refusal_of(text)] == [
        "tariff.elements[1].price_components[0].price",
        "tariff.elements[1].price_components[0].step_size",
        "tariff.colour",
        "tariff.type",
        "tariff.elements[2].price_components[0]",
    ]


def test_an_overlap_that_is_meant_is_accepted_by_name():
    assert import_tariff(text=tariff_document(DAY, EVENING), accepted=("overlap",)).number == 1


def test_a_tariff_in_another_currency_is_refused():
    TariffFactory(code="test", currency="CHF")
    with pytest.raises(BadInput) as refusal:
        import_tariff(text=WHOLE)
    assert refusal.value.details == ("tariff.currency: differs from that of the tariff test, CHF",)
    assert not TariffVersion.objects.exists()


def test_the_commands_bring_a_file_in_and_out(tmp_path):
    file = tmp_path / "tariff.json"
    file.write_text(WHOLE)
    told = StringIO()
    call_command("import_tariff", str(file), "--code", "night", "--json", stdout=told)
    answer = jsontext.loads(told.getvalue())
    assert (answer["tariff"], answer["version"]) == ("night", 1)
    out = StringIO()
    call_command("export_tariff", "night", "--ocpi", "2.2.1", stdout=out)
    assert jsontext.loads(out.getvalue()) == jsontext.loads(WHOLE)


def test_the_command_refuses_with_every_defect(tmp_path):
    file = tmp_path / "tariff.json"
    file.write_text(tariff_document(DAY, EVENING, colour="red"))
    told = StringIO()
    with pytest.raises(CommandError, match=r"tariff\.colour"):
        call_command("import_tariff", str(file), "--json", stdout=told)
    assert len(jsontext.loads(told.getvalue())["details"]) == 2
    assert nothing_was_saved()
    with pytest.raises(CommandError, match="There is no tariff"):
        call_command("export_tariff", "nowhere", stdout=StringIO())
