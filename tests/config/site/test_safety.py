"""Forms need their token, pages run no script of their own, doors throttle, errors speak plainly."""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.template.loader import render_to_string
from django.test import Client, override_settings
from django.urls import reverse

from accounts.models import Driver
from tests.config.site.reading import text, words
from tests.config.site.world import card_of, reachable_connector, running_session, settled_session
from tests.factories import StaffFactory, UserFactory

pytestmark = pytest.mark.django_db

ACCOUNT_PAGES = (
    "account_login",
    "account_signup",
    "account_reset_password",
    "account_logout",
    "account_email",
    "account_change_password",
    "account_reauthenticate",
    "mfa_index",
)


def _addresses(ada: Driver) -> list[str]:
    card_of(ada)
    connector = reachable_connector()
    names = ["stations", "home", "charge", "sessions", "wallet", "payment_methods", "receipts", "profile"]
    return [
        *(reverse(name) for name in (*names, *ACCOUNT_PAGES)),
        reverse("station", args=[connector.charge_point.location.code]),
        reverse("connector_qr", args=[connector.code]),
        reverse("session_detail", args=[running_session(ada).public_id]),
        reverse("session_detail", args=[settled_session(ada).public_id]),
    ]


def test_no_page_carries_a_script_or_style_of_its_own_and_every_page_says_so(ada: Driver, browse) -> None:
    browser = browse(ada)
    for address in _addresses(ada):
        page = browser.get(address, follow=True)
        source = text(page)
        assert "script-src 'self'" in page.headers["Content-Security-Policy"], address
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"], address
        for tag in re.findall(r"<script[^>]*>", source):
            assert " src=" in tag or "application/json" in tag, (address, tag)
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", source), address
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', source), address


def test_every_page_has_one_heading_a_title_and_a_way_past_the_menu(ada: Driver, browse) -> None:
    browser = browse(ada)
    for address in _addresses(ada):
        source = text(browser.get(address, follow=True))
        assert source.count("<h1") == 1, address
        assert re.search(r"<title>\s*\S", source), address
        assert 'href="#content"' in source, address
        for field in re.findall(r"<(?:input|select|textarea)[^>]*>", source):
            if 'type="hidden"' not in field:
                name = re.search(r'id="([^"]+)"', field)
                assert name is not None, (address, field)
                assert f'for="{name[1]}"' in source, (address, field)


@pytest.mark.parametrize("name", ["pay_now", "profile", "become_driver", "account_logout"])
def test_a_form_without_its_token_is_refused_in_plain_words(ada: Driver, name: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada.user, backend="django.contrib.auth.backends.ModelBackend")
    refused = browser.post(reverse(name))
    assert refused.status_code == 403
    assert "Please try that once more" in words(refused)


def test_start_and_stop_need_a_token_and_a_post(ada: Driver, browse) -> None:
    session = running_session(ada)
    for address in (
        reverse("connector_start", args=[session.connector.code]),
        reverse("session_stop", args=[session.public_id]),
    ):
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(ada.user, backend="django.contrib.auth.backends.ModelBackend")
        assert browser.post(address).status_code == 403
        assert browse(ada).get(address).status_code == 405


def test_an_address_that_is_nothing_says_so(client: Client, network) -> None:
    page = client.get("/nothing/here/")
    assert page.status_code == 404
    assert "There is nothing here" in words(page)


@pytest.mark.parametrize("name", ["403.html", "429.html", "500.html"])
def test_error_pages_say_what_to_do_and_that_nothing_is_lost(name: str) -> None:
    page = re.sub(r"\s+", " ", render_to_string(name))
    assert "Nothing was changed." in page or "nothing was lost" in page


def test_logging_in_and_out_in_our_words(client: Client, network) -> None:
    user = UserFactory(email="ada@example.org")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)

    assert "Log in with a passkey" in text(client.get(reverse("account_login")))
    wrong = client.post(reverse("account_login"), {"login": user.email, "password": "wrong"})
    assert "not correct" in words(wrong)
    answer = client.post(reverse("account_login"), {"login": user.email, "password": "correct horse battery"})
    assert answer.headers["Location"] == reverse("home")
    assert "A session that is charging goes on charging." in words(client.get(reverse("account_logout")))
    assert client.post(reverse("account_logout")).status_code == 302
    assert client.get(reverse("home")).status_code == 302


def test_signing_up_makes_a_driver(client: Client, network) -> None:
    answer = client.post(
        reverse("account_signup"),
        {"email": "new@example.org", "password1": "a long pass phrase", "password2": "a long pass phrase"},
    )
    assert answer.status_code == 302
    assert Driver.objects.get(user__email="new@example.org").tokens.filter(kind="app").count() == 1


@override_settings(STAFF_MFA_REQUIRED=True)
def test_staff_without_a_second_factor_set_one_up_before_the_portal_opens(client: Client, network) -> None:
    otto = StaffFactory(email="otto@example.org")
    EmailAddress.objects.create(user=otto, email=otto.email, verified=True, primary=True)
    client.post(reverse("account_login"), {"login": otto.email, "password": "correct horse battery"})

    page = client.get(reverse("admin:index"), follow=True)

    assert reverse("mfa_activate_totp") in [address for address, _status in page.redirect_chain]
    assert "Set up a second factor to use the operator portal." in words(page)
    # Whoever adds a factor proves the password first.
    page = client.post(page.redirect_chain[-1][0], {"password": "correct horse battery"}, follow=True)
    assert "scan the QR code" in words(page)
    TOTP.activate(otto, generate_totp_secret())
    assert client.get(reverse("admin:index")).status_code == 200


@override_settings(AXES_ENABLED=True, AXES_FAILURE_LIMIT=3)
def test_a_guessed_password_locks_that_login_and_no_other(client: Client, network) -> None:
    ada, cora = UserFactory(email="ada@example.org"), UserFactory(email="cora@example.org")
    for user in (ada, cora):
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    for _ in range(3):
        client.post(reverse("account_login"), {"login": ada.email, "password": "guess"})

    locked = client.post(reverse("account_login"), {"login": ada.email, "password": "correct horse battery"})
    other = client.post(reverse("account_login"), {"login": cora.email, "password": "correct horse battery"})

    assert locked.status_code == 429
    assert "Too many attempts" in words(locked)
    assert other.status_code == 302
