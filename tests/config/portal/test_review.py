"""Sessions in doubt, put right in the portal: the meter corrected, two halves merged."""

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from billing.models import ChargingSession
from billing.services.settlement import settle_session
from tests.config.portal.staff import DemoDays, browser_of

KEY = "8f14e45f-ceea-467f-a8f1-000000000003"
REASON = {"key": KEY, "reason": "read off the display"}


def in_review(reason: str) -> ChargingSession:
    return ChargingSession.objects.get(outcome=ChargingSession.Outcome.IN_REVIEW, review_reason=reason)


def page_of(session: ChargingSession, name: str) -> str:
    return reverse(f"admin:billing_chargingsession_{name}", args=[session.pk])


def as_typed(session: ChargingSession, **changes: str) -> dict[str, str]:
    figures = {"meter_start_kwh": "100", "meter_stop_kwh": "110"}
    for name in ("stopped_at", "ended_at"):
        figures[name] = f"{timezone.localtime(getattr(session, name)):%Y-%m-%dT%H:%M:%S}"
    return {**REASON, **figures, **changes}


class TestReview(DemoDays):
    def test_the_form_shows_what_is_known(self) -> None:
        session = in_review("open_debt")
        form = self.otto.get(page_of(session, "correct_meter")).context["form"]
        start_kwh, stop_kwh = form["meter_start_kwh"].initial, form["meter_stop_kwh"].initial
        assert (start_kwh * 1000, stop_kwh * 1000) == (session.meter_start_wh, session.meter_stop_wh)

    def test_a_corrected_meter_is_shown_with_its_price_before_it_is_billed(self) -> None:
        session = in_review("open_debt")
        preview = self.otto.post(page_of(session, "correct_meter"), as_typed(session)).content.decode()
        assert "is billed with 10 kWh instead of 19.9 kWh." in preview
        # 10 kWh x 0.59 EUR
        assert "By its price that is 5.90\xa0€ with VAT." in preview
        self.otto.post(page_of(session, "correct_meter"), as_typed(session, confirmed="1"))
        cdr = settle_session(session_id=session.pk)
        assert cdr is not None
        assert str(cdr.gross) == "5.9000"
        assert self.otto.get(page_of(session, "correct_meter")).status_code == 404

    def test_what_cannot_be_is_refused_in_words(self) -> None:
        session = in_review("open_debt")
        typed = as_typed(session, meter_stop_kwh="99", confirmed="1")
        page = self.otto.post(page_of(session, "correct_meter"), typed).content.decode()
        assert "The final register is below the first one." in page
        session.refresh_from_db()
        assert session.outcome == ChargingSession.Outcome.IN_REVIEW

    def test_two_halves_are_merged(self) -> None:
        first = in_review("unknown_token")
        assert first.started_at is not None
        assert first.ended_at is not None
        assert first.meter_start_wh is not None
        assert "Merge with another" not in self.otto.get(page_of(first, "change")).content.decode()
        second = ChargingSession.objects.create(
            charge_point=first.charge_point,
            connector=first.connector,
            id_tag=first.id_tag,
            status=ChargingSession.Status.ENDED,
            outcome=ChargingSession.Outcome.IN_REVIEW,
            review_reason="unknown_token",
            started_at=first.ended_at + timedelta(minutes=5),
            ended_at=first.ended_at + timedelta(minutes=25),
            meter_start_wh=first.meter_start_wh + first.energy_wh,
            energy_wh=1000,
        )
        assert "Merge with another" in self.otto.get(page_of(first, "change")).content.decode()
        choice = {**REASON, "other": str(second.pk)}
        preview = self.otto.post(page_of(first, "merge"), choice).content.decode()
        assert f"#{second.pk} becomes part of #{first.pk}" in preview
        self.otto.post(page_of(first, "merge"), {**choice, "confirmed": "1"})
        second.refresh_from_db()
        assert second.merged_into_id == first.pk
        page = self.otto.get(page_of(second, "change")).content.decode()
        assert f"The second half of session #{first.pk}, and billed there." in page

    def test_only_those_who_may_decide_get_in(self) -> None:
        session = in_review("open_debt")
        for name in ("correct_meter", "merge"):
            assert browser_of("Read-only").get(page_of(session, name)).status_code == 403
        assert ChargingSession.objects.filter(outcome=ChargingSession.Outcome.IN_REVIEW).count() == 2
