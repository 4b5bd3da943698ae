"""API keys: made, shown once, checked, revoked.

A key is `vl_<prefix>_<secret>`. The secret is 256 random bits, so a plain SHA-256 keeps it as safe as a slow hash would
and is cheap enough for every request.
"""

import hashlib
import hmac
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.errors import ApiKeyExpired, ApiKeyMadeAlready, ApiKeyRevoked, ApiKeyUnknown
from accounts.models import ApiKey
from accounts.services import audit
from common import clock
from common.errors import BadInput
from common.ids import new_code, new_secret
from common.locking import lock_row

KEY_START = "vl"
SECRET_BITS = 256
LONGEST_KEY = 200
# A key in constant use is not written on every request.
LAST_USED_EVERY = timedelta(minutes=1)
# What an unknown prefix is compared against, so that it takes the same steps and never matches.
_NO_SECRET = hashlib.sha256(new_secret(SECRET_BITS).encode()).digest()


@transaction.atomic
def create_api_key(
    *,
    name: str,
    scopes: Collection[str],
    actor_id: int,
    reason: str = "",
    expires_at: datetime | None = None,
    request_key: UUID | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; the text returned beside it is the only time it can be read. Writes an audit event.

    Raises BadInput naming every defect; ApiKeyMadeAlready for a `request_key` that made one before.
    """
    name = name.strip()
    details = []
    if not name:
        details.append(_("name: say which system uses the key"))
    unknown = sorted(set(scopes) - set(ApiKey.Scope.values))
    details += [_("scopes: “%(scope)s” is not known") % {"scope": scope} for scope in unknown]
    if not scopes:
        details.append(_("scopes: choose at least one"))
    if expires_at is not None and expires_at <= clock.now():
        details.append(_("expires_at: must lie in the future"))
    if details:
        raise BadInput(_("The key was not made."), details)
    secret = new_secret(SECRET_BITS)
    api_key = ApiKey(
        name=name,
        prefix=f"{KEY_START}_{new_code(10)}",
        secret_hash=_hash(secret),
        scopes=sorted(set(scopes)),
        created_by_id=actor_id,
        created_at=clock.now(),
        expires_at=expires_at,
    )
    if request_key is not None:
        api_key.request_key = request_key
    try:
        with transaction.atomic():
            api_key.save(force_insert=True)
    except IntegrityError as error:
        raise ApiKeyMadeAlready from error
    audit.record(
        actor_id=actor_id,
        action="api_key_created",
        subject=api_key,
        reason=reason,
        data={"prefix": api_key.prefix, "scopes": api_key.scopes},
    )
    return api_key, f"{api_key.prefix}_{secret}"


@transaction.atomic
def revoke_api_key(*, api_key_id: int, actor_id: int, reason: str = "") -> ApiKey:
    """End a key at once and for good; a repeat changes nothing. Writes an audit event. Locks: the key's row."""
    api_key = lock_row(ApiKey.objects.filter(pk=api_key_id))
    if api_key.revoked_at is None:
        api_key.revoked_at = clock.now()
        api_key.save(update_fields=["revoked_at"])
        audit.record(
            actor_id=actor_id,
            action="api_key_revoked",
            subject=api_key,
            reason=reason,
            data={"prefix": api_key.prefix},
        )
    return api_key


def check_api_key(presented: str, *, at: datetime) -> ApiKey:
    """The key behind what a request presents; notes the use, at most once a minute.

    Takes the same steps for a wrong secret and an unknown prefix. Raises ApiKeyUnknown, ApiKeyRevoked, ApiKeyExpired;
    the last two are said only to who holds the whole key.
    """
    prefix, _separator, secret = presented[:LONGEST_KEY].rpartition("_")
    api_key = ApiKey.objects.filter(prefix=prefix).first() if prefix.isascii() and "\0" not in prefix else None
    stored = _NO_SECRET if api_key is None else bytes(api_key.secret_hash)
    if not hmac.compare_digest(stored, _hash(secret)) or api_key is None:
        raise ApiKeyUnknown
    if api_key.revoked_at is not None:
        raise ApiKeyRevoked
    if api_key.expires_at is not None and api_key.expires_at <= at:
        raise ApiKeyExpired
    if api_key.last_used_at is None or api_key.last_used_at <= at - LAST_USED_EVERY:
        unused = Q(last_used_at__isnull=True) | Q(last_used_at__lte=at - LAST_USED_EVERY)
        ApiKey.objects.filter(unused, pk=api_key.pk).update(last_used_at=at)
    return api_key


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()
