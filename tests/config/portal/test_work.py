"""Work queues and the network: deciding, starting, stopping, publishing."""

import json

from django.urls import reverse

from accounts.models import AuditEvent
from billing.models import ChargingSession
from billing.services.settlement import settle_session
from locations.models import ChargePoint
from locations.services.credentials import key_matches
from ocpp_gateway.models import Command, ParkedReport
from ocpp_gateway.services.reports import park_report
from tariffs.models import Tariff, TariffVersion
from tests.config.portal.staff import DemoDays, browser_of, demo_driver

KEY = "8f14e45f-ceea-467f-a8f1-000000000002"
CONFIRMED = {"key": KEY, "reason": "looked into it", "confirmed": "1"}


def in_review(reason: str) -> ChargingSession:
    return ChargingSession.objects.get(outcome=ChargingSession.Outcome.IN_REVIEW, review_reason=reason)


def session_page(session: ChargingSession, name: str) -> str:
    return reverse(f"admin:billing_chargingsession_{name}", args=[session.pk])


class TestWork(DemoDays):
    def test_a_parked_session_is_billed_after_all(self) -> None:
        session = in_review("open_debt")
        self.otto.post(session_page(session, "release"), CONFIRMED)
        session.refresh_from_db()
        assert (session.outcome, session.contract_id is None) == (ChargingSession.Outcome.PENDING, False)
        cdr = settle_session(session_id=session.pk)
        assert cdr is not None
        # 19.9 kWh x 0.59 EUR
        assert str(cdr.gross) == "11.7400"
        event = AuditEvent.objects.get(action="session_released")
        assert (event.reason, event.data) == ("looked into it", {"doubt": "open_debt"})

    def test_what_is_still_missing_comes_back_to_the_queue(self) -> None:
        session = in_review("unknown_token")
        self.otto.post(session_page(session, "release"), CONFIRMED)
        assert settle_session(session_id=session.pk) is None
        session.refresh_from_db()
        assert (session.outcome, session.review_reason) == (ChargingSession.Outcome.IN_REVIEW, "no_driver")

    def test_a_doubt_is_named_in_words_and_a_session_without_energy_says_when_it_is_billed(self) -> None:
        session = in_review("unknown_token")
        ChargingSession.objects.filter(pk=session.pk).update(meter_start_wh=1_234_567, meter_stop_wh=1_234_567)
        page = self.otto.get(session_page(session, "change")).content.decode()
        assert "Waits for a decision: unknown card" in page
        assert "1,234,567 → 1,234,567 Wh" in page
        # It stayed for 45 minutes, which is more than a try.
        assert "It delivered no energy: it would be billed only if its price counts the time it stayed." in page
        sent = {"key": KEY, "reason": "looked"}
        preview = self.otto.post(session_page(session, "release"), sent).content.decode()
        assert "delivered no energy: it is billed only if its price counts the time it stayed." in preview
        with self.settings(SESSION_FREE_STAY_SECONDS=45 * 60):
            page = self.otto.get(session_page(session, "change")).content.decode()
            assert "It delivered no energy and was short, so nothing would be billed either way." in page
            preview = self.otto.post(session_page(session, "release"), sent).content.decode()
            assert "was short and delivered no energy: it is closed free of charge." in preview

    def test_once_the_card_has_an_owner_the_session_is_theirs(self) -> None:
        session = in_review("unknown_token")
        chris = demo_driver("Chris")
        self.otto.post(
            reverse("admin:accounts_driver_token", args=[chris.pk]),
            {**CONFIRMED, "id_tag": session.id_tag, "label": "Found"},
        )
        self.otto.post(session_page(session, "release"), CONFIRMED)
        cdr = settle_session(session_id=session.pk)
        assert cdr is not None
        session.refresh_from_db()
        assert session.driver == chris

    def test_a_parked_session_is_discarded_for_good(self) -> None:
        session = in_review("unknown_token")
        self.otto.post(session_page(session, "discard"), CONFIRMED)
        session.refresh_from_db()
        assert session.outcome == ChargingSession.Outcome.DISCARDED
        assert settle_session(session_id=session.pk) is None
        refused = self.otto.post(session_page(session, "release"), CONFIRMED)
        assert refused.status_code == 200
        assert "Nothing was changed." in refused.content.decode()

    def test_a_parked_report_is_decided_with_a_note(self) -> None:
        point = ChargePoint.objects.get(identity="DEMO-AC-1")
        report = park_report(
            charge_point_id=point.pk,
            action="StopTransaction",
            payload={"transactionId": 999},
            reason="unknown_transaction",
            received_at=point.created_at,
        )
        queue = self.otto.get(reverse("admin:ocpp_gateway_parkedreport_changelist"), {"decision": "open"})
        assert queue.context["cl"].result_count == 1
        self.otto.post(reverse("admin:ocpp_gateway_parkedreport_resolve", args=[report.pk]), CONFIRMED)
        decided = ParkedReport.objects.get()
        assert decided.resolution_note == "looked into it"
        assert decided.resolved_by is not None

    def test_a_session_is_started_for_a_customer_and_stopped(self) -> None:
        point = ChargePoint.objects.get(identity="DEMO-AC-1")
        start = reverse("admin:locations_chargepoint_start", args=[point.pk])
        form = {**CONFIRMED, "connector": str(point.connectors.first().pk), "driver": demo_driver("Ada").email}
        point.connectors.update(status="Available")
        offline = self.otto.post(start, form).content.decode()
        assert "This charge point cannot be reached at the moment." in offline
        assert not Command.objects.exists()

        ChargePoint.objects.filter(pk=point.pk).update(is_connected=True)
        assert self.otto.post(start, form).status_code == 302
        command = Command.objects.get()
        assert command.action == "RemoteStartTransaction"
        assert command.charging_session is not None
        assert command.charging_session.driver == demo_driver("Ada")
        assert AuditEvent.objects.get(action="remote_start").reason == "looked into it"

        refused = self.otto.post(session_page(command.charging_session, "stop"), CONFIRMED)
        assert "This session has already ended." in refused.content.decode()

    def test_a_new_key_is_asked_for_with_a_reason_and_shown_once(self) -> None:
        point = ChargePoint.objects.get(identity="DEMO-AC-1")
        before = point.key_hmac
        address = reverse("admin:locations_chargepoint_key", args=[point.pk])
        for sent in ({}, {"key": KEY, "confirmed": "1"}, {"key": KEY, "reason": "looked into it"}):
            page = self.otto.post(address, sent)
            assert "portal-secret" not in page.content.decode()
            point.refresh_from_db()
            assert point.key_hmac == before
        assert "The present key stays valid until" in page.content.decode()

        shown = self.otto.post(address, CONFIRMED)
        assert "no-store" in shown["Cache-Control"]
        point.refresh_from_db()
        assert key_matches(point, shown.context["key"].encode())
        assert shown.context["key"] not in self.otto.get(address).content.decode()
        assert AuditEvent.objects.get(action="charge_point_key_issued").reason == "looked into it"

    def test_a_charge_point_goes_out_of_service_and_back(self) -> None:
        point = ChargePoint.objects.get(identity="DEMO-AC-1")
        for expected in ("retired", "admitted"):
            self.otto.post(reverse("admin:locations_chargepoint_admission", args=[point.pk]), CONFIRMED)
            point.refresh_from_db()
            assert point.admission == expected

    def test_a_tariff_version_is_drafted_and_published(self) -> None:
        tariff = Tariff.objects.get(code="dc-standard")
        draft = reverse("admin:tariffs_tariff_draft_json", args=[tariff.pk])
        document = json.loads(self.otto.get(draft).context["form"].initial["document"])
        document["elements"][0]["price_components"][0]["price"] = 0.55
        broken = self.otto.post(draft, {"key": KEY, "document": "{"}).content.decode()
        assert "This is not valid JSON." in broken
        self.otto.post(draft, {"key": KEY, "document": json.dumps(document)})
        version = TariffVersion.objects.get(tariff=tariff, number=2)
        assert version.status == TariffVersion.Status.DRAFT
        publish = reverse("admin:tariffs_tariffversion_publish", args=[version.pk])
        assert "0.55\xa0€/kWh" in self.otto.get(publish).content.decode()
        self.otto.post(publish, CONFIRMED)
        version.refresh_from_db()
        assert version.status == TariffVersion.Status.PUBLISHED
        self.otto.post(reverse("admin:tariffs_tariffversion_withdraw", args=[version.pk]), CONFIRMED)
        version.refresh_from_db()
        assert version.status == TariffVersion.Status.WITHDRAWN

    def test_roles_without_the_right_cannot_decide_or_publish(self) -> None:
        for role in ["Support", "Read-only"]:
            with self.subTest(role=role):
                client = browser_of(role)
                session = in_review("open_debt")
                version = TariffVersion.objects.first()
                point = ChargePoint.objects.first()
                assert version is not None
                assert point is not None
                for address in (
                    session_page(session, "release"),
                    session_page(session, "discard"),
                    reverse("admin:tariffs_tariffversion_withdraw", args=[version.pk]),
                    reverse("admin:locations_chargepoint_key", args=[point.pk]),
                    reverse("admin:locations_chargepoint_admission", args=[point.pk]),
                ):
                    assert client.post(address, CONFIRMED).status_code == 403
                session.refresh_from_db()
                assert session.outcome == ChargingSession.Outcome.IN_REVIEW
