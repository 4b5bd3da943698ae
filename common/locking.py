"""Row locks in one order. `docs/locking.md` holds the order of tables; within a table rows go by primary key."""

from typing import TypeVar

from django.db import connection, models

M = TypeVar("M", bound=models.Model)


def lock_rows(queryset: models.QuerySet[M], *, of_self_only: bool = True) -> list[M]:
    """Lock the rows of `queryset` in primary-key order and return them as they are now.

    Must run inside `transaction.atomic()`. On SQLite there are no row locks: the IMMEDIATE transaction already holds
    the database's one write lock.
    """
    ordered = queryset.order_by("pk")
    if connection.features.has_select_for_update:
        of = ("self",) if of_self_only and connection.features.has_select_for_update_of else ()
        ordered = ordered.select_for_update(of=of)
    return list(ordered)


def lock_row(queryset: models.QuerySet[M]) -> M:
    """Lock exactly one row; raises the model's DoesNotExist or MultipleObjectsReturned."""
    rows = lock_rows(queryset)
    if not rows:
        raise queryset.model.DoesNotExist(f"{queryset.model.__name__} matching query does not exist.")  # type: ignore[attr-defined]
    if len(rows) > 1:
        raise queryset.model.MultipleObjectsReturned(f"more than one {queryset.model.__name__}")  # type: ignore[attr-defined]
    return rows[0]
