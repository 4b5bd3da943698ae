"""Identifiers people and machines pass around."""

import secrets
import uuid

# Crockford's alphabet: no I, L, O, U, so that a code survives being read aloud.
CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_uuid() -> uuid.UUID:
    """Random public identifier; unguessable, so usable in links."""
    return uuid.uuid4()


def new_code(length: int = 10) -> str:
    """Random human-readable code from a CSPRNG; 5 bits a character."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(length))


def new_secret(bits: int = 160) -> str:
    """Random secret as lower-case hex; at least 128 bits."""
    if bits < 128:
        raise ValueError("a secret needs at least 128 bits")
    return secrets.token_hex(bits // 8)
