"""A receipt opens for its driver and for staff who may see documents, and for nobody else."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from common import clock
from invoicing.models import Document
from invoicing.services.receipts import issue_receipt
from invoicing.services.render import render_document
from tests.factories import DriverFactory, UserFactory
from tests.invoicing.builders import Leg, Line, ada, bill

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def documents_in(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def document() -> Document:
    return issue_receipt(cdr_id=bill(driver=ada(name="Ada <b>Ström</b>")).pk)


def logged_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def addresses(document: Document) -> list[str]:
    session = document.cdr.charging_session
    return [
        reverse("document", args=[document.public_id]),
        reverse("document_pdf", args=[document.public_id]),
        reverse("session_receipt", args=[session.public_id]),
    ]


def test_its_driver_reads_the_page(document):
    response = logged_in(document.driver.user).get(reverse("document", args=[document.public_id]))
    page = response.content.decode()
    assert response.status_code == 200
    assert document.number in page
    assert "4.00\N{NO-BREAK SPACE}€ from wallet, 6.20\N{NO-BREAK SPACE}€ from card Visa •4242" in page
    assert "Ada &lt;b&gt;Ström&lt;/b&gt;" in page
    assert response["Cache-Control"] == "private, no-store"


def test_its_driver_opens_the_pdf_which_is_made_on_the_way(document):
    response = logged_in(document.driver.user).get(reverse("document_pdf", args=[document.public_id]))
    document.refresh_from_db()
    assert response.status_code == 200
    assert response.content.startswith(b"%PDF-1.7")
    assert response["Content-Type"] == "application/pdf"
    assert response["Content-Disposition"] == f'inline; filename="{document.number}.pdf"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "private" in response["Cache-Control"]
    assert response["ETag"] == f'"{document.pdf_digest}"'


def test_everybody_else_is_told_there_is_no_such_thing(document):
    """Another driver, a stranger with a login, staff without the permission, and somebody blocked."""
    otto = UserFactory(is_staff=True)
    permitted_but_not_staff = UserFactory()
    permitted_but_not_staff.user_permissions.add(Permission.objects.get(codename="view_document"))
    for user in (DriverFactory().user, UserFactory(), otto, permitted_but_not_staff):
        client = logged_in(user)
        assert [client.get(address).status_code for address in addresses(document)] == [404, 404, 404]
    assert not Document.objects.get().pdf_digest  # nobody's curiosity made it


def test_nobody_is_asked_to_log_in(document):
    for address in addresses(document):
        response = Client().get(address)
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("account_login"))


def test_staff_with_the_permission_reads_any(document):
    fina = UserFactory(is_staff=True)
    fina.user_permissions.add(Permission.objects.get(codename="view_document"))
    client = logged_in(fina)
    assert [client.get(address).status_code for address in addresses(document)] == [200, 200, 302]


def test_only_reading_is_possible(document):
    client = logged_in(document.driver.user)
    assert [client.post(address).status_code for address in addresses(document)] == [405, 405, 405]


def test_while_another_draws_the_page_waits(document):
    Document.objects.filter(pk=document.pk).update(pdf_claimed_at=clock.now())
    response = logged_in(document.driver.user).get(reverse("document_pdf", args=[document.public_id]))
    assert response.status_code == 202
    assert "being drawn" in response.content.decode()


def test_a_damaged_file_is_not_served(document):
    rendered = render_document(document_id=document.pk)
    default_storage.delete(rendered.pdf_file)
    response = logged_in(document.driver.user).get(reverse("document_pdf", args=[document.public_id]))
    assert response.status_code == 503
    assert "Nothing is lost" in response.content.decode()


def test_a_sessions_link_issues_the_receipt_when_it_is_due():
    cdr = bill()
    response = logged_in(cdr.charging_session.driver.user).get(
        reverse("session_receipt", args=[cdr.charging_session.public_id])
    )
    assert response["Location"] == reverse("document", args=[Document.objects.get(cdr=cdr).public_id])


def test_a_sessions_link_waits_for_the_card_and_issues_nothing():
    cdr = bill(legs=(Leg("card", "10.20", "due"),), created_at=clock.now() - timedelta(minutes=1))
    response = logged_in(cdr.charging_session.driver.user).get(
        reverse("session_receipt", args=[cdr.charging_session.public_id])
    )
    assert response.status_code == 202
    assert "waits for your card" in response.content.decode()
    assert not Document.objects.exists()


def test_a_sessions_link_says_when_somebody_has_to_look():
    cdr = bill(lines=(Line("ENERGY", "18.4", "kWh", "0.60"),))
    response = logged_in(cdr.charging_session.driver.user).get(
        reverse("session_receipt", args=[cdr.charging_session.public_id])
    )
    assert response.status_code == 409
    assert "Nothing is lost" in response.content.decode()
    assert not Document.objects.exists()


def test_an_open_receipt_shows_how_it_stands_today():
    cdr = bill(legs=(Leg("card", "10.20", "due"),))
    document = issue_receipt(cdr_id=cdr.pk)
    session = cdr.charging_session
    session.payment_status = "paid"
    session.save()
    page = logged_in(document.driver.user).get(reverse("document", args=[document.public_id])).content.decode()
    assert "10.20\N{NO-BREAK SPACE}€ to be charged to card Visa •4242" in page
    assert "Today the session is: paid." in page
