"""The statement PostgreSQL settles with and the portable way read the same and write the same."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from django.db import transaction

from billing.domain.settlement import Bill, FreeRules, decide
from billing.models import Cdr, ChargingSession, CostLine, FundingLeg, Hold, LedgerAccount, LedgerEntry, WalletLot
from billing.services import settlement_portable, settlement_postgresql
from billing.services.accounts import lock_accounts, receivable_account, system_account
from billing.services.holds import place_hold
from billing.services.settlement_rows import rows_of
from common import clock
from tests.billing.factories import NOON, EndedSessionFactory, eur, fill_wallet, meter
from tests.factories import TariffVersionFactory, component, element, tariff_document

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]

RULES = FreeRules(120, Decimal(200), 600)


def credit_session() -> ChargingSession:
    session = EndedSessionFactory(contract_type__credit=True)
    fill_wallet(session.driver, "4.00")
    fill_wallet(session.driver, "1.00", kind="promo", expires_at=NOON + timedelta(days=30, microseconds=1))
    return session


def wallet_session() -> ChargingSession:
    session = EndedSessionFactory(contract_type__wallet=True)
    fill_wallet(session.driver, "50.00")
    for key, amount in (("hold:1", "8.00"), ("hold:2", "25.00")):
        place_hold(
            driver_id=session.driver_id,
            session_id=session.pk,
            amount=eur(amount),
            expires_at=clock.now() + timedelta(days=1),
            idempotency_key=key,
        )
    return session


def metered_session() -> ChargingSession:
    document = tariff_document(
        element(component("ENERGY", "0.60"), min_power=20),
        element(component("ENERGY", "0.40"), component("PARKING_TIME", "6.00", vat="7")),
    )
    session = EndedSessionFactory(
        tariff_version=TariffVersionFactory(document=document), started_at=NOON, ended_at=NOON + timedelta(hours=2)
    )
    for minutes, register, power in ((10, "4000", "24000.5"), (20, "9000", "30000"), (40, "12000", "9000")):
        meter(session, minutes, register)
        meter(session, minutes, power, "power_w")
    meter(session, 60, "0", "charging")
    return session


def spot_session() -> ChargingSession:
    """By the market prices and the month's energy it was authorised with: the second hour has no price."""
    extensions = {
        "energy_tiers": {"per": "MONTH", "tiers": [{"up_to_kwh": 100, "price": Decimal("0.50")}]},
        "spot": {"series": "DE-LU", "factor": Decimal("1.1"), "markup": Decimal("0.10"), "fallback": Decimal("0.45")},
    }
    document = tariff_document(element(component("TIME", "1.20")), voltledger=extensions)
    inputs = {
        "spot_prices": [{"start": NOON.isoformat(), "minutes": 60, "prices": ["0.0812"]}],
        "month_to_date_wh": "98500",
    }
    return EndedSessionFactory(
        tariff_version=TariffVersionFactory(document=document),
        rating_inputs=inputs,
        started_at=NOON,
        ended_at=NOON + timedelta(hours=2),
        stopped_at=NOON + timedelta(hours=2),
    )


def free_of_charge() -> ChargingSession:
    document = tariff_document(element(component("ENERGY", "0.00")))
    return EndedSessionFactory(tariff_version=TariffVersionFactory(document=document))


def written(session: ChargingSession) -> dict[str, Any]:
    """Everything a settlement writes, without keys and the moment."""
    cdr = Cdr.objects.filter(charging_session=session).values().get()
    volatile = {"id", "public_id", "ledger_transaction_id", "created_at", "cdr_id", "resolved_at", "transaction_id"}

    def rows(queryset: Any) -> list[dict[str, Any]]:
        return [{name: value for name, value in row.items() if name not in volatile} for row in queryset.values()]

    return {
        "cdr": {name: value for name, value in cdr.items() if name not in volatile},
        "lines": rows(CostLine.objects.filter(cdr=cdr["id"]).order_by("seq")),
        "legs": rows(FundingLeg.objects.filter(cdr=cdr["id"]).order_by("seq")),
        "entries": rows(LedgerEntry.objects.filter(transaction=cdr["ledger_transaction_id"]).order_by("pk")),
        "accounts": rows(LedgerAccount.objects.filter(driver=session.driver).order_by("key")),
        "lots": rows(WalletLot.objects.order_by("pk")),
        "holds": rows(Hold.objects.order_by("pk")),
        "session": rows(ChargingSession.objects.filter(pk=session.pk)),
    }


def settle_with(store: ModuleType, session: ChargingSession) -> dict[str, Any]:
    """Settle through one store, tell what it wrote, and take it back."""
    with transaction.atomic():
        (facts,) = store.read_facts([session.pk])
        bill = decide(facts, RULES)
        assert isinstance(bill, Bill)
        plan = bill.posting_plan(lock_accounts(bill.missing_accounts()))
        store.write_bills([(rows_of(bill, clock.now()), plan)])
        result = written(session)
        transaction.set_rollback(True)
    return result


@pytest.mark.parametrize("make", [credit_session, wallet_session, metered_session, spot_session, free_of_charge])
def test_both_ways_agree(make):
    session = make()
    # Opened before, so that both find the same ones.
    system_account("revenue_energy", "EUR")
    system_account("revenue_time", "EUR")
    system_account("vat_payable", "EUR", "DE-19")
    system_account("vat_payable", "EUR", "DE-7")
    receivable_account(session.driver_id, "EUR")
    with transaction.atomic():
        (one,) = settlement_postgresql.read_facts([session.pk])
        (other,) = settlement_portable.read_facts([session.pk])
    lots = sorted(one.lots, key=lambda lot: lot.id)
    assert replace(one, lots=lots) == replace(other, lots=sorted(other.lots, key=lambda lot: lot.id))
    assert settle_with(settlement_postgresql, session) == settle_with(settlement_portable, session)


@pytest.mark.parametrize("store", [settlement_postgresql, settlement_portable])
def test_what_is_not_due_is_not_read(store):
    with transaction.atomic():
        assert store.read_facts([EndedSessionFactory(status="active", ended_at=None).pk, 0]) == []
