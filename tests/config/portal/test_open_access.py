"""Open access in the portal and on the connector's page."""

from datetime import timedelta

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import ChargingSession, OpenAccess
from billing.services.settlement import settle_session
from locations.models import ChargePoint, Connector
from tests.config.portal.staff import DemoDays, browser_of

ADD = reverse("admin:billing_openaccess_add")


def change(grant: OpenAccess) -> str:
    return reverse("admin:billing_openaccess_change", args=[grant.pk])


def typed(**changes: object) -> dict[str, object]:
    now = timezone.localtime()
    return {
        "name": "Open day",
        "connector": Connector.objects.get(charge_point__identity="DEMO-AC-1", number=1).pk,
        "is_active": "on",
        "valid_from_0": f"{now:%Y-%m-%d}",
        "valid_from_1": "00:00:00",
        "weekdays": ["1", "2", "3", "4", "5", "6", "7"],
        **changes,
    }


class TestOpenAccess(DemoDays):
    def test_it_is_entered_and_the_connectors_page_says_so(self) -> None:
        answer = self.otto.post(ADD, typed(max_kwh="12"))
        assert answer.status_code == 302, answer.context["errors"]
        grant = OpenAccess.objects.get(name="Open day")
        assert grant.weekdays == [1, 2, 3, 4, 5, 6, 7]
        assert grant.connector is not None
        page = Client().get(reverse("connector_qr", args=[grant.connector.code])).content.decode()
        assert "Free for you right now" in page
        assert "Charging stops after 12 kWh." in page
        assert "Pay without an account" not in page
        station = Client().get(reverse("station", args=[grant.connector.charge_point.location.code])).content.decode()
        assert station.count("Free right now") == 1

    def test_what_makes_no_sense_is_refused_in_words(self) -> None:
        for changes, words in (
            ({"connector": ""}, "Choose a location or a connector, one of the two."),
            ({"begins_at": "08:00"}, "Give both ends of the hours"),
            ({"weekdays": []}, "This field is required."),
        ):
            with self.subTest(changes=changes):
                page = self.otto.post(ADD, typed(**changes)).content.decode()
                assert words in page
        assert not OpenAccess.objects.filter(name="Open day").exists()

    def test_what_was_given_away_is_shown_by_month_and_fixes_its_terms(self) -> None:
        point = ChargePoint.objects.get(identity="DEMO-AC-1")
        grant = OpenAccess.objects.create(name="Open day", location=point.location)
        priced = ChargingSession.objects.filter(charge_point=point, outcome="billed", cdr__gross__gt=0).latest("pk")
        session = ChargingSession.objects.create(
            charge_point=point,
            connector=priced.connector,
            status="ended",
            started_at=timezone.now() - timedelta(hours=2),
            stopped_at=timezone.now() - timedelta(hours=1),
            ended_at=timezone.now() - timedelta(hours=1),
            meter_start_wh=0,
            meter_stop_wh=10_000,
            open_access=grant,
            tariff_version=priced.tariff_version,
            tariff_digest=priced.tariff_digest,
            currency="EUR",
            vat_percent=19,
        )
        cdr = settle_session(session_id=session.pk)
        assert cdr is not None
        page = self.otto.get(change(grant)).content.decode()
        assert "What was given away" in page
        assert f"{cdr.gross:.2f}\xa0€" in page
        self.otto.post(
            change(grant),
            {"name": "Open week", "max_kwh": "1", "cost_centre": "Events", "valid_until_0": "", "valid_until_1": ""},
        )
        grant.refresh_from_db()
        assert (grant.name, grant.max_kwh, grant.is_active) == ("Open week", None, False)

    def test_only_those_who_may_get_in(self) -> None:
        for role, status in (("Finance", 200), ("Support", 403), ("Read-only", 403)):
            with self.subTest(role=role):
                assert browser_of(role).get(ADD).status_code == status
