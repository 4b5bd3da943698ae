"""Publishing, withdrawing and comparing versions in the portal."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import AuditEvent
from common import clock
from tariffs.models import TariffVersion
from tariffs.selectors.in_force import version_in_force
from tariffs.selectors.reach import reach_of
from tests.config.portal.staff import browser_of, member
from tests.factories import (
    LONG_AGO,
    ConnectorFactory,
    DriverFactory,
    LocationFactory,
    NetworkAssignmentFactory,
    TariffVersionFactory,
    VatRateFactory,
    component,
    element,
    tariff_document,
)
from tests.tariffs.admin.pages import page_of

pytestmark = pytest.mark.django_db

KEY = "8f14e45f-ceea-467f-a8f1-000000000003"
DAY = element(component("ENERGY", "0.50"))
LIST = "/admin/tariffs/tariffversion/"


@pytest.fixture
def fina() -> Client:
    VatRateFactory()
    return browser_of("Finance")


def draft(*elements: dict[str, object], number: int = 2, **fields: object) -> TariffVersion:
    fields = {"valid_from": LONG_AGO, **fields}
    document = tariff_document(*(elements or (DAY,)), tax_included="NO")
    return TariffVersionFactory(
        document=document, number=number, status=TariffVersion.Status.DRAFT, published_at=None, **fields
    )


def with_warning() -> TariffVersion:
    """Energy has a price in the evening only: doubtful, but not wrong."""
    evening = element(component("ENERGY", "0.60"), start_time="18:00", end_time="22:00")
    return draft(evening)


def test_a_draft_without_findings_is_published_with_its_reason(fina: Client) -> None:
    old = TariffVersionFactory()
    version = draft(tariff=old.tariff)
    page = fina.get(page_of(version, "publish"))
    html = page.content.decode()
    assert "Nothing stands in the way." in html
    assert "as soon as it is published" in html
    assert "It is assigned nowhere, so nobody pays by it yet." in html
    assert [change.words for change in page.context["changes"]] == ["Energy 0.40 → 0.50 €/kWh"]
    refused = fina.post(page_of(version, "publish"), {"key": KEY, "reason": ""})
    assert refused.context["form"].errors["reason"]
    fina.post(page_of(version, "publish"), {"key": KEY, "reason": "dearer power"})
    version.refresh_from_db()
    assert version.status == TariffVersion.Status.PUBLISHED
    assert version_in_force(old.tariff_id) == version
    event = AuditEvent.objects.get(action="tariff_published")
    assert (event.reason, event.actor) == ("dearer power", member(fina))


def test_a_warning_is_ticked_by_name_or_nothing_happens(fina: Client) -> None:
    version = with_warning()
    page = fina.get(page_of(version, "publish"))
    ((warning, ticked),) = page.context["warnings_found"]
    assert not ticked
    assert "energy has no price" in warning.words.lower()
    for accepted in ([], ["something else"]):
        sent = {"key": KEY, "reason": "so be it", "accepted": accepted}
        assert fina.post(page_of(version, "publish"), sent).status_code == 200
        version.refresh_from_db()
        assert version.status == TariffVersion.Status.DRAFT
    fina.post(page_of(version, "publish"), {"key": KEY, "reason": "so be it", "accepted": [warning.key]})
    version.refresh_from_db()
    assert version.status == TariffVersion.Status.PUBLISHED
    data = AuditEvent.objects.get(action="tariff_published").data
    assert [found["code"] for found in data["accepted_warnings"]] == ["gap"]


def test_an_error_blocks_with_its_reason_and_its_rule(fina: Client) -> None:
    version = draft(DAY, element(component("ENERGY", "0.60"), min_kwh=10))
    page = fina.get(page_of(version, "publish"))
    (error,) = page.context["errors_found"]
    assert error.place == "Rule 2"
    assert "Rule 1" in error.words
    html = page.content.decode()
    assert "Correct it in the editor" in html
    fina.post(page_of(version, "publish"), {"key": KEY, "reason": "anyway"})
    version.refresh_from_db()
    assert version.status == TariffVersion.Status.DRAFT


def test_what_is_no_draft_is_not_published_again(fina: Client) -> None:
    version = TariffVersionFactory()
    page = fina.get(page_of(version, "publish"), follow=True)
    assert "This version is no draft any more. Nothing was changed." in page.content.decode()


def test_the_page_says_whom_it_concerns(fina: Client) -> None:
    version = draft()
    ConnectorFactory.create_batch(3, charge_point__location=LocationFactory(name="Hafen"))
    NetworkAssignmentFactory(tariff=version.tariff)
    NetworkAssignmentFactory(tariff=version.tariff, valid_until=LONG_AGO + timedelta(days=1))
    reach = reach_of(version.tariff_id)
    assert reach.connectors == 3
    assert reach.assignments == ("Standard at the whole network",)
    html = fina.get(page_of(version, "publish")).content.decode()
    assert "3 connectors, by these assignments:" in html


def test_a_version_is_withdrawn_with_a_reason_after_a_look_at_what_follows(fina: Client) -> None:
    version = TariffVersionFactory()
    preview = fina.post(page_of(version, "withdraw"), {"key": KEY, "reason": "wrong price"}).content.decode()
    assert "a missing tariff is never free" in preview
    assert "It is assigned nowhere, so nobody pays by it." in preview
    version.refresh_from_db()
    assert version.status == TariffVersion.Status.PUBLISHED
    fina.post(page_of(version, "withdraw"), {"key": KEY, "reason": "wrong price", "confirmed": "1"})
    version.refresh_from_db()
    assert version.status == TariffVersion.Status.WITHDRAWN
    assert AuditEvent.objects.get(action="tariff_withdrawn").reason == "wrong price"


def test_several_drafts_are_published_from_the_list_each_by_itself(fina: Client) -> None:
    good, doubtful, broken = draft(), with_warning(), draft(DAY, element(component("ENERGY", "0.60"), min_kwh=10))
    published = TariffVersionFactory()
    chosen = [good.pk, doubtful.pk, broken.pk, published.pk]
    answer = fina.post(LIST, {"action": "publish_drafts", "_selected_action": chosen})
    address = answer["Location"]
    page = fina.get(address)
    drafts = {one.version: one for one, _moment in page.context["drafts"]}
    assert set(drafts) == {good, doubtful, broken}
    done = fina.post(address, {"key": KEY, "reason": "new year"}, follow=True)
    html = done.content.decode()
    assert "1 draft is published." in html
    assert html.count("stays a draft:") == 2
    fina.post(address, {"key": KEY, "reason": "new year", drafts[doubtful].field: [drafts[doubtful].warnings[0].key]})
    statuses = {row.pk: row.status for row in TariffVersion.objects.all()}
    assert (statuses[good.pk], statuses[doubtful.pk], statuses[broken.pk]) == ("published", "published", "draft")


def test_a_list_without_drafts_or_with_too_many_publishes_nothing(fina: Client) -> None:
    published = TariffVersionFactory()
    answer = fina.post(LIST, {"action": "publish_drafts", "_selected_action": [published.pk]}, follow=True)
    assert "None of these is a draft." in answer.content.decode()
    many = [draft().pk for _ in range(21)]
    answer = fina.post(LIST, {"action": "publish_drafts", "_selected_action": many}, follow=True)
    assert "Choose at most 20 drafts at once." in answer.content.decode()
    answer = fina.get(reverse("admin:tariffs_tariffversion_publish_drafts") + "?ids=x,-1,99999999", follow=True)
    assert "None of these is a draft." in answer.content.decode()


def test_versions_are_compared_in_words(fina: Client) -> None:
    first = TariffVersionFactory()
    second = draft(tariff=first.tariff)
    address = reverse("admin:tariffs_tariff_versions", args=[first.tariff_id])
    page = fina.get(address)
    assert (page.context["old"], page.context["new"]) == (first, second)
    assert "Energy 0.40 → 0.50 €/kWh" in page.content.decode()
    assert "Energy 0.50 → 0.40 €/kWh" in fina.get(address, {"old": "2", "new": "1"}).content.decode()
    assert "Choose two versions." in fina.get(address, {"old": "x", "new": "1"}).content.decode()
    assert "The prices are the same." in fina.get(address, {"old": "1", "new": "1"}).content.decode()
    fina.post(page_of(second, "publish"), {"key": KEY, "reason": "dearer power"})
    assert "dearer power" in fina.get(address).content.decode()


def test_the_version_in_force_is_the_latest_that_applies_already() -> None:
    first = TariffVersionFactory()
    later = TariffVersionFactory(tariff=first.tariff, number=2, valid_from=clock.now() + timedelta(days=1))
    draft(tariff=first.tariff, number=3)
    assert version_in_force(first.tariff_id) == first
    assert version_in_force(first.tariff_id, clock.now() + timedelta(days=2)) == later
    assert version_in_force(987) is None


@pytest.mark.parametrize(("role", "sees"), [("Support", 200), ("Operations", 200), ("Read-only", 200)])
def test_who_may_look_may_not_publish(role: str, sees: int) -> None:
    version = draft()
    browser = browser_of(role)
    for name in ("publish", "withdraw"):
        assert browser.get(page_of(version, name)).status_code == 403
        sent = {"key": KEY, "reason": "x", "confirmed": "1"}
        assert browser.post(page_of(version, name), sent).status_code == 403
    bulk = reverse("admin:tariffs_tariffversion_publish_drafts") + f"?ids={version.pk}"
    assert browser.post(bulk, {"key": KEY, "reason": "x"}).status_code == 403
    browser.post(LIST, {"action": "publish_drafts", "_selected_action": [version.pk]})
    version.refresh_from_db()
    assert version.status == TariffVersion.Status.DRAFT
    for name in ("week", "what_if"):
        assert browser.get(page_of(version, name)).status_code == sees
    assert browser.get(reverse("admin:tariffs_tariff_versions", args=[version.tariff_id])).status_code == sees


def test_strangers_see_nothing() -> None:
    version = draft()
    bulk = reverse("admin:tariffs_tariffversion_publish_drafts")
    history = reverse("admin:tariffs_tariff_versions", args=[version.tariff_id])
    pages = [page_of(version, name) for name in ("publish", "withdraw", "week", "what_if")]
    driver = Client()
    driver.force_login(DriverFactory().user)
    clerk = browser_of("Owner")
    member(clerk).groups.clear()
    for address in (*pages, bulk, history):
        assert driver.get(address, follow=True).status_code == 403
        assert clerk.get(address).status_code == 403
        assert Client().get(address).status_code == 302
    fina = browser_of("Finance")
    for name in ("publish", "withdraw", "week", "what_if"):
        assert fina.get(page_of(TariffVersion(pk=987), name)).status_code == 404
    assert fina.get(reverse("admin:tariffs_tariff_versions", args=[987])).status_code == 404


def test_a_forged_publication_is_refused() -> None:
    version = draft()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser_of("Finance").cookies
    assert strict.post(page_of(version, "publish"), {"key": KEY, "reason": "x"}).status_code == 403
    version.refresh_from_db()
    assert version.status == TariffVersion.Status.DRAFT


def test_history_and_publish_page_ask_as_often_for_many(
    fina: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    first = TariffVersionFactory()
    for number in range(2, 30):
        draft(tariff=first.tariff, number=number)
    for _ in range(5):
        NetworkAssignmentFactory(tariff=first.tariff)
    version = TariffVersion.objects.get(number=29)
    fina.get(page_of(version, "publish"))
    with django_assert_max_num_queries(16):
        fina.get(reverse("admin:tariffs_tariff_versions", args=[first.tariff_id]))
    with django_assert_max_num_queries(26):
        fina.get(page_of(version, "publish"))


def test_a_price_with_many_decimals_is_told_exactly(fina: Client) -> None:
    version = draft(element(component("ENERGY", str(Decimal("0.1234")))))
    assert "0.1468\xa0€/kWh" in fina.get(page_of(version, "publish")).content.decode()


def test_countries_that_read_the_same_prices_share_a_card(fina: Client) -> None:
    VatRateFactory(country="NL", percent=21)
    prices = element(component("ENERGY", "0.49"))
    with_tax = TariffVersionFactory(
        document=tariff_document(prices, tax_included="YES"), status=TariffVersion.Status.DRAFT, published_at=None
    )
    (card,) = fina.get(page_of(with_tax, "publish")).context["cards"]
    assert card.countries == "DE, NL"
    assert card.notes == (
        "DE: All prices include VAT (19 %).",
        "NL: All prices include VAT (21 %).",
    )
    before_tax = fina.get(page_of(draft(prices), "publish")).context["cards"]
    assert [(one.countries, one.notes) for one in before_tax] == [
        ("DE", ("All prices include VAT (19 %).",)),
        ("NL", ("All prices include VAT (21 %).",)),
    ]
