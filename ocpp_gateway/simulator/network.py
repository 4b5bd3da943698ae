"""Which stations to be, and whose cards to present: read from the database this installation uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Max, Q

from accounts.models import Token
from billing.models import ChargingSession
from locations.models import ChargePoint, Connector
from ocpp_gateway.simulator.keys import demo_key

_FIRST_REGISTER_WH = Decimal(12_000)


@dataclass(frozen=True, slots=True)
class ConnectorPlan:
    """A connector to simulate; its register goes on from where the last session left it.

    `number` counts over the whole charge point, `position` on its EVSE.
    """

    number: int
    evse_number: int
    position: int
    is_dc: bool
    rated_w: int
    register_wh: Decimal


@dataclass(frozen=True, slots=True)
class StationPlan:
    """A station to simulate. `last_reported_at`: nothing older than this is news to the central system."""

    identity: str
    version: str
    key: str
    connectors: tuple[ConnectorPlan, ...]
    last_reported_at: datetime | None


def station_plans(limit: int | None, version: str | None = None) -> list[StationPlan]:
    """The first `limit` charge points in service that have connectors, by identity; all without a limit. With
    `version` only those that speak it."""
    charge_points = (
        ChargePoint.objects.filter(
            admission=ChargePoint.Admission.ADMITTED,
            ocpp_version__in=[version] if version else ChargePoint.OcppVersion.values,
            connectors__isnull=False,
        )
        .distinct()
        .prefetch_related("connectors__evse")
        .order_by("identity")[:limit]
    )
    return [_station_plan(charge_point) for charge_point in charge_points]


def id_tags() -> list[str]:
    """Active RFID cards of active drivers; where some are labelled as demo cards, only those."""
    cards = Token.objects.filter(kind=Token.Kind.RFID, status=Token.Status.ACTIVE, driver__status="active")
    demo_cards = cards.filter(Q(label__icontains="demo") | Q(id_tag__istartswith="DEMO"))
    return list((demo_cards if demo_cards.exists() else cards).order_by("pk").values_list("id_tag", flat=True))


def _station_plan(charge_point: ChargePoint) -> StationPlan:
    connectors: Sequence[Connector] = list(charge_point.connectors.all())
    past = ChargingSession.objects.filter(charge_point=charge_point)
    last = past.aggregate(
        ended=Max("ended_at"), stopped=Max("stopped_at"), started=Max("started_at"), live=Max("live_at")
    )
    moments = [*last.values(), *(connector.status_at for connector in connectors)]
    return StationPlan(
        identity=charge_point.identity,
        version=charge_point.ocpp_version,
        key=demo_key(charge_point.identity),
        connectors=tuple(
            ConnectorPlan(
                number=connector.number,
                evse_number=connector.evse.number,
                position=[other.evse_id for other in connectors[: index + 1]].count(connector.evse_id),
                is_dc=connector.power_type == Connector.PowerType.DC,
                rated_w=connector.max_power_w,
                register_wh=_last_register(connector),
            )
            for index, connector in enumerate(connectors)
        ),
        last_reported_at=max((moment for moment in moments if moment is not None), default=None),
    )


def _last_register(connector: Connector) -> Decimal:
    highest = ChargingSession.objects.filter(connector=connector).aggregate(
        stop=Max("meter_stop_wh"), start=Max("meter_start_wh")
    )
    return max(highest["stop"] or _FIRST_REGISTER_WH, highest["start"] or _FIRST_REGISTER_WH)
