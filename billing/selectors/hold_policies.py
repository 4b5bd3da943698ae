"""How much is to be held on a card for a session."""

from decimal import Decimal

from django.db.models import Q

from billing.domain.holds import Place, StatedAmount, choose, fitted
from billing.models import ChargingSession, HoldPolicy
from billing.providers.registry import least_charge
from billing.selectors.exposure import exposure_of


def amount_to_hold(session: ChargingSession) -> Decimal:
    """The amount for a session whose place, tariff and contract are known, in its currency. One query.

    What the policies state, fitted to what the session can cost (`billing.domain.holds.fitted`). It may be unsaved.
    """
    connector, contract, version = session.connector, session.contract, session.tariff_version
    everywhere = Q(connector=None, location=None, tariff=None)
    here = Q(connector=connector) if connector is not None else Q(pk=None)
    there = Q(location=session.charge_point.location_id)
    priced = Q(tariff=version.tariff_id) if version is not None else Q(pk=None)
    rows = HoldPolicy.objects.filter(everywhere | here | there | priced, currency=session.currency)
    stated = choose(
        [StatedAmount(_place(row), row.power_class, row.channel, row.amount) for row in rows],
        contract_policy=contract.contract_type.hold_policy if contract is not None else {},
        power_class=connector.power_class if connector is not None else "AC",
        channel=session.channel,
    )
    exposure = exposure_of(session)
    if exposure is None:
        return stated
    return fitted(stated, exposure, session.currency, least=least_charge(session.currency))


def _place(row: HoldPolicy) -> Place:
    if row.connector_id is not None:
        return Place.CONNECTOR
    if row.location_id is not None:
        return Place.LOCATION
    return Place.TARIFF if row.tariff_id is not None else Place.NETWORK
