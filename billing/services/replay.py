"""Past sessions under a draft or published tariff version: what it would have earned, and from whom. Reads only."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.db.models.functions import Coalesce

from billing.domain.repricing import Repriced
from billing.models import ChargingSession
from billing.services.repricing import CHUNK, Selection, reprice, selected_sessions
from common.errors import BadInput
from tariffs.models import Tariff, TariffVersion


@dataclass(frozen=True, slots=True)
class ReplayedSession:
    """One past session under the other tariff, and where and to whom it belongs."""

    repriced: Repriced
    started_at: datetime
    location: str
    customer_group: str


def replay(
    *,
    document: str,
    selection: Selection,
    chunk_size: int = CHUNK,
    after_id: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Iterator[ReplayedSession]:
    """Price the billed sessions of `selection` by the tariff `document`, oldest id first. Five queries and
    `chunk_size` sessions in memory at a time; `after_id` goes on behind a session that was reached before; `progress`
    is told how many are done after each chunk.

    `customer_group` is the driver's own group, else the one of the contract type, else empty. Raises BadInput.
    """
    sessions = reprice(selection=selection, document=document, chunk_size=chunk_size, after_id=after_id)
    done = 0
    while chunk := list(islice(sessions, chunk_size)):
        described = {
            row[0]: row[1:]
            for row in ChargingSession.objects.filter(pk__in=[one.past.session_id for one in chunk]).values_list(
                "pk",
                "started_at",
                "charge_point__location__code",
                Coalesce("driver__customer_group__code", "contract__contract_type__customer_group__code"),
            )
        }
        for one in chunk:
            started_at, location, customer_group = described[one.past.session_id]
            yield ReplayedSession(one, started_at, location, customer_group or "")
        done += len(chunk)
        if progress is not None:
            progress(done)


def how_many(selection: Selection) -> int:
    """How many sessions a replay of `selection` looks at."""
    return selected_sessions(selection).count()


def version_to_replay(*, code: str, number: int | None = None) -> TariffVersion:
    """Version `number` of the tariff `code`; without one its newest draft, else its newest published version.

    Raises BadInput naming what is not there.
    """
    tariff = Tariff.objects.filter(code=code).first()
    if tariff is None:
        raise BadInput("There is nothing to replay.", [f"tariff: there is none with the code “{code}”"])
    versions = TariffVersion.objects.filter(tariff=tariff).order_by("-number")
    if number is not None:
        found = versions.filter(number=number).first()
        wanted = f"version: {code} has no version {number}"
    else:
        newest = {status: versions.filter(status=status).first() for status in ("draft", "published")}
        found = newest["draft"] or newest["published"]
        wanted = f"version: {code} has neither a draft nor a published version"
    if found is None:
        raise BadInput("There is nothing to replay.", [wanted])
    return found
