"""Places to charge as drivers find them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache

from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery

from accounts.models import Contract
from billing.models import ChargingSession
from billing.selectors.rating_inputs import month_to_date_wh
from locations.models import ChargePoint, Connector, Location
from tariffs.selectors.price_card import PriceCard, price_cards


@dataclass(frozen=True)
class PricedConnector:
    """A connector beside what charging costs there; None: no price is known, so nothing can start."""

    connector: Connector
    card: PriceCard | None


def public_locations(search: str) -> QuerySet[Location]:
    """Public locations with charge points in service, with `connector_count`, `free_count` and `fastest_w`.

    `search` is held against name, street, city and postal code, and the code on a connector's label.
    """
    points = Q(charge_points__admission=ChargePoint.Admission.ADMITTED)
    free = points & Q(charge_points__is_connected=True, charge_points__connectors__status=Connector.Status.AVAILABLE)
    locations = (
        Location.objects.filter(is_public=True)
        .annotate(
            connector_count=Count("charge_points__connectors", filter=points),
            free_count=Count("charge_points__connectors", filter=free),
            fastest_w=Max("charge_points__connectors__max_power_w", filter=points),
        )
        .filter(connector_count__gt=0)
        .order_by("city", "name", "pk")
    )
    for word in search.split():
        labelled = Connector.objects.filter(code__iexact=word).values("charge_point__location")
        locations = locations.filter(
            Q(name__icontains=word)
            | Q(address__icontains=word)
            | Q(city__icontains=word)
            | Q(postal_code__istartswith=word)
            | Q(pk__in=labelled)
        )
    return locations


def connectors_in_service() -> QuerySet[Connector]:
    """Connectors of admitted charge points, with charge point and location."""
    return (
        Connector.objects.filter(charge_point__admission=ChargePoint.Admission.ADMITTED)
        .select_related("charge_point__location")
        .order_by("charge_point__identity", "number")
    )


def priced_connectors(
    connectors: QuerySet[Connector], *, contract: Contract | None, channel: str, at: datetime
) -> list[PricedConnector]:
    """Connectors with their price cards for a customer (None: nobody in particular). Four queries, however many; up to
    three more where prices follow the market or the customer's month.
    """
    rows = list(connectors)
    if not rows:
        return []
    used: Callable[[str], Decimal] | None = None
    if contract is not None:
        driver_id = contract.driver_id
        used = cache(lambda time_zone: month_to_date_wh(driver_id=driver_id, at=at, time_zone=time_zone))
    cards = price_cards(connectors=rows, contract=contract, channel=channel, at=at, used_this_month=used)
    return [PricedConnector(connector, cards[connector.pk]) for connector in rows]


def recent_locations(driver_id: int) -> QuerySet[Location]:
    """The public places where the driver charged last, latest first."""
    own = ChargingSession.objects.filter(driver=driver_id, charge_point__location=OuterRef("pk")).order_by("-pk")
    latest = Subquery(own.values("pk")[:1])
    return public_locations("").annotate(latest=latest).filter(latest__isnull=False).order_by("-latest")[:3]
