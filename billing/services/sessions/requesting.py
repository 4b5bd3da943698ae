"""Starts and stops asked for by people: the driver's site, the operator's portal, the page behind a QR code."""

from datetime import timedelta

from django.db import transaction

from accounts.errors import DriverBlocked
from accounts.models import Driver
from accounts.services import audit
from accounts.services.tokens import issue_app_token
from billing.admission_errors import ChargePointOffline, ConnectorBusy, ConnectorNotReady, SessionNotRunning
from billing.models import AdHocSession, ChargingSession
from billing.services.admission import admit, terms_for
from billing.services.card_holds import ask_for_hold
from billing.services.sessions.starting import reserve_in_wallet, take_open_access
from common import clock
from common.ids import new_code
from common.locking import lock_row
from locations.models import ChargePoint, Connector

# Time to plug in and for the charge point to report the start.
START_WITHIN = timedelta(seconds=120)


@transaction.atomic
def request_start(*, connector_id: int, driver_id: int, channel: str = "app") -> ChargingSession:
    """Admit a driver at a connector, freeze the price and reserve funds; the gateway then asks the charge point.

    Where an amount is to be held on a card, the charge point is asked when the bank has agreed (`awaits_hold`).

    A second request by the same driver while the first waits returns the first. Locks: the driver, so that the contract
    stays in force meanwhile, the connector, so that two drivers cannot both be promised it. Raises ConnectorBusy,
    ConnectorNotReady, ChargePointOffline, DriverBlocked and whatever admission and pricing refuse; after a refusal
    nothing has changed.
    """
    driver = lock_row(Driver.objects.filter(pk=driver_id), is_shareable=True)
    now = clock.now()
    connector = lock_connector(connector_id)
    if driver.status != Driver.Status.ACTIVE:
        raise DriverBlocked
    present = session_at(connector)
    if present is not None and present.driver_id == driver_id and present.status == ChargingSession.Status.REQUESTED:
        return present
    check_ready(connector)
    open_access = take_open_access(connector, now)
    admission = None if open_access else admit(driver_id=driver_id, at=now, power_class=connector.power_class)
    contract = admission.contract if admission else None
    terms = terms_for(connector=connector, contract=contract, channel=channel, at=now)
    token = issue_app_token(driver_id=driver_id)
    session = ChargingSession(
        charge_point=connector.charge_point,
        connector=connector,
        id_tag=token.id_tag,
        token=token,
        driver=driver,
        contract=contract,
        open_access=open_access,
        channel=channel,
        status=ChargingSession.Status.REQUESTED,
        requested_at=now,
        start_deadline_at=now + START_WITHIN,
        **terms,
    )
    if admission:
        admission = admission.at_price_of(session)
        session.spend_limit = admission.spend_limit
    session.save()
    if admission and admission.is_preauthorised:
        ask_for_hold(session, now=now)
    if admission and admission.wallet_hold:
        reserve_in_wallet(session, admission.wallet_hold, now=now)
    return session


@transaction.atomic
def request_ad_hoc_start(*, order: AdHocSession) -> ChargingSession:
    """Begin the session of somebody without an account, at the price they agreed to, and ask their bank for the hold.

    In the caller's transaction, which has locked the AdHocSession and kept its card. The charge point is asked when
    the bank has agreed. Locks: the Connector, so that of two payers one gets it. Raises ConnectorBusy,
    ConnectorNotReady, ChargePointOffline; after a refusal nothing has changed.
    """
    now = clock.now()
    connector = lock_connector(order.connector_id)
    check_ready(connector)
    session = ChargingSession.objects.create(
        charge_point=connector.charge_point,
        connector=connector,
        id_tag=f"AH{new_code(16)}",
        channel=ChargingSession.Channel.AD_HOC,
        tariff_version=order.tariff_version,
        tariff_digest=order.tariff_version.digest,
        tariff_assignment=order.tariff_assignment,
        tariff_trace=order.tariff_trace,
        rating_inputs=order.rating_inputs,
        currency=order.currency,
        vat_percent=order.vat_percent,
        status=ChargingSession.Status.REQUESTED,
        requested_at=now,
        start_deadline_at=now + START_WITHIN,
    )
    order.charging_session = session
    order.save(update_fields=["charging_session"])
    ask_for_hold(session, now=now, amount=order.hold_amount)
    return session


def lock_connector(connector_id: int) -> Connector:
    return lock_row(Connector.objects.filter(pk=connector_id).select_related("charge_point__location"))


def session_at(connector: Connector) -> ChargingSession | None:
    """The open session at a connector."""
    open_sessions = ChargingSession.objects.filter(connector=connector, status__in=["requested", "active", "finishing"])
    return open_sessions.first()


def check_ready(connector: Connector) -> None:
    """Raises ConnectorBusy, ConnectorNotReady, ChargePointOffline where no start can be asked for now."""
    charge_point = connector.charge_point
    if session_at(connector) is not None:
        raise ConnectorBusy
    if charge_point.admission != ChargePoint.Admission.ADMITTED or connector.status not in Connector.READY_TO_START:
        raise ConnectorNotReady
    if not charge_point.is_connected:
        raise ChargePointOffline


@transaction.atomic
def request_stop(*, session_id: int, actor_id: int | None, reason: str) -> ChargingSession:
    """Note that a running session should stop; the gateway then asks the charge point. A repeat is a no-op.

    Locks: the session's row. Raises SessionNotRunning.
    """
    session = lock_row(ChargingSession.objects.filter(pk=session_id))
    if session.status != ChargingSession.Status.ACTIVE:
        raise SessionNotRunning
    if session.stop_requested_at is None:
        session.stop_requested_at = clock.now()
        session.stop_request_reason = reason[:40]
        session.save(update_fields=["stop_requested_at", "stop_request_reason"])
        audit.record(actor_id=actor_id, action="session_stop_requested", subject=session, reason=reason)
    return session
