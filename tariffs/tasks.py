"""Background work about prices (django-q2)."""

from tariffs.models import PriceSeries
from tariffs.services import price_pull

# (name, function, minutes between two runs)
SCHEDULES = [
    ("Fetch market prices", "tariffs.tasks.pull_all_prices", 60),
]


def pull_all_prices() -> int:
    """Fetch every series that has a source, each in a task of its own; returns how many. Safe to repeat."""
    with_source = PriceSeries.objects.exclude(source="").values_list("pk", flat=True)
    for series_id in with_source:
        price_pull.queue_pull(series_id=series_id)
    return len(with_source)


def pull_prices(series_id: int) -> None:
    """Fetch one series."""
    price_pull.pull_prices(series_id=series_id)
