"""A charge point's key: issued once, stored as an HMAC, compared in constant time.

The key is 160 random bits. Stations differ in how they present it as the Basic password: some send the 20 bytes, some
the 40 hexadecimal characters that were typed into them (OCPP 1.6 security whitepaper, AuthorizationKey). Both are
accepted. A keyed HMAC is enough for a random key, and cheap: a thousand stations may reconnect in the same second.
"""

import hashlib
import hmac
import secrets

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.services import audit
from common.errors import BadInput
from common.ids import new_secret
from common.locking import lock_row
from locations.models import ChargePoint

KEY_BITS = 160
SHORTEST_KEY = 16

# What a charge point without a key is compared against, so that it takes the same time and never matches.
_NO_KEY = secrets.token_bytes(32)


@transaction.atomic
def issue_key(*, charge_point_id: int, actor_id: int | None = None, reason: str = "") -> str:
    """Make a new key and return it as 40 lower-case hexadecimal characters: the only time it can be read.

    The key the station holds stays valid beside it until `confirm_key`. Writes an audit event.
    Locks: the charge point's row.
    """
    key = new_secret(KEY_BITS)
    _store_key(charge_point_id, key, actor_id=actor_id, action="charge_point_key_issued", reason=reason)
    return key


@transaction.atomic
def set_key(*, charge_point_id: int, key: str, actor_id: int | None = None) -> None:
    """Store a key that was made elsewhere (a station delivered with one, the demo network).

    Idempotent: the key already in force changes nothing and leaves no audit event. Locks: the charge point's row.
    Raises BadInput for a key shorter than 16 characters.
    """
    if len(key) < SHORTEST_KEY:
        raise BadInput(_("A charge point key needs at least 16 characters."))
    _store_key(charge_point_id, key, actor_id=actor_id, action="charge_point_key_set")


@transaction.atomic
def confirm_key(*, charge_point_id: int) -> None:
    """The station has shown that it holds the present key: the previous one stops working. A repeat changes nothing."""
    ChargePoint.objects.filter(pk=charge_point_id, previous_key_hmac__isnull=False).update(previous_key_hmac=None)


@transaction.atomic
def key_was_taken(*, charge_point_id: int, key: str) -> None:
    """The station answered that it took `key`: it alone works from here on. Nothing changes for a key replaced since.

    Locks: the charge point's row.
    """
    charge_point = lock_row(ChargePoint.objects.filter(pk=charge_point_id))
    if charge_point.previous_key_hmac is not None and is_present_key(charge_point, key.encode()):
        charge_point.previous_key_hmac = None
        charge_point.save(update_fields=["previous_key_hmac"])
        audit.record(actor_id=None, action="charge_point_key_taken", subject=charge_point)


@transaction.atomic
def key_was_refused(*, charge_point_id: int, key: str) -> None:
    """The station does not have `key` and never will: the one before it is the only one again. Nothing changes for a
    key replaced since. Locks: the charge point's row."""
    charge_point = lock_row(ChargePoint.objects.filter(pk=charge_point_id))
    if charge_point.previous_key_hmac is not None and is_present_key(charge_point, key.encode()):
        charge_point.key_hmac = charge_point.previous_key_hmac
        charge_point.previous_key_hmac = None
        charge_point.save(update_fields=["key_hmac", "previous_key_hmac"])
        audit.record(actor_id=None, action="charge_point_key_refused", subject=charge_point)


def key_matches(charge_point: ChargePoint | None, presented: bytes) -> bool:
    """True when `presented` is the charge point's key, or its previous one while a rotation is unconfirmed.

    Takes the same steps for a wrong key, a charge point without a key, and None (an unknown identity).
    """
    stored = [
        charge_point.key_hmac if charge_point is not None else None,
        charge_point.previous_key_hmac if charge_point is not None else None,
    ]
    return _matches_any(stored, presented)


def is_present_key(charge_point: ChargePoint, presented: bytes) -> bool:
    """True when `presented` is the newest key rather than the one it replaces."""
    return _matches_any([charge_point.key_hmac], presented)


def _store_key(charge_point_id: int, key: str, *, actor_id: int | None, action: str, reason: str = "") -> None:
    charge_point = lock_row(ChargePoint.objects.filter(pk=charge_point_id))
    key_hmac = _key_hmac(_canonical(key.encode()))
    if charge_point.key_hmac is not None and hmac.compare_digest(bytes(charge_point.key_hmac), key_hmac):
        return
    if charge_point.previous_key_hmac is None:
        # An unconfirmed rotation keeps the key the station is known to hold, not the one it may never have received.
        charge_point.previous_key_hmac = charge_point.key_hmac
    charge_point.key_hmac = key_hmac
    charge_point.save(update_fields=["key_hmac", "previous_key_hmac"])
    audit.record(actor_id=actor_id, action=action, subject=charge_point, reason=reason)


def _matches_any(stored: list[bytes | memoryview | None], presented: bytes) -> bool:
    candidates = [_key_hmac(presented), _key_hmac(_canonical(presented))]
    is_match = False
    for key_hmac in stored:
        for candidate in candidates:
            is_match |= hmac.compare_digest(_NO_KEY if key_hmac is None else bytes(key_hmac), candidate)
    return is_match


def _canonical(key: bytes) -> bytes:
    """The bytes a key stands for: hexadecimal text of at least 16 bytes is decoded, anything else is itself."""
    if len(key) < 2 * SHORTEST_KEY or len(key) % 2:
        return key
    try:
        return bytes.fromhex(key.decode("ascii"))
    except ValueError:
        return key


def _key_hmac(key: bytes) -> bytes:
    return hmac.new(settings.OCPP_KEY_PEPPER.encode(), key, hashlib.sha256).digest()
