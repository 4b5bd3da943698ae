"""Telling billing one event of a station's transaction: start, meter values, charging state, end."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from billing.domain.samples import MeterSample
from billing.models import ChargingSession
from billing.services import sessions
from locations.models import Connector
from ocpp_gateway.domain.v201.events import ENDED, NOT_CHARGING, REQUESTS_POWER, STARTED, TransactionEvent
from ocpp_gateway.domain.v201.meter import begin_register, first_register, last_register
from ocpp_gateway.domain.values import Moment
from ocpp_gateway.models import StationTransaction
from ocpp_gateway.services.v201 import places

# Doubts about a session whose beginning nobody reported.
NO_START = "start_report_missing"


@dataclass(frozen=True, slots=True)
class Told:
    """What became of events. `start_code` is set when a session began: why its token is welcome or not.

    `stop`: billing wants the running session stopped. `parked_reason`: the end does not fit what was known before.
    """

    session: ChargingSession | None = None
    start_code: str = ""
    stop: bool = False
    has_ended: bool = False
    parked_reason: str = ""

    def followed_by(self, later: "Told") -> "Told":
        return replace(
            later,
            session=later.session or self.session,
            start_code=later.start_code or self.start_code,
            stop=(self.stop or later.stop) and not later.has_ended,
            has_ended=self.has_ended or later.has_ended,
            parked_reason=later.parked_reason or self.parked_reason,
        )


def tell(
    about: StationTransaction, event: TransactionEvent, session: ChargingSession | None, *, received_at: datetime
) -> Told:
    """Tell billing one event whose turn it is, and keep in `about` what later ones build on (the caller saves it)."""
    _learn(about, event, session)
    connector = places.connector_at(
        charge_point_id=about.charge_point_id,
        evse_number=about.evse_number,
        connector_number=about.connector_number,
    )
    told = Told(session=session)
    if session is None:
        told = _begin(about, event, connector, received_at=received_at)
    if told.session is not None:
        told = told.followed_by(_report(about, event, told.session, connector, received_at=received_at))
    if connector is not None:
        at = event.moment.occurred_at
        if event.kind == ENDED:
            places.note_end(connector=connector, vehicle_has_left=event.vehicle_has_left, at=at)
        else:
            places.note_charging_state(connector=connector, charging_state=event.charging_state, at=at)
    if event.kind == ENDED and told.session is not None:
        told = told.followed_by(_end(about, event, told.session, received_at=received_at))
    return told


def _learn(about: StationTransaction, event: TransactionEvent, session: ChargingSession | None) -> None:
    # A start that comes after its gap was given up is no longer where the session began.
    about.has_start = about.has_start or (event.kind == STARTED and session is None)
    about.id_tag = about.id_tag or event.id_tag[:36]
    if about.evse_number is None:
        about.evse_number = event.evse_number
    if about.connector_number is None and event.evse_number in (about.evse_number, None):
        about.connector_number = event.connector_number
    if about.remote_start_id is None:
        about.remote_start_id = event.remote_start_id


def _begin(
    about: StationTransaction, event: TransactionEvent, connector: Connector | None, *, received_at: datetime
) -> Told:
    """The session begins with the event that names a token or answers a request: nobody pays for time before that.

    What ends without either has cost nobody anything, unless energy flowed.
    """
    before_wh = about.register_wh
    _learn_beginning(about, event)
    is_claimed = bool(about.id_tag) or about.remote_start_id is not None
    if not is_claimed and not (event.kind == ENDED and _energy_flowed(about, event)):
        return Told()
    moment, meter_start_wh = _start_of(about, event, before_wh, is_claimed=is_claimed)
    result = sessions.start_session(
        charge_point_id=about.charge_point_id,
        connector_number=connector.number if connector is not None else places.UNKNOWN,
        id_tag=about.id_tag,
        meter_start_wh=meter_start_wh,
        started_at=moment.occurred_at,
        reported_at=moment.reported_at,
        received_at=received_at,
        station_transaction_id=about.transaction_id,
        request_id=about.remote_start_id,
    )
    session = ChargingSession.objects.get(pk=result.session_id)
    return Told(session=session, start_code="accepted" if result.accepted else result.code)


def _learn_beginning(about: StationTransaction, event: TransactionEvent) -> None:
    if about.began_at is None:
        about.began_at, about.began_reported_at = event.moment.occurred_at, event.moment.reported_at
    # The only register of an end is the last one, unless it says that it is the first.
    first = begin_register(event.samples) if event.kind == ENDED else first_register(event.samples)
    if about.begin_wh is None and first is not None:
        about.begin_wh = first.value
    last = last_register(event.samples)
    about.register_wh = last.value if last is not None else about.register_wh
    about.has_charged = about.has_charged or event.charging_state in REQUESTS_POWER


def _start_of(
    about: StationTransaction, event: TransactionEvent, before_wh: Decimal | None, *, is_claimed: bool
) -> tuple[Moment, Decimal | None]:
    """When and at which register the session begins: where nobody claimed it, with the transaction."""
    if not is_claimed and about.began_at is not None and about.began_reported_at is not None:
        return Moment(about.began_at, about.began_reported_at, is_believed=True), about.begin_wh
    begin = begin_register(event.samples)
    if begin is not None and not about.has_start:
        return Moment(begin.occurred_at, begin.reported_at, is_believed=True), begin.value
    first = begin if event.kind == ENDED else first_register(event.samples)
    return event.moment, first.value if first is not None else before_wh


def _report(
    about: StationTransaction,
    event: TransactionEvent,
    session: ChargingSession,
    connector: Connector | None,
    *,
    received_at: datetime,
) -> Told:
    """Meter values and the charging state of a running session."""
    stop = False
    if event.samples and event.kind != ENDED:
        stop = _record(session, event.samples, received_at=received_at)
    elif session.meter_start_wh is None and (begin := begin_register(event.samples)) is not None:
        _record(session, [begin], received_at=received_at)
    requests_power = REQUESTS_POWER.get(event.charging_state)
    if event.charging_state in NOT_CHARGING and about.has_charged:
        requests_power = False
    if requests_power is not None and event.kind != ENDED:
        about.has_charged = True
        sessions.charging_state(
            charge_point_id=session.charge_point_id,
            session_id=session.pk,
            requests_power=requests_power,
            at=event.moment.occurred_at,
            reported_at=event.moment.reported_at,
            received_at=received_at,
        )
    return Told(session=session, stop=stop)


def _record(
    session: ChargingSession, samples: list[MeterSample] | tuple[MeterSample, ...], *, received_at: datetime
) -> bool:
    directive = sessions.record_meter_values(
        charge_point_id=session.charge_point_id,
        session_id=session.pk,
        connector_number=places.UNKNOWN,
        samples=samples,
        received_at=received_at,
    )
    return directive.stop


def _end(
    about: StationTransaction, event: TransactionEvent, session: ChargingSession, *, received_at: datetime
) -> Told:
    final = last_register(event.samples)
    begin = begin_register(event.samples)
    is_told_from_the_start = about.has_start or (begin is not None and session.meter_start_wh == begin.value)
    result = sessions.stop_session(
        charge_point_id=session.charge_point_id,
        session_id=session.pk,
        meter_stop_wh=final.value if final is not None else None,
        stopped_at=event.moment.occurred_at,
        reported_at=event.moment.reported_at,
        received_at=received_at,
        reason=event.stopped_reason or "Local",
        samples=event.samples,
        doubt="" if is_told_from_the_start else NO_START,
    )
    return Told(session=session, has_ended=True, parked_reason=result.reason if result.parked else "")


def _energy_flowed(about: StationTransaction, event: TransactionEvent) -> bool:
    last = last_register(event.samples)
    if about.begin_wh is None or last is None:
        return about.has_charged
    return last.value > about.begin_wh
