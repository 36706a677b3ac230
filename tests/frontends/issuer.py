"""Certificates of every kind, good and bad: an authority with an intermediate one, as public authorities have."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
DAY: Final = 86_400.0
EPOCH: Final = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
"""Now, for the whole run: what is told in days is told from here."""
NOW: Final = EPOCH.timestamp()

_RSA_KEY: Final = rsa.generate_private_key(65_537, 2048)  # slow to make, so all RSA certificates share it


def new_key(kind: str = "ECDSA") -> PrivateKey:
    """Return a key: "ECDSA", "RSA", "RSA-1024" or "Ed25519"."""
    if kind.startswith("RSA"):
        return _RSA_KEY if kind == "RSA" else rsa.generate_private_key(65_537, 1024)  # noqa: S505 - to be refused
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ECDSA" else ed25519.Ed25519PrivateKey.generate()


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key, without a password."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def issue(
    issuer: Issued | None,
    names: Sequence[str] = ("localhost",),
    *,
    key: PrivateKey | None = None,
    kind: str = "ECDSA",
    days: tuple[float, float] = (-1, 60),
    subject: str | None = None,
    is_authority: bool = False,
) -> Issued:
    """Return a certificate, signed by `issuer` or by itself; `days` from now it begins and ends."""
    key = key if key is not None else new_key(kind)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject if subject is not None else names[0])])
    begin, end = (EPOCH + datetime.timedelta(days=one) for one in days)
    signer = key if issuer is None else issuer.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_general_name, names))), critical=False)
    return Issued(builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()), key)


ROOT: Final = issue(None, (), subject="root", is_authority=True)
INTERMEDIATE: Final = issue(ROOT, (), subject="intermediate", is_authority=True)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass(frozen=True, slots=True)
class Files:
    """Where a service finds its certificate and key."""

    certificate: Path
    key: Path

    def write(self, issued: Issued) -> None:
        """Put a pair there, with the intermediate certificate, as somebody does who renews it."""
        self.certificate.write_bytes(issued.pem + INTERMEDIATE.pem)
        self.key.touch(mode=0o600)
        self.key.write_bytes(issued.key_pem)
