"""Fetching price files from where the installation allows it, and from nowhere else.

`PRICE_SERIES_SOURCES` lists permitted directories and the beginnings of permitted https addresses. An address counts
only if its host is public: what resolves into the installation's own network is refused, and the connection goes to the
very address that was checked. Redirects are not followed.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.errors import Refused
from tariffs.domain.price_file import MOST_BYTES

ANSWER_WITHIN_SECONDS = 10.0
DONE_WITHIN_SECONDS = 30.0
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_PORTS = {"https": 443, "http": 80}


class SourceNotAllowed(Refused):
    code = "price_source_not_allowed"
    sentence = gettext_lazy(
        "This source is not allowed. An administrator lists the permitted ones for the installation."
    )


class SourceFailed(Refused):
    code = "price_source_failed"
    sentence = gettext_lazy("The source could not be read.")


def check_source(source: str) -> None:
    """Raises SourceNotAllowed unless `source` is an address or a file the installation permits. No network."""
    if "://" in source:
        _checked_address(source)
    else:
        _checked_file(source)


def fetch(source: str) -> bytes:
    """The content of a permitted source. Raises SourceNotAllowed, SourceFailed (too slow, too large, not there)."""
    return _get(_checked_address(source)) if "://" in source else _read(_checked_file(source))


def _checked_address(source: str) -> SplitResult:
    try:
        parts = urlsplit(source)
        port = parts.port
    except ValueError as error:
        raise SourceNotAllowed from error
    if not source.isascii() or not source.isprintable() or any(mark in source for mark in ' \\@"<>#'):
        raise SourceNotAllowed(_("An address has no user name, no spaces and no fragment."))
    is_local = parts.scheme == "http" and settings.PRICE_SERIES_ALLOW_LOOPBACK and parts.hostname in _LOOPBACK
    if parts.scheme != "https" and not is_local:
        raise SourceNotAllowed(_("Only addresses that begin with https:// are fetched."))
    segments = [unquote(segment) for segment in parts.path.split("/")]
    if any(segment in {".", ".."} or "/" in segment or "%" in segment for segment in segments):
        raise SourceNotAllowed(_("The path of an address has no dots to climb up with."))
    for allowed in settings.PRICE_SERIES_SOURCES:
        prefix = urlsplit(allowed)
        same_host = (prefix.scheme, prefix.hostname, prefix.port or _PORTS.get(prefix.scheme)) == (
            parts.scheme,
            parts.hostname,
            port or _PORTS[parts.scheme],
        )
        folder = prefix.path.rstrip("/") + "/"
        if prefix.hostname and same_host and (parts.path == prefix.path or parts.path.startswith(folder)):
            return parts
    raise SourceNotAllowed


def _checked_file(source: str) -> Path:
    path = Path(source)
    if not path.is_absolute():
        raise SourceNotAllowed(_("Give the whole path of a file, or an address that begins with https://."))
    path = path.resolve()
    for allowed in settings.PRICE_SERIES_SOURCES:
        if "://" not in allowed and Path(allowed).resolve() in path.parents:
            return path
    raise SourceNotAllowed


def _read(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise SourceFailed(_("The source is not a file."))
        with path.open("rb") as file:
            return _not_too_large(file.read(MOST_BYTES + 1))
    except OSError as error:
        raise SourceFailed(_("The file cannot be read: %(why)s.") % {"why": error.strerror}) from error


def _get(address: SplitResult) -> bytes:
    host = address.hostname or ""
    try:
        with _connection(address, _public_address(address)) as connection:
            path = (address.path or "/") + (f"?{address.query}" if address.query else "")
            connection.request("GET", path, headers={"Accept": "text/csv, text/plain", "Accept-Encoding": "identity"})
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise SourceFailed(
                    _("%(host)s answered with status %(status)s. Redirects are not followed.")
                    % {"host": host, "status": response.status}
                )
            content = _not_too_large(response.read(MOST_BYTES + 1))
            # Half a file could end within a price.
            if response.headers.get("Content-Length") not in (None, str(len(content))):
                raise SourceFailed(_("%(host)s broke off before the end.") % {"host": host})
            return content
    except TimeoutError as error:
        raise SourceFailed(_("%(host)s did not answer in time.") % {"host": host}) from error
    except (OSError, http.client.HTTPException) as error:
        raise SourceFailed(_("%(host)s could not be read: %(why)s") % {"host": host, "why": error}) from error


def _not_too_large(content: bytes) -> bytes:
    if len(content) > MOST_BYTES:
        raise SourceFailed(_("The source is larger than %(most)s bytes.") % {"most": MOST_BYTES})
    return content


def _public_address(address: SplitResult) -> str:
    """The IP address to connect to. Raises SourceNotAllowed where the host is none of the public network."""
    found = socket.getaddrinfo(address.hostname, address.port or _PORTS[address.scheme], type=socket.SOCK_STREAM)
    ips = [str(entry[4][0]) for entry in found]
    if address.scheme == "https" or address.hostname not in _LOOPBACK:
        for ip in ips:
            known = ipaddress.ip_address(ip.partition("%")[0])
            known = getattr(known, "ipv4_mapped", None) or known
            if not known.is_global or known.is_multicast:
                raise SourceNotAllowed(_("The host of this address is not on the public internet."))
    return ips[0]


class _PinnedConnection(http.client.HTTPSConnection):
    """To one IP address, while the certificate is still the host name's."""

    def __init__(self, host: str, port: int, ip: str) -> None:
        self._ip, self._tls = ip, ssl.create_default_context()
        super().__init__(host, port, timeout=ANSWER_WITHIN_SECONDS, context=self._tls)

    def connect(self) -> None:
        plain = socket.create_connection((self._ip, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


@contextmanager
def _connection(address: SplitResult, ip: str) -> Iterator[http.client.HTTPConnection]:
    """Open until it is done or `DONE_WITHIN_SECONDS` are over, however slowly bytes trickle in."""
    host, port = address.hostname or "", address.port or _PORTS[address.scheme]
    connection: http.client.HTTPConnection
    if address.scheme == "https":
        connection = _PinnedConnection(host, port, ip)
    else:
        connection = http.client.HTTPConnection(ip, port, timeout=ANSWER_WITHIN_SECONDS)
    is_over = threading.Event()

    def give_up() -> None:
        is_over.set()
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)

    deadline = threading.Timer(DONE_WITHIN_SECONDS, give_up)
    deadline.daemon = True
    deadline.start()
    try:
        yield connection
        if is_over.is_set():
            raise TimeoutError
    except (OSError, http.client.HTTPException) as error:
        if is_over.is_set():
            raise TimeoutError from error
        raise
    finally:
        deadline.cancel()
        connection.close()
