"""Who is at the door: identity, Basic credentials, subprotocol and origin of a station's handshake. Pure."""

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from ocpp_gateway.domain.certificates import ClientCertificate, read_certificate

_LONGEST_IDENTITY: Final = 48


@dataclass(frozen=True, slots=True)
class Credentials:
    """HTTP Basic credentials. The password is bytes: stations send raw keys that are no text."""

    username: str
    password: bytes


def read_identity(raw_path: bytes) -> str:
    """The last path segment, percent-decoded; a trailing slash is tolerated. Empty when there is none that could be."""
    segments = [segment for segment in raw_path.split(b"/") if segment]
    if not segments:
        return ""
    try:
        identity = unquote_to_bytes(segments[-1]).decode()
    except UnicodeDecodeError:
        return ""
    return identity if len(identity) <= _LONGEST_IDENTITY and identity.isprintable() else ""


def read_client_certificate(headers: Mapping[bytes, bytes], *, proxy_secret: str) -> ClientCertificate | None:
    """The client certificate the proxy in front has verified; None when nobody who knows the secret says so."""
    presented = headers.get(b"x-proxy-secret", b"")
    if not proxy_secret or not hmac.compare_digest(presented, proxy_secret.encode()):
        return None
    if headers.get(b"x-client-verify") != b"SUCCESS":
        return None
    return read_certificate(unquote_to_bytes(headers.get(b"x-client-certificate", b"")).decode("ascii", "replace"))


def read_credentials(authorization: bytes) -> Credentials | None:
    """The Authorization header as Basic credentials (RFC 7617); None when it is something else."""
    scheme, _, encoded = authorization.strip().partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
        username, separator, password = decoded.partition(b":")
        return Credentials(username.decode(), password) if separator else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def negotiate(offered: Sequence[str], *, spoken: Sequence[str], configured: str) -> str | None:
    """The subprotocol to speak: the first of those `spoken` here that is offered; None when there is no common one.

    A station that offers nothing speaks 1.6 when it is configured so (many early ones forget the header); the answer
    is then empty: the header must not be sent to a client that did not ask.
    """
    if not offered:
        return "" if configured == "1.6" else None
    return next((name for name in spoken if name in offered), None)


def is_browser(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """True for a page's script: an Origin of another host, or any Origin with a browser's marks beside it.

    Some station libraries send the server's own address as Origin; that alone is no browser.
    """
    found = {name.lower(): value for name, value in headers}
    origin = found.get(b"origin")
    if origin is None:
        return False
    if b"sec-fetch-mode" in found or b"cookie" in found or found.get(b"user-agent", b"").startswith(b"Mozilla/"):
        return True
    try:
        return urlsplit(origin.decode("latin-1")).netloc.lower() != found.get(b"host", b"").decode("latin-1").lower()
    except ValueError:
        return True
