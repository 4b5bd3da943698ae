"""Price corrections in the portal: what would change is shown, and another person lets it happen."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import PriceCorrection
from billing.services.correction_application import apply_correction
from billing.services.corrections import approve_correction, draft_correction, preview_correction
from billing.services.refunds import refund_session
from tariffs.services.versions import draft_version
from tests.billing.factories import NOON
from tests.billing.refunds.world import paid_session
from tests.config.portal.staff import browser_of, member
from tests.factories import component, element, tariff_document

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "8f14e45f-ceea-467f-a8f1-000000000009"
CONFIRMED = {"key": KEY, "reason": "entered twice", "confirmed": "1"}
FORTY_CENTS = tariff_document(element(component("ENERGY", "0.40")))


def page(name: str, *arguments: int) -> str:
    return reverse(f"admin:billing_pricecorrection_{name}", args=arguments)


def test_made_by_one_and_approved_by_another() -> None:
    session = paid_session()
    fina, otto = browser_of("Finance"), browser_of("Owner")
    form = {
        "tariff": str(session.tariff_version.tariff_id),
        "first_day": str(NOON.date()),
        "last_day": str(NOON.date()),
    }
    broken = fina.post(page("new"), {**CONFIRMED, **form, "document": "{}"}).content.decode()
    assert "tariff.elements" in broken
    draft = draft_version(tariff_id=session.tariff_version.tariff_id, ocpi_text=FORTY_CENTS)
    for prices in ({}, {"version": draft.pk, "document": FORTY_CENTS}):
        refused = fina.post(page("new"), {**CONFIRMED, **form, **prices}).content.decode()
        assert "Choose a version or write the prices as OCPI JSON, one of the two." in refused
    assert not PriceCorrection.objects.exists()
    told = fina.post(page("new"), {**form, "key": KEY, "reason": "x", "version": draft.pk}).content.decode()
    assert f"The prices are those of {draft}." in told
    typed = fina.post(page("new"), {**form, "key": KEY, "reason": "x", "document": FORTY_CENTS}).content.decode()
    assert "Please check. This is what will happen:" in typed
    assert fina.post(page("new"), {**CONFIRMED, **form, "version": draft.pk}).status_code == 302
    assert PriceCorrection.objects.get().digest == draft.digest
    correction = preview_correction(correction_id=PriceCorrection.objects.get().pk)
    assert (correction.author, correction.until - correction.since) == (member(fina), timedelta(days=1))

    shown = fina.get(page("change", correction.pk)).content.decode()
    for words in ("3.06\xa0€", "10.20\xa0€", "7.14\xa0€", "1 session", page("approve", correction.pk)):
        assert words in shown, words
    refused = fina.post(page("approve", correction.pk), CONFIRMED).content.decode()
    assert "approved by somebody else" in refused
    asked = otto.post(page("approve", correction.pk), {"key": KEY, "reason": "checked"}).content.decode()
    assert "3.06\xa0€ goes back to whoever paid, for 1 session." in asked
    assert otto.post(page("approve", correction.pk), CONFIRMED).status_code == 302
    assert apply_correction(correction_id=correction.pk).state == "applied"
    csv = otto.get(page("sessions", correction.pk)).getvalue().decode()
    assert ",EUR,10.2000,7.1400,3.0600,0.0000,applied," in csv
    assert page("approve", correction.pk) not in otto.get(page("change", correction.pk)).content.decode()


@pytest.mark.parametrize("role", ["Support", "Operations", "Read-only"])
def test_who_may_not_correct_prices_cannot(role: str) -> None:
    session = paid_session()
    fina = browser_of("Finance")
    correction = draft_correction(
        tariff_id=session.tariff_version.tariff_id,
        ocpi_text=FORTY_CENTS,
        since=NOON - timedelta(days=1),
        until=NOON + timedelta(days=1),
        reason="x",
        author_id=member(fina).pk,
    )
    preview_correction(correction_id=correction.pk)
    client = browser_of(role)
    for address in (page("new"), page("approve", correction.pk), page("reject", correction.pk)):
        assert client.post(address, CONFIRMED).status_code == 403
    correction.refresh_from_db()
    assert (correction.state, session.cdr.gross) == ("previewed", Decimal("10.20"))


def test_a_corrected_session_shows_the_new_lines_and_the_old_ones_as_known_then() -> None:
    session = paid_session()
    fina, otto = browser_of("Finance"), browser_of("Owner")
    correction = draft_correction(
        tariff_id=session.tariff_version.tariff_id,
        ocpi_text=FORTY_CENTS,
        reason="entered twice",
        author_id=member(fina).pk,
        since=NOON - timedelta(days=1),
        until=NOON + timedelta(days=1),
    )
    preview_correction(correction_id=correction.pk)
    approve_correction(correction_id=correction.pk, actor_id=member(otto).pk, reason="checked")
    apply_correction(correction_id=correction.pk)
    revision = session.cdr.revisions.get()
    driver = Client()
    driver.force_login(session.driver.user)

    for browser, address, told in (
        (
            fina,
            reverse("admin:billing_chargingsession_change", args=[session.pk]),
            (
                "Corrected price, as known since",
                "entered twice",
                "billed 10.20\xa0€, then corrected",
                "Before: 10.20\xa0€",
            ),
        ),
        (
            driver,
            reverse("session_detail", args=[session.public_id]),
            ("This price was corrected, as known since", "Before the correction: 10.20\xa0€, as known until"),
        ),
    ):
        answer = browser.get(address)
        html = answer.content.decode()
        explanation = answer.context["explanation"]
        new, (old,) = explanation.price, explanation.former
        assert [(line.label, line.gross, line.net) for line in new.lines] == [("Energy", Decimal("7.14"), 6)]
        assert [(line.label, line.gross) for line in old.lines] == [("Energy", Decimal("10.20"))]
        assert (new.gross, old.gross) == (Decimal("7.14"), Decimal("10.20"))
        assert new.known_since == old.known_until == revision.created_at
        assert html.index("7.14\xa0€") < html.index("Before")
        for words in told:
            assert words in html, words
    assert "entered twice" not in driver.get(reverse("session_detail", args=[session.public_id])).content.decode()

    # The lists and their files say what was paid in the end, and that it is not what was billed.
    customer = reverse("admin:accounts_driver_change", args=[session.driver.pk])
    for browser, address in (
        (driver, reverse("sessions")),
        (driver, reverse("home")),
        (otto, reverse("admin:billing_chargingsession_changelist")),
        (otto, customer),
    ):
        html = browser.get(address).content.decode()
        assert "7.14\xa0€" in html, address
        assert "Price corrected, billed 10.20\xa0€" in html, address
    own = driver.get(reverse("sessions_export")).getvalue().decode().splitlines()[1]
    assert own.endswith(",6.0000,1.1400,7.1400,EUR,Paid,10.2000,Price corrected")
    all_of_them = otto.get(reverse("admin:billing_chargingsession_export")).getvalue().decode().splitlines()
    heading, row = all_of_them[0].split(","), all_of_them[1].split(",")
    found = dict(zip(heading, row, strict=True))
    assert (found["cdr_gross"], found["final_gross"], found["is_corrected"]) == ("10.2000", "7.1400", "True")
    sorted_by_price = otto.get(reverse("admin:billing_chargingsession_changelist"), {"o": "6"})
    assert "7.14\xa0€" in sorted_by_price.content.decode()


def test_a_refund_is_told_apart_from_a_correction() -> None:
    session = paid_session()
    refund_session(session_id=session.pk, reason="sorry", idempotency_key="r", amount=Decimal("2.20"))
    driver = Client()
    driver.force_login(session.driver.user)
    assert "Refunded, billed 10.20\xa0€" in driver.get(reverse("sessions")).content.decode()
    own = driver.get(reverse("sessions_export")).getvalue().decode().splitlines()[1]
    assert own.endswith(",8.0000,EUR,Paid,10.2000,Refunded")
