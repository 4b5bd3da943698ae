"""Row locks in one order. `docs/locking.md` holds the order of tables; within a table rows go by primary key."""

from typing import TypeVar

from django.db import connection, models

M = TypeVar("M", bound=models.Model)


def lock_rows(queryset: models.QuerySet[M], *, of_self_only: bool = True, is_shareable: bool = False) -> list[M]:
    """Lock the rows of `queryset` in primary-key order and return them as they are now.

    `is_shareable`: others may meanwhile write rows that point to these (a foreign key), which a full lock would stop.

    Must run inside `transaction.atomic()`. On SQLite there are no row locks: the IMMEDIATE transaction already holds
    the database's one write lock.
    """
    ordered = queryset.order_by("pk")
    if connection.features.has_select_for_update:
        of = ("self",) if of_self_only and connection.features.has_select_for_update_of else ()
        ordered = ordered.select_for_update(of=of, no_key=is_shareable)
    return list(ordered)


def lock_row(queryset: models.QuerySet[M], *, is_shareable: bool = False) -> M:
    """Lock exactly one row; raises the model's DoesNotExist or MultipleObjectsReturned."""
    rows = lock_rows(queryset, is_shareable=is_shareable)
    if not rows:
        raise queryset.model.DoesNotExist(f"{queryset.model.__name__} matching query does not exist.")  # type: ignore[attr-defined]
    if len(rows) > 1:
        raise queryset.model.MultipleObjectsReturned(f"more than one {queryset.model.__name__}")  # type: ignore[attr-defined]
    return rows[0]
