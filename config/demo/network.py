"""Places, charge points and prices of the demo network. Each step adds what is missing and leaves the rest alone."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from accounts.models import CustomerGroup, Partner
from billing.models import OpenAccess
from common import clock
from config.demo import facts
from locations.models import ChargePoint, Connector, Evse, LegalEntity, Location, Region
from locations.models.stations import new_connector_code
from locations.services.credentials import set_key
from ocpp_gateway.simulator.keys import demo_key
from tariffs.domain.price_file import PricePoint
from tariffs.models import PriceSeries, Tariff, TariffAssignment, TariffVersion, VatRate
from tariffs.services.price_series import import_prices
from tariffs.services.versions import draft_version, publish_version

_MARKET_ZONE = "Europe/Berlin"


def install_places(host: Partner) -> None:
    seller, _created = LegalEntity.objects.get_or_create(
        document_prefix=facts.DOCUMENT_PREFIX, defaults=facts.LEGAL_ENTITY
    )
    for code, (name, country) in facts.REGIONS.items():
        Region.objects.get_or_create(code=code, defaults={"name": name, "country": country})
    for place in facts.PLACES:
        Location.objects.get_or_create(
            code=place.code,
            defaults={
                "name": place.name,
                "legal_entity": seller,
                "region": Region.objects.get(code=place.region),
                "host": host if place.is_hosted else None,
                "address": place.address,
                "postal_code": place.postal_code,
                "city": place.city,
                "country": place.country,
                "time_zone": place.time_zone,
                "latitude": Decimal(place.latitude),
                "longitude": Decimal(place.longitude),
            },
        )


def install_charge_points() -> None:
    """Charge points with their connectors, and the key their simulated counterpart presents."""
    for identity, (place, plugs) in facts.CHARGE_POINTS.items():
        version = ChargePoint.OcppVersion.V201 if identity in facts.SPEAK_OCPP_201 else ChargePoint.OcppVersion.V16
        point, _created = ChargePoint.objects.get_or_create(
            identity=identity,
            defaults={"location": Location.objects.get(code=place), "ocpp_version": version},
        )
        for number, plug in enumerate(plugs, start=1):
            evse, _created = Evse.objects.get_or_create(charge_point=point, number=number)
            Connector.objects.get_or_create(
                charge_point=point,
                number=number,
                defaults={
                    "evse": evse,
                    "standard": plug.standard,
                    "power_type": plug.power_type,
                    "max_power_w": plug.max_power_w,
                    "code": facts.LABEL_CODE if (identity, number) == facts.LABELLED else new_connector_code(),
                },
            )
        if point.key_hmac is None:
            set_key(charge_point_id=point.pk, key=demo_key(identity))


def install_open_access() -> None:
    identity, number = facts.OPEN_ACCESS_CONNECTOR
    OpenAccess.objects.get_or_create(
        name=facts.OPEN_ACCESS_NAME,
        defaults={
            "connector": Connector.objects.get(charge_point__identity=identity, number=number),
            "max_kwh": Decimal(10),
            "max_sessions_per_day": 3,
            "cost_centre": "Marketing",
        },
    )


def install_market_prices() -> None:
    """Day-ahead prices of the last week, today and tomorrow; the same day has the same prices whenever it is made."""
    series, _created = PriceSeries.objects.get_or_create(
        code=facts.MARKET,
        region=None,
        charge_point=None,
        defaults={"name": facts.MARKET_NAME, "currency": "EUR", "step_minutes": 60, "time_zone": _MARKET_ZONE},
    )
    today = clock.local_date(clock.now(), _MARKET_ZONE)
    start_at = datetime.combine(today - timedelta(days=7), time.min, ZoneInfo(_MARKET_ZONE)).astimezone(UTC)
    end_at = datetime.combine(today + timedelta(days=2), time.min, ZoneInfo(_MARKET_ZONE)).astimezone(UTC)
    hours = [start_at + timedelta(hours=hour) for hour in range((end_at - start_at) // timedelta(hours=1))]
    known = set(series.values.filter(start_at__gte=start_at).values_list("start_at", flat=True))
    missing = [PricePoint(at, _market_price(at)) for at in hours if at not in known]
    if missing:
        import_prices(series_id=series.pk, rows=missing, source="demo network", actor_id=None)


def _market_price(at: datetime) -> Decimal:
    """Per kWh; every day is alike, so that the demo's sessions cost the same whenever they are played."""
    return Decimal(facts.MARKET_HOURS[at.astimezone(ZoneInfo(_MARKET_ZONE)).hour]).scaleb(-3)


def install_prices() -> None:
    """VAT rates, published tariffs and who gets which."""
    for country, percent in facts.VAT_RATES.items():
        if not VatRate.objects.filter(country=country).exists():
            VatRate.objects.create(country=country, percent=Decimal(percent), valid_from=facts.VAT_SINCE)
    for code, (name, elements, more) in facts.TARIFFS.items():
        tariff, _created = Tariff.objects.get_or_create(code=code, defaults={"name": name, "currency": "EUR"})
        if not TariffVersion.objects.filter(tariff=tariff).exists():
            text = facts.tariff_json(code, elements, more)
            version = draft_version(tariff_id=tariff.pk, ocpi_text=text, valid_from=facts.SINCE)
            publish_version(version_id=version.pk, reason="demo network", accepted=("gap",))
    for code, columns in facts.ASSIGNMENTS:
        where = _assignment_columns(columns)
        tariff = Tariff.objects.get(code=code)
        if not TariffAssignment.objects.filter(tariff=tariff, **where).exists():
            TariffAssignment.objects.create(tariff=tariff, valid_from=facts.SINCE, **where)


def _assignment_columns(columns: dict[str, str]) -> dict[str, object]:
    resolved: dict[str, object] = dict(columns)
    if "location" in columns:
        resolved["location"] = Location.objects.get(code=columns["location"])
    if "region" in columns:
        resolved["region"] = Region.objects.get(code=columns["region"])
    if "customer_group" in columns:
        resolved["customer_group"] = CustomerGroup.objects.get(code=columns["customer_group"])
    if "connector" in columns:
        identity, _slash, number = columns["connector"].partition("/")
        resolved["connector"] = Connector.objects.get(charge_point__identity=identity, number=int(number))
    return resolved
