"""Sessions in review are decided by a person: billed after all, or discarded."""

from django.db import transaction
from django_q.tasks import async_task

from accounts.selectors.contracts import contract_in_force
from accounts.selectors.tokens import find_token
from accounts.services import audit
from billing.models import ChargingSession
from billing.services.admission import terms_for
from billing.services.holds import release_session_holds
from common.locking import lock_row
from common.states import check_step

Outcome = ChargingSession.Outcome


@transaction.atomic
def release_from_review(*, session_id: int, actor_id: int, reason: str) -> ChargingSession:
    """Send a session in review to settlement: what was doubted is accepted as it stands.

    What was missing at the start and is known by now (the card's customer, their contract, the price of that moment)
    is filled in; a register nobody reported is the last good one. Settlement looks again and parks the session anew
    when something is still missing. A repeat is a no-op.
    Locks: the session's row. Raises InvalidTransition, NoContract, NoTariff, NoVatRate, CurrencyMismatch.
    """
    session = lock_row(ChargingSession.objects.filter(pk=session_id))
    if not check_step(ChargingSession.OUTCOME_TRANSITIONS, session.outcome, Outcome.PENDING):
        return session
    doubt = session.review_reason
    _fill_in(session)
    if session.meter_stop_wh is None and session.meter_start_wh is not None:
        session.meter_stop_wh = session.meter_start_wh + session.energy_wh
    session.outcome = Outcome.PENDING
    session.review_reason = ""
    session.review_note = "\n".join(part for part in (f"{doubt}: {reason}", session.review_note) if part)
    session.save()
    audit.record(actor_id=actor_id, action="session_released", subject=session, reason=reason, data={"doubt": doubt})
    async_task("billing.tasks.settle_session", session.pk)
    return session


@transaction.atomic
def discard_session(*, session_id: int, actor_id: int, reason: str) -> ChargingSession:
    """Give a session in review up: it is never billed, and what it reserved is given back. A repeat is a no-op.

    Locks: the session's row, then the wallet account. Raises InvalidTransition.
    """
    session = lock_row(ChargingSession.objects.filter(pk=session_id))
    if check_step(ChargingSession.OUTCOME_TRANSITIONS, session.outcome, Outcome.DISCARDED):
        session.outcome = Outcome.DISCARDED
        session.save()
        release_session_holds(session_id=session.pk)
        audit.record(
            actor_id=actor_id,
            action="session_discarded",
            subject=session,
            reason=reason,
            data={"doubt": session.review_reason},
        )
    return session


def _fill_in(session: ChargingSession) -> None:
    if session.token is None and (token := find_token(session.id_tag)) is not None:
        session.token, session.driver, session.channel = token, token.driver, token.kind
    if session.driver_id is None or session.started_at is None:
        return
    was_nobodys = session.contract is None
    if was_nobodys:
        session.contract = contract_in_force(session.driver_id, session.started_at)
    # What was frozen for nobody in particular is not this customer's price.
    if (was_nobodys or session.tariff_version is None) and session.connector is not None:
        terms = terms_for(
            connector=session.connector,
            contract=session.contract,
            channel=session.channel,
            at=session.started_at,
        )
        for name, value in terms.items():
            setattr(session, name, value)
