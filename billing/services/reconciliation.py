"""Comparing our books with the provider's, both ways, slice of time by slice of time.

Of each slice the provider's listings are read page by page and every page is compared with ours; then what we made in
the slice and no listing named is read one by one. The provider is called with nothing open and nothing locked; what a
page shows is written in one transaction. No more than a page of objects and a slice's references are in memory, and a
run that stops is taken up at the first slice it had not finished. Nothing here moves money: what differs becomes a
Discrepancy, for a person (billing.services.discrepancies).
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet

from billing.models import Discrepancy, Reconciliation
from billing.providers.base import Listing, Page, PaymentProvider
from billing.providers.errors import RequestRefused
from billing.providers.registry import get_provider
from billing.selectors.reconciliation import (
    Compared,
    compare_dispute,
    compare_disputes,
    compare_hold,
    compare_payment,
    compare_payments,
    compare_refund,
    compare_refunds,
    ours_between,
)
from common import clock

log = logging.getLogger(__name__)

Subject = Discrepancy.Subject
Status = Discrepancy.Status

SLICE = timedelta(hours=6)
# What is younger may still be on its way to us by itself.
SETTLED_AFTER = timedelta(hours=1)
# The scheduled run looks back this far, and further after it had not run.
LOOK_BACK = timedelta(days=3)
CHUNK = 100
# Settled so, the same facts are not brought up again.
_STAYS = (Status.EXPLAINED, Status.REFUNDED)


def reconcile(*, since: datetime, until: datetime, provider: str | None = None) -> Reconciliation:
    """Compare everything made from `since` on and before `until`, at most until an hour ago; the finished run.

    An unfinished run of the same provider and time is taken up where it stopped. Idempotent. Talks to the provider;
    raises ProviderUnavailable with what was compared until then kept, ValueError for a span that is empty.
    """
    adapter = get_provider(provider)
    run = _begin(adapter.name, since.replace(microsecond=0), until.replace(microsecond=0))
    while run.done_until < run.until:
        slice_until = min(run.done_until + SLICE, run.until)
        checked, found = _compare_slice(adapter, run, run.done_until, slice_until)
        Reconciliation.objects.filter(pk=run.pk, done_until=run.done_until).update(
            done_until=slice_until, checked=F("checked") + checked, found=F("found") + found
        )
        run.refresh_from_db()
    Reconciliation.objects.filter(pk=run.pk, finished_at=None).update(finished_at=clock.now())
    run.refresh_from_db()
    return run


def reconcile_recent() -> Reconciliation:
    """The scheduled run: the last days, or everything since the last finished run when that is longer ago."""
    until = clock.now() - SETTLED_AFTER
    provider = get_provider().name
    unfinished = Reconciliation.objects.filter(provider=provider, finished_at=None).order_by("pk").first()
    if unfinished is not None:
        return reconcile(since=unfinished.since, until=unfinished.until, provider=provider)
    last = Reconciliation.objects.filter(provider=provider).exclude(finished_at=None).order_by("-until").first()
    since = until - LOOK_BACK if last is None else min(until - LOOK_BACK, last.until)
    return reconcile(since=since, until=until, provider=provider)


def _begin(provider: str, since: datetime, until: datetime) -> Reconciliation:
    known = Reconciliation.objects.filter(provider=provider, since=since, until=until, finished_at=None).first()
    if known is not None:
        return known
    until = min(until, (clock.now() - SETTLED_AFTER).replace(microsecond=0))
    if since >= until:
        raise ValueError("There is nothing to compare: what is younger than an hour may still be on its way.")
    return Reconciliation.objects.create(provider=provider, since=since, until=until, done_until=since)


def _compare_slice(adapter: PaymentProvider, run: Reconciliation, since: datetime, until: datetime) -> tuple[int, int]:
    """How much was compared, and how many differences are open of it."""
    checked = found = 0
    seen: dict[str, set[str]] = {}
    for subject, compared in _listed(adapter, since, until):
        found += _write_down(run, compared)
        checked += len(compared)
        seen.setdefault(subject, set()).update(name for row in compared for name in (row.reference, row.key) if name)
    for subject, rows in ours_between(adapter.name, since, until):
        for chunk in _chunks(rows):
            missed = [row for row in chunk if not _names(row) & seen.get(_listed_as(subject), set())]
            compared = [_compare_one(adapter, subject, row) for row in missed]
            found += _write_down(run, compared)
            checked += len(compared)
    return checked, found


def _listed(adapter: PaymentProvider, since: datetime, until: datetime) -> Iterator[tuple[str, Sequence[Compared]]]:
    """Every page of the provider's listings, compared."""
    listings: list[tuple[str, Callable[[Listing], Page[Any]], Callable[[str, Sequence[Any]], list[Compared]]]] = [
        (Subject.PAYMENT, adapter.list_payments, compare_payments),
        (Subject.REFUND, adapter.list_refunds, compare_refunds),
        (Subject.DISPUTE, adapter.list_disputes, compare_disputes),
    ]
    for subject, list_page, compare in listings:
        cursor, is_last = "", False
        while not is_last:
            page = list_page(Listing(since, until, cursor))
            yield subject, compare(adapter.name, page.items)
            cursor, is_last = page.cursor, not page.cursor


def _listed_as(subject: str) -> str:
    """Holds are listed among the payments."""
    return Subject.PAYMENT if subject == Subject.HOLD else subject


def _names(row: Any) -> set[str]:
    return {row.provider_reference, getattr(row, "idempotency_key", "")} - {""}


def _chunks(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    last = 0
    while chunk := list(rows.filter(pk__gt=last).order_by("pk")[:CHUNK]):
        yield chunk
        last = chunk[-1].pk


def _compare_one(adapter: PaymentProvider, subject: str, row: Any) -> Compared:
    """One row of ours with what the provider says of it when it is asked."""
    return {
        Subject.PAYMENT: lambda: compare_payment(row, _asked(lambda: adapter.fetch(**_asking(row)))),
        Subject.HOLD: lambda: compare_hold(row, _asked(lambda: adapter.fetch(**_asking(row)))),
        Subject.REFUND: lambda: compare_refund(
            row,
            _asked(lambda: adapter.fetch_refund(payment_reference=row.payment.provider_reference, **_asking(row))),
        ),
        Subject.DISPUTE: lambda: compare_dispute(row, _asked(lambda: adapter.fetch_dispute(row.provider_reference))),
    }[Subject(subject)]()


def _asking(row: Any) -> dict[str, str]:
    return {"idempotency_key": row.idempotency_key, "reference": row.provider_reference}


def _asked(ask: Callable[[], Any]) -> Any:
    """The provider refuses to read what it does not know."""
    try:
        return ask()
    except RequestRefused:
        return None


@transaction.atomic
def _write_down(run: Reconciliation, compared: Sequence[Compared]) -> int:
    """Open, keep and close discrepancies by what was compared; how many of these are open now."""
    moment = clock.now()
    different = [row for row in compared if row.kind is not None]
    still = {_upsert(run, row, moment) for row in different}
    for subject in {row.subject for row in compared}:
        names = {name for row in compared if row.subject == subject for name in (row.reference, row.key) if name}
        gone = Discrepancy.objects.filter(
            provider=run.provider, subject=subject, reference__in=names, status=Status.OPEN
        ).exclude(pk__in=still)
        gone.update(status=Status.AGREED, resolved_at=moment, seen_at=moment)
    return Discrepancy.objects.filter(pk__in=still, status=Status.OPEN).count()


def _upsert(run: Reconciliation, compared: Compared, moment: datetime) -> int:
    facts = {
        "our_state": compared.our_state,
        "our_amount": compared.our_amount,
        "their_state": compared.their_state,
        "their_amount": compared.their_amount,
    }
    row, is_new = Discrepancy.objects.get_or_create(
        provider=run.provider,
        subject=compared.subject,
        reference=compared.reference or compared.key,
        kind=str(compared.kind),
        defaults={
            **facts,
            compared.subject: compared.row,
            "currency": compared.currency,
            "found_by": run,
            "seen_at": moment,
            "status": Status.REFUNDED if compared.is_settled else Status.OPEN,
            "resolved_at": moment if compared.is_settled else None,
        },
    )
    if is_new:
        if row.status == Status.OPEN:
            log.error("%s %s differs from the provider: %s", row.subject, row.reference, row.kind)
        return row.pk
    stays = row.status in _STAYS and all(getattr(row, name) == value for name, value in facts.items())
    changes: dict[str, Any] = {**facts, compared.subject: compared.row, "seen_at": moment, "found_by": run}
    if compared.is_settled and row.status == Status.OPEN:
        changes |= {"status": Status.REFUNDED, "resolved_at": moment}
    elif row.status != Status.OPEN and not stays and not compared.is_settled:
        changes |= {"status": Status.OPEN, "resolved_at": None, "actor": None, "reason": ""}
    Discrepancy.objects.filter(pk=row.pk).update(**changes)
    return row.pk


def recheck(*, discrepancy: Discrepancy) -> Discrepancy:
    """Read one thing at the provider again and write down what differs now. Talks to the provider."""
    adapter = get_provider(discrepancy.provider)
    discrepancy = Discrepancy.objects.select_related("found_by").get(pk=discrepancy.pk)
    compared = _compare_again(adapter, discrepancy)
    _write_down(discrepancy.found_by, [compared])
    discrepancy.refresh_from_db()
    return discrepancy


def _compare_again(adapter: PaymentProvider, discrepancy: Discrepancy) -> Compared:
    row = next((row for row in (discrepancy.payment, discrepancy.hold, discrepancy.refund) if row is not None), None)
    if discrepancy.subject == Subject.DISPUTE:
        told = _asked(lambda: adapter.fetch_dispute(discrepancy.reference))
        return compare_disputes(adapter.name, [told])[0] if told else compare_dispute(discrepancy.dispute, None)
    if discrepancy.subject == Subject.REFUND:
        if row is not None:
            return _compare_one(adapter, Subject.REFUND, row)
        refund = _asked(lambda: adapter.fetch_refund(reference=discrepancy.reference))
        return compare_refunds(adapter.name, [refund])[0] if refund else compare_refund(None, None)
    if row is not None:
        return _compare_one(adapter, discrepancy.subject, row)
    found = _asked(lambda: adapter.fetch(idempotency_key="", reference=discrepancy.reference))
    return compare_payments(adapter.name, [found])[0] if found else compare_payment(None, None)
