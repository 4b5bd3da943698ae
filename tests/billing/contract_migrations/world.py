"""Two contract types and drivers on the first one: pay as you go, and the same with credit."""

from decimal import Decimal

from accounts.models import Contract, ContractType, Driver
from billing.models import ContractMigration, ContractMigrationRow
from billing.services.contract_migrations import confirm_migration, draft_migration, preview_migration
from billing.services.migration_running import run_migration
from common import clock
from tests.billing.factories import fill_wallet
from tests.factories import ContractFactory, ContractTypeFactory, DriverFactory

CREDIT_TERMS = {"wallet_use": ContractType.WalletUse.DRAW_FIRST, "name": "Pay as you go with credit"}


def types() -> tuple[ContractType, ContractType]:
    return ContractTypeFactory(code="plain"), ContractTypeFactory(code="credit", **CREDIT_TERMS)


def ada_on(kind: ContractType, balance: str = "", promo: str = "", name: str = "Ada") -> Driver:
    driver = ContractFactory(contract_type=kind, driver=DriverFactory(name=name)).driver
    if balance:
        fill_wallet(driver, balance)
    if promo:
        fill_wallet(driver, promo, kind="promo")
    return driver


def previewed(source: ContractType, target: ContractType, **terms: object) -> ContractMigration:
    migration = draft_migration(source_id=source.pk, target_id=target.pk, **terms)  # type: ignore[arg-type]
    return preview_migration(migration_id=migration.pk)


def confirmed(source: ContractType, target: ContractType, **terms: object) -> ContractMigration:
    migration = previewed(source, target, **terms)
    return confirm_migration(migration_id=migration.pk, actor_id=None, reason="new terms")


def migrated(source: ContractType, target: ContractType) -> ContractMigration:
    return run_migration(migration_id=confirmed(source, target).pk)


def row_of(driver: Driver) -> ContractMigrationRow:
    return ContractMigrationRow.objects.get(driver=driver)


def type_of(driver: Driver) -> str:
    """The code of the type of the one contract in force now."""
    now = clock.now()
    (contract,) = [
        contract
        for contract in Contract.objects.filter(driver=driver).select_related("contract_type")
        if contract.starts_at <= now and (contract.ends_at is None or contract.ends_at > now)
    ]
    return contract.contract_type.code


def amounts(*values: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(value) for value in values)
