"""Fetching the prices of a series from its source."""

from django_q.tasks import async_task

from common.errors import BadInput
from tariffs.domain.price_file import PriceUnit, read_price_file
from tariffs.models import PriceImport, PriceSeries
from tariffs.providers.price_files import SourceFailed, SourceNotAllowed, fetch
from tariffs.services.price_series import import_prices, record_refusal, terms_of


def queue_pull(*, series_id: int) -> None:
    """Have the worker fetch a series."""
    async_task("tariffs.tasks.pull_prices", series_id)


def pull_prices(*, series_id: int) -> PriceImport | None:
    """Fetch a series and take its prices over; None for one that has no source.

    A failure is kept for operators to read, and takes nothing away of what is there. Nothing is locked while the source
    is read. Safe to repeat. Raises PriceSeries.DoesNotExist.
    """
    series = PriceSeries.objects.get(pk=series_id)
    if not series.source:
        return None
    try:
        content = fetch(series.source)
        rows = read_price_file(content, terms_of(series), PriceUnit(series.source_unit))
        return import_prices(
            series_id=series_id, rows=rows, source=series.source, actor_id=None, origin=PriceImport.Origin.PULL
        )
    except (SourceNotAllowed, SourceFailed) as error:
        problem = error.message
    except BadInput as error:
        problem = "\n".join((error.message, *error.details))
    return record_refusal(series_id=series_id, source=series.source, origin=PriceImport.Origin.PULL, problem=problem)
