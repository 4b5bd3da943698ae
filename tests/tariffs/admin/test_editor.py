"""The tariff editor: what is typed is kept, every mistake is at its field, what is saved is the tariff."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import AuditEvent
from tariffs.admin.sheet_forms import GeneralForm, RuleForm, TierForm
from tariffs.domain import jsontext
from tariffs.domain.exchange import OcpiVersion
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.domain.rows import MOST_RULES, MOST_TIERS
from tariffs.domain.spec import Dimension, PriceComponent, TariffSpec
from tariffs.models import Tariff, TariffVersion
from tariffs.services.exchange import export_tariff, import_tariff
from tests.config.portal.staff import browser_of
from tests.factories import (
    DriverFactory,
    LocationFactory,
    TariffFactory,
    TariffVersionFactory,
    VatRateFactory,
    component,
    element,
    tariff_document,
)
from tests.tariffs.admin.pages import editor, filled_in, sent_by

pytestmark = pytest.mark.django_db

NIGHT = element(component("ENERGY", "0.30"), start_time="22:00", end_time="06:00")
DAY = element(component("ENERGY", "0.50"), component("PARKING_TIME", "6", step_size=60))


@pytest.fixture
def fina() -> Client:
    """Fina, who sets prices."""
    VatRateFactory()
    LocationFactory()
    return browser_of("Finance")


@pytest.fixture
def version() -> TariffVersion:
    document = tariff_document(
        NIGHT, DAY, voltledger={"idle": {"grace_minutes": 15}, "service_fee": {"flat": Decimal("0.35")}}
    )
    return TariffVersionFactory(document=document)


def saved(tariff: Tariff) -> TariffSpec:
    newest = tariff.versions.first()
    assert newest is not None
    return parse_tariff_text(newest.document)


def test_the_sheet_of_a_version_sent_back_unchanged_is_the_same_tariff(fina: Client, version: TariffVersion) -> None:
    address = editor(version.tariff, version)
    answer = fina.post(address, {**filled_in(fina, address), "do": "save"})
    assert answer.status_code == 302
    assert saved(version.tariff) == parse_tariff_text(version.document)
    assert version.tariff.versions.count() == 2


def test_a_first_tariff_is_made_without_json(fina: Client) -> None:
    tariff = TariffFactory()
    cells = filled_in(
        fina, editor(tariff), rule_0_energy_price="0,49", rule_0_days=["6", "7"], rule_0_from_time="08:00",
        rule_0_until_time="20:00", general_max_gross="30",
    )  # fmt: skip
    answer = fina.post(editor(tariff), {**cells, "do": "save"})
    version = tariff.versions.get()
    assert answer["Location"] == reverse("admin:tariffs_tariffversion_change", args=[version.pk])
    assert version.status == TariffVersion.Status.DRAFT
    spec = saved(tariff)
    assert spec.elements[0].components == (PriceComponent(Dimension.ENERGY, Decimal("0.49")),)
    assert spec.elements[0].restrictions.days == {6, 7}
    assert spec.max_price is not None
    assert spec.max_price.gross == 30
    assert AuditEvent.objects.filter(action="row_added", subject_type="tariffs.tariffversion").exists()


def test_every_mistake_is_at_its_field_and_nothing_typed_is_lost(fina: Client, version: TariffVersion) -> None:
    address = editor(version.tariff, version)
    cells = filled_in(
        fina,
        address,
        rule_0_energy_price="cheap",
        rule_1_parking_price="",
        general_idle_from="22:00",
        rule_1_after="soon",
    )
    page = fina.post(address, {**cells, "do": "save"})
    assert version.tariff.versions.count() == 1
    forms = page.context["forms"]
    assert forms.rules[0].errors == {"energy_price": ["Enter a number such as 0.49."]}
    assert forms.rules[1].errors == {
        "parking_price": ["Enter the price, or empty the cells beside it."],
        "after": ["Enter a duration such as 90 min, 4 h or 1 h 30 min."],
    }
    assert forms.general.errors == {"idle_until": ["Enter both times."]}
    assert sent_by(forms) == cells
    html = page.content.decode()
    assert "4 mistakes. Nothing was saved, and nothing you typed is lost." in html
    assert 'value="cheap"' in html
    assert html.count('aria-invalid="true"') == 4


def test_rows_are_added_copied_moved_and_removed_without_script(fina: Client, version: TariffVersion) -> None:
    address = editor(version.tariff, version)
    sheet = filled_in(fina, address)

    def after(do: str, sheet: dict[str, object]) -> dict[str, object]:
        return sent_by(fina.post(address, {**sheet, "do": do}).context["forms"])

    swapped = after("rule-down-0", sheet)
    assert [swapped[f"rule-{n}-energy_price"] for n in range(2)] == ["0.5", "0.3"]
    assert after("rule-up-1", swapped) == sheet
    copied = after("rule-copy-1", sheet)
    assert copied["rules"] == 3
    assert copied["rule-2-parking_price"] == copied["rule-1-parking_price"] == "0.1"
    assert after("rule-remove-2", copied) == sheet
    longer = after("tier-add", after("rule-add", sheet))
    assert (longer["rules"], longer["tiers"]) == (3, 1)
    assert after("tier-remove-0", after("rule-remove-2", longer)) == sheet
    for nonsense in ("rule-remove-9", "rule-up-0", "rule-down-1", "rule-x-1", "rule-remove-", "tier-remove--1", "x"):
        assert after(nonsense, sheet) == sheet
    assert version.tariff.versions.count() == 1


def test_no_more_rows_than_a_form_can_hold(fina: Client, version: TariffVersion) -> None:
    fields = MOST_RULES * (len(RuleForm.base_fields) + 7) + MOST_TIERS * len(TierForm.base_fields)
    assert fields + len(GeneralForm.base_fields) + 10 < 1000
    address = editor(version.tariff, version)
    page = fina.post(address, {**filled_in(fina, address), "rules": "9999", "tiers": "²", "do": "check"})
    assert (len(page.context["forms"].rules), len(page.context["forms"].tiers)) == (0, 0)
    many = fina.post(address, {**filled_in(fina, address), "rules": str(MOST_RULES), "do": "rule-add"})
    assert len(many.context["forms"].rules) == MOST_RULES


def test_checking_saves_nothing_and_shows_what_drivers_will_read(fina: Client, version: TariffVersion) -> None:
    address = editor(version.tariff, version)
    cells = filled_in(fina, address, rule_1_energy_price="0.60")
    page = fina.post(address, {**cells, "do": "check"})
    assert version.tariff.versions.count() == 1
    html = page.content.decode()
    assert "No mistakes. Nothing is saved yet." in html
    # 0.30 and 0.60 net with 19 % VAT.
    assert "0.357\xa0€/kWh to 0.714\xa0€/kWh depending on the moment" in html
    assert list(page.context["preview"]["week"].words) == [
        ("0.357\xa0€", "Mon–Sun 00:00–06:00, 22:00–24:00"),
        ("0.714\xa0€", "Mon–Sun 06:00–22:00"),
    ]


def test_an_edited_draft_is_replaced_unless_it_is_wanted_as_well(fina: Client, version: TariffVersion) -> None:
    tariff = version.tariff
    address = editor(tariff, version)
    fina.post(address, {**filled_in(fina, address, rule_1_energy_price="0.51"), "do": "save"})
    draft = tariff.versions.get(number=2)
    edit = editor(tariff, draft)
    cells = {**filled_in(fina, edit, rule_1_energy_price="0.52"), "replaces": draft.pk, "do": "save"}
    fina.post(edit, cells)
    draft.refresh_from_db()
    assert draft.status == TariffVersion.Status.WITHDRAWN
    assert AuditEvent.objects.get(action="tariff_withdrawn").reason == "Replaced by version 3"
    assert tariff.versions.get(number=3).status == TariffVersion.Status.DRAFT

    refused = fina.post(edit, cells)
    assert "withdrawn or replaced this draft meanwhile" in refused.content.decode()
    assert tariff.versions.count() == 3
    fina.post(edit, {**cells, "own_draft": "1"})
    assert tariff.versions.count() == 4
    assert tariff.versions.get(number=3).status == TariffVersion.Status.DRAFT


def test_the_moment_from_which_it_applies_is_kept(fina: Client, version: TariffVersion) -> None:
    address = editor(version.tariff, version)
    cells = {**filled_in(fina, address), "valid_from": "2030-01-01T00:00", "do": "save"}
    fina.post(address, cells)
    draft = version.tariff.versions.get(number=2)
    assert draft.valid_from.isoformat() == "2029-12-31T23:00:00+00:00"
    assert 'value="2030-01-01T00:00"' in fina.get(editor(version.tariff, draft)).content.decode()
    broken = fina.post(address, {**cells, "valid_from": "soon"})
    assert broken.context["when"].errors
    assert version.tariff.versions.count() == 2


def test_a_tariff_too_long_for_rules_is_edited_as_json_and_says_so(fina: Client) -> None:
    long = [element(component("ENERGY", "0.1"), min_kwh=number) for number in range(MOST_RULES + 1)]
    version = TariffVersionFactory(document=tariff_document(*long))
    page = fina.get(editor(version.tariff, version), follow=True)
    assert page.redirect_chain[0][0].startswith(reverse("admin:tariffs_tariff_draft_json", args=[version.tariff_id]))
    assert "too many to edit in words" in page.content.decode()


def test_rules_become_json_and_json_becomes_rules(fina: Client, version: TariffVersion) -> None:
    address = editor(version.tariff, version)
    page = fina.post(address, {**filled_in(fina, address, rule_1_energy_price="0.61"), "do": "json"})
    text = page.context["form"]["document"].value()
    assert '"price": 0.61' in text
    json_address = reverse("admin:tariffs_tariff_draft_json", args=[version.tariff_id]) + f"?from={version.pk}"
    back = fina.post(json_address, {"document": text, "rows": "1"})
    assert sent_by(back.context["forms"])["rule-1-energy_price"] == "0.61"
    assert version.tariff.versions.count() == 1


IMPORTED = tariff_document(
    NIGHT,
    DAY,
    type="REGULAR",
    tariff_alt_text=[{"language": "de", "text": "Tag & Nacht"}],
    tariff_alt_url="https://example.org/prices",
    min_price={"before_taxes": 1, "taxes": [{"name": "VAT", "account_number": "DE1", "amount": Decimal("0.19")}]},
    energy_mix={"is_green_energy": True, "supplier_name": "Wind & Co"},
    preauthorize_amount=40,
)  # fmt: skip
ABOUT = ("id", "type", "tariff_alt_text", "tariff_alt_url", "energy_mix", "preauthorize_amount", "min_price")


def exported(tariff: Tariff) -> dict[str, Any]:
    newest = tariff.versions.first()
    assert newest is not None
    return export_tariff(newest, ocpi=OcpiVersion.V230)


def test_an_imported_tariff_edited_as_rules_keeps_what_the_rules_do_not_say(fina: Client) -> None:
    version = import_tariff(text=IMPORTED)
    tariff = version.tariff
    page = fina.get(editor(tariff, version))
    assert "kept as they came" in page.content.decode()
    cells = {**filled_in(fina, editor(tariff, version)), "source": page.context["source"], "do": "save"}
    fina.post(editor(tariff, version), cells)
    assert exported(tariff) == jsontext.loads(IMPORTED)

    fina.post(editor(tariff, version), {**cells, "rule-0-energy_price": "0.31"})
    dearer = exported(tariff)
    original = jsontext.loads(IMPORTED)
    assert {key: dearer[key] for key in ABOUT} == {key: original[key] for key in ABOUT}
    assert dearer["elements"][0]["price_components"][0]["price"] == Decimal("0.31")
    assert dearer["last_updated"] > original["last_updated"]


def test_what_2_2_1_cannot_say_is_written_as_2_3_0_with_the_same_ids(fina: Client) -> None:
    version = import_tariff(text=tariff_document(DAY, type="REGULAR", max_price={"excl_vat": 9}))
    cells = filled_in(fina, editor(version.tariff, version), general_tax_included="YES")
    fina.post(editor(version.tariff, version), {**cells, "do": "save"})
    document = exported(version.tariff)
    assert (document["id"], document["type"], document["tax_included"]) == ("test", "REGULAR", "YES")
    assert document["max_price"] == {"before_taxes": 9}


def test_ids_and_texts_typed_as_json_are_kept_by_the_rules_made_of_it(fina: Client) -> None:
    version = import_tariff(text=IMPORTED)
    tariff = version.tariff
    as_json = fina.post(editor(tariff, version), {**filled_in(fina, editor(tariff, version)), "do": "json"})
    text = as_json.context["form"]["document"].value()
    assert jsontext.loads(text) == jsontext.loads(IMPORTED)
    address = reverse("admin:tariffs_tariff_draft_json", args=[tariff.pk]) + f"?from={version.pk}"
    assert "Wind &amp; Co" in fina.get(address).content.decode()

    back = fina.post(address, {"document": text.replace("Wind & Co", "Sun & Sons"), "rows": "1"})
    cells = {**sent_by(back.context["forms"]), "source": back.context["source"], "do": "save"}
    fina.post(editor(tariff, version), {**cells, "rule-0-energy_price": "0.32"})
    assert exported(tariff)["energy_mix"]["supplier_name"] == "Sun & Sons"

    fina.post(editor(tariff, version), {**cells, "source": '{"id": "forged"}'})
    assert tariff.versions.first().source == ""


def test_json_comes_as_text_or_as_a_file_and_each_defect_is_told(fina: Client, version: TariffVersion) -> None:
    address = reverse("admin:tariffs_tariff_draft_json", args=[version.tariff_id])
    text = tariff_document(element(component("ENERGY", "0.55")))
    file = SimpleUploadedFile("tariff.json", text.encode())
    assert fina.post(address, {"document": "ignored", "file": file}).status_code == 302
    assert saved(version.tariff).elements[0].components[0].price == Decimal("0.55")
    broken = fina.post(address, {"document": tariff_document(element({"type": "ENERGY", "price": "x"}), colour="red")})
    html = broken.content.decode()
    assert "tariff.colour: is not a known field here" in html
    assert "price_components[0].price: must be a number, not text" in html
    swiss = fina.post(address, {"document": tariff_document(element(component("ENERGY", "1")), currency="CHF")})
    assert "The prices are in CHF but the tariff is in EUR" in swiss.content.decode()
    large = SimpleUploadedFile("tariff.json", b" " * 2_000_001)
    assert "too large" in fina.post(address, {"file": large}).content.decode()
    assert version.tariff.versions.count() == 2


def test_only_those_who_may_draft_get_in(version: TariffVersion) -> None:
    addresses = [
        editor(version.tariff, version),
        reverse("admin:tariffs_tariff_draft_json", args=[version.tariff_id]),
    ]
    for role in ("Support", "Read-only", "Operations"):
        for address in addresses:
            browser = browser_of(role)
            assert browser.get(address).status_code == 403
            assert browser.post(address, {"do": "save"}).status_code == 403
    driver = Client()
    driver.force_login(DriverFactory().user)
    for address in addresses:
        assert driver.get(address, follow=True).status_code == 403
        assert Client().get(address).status_code == 302
    other = TariffVersionFactory()
    fina = browser_of("Finance")
    for address in (editor(version.tariff, other), editor(Tariff(pk=987)), f"{editor(version.tariff)}?from=x"):
        assert fina.get(address).status_code == 404
    assert version.tariff.versions.count() == 1


def test_a_forged_form_is_refused(version: TariffVersion) -> None:
    fina = browser_of("Finance")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = fina.cookies
    for address in (editor(version.tariff), reverse("admin:tariffs_tariff_draft_json", args=[version.tariff_id])):
        assert strict.post(address, {"do": "save"}).status_code == 403


def test_the_editor_asks_the_database_as_often_for_many_rules_and_countries(
    fina: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    many = [element(component("ENERGY", "0.1"), min_kwh=number) for number in range(MOST_RULES)]
    version = TariffVersionFactory(document=tariff_document(*many))
    for country in ("AT", "BE", "FR", "NL"):
        VatRateFactory(country=country)
        LocationFactory(country=country)
    address = editor(version.tariff, version)
    fina.get(address)
    with django_assert_max_num_queries(20):
        fina.get(address)
