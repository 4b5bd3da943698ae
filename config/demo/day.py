"""Past sessions, played through the same services a charge point's reports go through. The same every time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from billing.domain.samples import MeterSample
from billing.models import ChargingSession, FundingLeg, Hold, MeterValue
from billing.services.card_holds import place_card_hold
from billing.services.payments import collect_leg
from billing.services.sessions import record_meter_values, start_session, stop_session
from billing.services.settlement import settle_session
from common import clock
from invoicing.services.receipts import issue_receipt
from locations.models import ChargePoint

# A register of its own per connector and day, so that a session played again is recognised as the same.
_REGISTER_PER_DAY = Decimal(500_000)
_METER_VALUES = 6
# The last part of a session tapers off, as batteries do: share of the energy by each sample.
_SHARES = [Decimal(part) / 100 for part in (21, 42, 61, 78, 91, 100)]


@dataclass(frozen=True)
class Play:
    """One session: so many days ago, at this local time, this long, with this energy."""

    days_ago: int
    at: str
    identity: str
    connector: int
    id_tag: str
    minutes: int
    kwh: str


PLAYS = [
    Play(6, "08:05", "DEMO-AC-1", 1, "DEMOLEO001", 95, "17.2"),
    Play(6, "12:30", "DEMO-HPC-1", 1, "DEMOBEN001", 18, "41.6"),
    Play(6, "18:10", "DEMO-AC-4", 1, "DEMOCHRIS1", 130, "23.9"),
    Play(5, "07:40", "DEMO-AC-3", 1, "DEMOFRIDA1", 210, "31.4"),
    Play(5, "13:15", "DEMO-DC-1", 1, "DEMOCHRIS1", 35, "24.8"),
    Play(5, "22:20", "DEMO-AC-1", 2, "DEMOLEO001", 180, "32.5"),
    Play(4, "09:30", "DEMO-HPC-1", 2, "DEMOFRIDA1", 22, "52.3"),
    Play(4, "16:45", "DEMO-AC-2", 1, "DEMOGUS001", 140, "20.6"),
    Play(4, "19:00", "DEMO-HPC-2", 1, "DEMOEMIL01", 26, "48.7"),
    Play(3, "08:20", "DEMO-AC-3", 2, "DEMOFRIDA1", 240, "36.0"),
    Play(3, "11:05", "DEMO-DC-2", 1, "DEMODORA01", 40, "27.1"),
    Play(3, "17:35", "DEMO-AC-1", 1, "DEMOBEN001", 75, "12.8"),
    Play(2, "07:55", "DEMO-HPC-1", 1, "DEMOCHRIS1", 20, "45.2"),
    Play(2, "14:10", "DEMO-AC-4", 2, "DEMOCHRIS1", 110, "19.4"),
    Play(2, "18:50", "DEMO-DC-2", 1, "DEMODORA01", 30, "19.9"),
    Play(2, "23:05", "DEMO-AC-2", 2, "DEMOLEO001", 150, "24.7"),
    Play(1, "06:50", "DEMO-AC-3", 1, "DEMOFRIDA1", 200, "29.8"),
    Play(1, "10:25", "DEMO-HPC-2", 1, "DEMOFRIDA1", 24, "50.1"),
    Play(1, "12:00", "DEMO-AC-1", 2, "DEMOUNKNOWN", 45, "9.6"),
    Play(1, "12:40", "DEMO-AC-2", 1, "DEMOLEO001", 1, "0.05"),
    Play(1, "15:20", "DEMO-DC-1", 2, "DEMOEMIL01", 45, "30.4"),
    Play(1, "19:15", "DEMO-AC-4", 1, "DEMOBEN001", 90, "15.5"),
]


def play_days(today: date) -> int:
    """Play what is missing of the sessions before `today`; how many were new.

    A session is authorised, started, metered, stopped, settled, charged and given its receipt, in the order of time.
    Talks to the payment provider, so it must not run inside a transaction.
    """
    return sum(_play(play, today - timedelta(days=play.days_ago)) for play in PLAYS)


def _play(play: Play, day: date) -> bool:
    point = ChargePoint.objects.select_related("location").get(identity=play.identity)
    zone = ZoneInfo(point.location.time_zone)
    started_at = datetime.combine(day, time.fromisoformat(play.at), zone).astimezone(UTC)
    meter_start_wh = _REGISTER_PER_DAY * (day.toordinal() % 100) + 100_000 * play.connector
    start = start_session(
        charge_point_id=point.pk,
        connector_number=play.connector,
        id_tag=play.id_tag,
        meter_start_wh=meter_start_wh,
        started_at=started_at,
        reported_at=started_at,
        received_at=started_at,
    )
    if ChargingSession.objects.get(pk=start.session_id).status != ChargingSession.Status.ACTIVE:
        return False
    _hold(start.session_id)
    stopped_at, meter_stop_wh = started_at, meter_start_wh
    for moment, used_wh, power_w in _curve(play, started_at):
        stopped_at, meter_stop_wh = moment, meter_start_wh + used_wh
        directive = record_meter_values(
            charge_point_id=point.pk,
            session_id=start.session_id,
            connector_number=play.connector,
            samples=[
                MeterSample(moment, moment, MeterValue.Measurand.ENERGY, meter_stop_wh),
                MeterSample(moment, moment, MeterValue.Measurand.POWER, power_w),
            ],
            received_at=moment,
        )
        if directive.stop:
            break
    stop_session(
        charge_point_id=point.pk,
        session_id=start.session_id,
        meter_stop_wh=meter_stop_wh,
        stopped_at=stopped_at,
        reported_at=stopped_at,
        received_at=stopped_at,
        reason="Local",
        id_tag=play.id_tag,
    )
    _settle(start.session_id)
    return True


def _hold(session_id: int) -> None:
    """What the worker would do at once: have the bank hold what a pre-authorised session may cost."""
    for hold in Hold.objects.filter(charging_session_id=session_id, status=Hold.Status.ASKED):
        place_card_hold(hold_id=hold.pk)


def _settle(session_id: int) -> None:
    """What the worker would do next, done here and now. The tasks it finds later have nothing left to do."""
    cdr = settle_session(session_id=session_id)
    if cdr is None:
        return
    for leg in cdr.legs.filter(source=FundingLeg.Source.CARD):
        collect_leg(leg_id=leg.pk)
    if cdr.gross > 0:
        issue_receipt(cdr_id=cdr.pk)


def _curve(play: Play, started_at: datetime) -> Iterator[tuple[datetime, Decimal, Decimal]]:
    """Moments with the energy used until then (Wh) and the power (W) before them."""
    step = timedelta(minutes=play.minutes) / _METER_VALUES
    energy_wh = Decimal(play.kwh) * 1000
    before = Decimal(0)
    hours = Decimal(play.minutes) / 60 / _METER_VALUES
    for index, share in enumerate(_SHARES, start=1):
        used_wh = (energy_wh * share).quantize(Decimal(1))
        yield started_at + step * index, used_wh, ((used_wh - before) / hours).quantize(Decimal(1))
        before = used_wh


def play_until_now() -> int:
    """The sessions of the days before today, by Berlin's calendar; on a later day, of the days played before."""
    today = clock.local_date(clock.now(), "Europe/Berlin")
    first = ChargingSession.objects.filter(id_tag=PLAYS[0].id_tag).order_by("started_at").first()
    if first is not None and first.started_at is not None:
        played = clock.local_date(first.started_at, "Europe/Berlin") + timedelta(days=PLAYS[0].days_ago)
        return play_days(min(played, today))
    return play_days(today)
