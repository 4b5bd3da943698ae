"""Writes over the API that happen once, however often they are sent."""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from django.db import transaction

from accounts.errors import IdempotencyKeyReused
from accounts.models import ApiWrite
from common import clock

# How long an answer is kept for repeats.
REMEMBERED_FOR = timedelta(days=30)


class ApiAnswer(NamedTuple):
    """Status and JSON text; `is_repeat`: the write was carried out before, and this is what was answered then."""

    status: int
    body: str
    is_repeat: bool = False


@transaction.atomic
def answer_once(
    *, api_key_id: int, idempotency_key: str, request_digest: str, perform: Callable[[], tuple[int, str]]
) -> ApiAnswer:
    """Carry out `perform` unless the same key did before; its answer is kept in the transaction of its effect.

    Two of the same at once: the second waits for the first to commit, then gets its answer. A `perform` that raises
    leaves nothing behind, so the same key may be tried again. It must not call out of this process: queue that.
    Locks: the row of the key, before anything `perform` locks.
    Raises IdempotencyKeyReused where the same key came with another request.
    """
    write, is_first = ApiWrite.objects.get_or_create(
        api_key_id=api_key_id,
        idempotency_key=idempotency_key,
        defaults={"request_digest": request_digest, "created_at": clock.now()},
    )
    if write.request_digest != request_digest:
        raise IdempotencyKeyReused
    if not is_first:
        return ApiAnswer(write.status, write.body, is_repeat=True)
    status, body = perform()
    write.status, write.body = status, body
    write.save(update_fields=["status", "body"])
    return ApiAnswer(status, body)


@transaction.atomic
def forget_old_writes() -> int:
    """Drop answers nobody will ask for again; how many. Safe to repeat."""
    count, _by_model = ApiWrite.objects.filter(created_at__lt=clock.now() - REMEMBERED_FOR).delete()
    return count
