"""Every page of the portal opens for those who may see it, and for nobody else."""

from django.contrib import admin
from django.db import models
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.roles import ROLES
from billing.models import ChargingSession
from config.admin.customer_page import TABS
from locations.models import ChargePoint
from tests.config.portal.staff import DemoDays, browser_of, demo_driver, member


def address(model: type[models.Model], page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def misbehaving_pages(client: Client) -> list[str]:
    """Pages that open though the person may not see them, or do not open though they may, or break."""
    request = RequestFactory().get("/admin/")
    request.user = member(client)
    expected: dict[str, bool] = {}
    for model, model_admin in admin.site._registry.items():
        may_view = model_admin.has_view_permission(request)
        expected[address(model, "changelist")] = may_view
        expected[address(model, "add")] = model_admin.has_add_permission(request)
        if getattr(model_admin, "csv_columns", ()):
            expected[address(model, "export")] = may_view
        first = model._default_manager.first()
        if first is not None:
            expected[address(model, "change", first.pk)] = may_view
    answers = {path: client.get(path).status_code for path in expected}
    return [
        f"{path}: {status}, {'allowed' if expected[path] else 'refused'} by permission"
        for path, status in answers.items()
        if status != (200 if expected[path] else 403)
    ]


class TestPages(DemoDays):
    def test_every_registered_page_answers_by_the_roles_permissions(self) -> None:
        for role in ROLES:
            with self.subTest(role=role):
                assert misbehaving_pages(browser_of(role)) == []

    def test_each_tab_of_a_customer_opens(self) -> None:
        for tab in TABS:
            with self.subTest(tab=tab):
                for name in ("Leo", "Dora", "Gus"):
                    page = self.otto.get(address(type(demo_driver(name)), "change", demo_driver(name).pk), {"tab": tab})
                    assert page.status_code == 200
                    assert page.context["tab"] == tab

    def test_a_customer_at_a_glance(self) -> None:
        leo = demo_driver("Leo")
        customer = reverse("admin:accounts_driver_change", args=[leo.pk])
        page = self.otto.get(customer).content.decode()
        for words in (
            "Pay as you go with credit",
            "0.00\xa0€",
            "The driver sees the balance but cannot top up",
            "8.43",
        ):
            assert words in page
        wallet = self.otto.get(
            reverse("admin:accounts_driver_change", args=[leo.pk]), {"tab": "wallet"}
        ).content.decode()
        assert "Credit added" in wallet
        assert "-4.00\xa0€" in wallet
        payments = self.otto.get(
            reverse("admin:accounts_driver_change", args=[demo_driver("Dora").pk]), {"tab": "payments"}
        ).content.decode()
        assert "Temporary: will be tried again" in payments
        assert "15.99\xa0€" in payments

    def test_a_session_is_explained_from_price_to_payment(self) -> None:
        session = ChargingSession.objects.filter(driver__name="Leo Lindt").earliest("started_at")
        page = self.otto.get(reverse("admin:billing_chargingsession_change", args=[session.pk])).content.decode()
        assert "This price applies at all times." in page
        assert "Another price of this tariff did not apply: it needs “22:00 to 06:00”." in page
        assert "Applies: the most specific assignment that fits." in page
        assert "For another power class." in page
        assert "4.43\xa0€" in page
        assert page.count("<polyline") == 2

    def test_live_pages_answer_htmx_with_the_changing_part_alone(self) -> None:
        live = reverse("admin:locations_chargepoint_live")
        whole = self.otto.get(live).content.decode()
        part = self.otto.get(live, headers={"HX-Request": "true"}).content.decode()
        assert "<html" in whole
        assert "<html" not in part
        assert "DEMO-HPC-1" in part
        point = ChargePoint.objects.get(identity="DEMO-AC-1")
        fragment = self.otto.get(reverse("admin:locations_chargepoint_point_live", args=[point.pk])).content.decode()
        assert "<html" not in fragment
        assert "Not reported yet" in fragment

    def test_the_dashboard_counts_what_waits(self) -> None:
        page = self.otto.get(reverse("admin:index"))
        queues = {str(queue.label): queue.value for queue in page.context["queues"]}
        assert queues["Sessions in review"] == "2"
        assert queues["Failed payments"] == "1"
        balances = {str(figure.label): figure.value for figure in page.context["balances"]}
        assert balances["Unpaid by drivers"] == "15.99\xa0€"
        # Ada's 4.00 and what Ben has left of 60.00 after 29.30, 6.27 and, at market prices, 6.16; Leo has spent his.
        assert balances["Owed to drivers in wallets"] == "22.27\xa0€"

    def test_money_is_left_out_for_those_who_may_not_see_it(self) -> None:
        page = browser_of("Operations").get(reverse("admin:index"))
        # Operations sees what a session cost, not what the network owes.
        assert "balances" not in page.context
        assert len(page.context["charts"]) == 2

    def test_who_pays_what_at_a_connector_and_why(self) -> None:
        tool = reverse("admin:tariffs_tariffassignment_who_pays")
        asked = {"connector": "DEMO-AC-3/2", "driver": demo_driver("Frida").email, "channel": "rfid"}
        fleet = self.otto.get(tool, asked)
        assert fleet.context["version"].tariff.code == "fleet"
        everybody = self.otto.get(tool, {**asked, "driver": ""})
        assert everybody.context["version"].tariff.code == "ac-standard"
        reasons = {row["tariff"]: str(row["why"]) for row in everybody.context["trace"]}
        assert reasons["fleet"] in ("For another customer group.", "For another power class.")
        unknown = self.otto.get(tool, {**asked, "connector": "NOWHERE"}).content.decode()
        assert "There is no such connector." in unknown
