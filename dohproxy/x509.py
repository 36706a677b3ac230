"""X.509 certificates (RFC 5280): from the bytes of a file or a handshake to what they say. The only place that parses
them, so whatever is wrong with one is wrong in the same way for everybody who asks."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class UnreadableCertificate(ValueError):
    """Bytes hold no certificate that can be read; the message says so in words that continue a name."""


@dataclass(frozen=True, slots=True)
class AlternativeNames:
    """Whom a certificate is for (RFC 5280 section 4.2.1.6); the common name counts for nothing (RFC 9525)."""

    names: tuple[str, ...] = ()
    """DNS names in lower case, wildcards included."""
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """All of them, names first."""
        return (*self.names, *map(str, self.addresses))


def read_pem(pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of a PEM file, one at least, in their order. Raises UnreadableCertificate."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        found = []
    # What is cut off in the middle of a certificate is passed over in silence.
    if not found or pem.count(b"-----BEGIN ") != pem.count(b"-----END "):
        raise UnreadableCertificate("holds no certificate in PEM form, or a damaged one")
    return found


def read_der(der: bytes) -> x509.Certificate:
    """Return the certificate that a handshake has shown. Raises UnreadableCertificate."""
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise UnreadableCertificate(f"holds a certificate that cannot be understood ({error})") from None


def alternative_names(certificate: x509.Certificate) -> AlternativeNames:
    """Return whom a certificate is for. Raises UnreadableCertificate."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return AlternativeNames()
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise UnreadableCertificate(f"holds a certificate that cannot be understood ({error})") from None
    return AlternativeNames(
        tuple(name.lower() for name in found.get_values_for_type(x509.DNSName)),
        tuple(one for one in found.get_values_for_type(x509.IPAddress) if isinstance(one, IPv4Address | IPv6Address)),
    )


def is_authority(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate may issue others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False


def public_key_info(certificate: x509.Certificate) -> bytes:
    """Return the SubjectPublicKeyInfo, which pins are of. Raises UnreadableCertificate."""
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnreadableCertificate(f"holds a certificate whose key cannot be read ({error})") from None
