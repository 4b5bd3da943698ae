"""Numbers of documents: one after another, without a gap."""

from dataclasses import dataclass
from datetime import date, datetime

from common import clock
from common.locking import lock_row
from invoicing.domain.numbering import document_number
from invoicing.models import NumberSeries
from locations.models import LegalEntity


@dataclass(frozen=True, slots=True)
class AllocatedNumber:
    """A number and the moment it was given; `issued_on` is that moment's date where the seller is."""

    series: NumberSeries
    sequence: int
    number: str
    issued_at: datetime
    issued_on: date


def allocate_number(*, legal_entity: LegalEntity, kind: str) -> AllocatedNumber:
    """The next number of the seller's series of this year.

    Part of the caller's transaction, which must go on to seal the document: a rollback gives the number back, so there
    is no gap. The moment is read under the lock, so dates follow numbers.
    Locks: the NumberSeries row, last of all (docs/locking.md).
    """
    series = _locked_series(legal_entity, kind, clock.local_date(clock.now(), legal_entity.time_zone).year)
    issued_at = clock.now()
    issued_on = clock.local_date(issued_at, legal_entity.time_zone)
    if issued_on.year != series.year:
        # The year ended while we waited for the lock.
        series = _locked_series(legal_entity, kind, issued_on.year)
    series.last_number += 1
    series.save(update_fields=["last_number"])
    return AllocatedNumber(
        series=series,
        sequence=series.last_number,
        number=document_number(
            prefix=legal_entity.document_prefix, kind=kind, year=series.year, sequence=series.last_number
        ),
        issued_at=issued_at,
        issued_on=issued_on,
    )


def _locked_series(legal_entity: LegalEntity, kind: str, year: int) -> NumberSeries:
    this_series = NumberSeries.objects.filter(legal_entity=legal_entity, kind=kind, year=year)
    try:
        return lock_row(this_series)
    except NumberSeries.DoesNotExist:
        # The first document of a year. Another may be opening the series at the same moment.
        opened = NumberSeries(legal_entity=legal_entity, kind=kind, year=year)
        NumberSeries.objects.bulk_create([opened], ignore_conflicts=True)
        return lock_row(this_series)
