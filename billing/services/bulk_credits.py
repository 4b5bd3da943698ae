"""Many wallets are credited at once, by a file or a selection. Each row stands under its own reference, for ever."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import Contract, Driver
from billing.domain.postings import wallet
from billing.models import WalletLot
from billing.services.wallets import credit_wallet
from common import clock
from common.errors import BadInput, VoltledgerError
from common.money import Money, quantize_amount

COLUMNS = ("reference", "customer", "amount", "currency", "kind", "expires_on", "reason")
MAX_ROWS = 2_000
MAX_AMOUNT = Decimal(10_000)
_REFERENCE = re.compile(r"[A-Za-z0-9._:/-]{1,60}")


@dataclass(frozen=True, slots=True)
class CreditRow:
    """One wallet to be credited. `was_credited`: its reference did so already, with the same terms."""

    line: int
    reference: str
    driver_id: int
    driver_name: str
    amount: Money
    kind: str
    expires_at: datetime | None
    reason: str
    was_credited: bool = False

    @property
    def key(self) -> str:
        return f"operator:row:{self.reference}"

    @property
    def origin(self) -> str:
        return WalletLot.Origin.GIFT if self.kind == WalletLot.Kind.PROMO else WalletLot.Origin.OPERATOR


@dataclass(frozen=True, slots=True)
class CreditResult:
    """What became of a row; `refusal` is empty unless it was refused."""

    row: CreditRow
    refusal: str = ""


def read_credits(text: str) -> list[CreditRow]:
    """The rows of a CSV file with a heading of COLUMNS in any order; `expires_on` may be missing or empty.

    `customer` is an e-mail address or a customer number (public id), `kind` is cash or gift, `expires_on` the last
    local day of a gift. Raises BadInput that names every defect by its line.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        lines = [(reader.line_num, values) for values in reader]
        heading = [name.strip() for name in reader.fieldnames or ()]
    except csv.Error as error:
        raise BadInput(details=[_("This is no CSV file: %(error)s") % {"error": error}]) from error
    missing = [name for name in COLUMNS if name not in heading and name != "expires_on"]
    if missing:
        raise BadInput(details=[_("The heading lacks: %(names)s.") % {"names": ", ".join(missing)}])
    if not lines or len(lines) > MAX_ROWS:
        raise BadInput(details=[_("The file needs between 1 and %(most)s rows.") % {"most": MAX_ROWS}])
    reading = _Reading({(values.get("customer") or "").strip().lower() for _line, values in lines})
    rows = [row for line, values in lines if (row := reading.row(line, values)) is not None]
    known, conflicts = compare_with_books(rows)
    defects = sorted([*reading.defects, *conflicts])
    if defects:
        raise BadInput(details=[words for _line, words in defects])
    return known


class _Reading:
    """Reads rows and collects what is wrong with them, so that one look tells everything."""

    def __init__(self, customers: set[str]) -> None:
        self.defects: list[tuple[int, str]] = []
        self.seen: dict[str, int] = {}
        self.drivers: dict[str, list[Driver]] = {}
        uuids = [name for name in customers if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name)]
        for driver in Driver.objects.filter(Q(email__in=customers) | Q(public_id__in=uuids)):
            for name in {driver.email.lower(), str(driver.public_id)}:
                self.drivers.setdefault(name, []).append(driver)
        self.currencies = currencies_of(driver.pk for found in self.drivers.values() for driver in found)

    def row(self, line: int, values: dict[str, str | None]) -> CreditRow | None:
        cell = {name: (values.get(name) or "").strip() for name in COLUMNS}
        wrong: list[str] = []
        if None in values:
            wrong.append(_("has more cells than the heading"))
        self._check_reference(line, cell["reference"], wrong)
        driver = self._driver(cell["customer"], wrong)
        amount = _amount(cell["amount"], cell["currency"], wrong)
        if driver and cell["currency"] != self.currencies[driver.pk]:
            wrong.append(_("the wallet is kept in %(currency)s") % {"currency": self.currencies[driver.pk]})
        if cell["kind"] not in ("cash", "gift"):
            wrong.append(_("kind is “cash” or “gift”"))
        expires_at = _expiry(cell["expires_on"], cell["kind"], wrong)
        if not cell["reason"] or len(cell["reason"]) > 200:
            wrong.append(_("a reason of at most 200 characters is needed"))
        if wrong or driver is None or amount is None:
            self.defects += [(line, _("Line %(line)s: %(words)s.") % {"line": line, "words": words}) for words in wrong]
            return None
        return CreditRow(
            line=line,
            reference=cell["reference"],
            driver_id=driver.pk,
            driver_name=str(driver),
            amount=amount,
            kind=WalletLot.Kind.PROMO if cell["kind"] == "gift" else WalletLot.Kind.CASH,
            expires_at=expires_at,
            reason=cell["reason"],
        )

    def _check_reference(self, line: int, reference: str, wrong: list[str]) -> None:
        if not _REFERENCE.fullmatch(reference):
            wrong.append(_("a reference of up to 60 letters, digits and . _ : / - is needed"))
        elif (first := self.seen.setdefault(reference, line)) != line:
            wrong.append(_("the reference is that of line %(first)s") % {"first": first})

    def _driver(self, name: str, wrong: list[str]) -> Driver | None:
        found = self.drivers.get(name.lower(), []) if name else []
        if len(found) != 1:
            wrong.append(
                _("more than one customer is called %(name)s") % {"name": name}
                if found
                else _("no customer is called “%(name)s”") % {"name": name}
            )
            return None
        return found[0]


def _amount(text: str, currency: str, wrong: list[str]) -> Money | None:
    try:
        amount = Decimal(text)
        is_good = 0 < amount <= MAX_AMOUNT and amount == quantize_amount(amount, currency)
    except (InvalidOperation, KeyError, ValueError, VoltledgerError):
        is_good = False
    if not is_good:
        words = _("“%(text)s” %(currency)s is no amount; write it like 12.50")
        wrong.append(words % {"text": text, "currency": currency})
        return None
    return Money(quantize_amount(amount, currency), currency)


def _expiry(text: str, kind: str, wrong: list[str]) -> datetime | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        wrong.append(_("“%(text)s” is no day; write it like 2027-12-31") % {"text": text})
        return None
    if kind == "cash":
        wrong.append(_("paid-in money never expires; leave expires_on empty"))
    elif day < clock.local_date(clock.now(), settings.TIME_ZONE):
        wrong.append(_("the day %(day)s has passed") % {"day": text})
    return end_of_day(day)


def end_of_day(day: date) -> datetime:
    """The last second of a local day, as UTC."""
    return datetime.combine(day, time(23, 59, 59), ZoneInfo(settings.TIME_ZONE)).astimezone(UTC)


def currencies_of(driver_ids: Iterable[int]) -> dict[int, str]:
    """The currency of each driver's wallet now, in one query; without a contract the installation's."""
    wanted, now = list(driver_ids), clock.now()
    in_force = Contract.objects.filter(driver_id__in=wanted, starts_at__lte=now).filter(
        Q(ends_at__isnull=True) | Q(ends_at__gt=now)
    )
    found = dict(in_force.values_list("driver_id", "contract_type__currency"))
    return {driver_id: found.get(driver_id, str(settings.DEFAULT_CURRENCY)) for driver_id in wanted}


def compare_with_books(rows: Sequence[CreditRow]) -> tuple[list[CreditRow], list[tuple[int, str]]]:
    """The rows, those credited before marked, and by line those whose reference was used with other terms."""
    lots = {
        lot.ledger_transaction.idempotency_key: lot
        for lot in WalletLot.objects.filter(
            ledger_transaction__idempotency_key__in=[row.key for row in rows]
        ).select_related("ledger_transaction", "account")
    }
    compared, conflicts = [], []
    for row in rows:
        lot = lots.get(row.key)
        if lot is None:
            compared.append(row)
        elif (lot.account.key, lot.amount, lot.kind, lot.expires_at) == (
            wallet(row.driver_id, str(row.amount.currency)).key,
            row.amount.amount,
            row.kind,
            row.expires_at,
        ):
            compared.append(_marked(row))
        else:
            words = _("Line %(line)s: the reference %(reference)s was used before, with other terms.")
            conflicts.append((row.line, words % {"line": row.line, "reference": row.reference}))
    return compared, conflicts


def _marked(row: CreditRow) -> CreditRow:
    return CreditRow(
        row.line, row.reference, row.driver_id, row.driver_name, row.amount, row.kind, row.expires_at, row.reason, True
    )


def apply_credits(rows: Sequence[CreditRow], *, actor_id: int) -> list[CreditResult]:
    """Credit every row, one transaction each, and say of each what became of it.

    Idempotent by reference: a row that was credited before is left as it is, by a repeat of the file as well as of its
    confirmation. A row that is refused stops no other. Locks as `credit_wallet`.
    """
    results = []
    for row in rows:
        try:
            if not row.was_credited:
                credit_wallet(
                    driver_id=row.driver_id,
                    amount=row.amount,
                    kind=row.kind,
                    origin=row.origin,
                    reason=row.reason,
                    idempotency_key=row.key,
                    actor_id=actor_id,
                    expires_at=row.expires_at,
                )
            results.append(CreditResult(row))
        except VoltledgerError as error:
            results.append(CreditResult(row, error.message))
    return results
