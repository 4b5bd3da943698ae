"""Reading certificates and signing requests as stations and operators hand them over. Pure."""

from cryptography import x509
from cryptography.x509.oid import NameOID


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
