"""May this driver charge now, on what terms, and up to how much?"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import F, Q, Sum

from accounts.errors import DriverBlocked
from accounts.models import Contract, ContractType, Driver, Token
from accounts.selectors.contracts import contract_in_force
from accounts.selectors.tokens import find_token
from billing.admission_errors import (
    NoPaymentMethod,
    NoSubscription,
    OpenDebt,
    TokenBlocked,
    TokenExpired,
    UnknownToken,
)
from billing.domain.admission import debt_limit, hold_amount
from billing.errors import InsufficientFunds
from billing.models import FundingLeg, PaymentMethod
from billing.selectors.rating_inputs import resolve_inputs
from billing.selectors.wallets import available_in_wallet
from common import clock
from locations.models import Connector
from tariffs.domain.compiled import compile_document
from tariffs.errors import CurrencyMismatch
from tariffs.selectors.resolution import resolve_tariff
from tariffs.selectors.vat import vat_percent

BillingModel = ContractType.BillingModel
WalletUse = ContractType.WalletUse


@dataclass(frozen=True)
class Admission:
    """A driver may charge under `contract`.

    `spend_limit` is what the session may cost (gross, contract currency; None: no limit) and `wallet_hold` what of it
    is to be reserved in the wallet at the start. With `is_preauthorised` an amount is held on the driver's card, which
    then sets the limit (billing.services.card_holds).
    """

    contract: Contract
    spend_limit: Decimal | None
    wallet_hold: Decimal | None
    is_preauthorised: bool = False


def usable_token(id_tag: str, at: datetime) -> Token:
    """The token behind a presented id tag. Raises UnknownToken, TokenBlocked, TokenExpired, DriverBlocked."""
    token = find_token(id_tag)
    if token is None:
        raise UnknownToken
    if token.status == Token.Status.BLOCKED:
        raise TokenBlocked
    if token.valid_until is not None and token.valid_until <= at:
        raise TokenExpired
    if token.driver.status != Driver.Status.ACTIVE:
        raise DriverBlocked
    return token


def admit(*, driver_id: int, at: datetime, power_class: str) -> Admission:
    """Check contract, debt and funds. Reads only; the start that follows reserves.

    Raises NoContract, OpenDebt, InsufficientFunds, NoPaymentMethod, NoSubscription.
    """
    contract = contract_in_force(driver_id, at)
    kind = contract.contract_type
    if kind.billing_model == BillingModel.OPEN_ACCESS:
        return Admission(contract=contract, spend_limit=None, wallet_hold=None)
    if kind.billing_model == BillingModel.SUBSCRIPTION_ONLY:
        raise NoSubscription
    _refuse_debtor(driver_id, kind)
    usual = hold_amount(kind.hold_policy, power_class)
    if kind.wallet_use == WalletUse.ONLY:
        available = available_in_wallet(driver_id, kind.currency)
        if available <= 0 or available < kind.min_balance_to_start:
            raise InsufficientFunds
        reserved = min(available, usual)
        return Admission(contract=contract, spend_limit=reserved, wallet_hold=reserved)
    if _has_card(driver_id):
        is_preauthorised = kind.billing_model == BillingModel.PREAUTH
        return Admission(contract=contract, spend_limit=None, wallet_hold=None, is_preauthorised=is_preauthorised)
    if kind.wallet_use == WalletUse.DRAW_FIRST:
        # Without a card the wallet alone carries the session, as far as it goes.
        available = available_in_wallet(driver_id, kind.currency)
        if available > 0:
            return Admission(contract=contract, spend_limit=available, wallet_hold=available)
    raise NoPaymentMethod


def terms_for(*, connector: Connector, contract: Contract | None, channel: str, at: datetime) -> dict[str, Any]:
    """Columns of a session that freeze its price: tariff version, digest, trace, currency, VAT, market prices.

    Raises NoTariff, NoVatRate, CurrencyMismatch.
    """
    resolution = resolve_tariff(connector=connector, contract=contract, channel=channel, at=at)
    location = connector.charge_point.location
    currency = resolution.version.tariff.currency
    if contract is not None and contract.contract_type.currency != currency:
        raise CurrencyMismatch
    frozen = resolve_inputs(
        tariff=compile_document(resolution.version.document, location.time_zone),
        driver_id=contract.driver_id if contract is not None else None,
        charge_point=connector.charge_point,
        at=at,
    )
    return {
        "tariff_version": resolution.version,
        "tariff_digest": resolution.version.digest,
        "tariff_assignment": resolution.assignment,
        "tariff_trace": resolution.trace,
        "rating_inputs": frozen.to_json(),
        "currency": currency,
        "vat_percent": vat_percent(location.country, clock.local_date(at, location.time_zone)),
    }


def _refuse_debtor(driver_id: int, kind: ContractType) -> None:
    """Debt is what was tried in vain, what no source covers, and what waits for a card there is not."""
    limit = debt_limit(kind.debt_policy)
    if limit is None:
        return
    failed = [FundingLeg.State.RETRYING, FundingLeg.State.REQUIRES_ACTION, FundingLeg.State.UNCOLLECTIBLE]
    owed = Q(state__in=failed) | Q(state=FundingLeg.State.DUE, source=FundingLeg.Source.DEBT)
    if not _has_card(driver_id):
        owed |= Q(state=FundingLeg.State.DUE, source=FundingLeg.Source.CARD)
    legs = FundingLeg.objects.filter(owed, cdr__charging_session__driver_id=driver_id)
    debt = legs.aggregate(total=Sum(F("amount") - F("refunded")))["total"]
    if debt is not None and debt > limit:
        raise OpenDebt


def _has_card(driver_id: int) -> bool:
    return PaymentMethod.objects.filter(driver_id=driver_id, status=PaymentMethod.Status.ACTIVE).exists()
