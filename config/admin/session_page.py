"""What the operator sees of one session: what it cost and why, who paid, what the charge point said."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import AuditEvent
from billing.models import Cdr, ChargingSession, Dispute, FundingLeg, Hold, MeterValue, Payment
from billing.services.session_merging import other_halves
from common import clock
from config.charts import LineChart, line_chart
from config.selectors.hold_words import reserved_on_cards
from config.selectors.price_basis import price_basis
from config.selectors.price_explanation import explain
from config.selectors.refund_words import refunds_shown
from invoicing.models import Document
from ocpp_gateway.models import OcppMessage
from tariffs.trace_words import trace_rows

# Frames this long before the start and after the end belong to the session's story.
AROUND = timedelta(minutes=3)
MESSAGES = 200

# Why a session waits in review, in a few words; a refusal at the start that is not named here reads as its code.
REVIEW_WORDS = {
    "meter_missing": _("no meter values"),
    "meter_stop_missing": _("no final meter value"),
    "meter_stop_invalid": _("impossible final meter value"),
    "energy_above_rated_power": _("more energy than possible"),
    "no_stop_report": _("the end was never reported"),
    "no_unplug_report": _("unplugging was never reported"),
    "stop_before_start": _("it ended before it began"),
    "unknown_token": _("unknown card"),
    "token_blocked": _("blocked card"),
    "token_expired": _("expired card"),
    "unknown_connector": _("unknown connector"),
    "no_driver": _("no customer"),
    "no_contract": _("no contract"),
    "no_subscription": _("no subscription"),
    "no_tariff": _("no tariff"),
    "no_vat_rate": _("no VAT rate"),
    "no_payment_method": _("no card to pay with"),
    "open_debt": _("unpaid earlier sessions"),
    "insufficient_funds": _("too little in the wallet"),
    "driver_blocked": _("blocked customer"),
}

# What an operator does about each reason a session waits in review.
FIXES = {
    "meter_stop_missing": _("The charge point sent no final meter value; the last one it sent was used."),
    "meter_stop_invalid": _("The final meter value is below an earlier one; the last good one was used."),
    "energy_above_rated_power": _("More energy was reported than the connector can deliver in that time."),
    "no_stop_report": _("The charge point never reported the end; the session ends with its last meter value."),
    "no_unplug_report": _("The charge point never reported that the vehicle left."),
    "stop_before_start": _("The reported stop is earlier than the start: the charge point's clock is wrong."),
    "unknown_token": _("Nobody is known under this id tag. Give the card to a customer, or discard the session."),
    "unknown_connector": _("This connector is not entered. Add it to the charge point."),
    "no_tariff": _("No tariff is assigned here for this customer. Assign one."),
    "no_vat_rate": _("No VAT rate is entered for this country and date. Enter one."),
}

# Why a session without a price has none.
FREE_BECAUSE = {
    "no_energy": _("No energy was delivered."),
    "below_least_duration": _("It was shorter than the shortest session that is billed."),
    "below_least_energy": _("It took less energy than the smallest session that is billed."),
}


def review_words(session: ChargingSession) -> str:
    """Why the session is doubted, in a few words; empty where it is not."""
    return str(REVIEW_WORDS.get(session.review_reason, session.review_reason.replace("_", " ")))


def is_without_energy(session: ChargingSession) -> bool:
    """No energy was delivered, as far as it is known."""
    if session.meter_start_wh is not None and session.meter_stop_wh is not None:
        return session.meter_stop_wh == session.meter_start_wh
    return not session.energy_wh


def bills_nothing(session: ChargingSession) -> bool:
    """Without energy and no longer than somebody needs to try: free by rule, whatever is decided about it."""
    if not is_without_energy(session) or session.started_at is None or session.ended_at is None:
        return False
    return session.ended_at - session.started_at <= timedelta(seconds=settings.SESSION_FREE_STAY_SECONDS)


def details(session: ChargingSession) -> dict[str, Any]:
    cdr = Cdr.objects.filter(charging_session=session).first()
    return {
        "session": session,
        "cdr": cdr,
        "explanation": explain(session, cdr) if cdr else None,
        "basis": price_basis(session, cdr) if cdr else None,
        "legs": list(cdr.legs.select_related("lot")) if cdr else [],
        "refunds": refunds_shown(cdr) if cdr else [],
        "is_refundable": cdr is not None and any(leg.left for leg in cdr.legs.all()),
        "may_be_written_off": (FundingLeg.State.DUE, FundingLeg.State.RETRYING, FundingLeg.State.UNCOLLECTIBLE),
        "payments": _payments_of(cdr) if cdr else [],
        "disputes": Dispute.objects.filter(payment__in=_payments_of(cdr)).select_related("payment") if cdr else [],
        "documents": Document.objects.filter(cdr=cdr) if cdr else [],
        "holds": session.holds.filter(source=Hold.Source.WALLET),
        "reserved": reserved_on_cards(session),
        "commands": session.commands.select_related("actor")[:20],
        "parked_reports": session.parked_reports.all()[:20],
        "trace": trace_rows(session.tariff_trace),
        "energy_chart": energy_chart(session),
        "power_chart": power_chart(session),
        "ocpp_messages": messages_of(session),
        "free_because": FREE_BECAUSE.get(session.free_rule, session.free_rule),
        "review_words": review_words(session),
        "is_without_energy": is_without_energy(session),
        "bills_nothing": bills_nothing(session),
        "has_other_half": session.outcome == ChargingSession.Outcome.IN_REVIEW and other_halves(session).exists(),
        "fix": FIXES.get(session.review_reason, ""),
        "events": AuditEvent.objects.filter(
            subject_type="billing.chargingsession", subject_id=str(session.pk)
        ).select_related("actor")[:20],
    }


def energy_chart(session: ChargingSession) -> LineChart | None:
    """Energy delivered so far, in kWh."""
    start = session.meter_start_wh or Decimal(0)
    return line_chart(
        [
            (moment, max(register - start, Decimal(0)) / 1000)
            for moment, register in _samples(session, MeterValue.Measurand.ENERGY)
        ]
    )


def power_chart(session: ChargingSession) -> LineChart | None:
    """Power in kW."""
    samples = _samples(session, MeterValue.Measurand.POWER)
    return line_chart([(moment, max(power, Decimal(0)) / 1000) for moment, power in samples])


def _samples(session: ChargingSession, measurand: str) -> list[tuple[Any, Decimal]]:
    rows = session.meter_values.filter(measurand=measurand, phase="").order_by("occurred_at", "pk")
    return list(rows.values_list("occurred_at", "value"))


def messages_of(session: ChargingSession) -> QuerySet[OcppMessage]:
    """The frames of the charge point from shortly before the start until shortly after the end, oldest first.

    Heartbeats and frames of another session's transaction number are left out.
    """
    begin = session.start_received_at or session.requested_at or session.created_at
    end = session.ended_at or clock.now()
    frames = OcppMessage.objects.filter(
        charge_point=session.charge_point_id, at__gte=begin - AROUND, at__lte=end + AROUND
    ).exclude(action="Heartbeat")
    about_a_session = Q(frame__contains='"transactionId"')
    ours = Q(frame__regex=rf'"transactionId": ?{session.pk}\b')
    return frames.filter(~about_a_session | ours).order_by("pk")[:MESSAGES]


def _payments_of(cdr: Cdr) -> QuerySet[Payment]:
    """What was charged for a session, by itself or together with another one."""
    own = Q(funding_leg__cdr=cdr) | Q(pk__in=cdr.legs.exclude(collected_with=None).values("collected_with"))
    return Payment.objects.filter(own).select_related("method")
