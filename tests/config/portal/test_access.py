"""Who gets into the portal, and by which door."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import User
from accounts.roles import READ_ONLY, ROLES, install_roles
from tests.config.portal.conftest import LogIn
from tests.config.portal.staff import member
from tests.factories import DriverFactory, StaffFactory

pytestmark = pytest.mark.django_db


def test_strangers_are_sent_to_the_one_login_page(client: Client) -> None:
    answer = client.get("/admin/accounts/driver/", follow=True)
    assert answer.redirect_chain[-1][0] == f"{reverse('account_login')}?next=%2Fadmin%2Faccounts%2Fdriver%2F"


def test_a_foreign_address_is_not_taken_along(client: Client) -> None:
    answer = client.get("/admin/login/", {"next": "https://elsewhere.example/"})
    assert answer["Location"] == f"{reverse('account_login')}?next=%2Fadmin%2F"


def test_a_driver_is_refused(client: Client) -> None:
    client.force_login(DriverFactory().user)
    assert client.get("/admin/", follow=True).status_code == 403


def test_staff_need_a_second_factor_where_the_installation_demands_one(log_in: LogIn, settings: Settings) -> None:
    settings.STAFF_MFA_REQUIRED = True
    client = log_in("Support")
    answer = client.get("/admin/", follow=False)
    assert client.get(answer["Location"])["Location"] == reverse("mfa_activate_totp")
    Authenticator.objects.create(user=member(client), type=Authenticator.Type.TOTP, data={"secret": "x"})
    assert client.get("/admin/").status_code == 200


def test_a_list_is_named_after_its_rows_and_the_portal_has_its_icon(otto: Client) -> None:
    page = otto.get("/admin/accounts/driver/").content.decode()
    assert "Drivers" in page
    assert "to change" not in page
    assert 'href="/static/img/mark.svg"' in page
    assert otto.get("/favicon.ico")["Location"] == "/static/img/mark.svg"


def test_the_queue_of_parked_reports_opens_from_the_navigation(otto: Client) -> None:
    address = reverse("admin:ocpp_gateway_parkedreport_changelist") + "?decision=open"
    assert f'href="{address}"' in otto.get("/admin/").content.decode()
    assert otto.get(address).status_code == 200


def _log_in_with_password(client: Client, user: User) -> str:
    user.set_password("correct horse battery")
    user.save()
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    answer = client.post(reverse("account_login"), {"login": user.email, "password": "correct horse battery"})
    return str(answer["Location"])


def test_staff_who_do_not_charge_arrive_in_the_portal(client: Client) -> None:
    assert _log_in_with_password(client, StaffFactory()) == reverse("admin:index")


def test_staff_who_charge_and_drivers_arrive_on_their_own_page(client: Client) -> None:
    for number, is_staff in enumerate((True, False)):
        driver = DriverFactory(user__email=f"driver{number}@example.org", user__is_staff=is_staff)
        assert driver.user is not None
        assert _log_in_with_password(Client(), driver.user) == reverse("home")


def test_only_the_portal_may_evaluate_expressions(otto: Client) -> None:
    assert "'unsafe-eval'" in otto.get("/admin/")["Content-Security-Policy"]
    assert "'unsafe-eval'" in otto.get("/admin/accounts/driver/")["Content-Security-Policy"]
    for path in (reverse("account_login"), "/"):
        assert "'unsafe-eval'" not in otto.get(path)["Content-Security-Policy"]


def test_roles_are_installed_again_without_change() -> None:
    first = {group.name: set(group.permissions.values_list("pk", flat=True)) for group in install_roles()}
    again = {group.name: set(group.permissions.values_list("pk", flat=True)) for group in install_roles()}
    assert first == again
    assert set(first) == set(ROLES)
    assert all(first.values())


def test_the_reader_may_only_look() -> None:
    reader = next(group for group in install_roles() if group.name == READ_ONLY)
    assert {name.split("_")[0] for name in reader.permissions.values_list("codename", flat=True)} == {"view"}


@pytest.mark.parametrize(
    ("role", "permission", "expected"),
    [
        ("Support", "billing.add_walletlot", True),
        ("Support", "billing.change_walletlot", False),
        ("Support", "tariffs.change_tariffversion", False),
        ("Operations", "ocpp_gateway.add_command", True),
        ("Operations", "billing.add_walletlot", False),
        ("Operations", "billing.view_ledgeraccount", False),
        ("Finance", "tariffs.change_tariffversion", True),
        ("Finance", "ocpp_gateway.add_command", False),
        ("Finance", "accounts.change_user", False),
        ("Owner", "accounts.change_user", True),
    ],
)
def test_a_role_has_what_its_work_needs(role: str, permission: str, expected: bool, log_in: LogIn) -> None:
    assert member(log_in(role)).has_perm(permission) is expected


def test_an_owner_cannot_touch_a_superuser(otto: Client) -> None:

    root = StaffFactory(email="root@example.org")
    assert (
        otto.post(reverse("admin:accounts_user_change", args=[root.pk]), {"email": "x@example.org"}).status_code == 403
    )
    assert otto.get(reverse("admin:auth_user_password_change", args=[root.pk])).status_code == 403
