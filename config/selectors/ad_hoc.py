"""What the page of somebody who charges without an account shows: where they stand and what to do, in words."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from billing.models import AdHocSession, ChargingSession, Hold
from billing.services.ad_hoc import AdHocOffer, offer_at
from common.errors import Refused
from config.selectors.driver_sessions import LiveSession, live
from config.selectors.hold_words import NOT_RESERVED
from locations.models import Connector

Status = ChargingSession.Status


@dataclass(frozen=True)
class AdHocLive(LiveSession):
    """`waits`: something is still to come that no charge point tells of: the bank's word, or letting go."""

    waits: bool = False
    # The bank has not agreed yet, so the charge point has not been asked.
    is_asking: bool = False

    @property
    def is_settling(self) -> bool:
        return self.waits or super().is_settling


def ad_hoc_live(order: AdHocSession, now: datetime) -> AdHocLive | None:
    """The session as it stands; None while there is none."""
    session = order.charging_session
    if session is None:
        return None
    figures = live(session, now)
    holds = list(session.holds.filter(source=Hold.Source.CARD).order_by("pk"))
    is_held = any(hold.status in Hold.OPEN for hold in holds)
    is_late = session.status == Status.REQUESTED and has_lapsed(session, now)
    state = "-".join([figures.state, *(hold.status for hold in holds), "late" if is_late else ""])
    waits = session.status == Status.REQUESTED or (is_held and not figures.is_open)
    is_asking = any(hold.status in (Hold.Status.ASKED, Hold.Status.REQUIRES_ACTION) for hold in holds)
    return AdHocLive(session=session, seconds=figures.seconds, state=state, waits=waits, is_asking=is_asking)


def has_lapsed(session: ChargingSession, now: datetime) -> bool:
    """A request whose start has not been reported in time."""
    deadline = session.start_deadline_at
    return session.status == Status.REQUESTED and deadline is not None and deadline < now


def offer_or_none(connector: Connector, at: datetime) -> AdHocOffer | None:
    """None where nothing is offered without an account, because no price is known."""
    try:
        return offer_at(connector=connector, at=at)
    except Refused:
        return None


def why_nothing_started(session: ChargingSession, now: datetime) -> str:
    """Why a request came to nothing; empty unless it did."""
    if has_lapsed(session, now):
        return _("Nothing started within two minutes. What was reserved on your card is let go now.")
    if session.status != Status.CANCELLED:
        return ""
    if session.stop_reason in NOT_RESERVED:
        return _("Your bank did not agree to reserve the amount. Start again with another card, or ask your bank.")
    if session.stop_reason == "start_deadline_passed":
        return _("Nothing started within two minutes. Plug in first, then start again.")
    if session.stop_reason.startswith("remote_start"):
        return _("The charge point did not accept the start, or could not be reached. Please use another connector.")
    return _("Charging did not start. You can start again, or use another connector.")
