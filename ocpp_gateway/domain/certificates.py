"""Reading certificates and signing requests as stations and operators hand them over. Pure."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A station's certificate, verified by whoever ended its TLS connection."""

    common_name: str
    sha256: str
    valid_from: datetime
    valid_until: datetime


def read_certificate(pem: str) -> ClientCertificate | None:
    """The first certificate of a PEM text; None when there is none."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (ValueError, TypeError, x509.InvalidVersion):
        return None
    return ClientCertificate(
        common_name=str(names[0].value) if names else "",
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        valid_from=certificate.not_valid_before_utc,
        valid_until=certificate.not_valid_after_utc,
    )


def read_request(pem: str) -> x509.CertificateSigningRequest | None:
    """A PEM signing request whose signature is right; None when it is something else."""
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        return request if request.is_signature_valid else None
    except (ValueError, TypeError, x509.InvalidVersion):
        return None


def subject_of_request(pem: str) -> str | None:
    """Whom a signing request is made out to (its common name, else the whole name); None when it is none."""
    request = read_request(pem)
    if request is None:
        return None
    names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else request.subject.rfc4514_string()
