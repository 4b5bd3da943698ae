"""May this driver charge now, on what terms, and up to how much?"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

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
from billing.domain.admission import hold_amount, limit_for, must_stop
from billing.errors import InsufficientFunds
from billing.models import ChargingSession, PaymentMethod
from billing.selectors.debts import debt_standing
from billing.selectors.exposure import exposure_of
from billing.selectors.rating_inputs import resolve_inputs
from billing.selectors.wallets import available_in_wallet
from common import clock
from common.currencies import quantum
from common.formats import money_words
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
    is to be reserved in the wallet at the start, out of `in_wallet`. With `is_preauthorised` an amount is held on the
    driver's card, which then sets the limit (billing.services.card_holds).
    """

    contract: Contract
    spend_limit: Decimal | None
    wallet_hold: Decimal | None
    is_preauthorised: bool = False
    in_wallet: Decimal = Decimal(0)

    def at_price_of(self, session: ChargingSession) -> "Admission":
        """The same for the price that was frozen with `session`, which may be unsaved.

        A wallet must cover what the session can cost before it can first be told to stop; more is reserved where the
        usual amount would not, and less where no stay can cost that much. Reads only. Raises InsufficientFunds.
        """
        if self.wallet_hold is None or (exposure := exposure_of(session)) is None:
            return self
        currency = self.contract.contract_type.currency
        unit = quantum(currency)
        reserved = min(self.in_wallet, limit_for(self.wallet_hold, exposure, unit))
        if must_stop(projected_gross=exposure.opening, limit=reserved):
            raise InsufficientFunds(
                _(
                    "A session here needs at least %(needed)s in the wallet when it starts, and there are "
                    "%(available)s. Please top it up first, or choose another charge point."
                )
                % {
                    "needed": money_words(exposure.opening + unit, currency),
                    "available": money_words(self.in_wallet, currency),
                }
            )
        return replace(self, spend_limit=reserved, wallet_hold=reserved)


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
    """Check contract, debt and funds. Reads only; the start that follows reserves what `at_price_of` says.

    Raises NoContract, OpenDebt, InsufficientFunds, NoPaymentMethod, NoSubscription.
    """
    contract = contract_in_force(driver_id, at)
    kind = contract.contract_type
    if kind.billing_model == BillingModel.OPEN_ACCESS:
        return Admission(contract=contract, spend_limit=None, wallet_hold=None)
    if kind.billing_model == BillingModel.SUBSCRIPTION_ONLY:
        raise NoSubscription
    if debt_standing(driver_id, kind, at).blocks:
        raise OpenDebt
    usual = hold_amount(kind.hold_policy, power_class)
    if kind.wallet_use == WalletUse.ONLY:
        available = available_in_wallet(driver_id, kind.currency)
        if available <= 0 or available < kind.min_balance_to_start:
            raise InsufficientFunds
        reserved = min(available, usual)
        return Admission(contract=contract, spend_limit=reserved, wallet_hold=reserved, in_wallet=available)
    if _has_card(driver_id):
        is_preauthorised = kind.billing_model == BillingModel.PREAUTH
        return Admission(contract=contract, spend_limit=None, wallet_hold=None, is_preauthorised=is_preauthorised)
    if kind.wallet_use == WalletUse.DRAW_FIRST:
        # Without a card the wallet alone carries the session, as far as it goes.
        available = available_in_wallet(driver_id, kind.currency)
        if available > 0:
            return Admission(contract=contract, spend_limit=available, wallet_hold=available, in_wallet=available)
    raise NoPaymentMethod


def terms_for(*, connector: Connector, contract: Contract | None, channel: str, at: datetime) -> dict[str, Any]:
    """Columns that freeze what a session costs and what pays: tariff version, digest, trace, currency, VAT, market
    prices, the use of the wallet.

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
        "wallet_use": contract.contract_type.wallet_use if contract is not None else "",
        "vat_percent": vat_percent(location.country, clock.local_date(at, location.time_zone)),
    }


def _has_card(driver_id: int) -> bool:
    return PaymentMethod.objects.filter(driver_id=driver_id, status=PaymentMethod.Status.ACTIVE).exists()
