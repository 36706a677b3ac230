"""Certificates: what a PEM chain says, and what is wrong with it for this service.

Judged as clients will judge it (RFC 5280, RFC 9525), apart from trust: which roots the members' devices trust is not
known here, and a private authority is a legitimate choice.
"""

import datetime
import hashlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import pairwise
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from dohproxy.config import Problem, TlsConfig
from dohproxy.regular_file import read_regular
from dohproxy.x509 import UnreadableCertificate, alternative_names, read_pem

DAY_SECONDS: Final = 86_400.0
SOON_SECONDS: Final = 7 * DAY_SECONDS
"""The time left when it is time to worry: ACME clients renew at 30 days of 90, so something has failed for weeks."""
SHORT_LIFE_SECONDS: Final = 10 * DAY_SECONDS
SOON_SECONDS_OF_A_SHORT_LIFE: Final = 2 * DAY_SECONDS
"""The same for certificates of a few days (Let's Encrypt's `shortlived` has 160 hours), renewed when half is over."""
MAX_CERTIFICATES: Final = 16
"""The most certificates in one file: three are usual, OpenSSL's clients accept ten by default."""
MAX_FILE_BYTES: Final = 1_048_576
"""Longest file read: sixteen certificates are 32 KiB, so this is another file."""


class KeyKind(StrEnum):
    """What signs the handshake. OpenSSL keeps one certificate of each kind at a time."""

    ECDSA = "ECDSA"
    RSA = "RSA"
    ED25519 = "Ed25519"
    OTHER = "other"


class Fault(StrEnum):
    """Why clients will not, or may not, accept a certificate; metric label."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_HOST = "wrong_host"
    INCOMPLETE = "incomplete"
    """Only the server's own, signed by somebody else: fine if that is a root, else many clients are at a loss."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What we want to know of one certificate; instants are Unix seconds."""

    subject: str
    issuer: str
    not_before: float
    not_after: float
    names: tuple[str, ...]
    """DNS names of the subject alternative name, in lower case, wildcards included."""
    addresses: tuple[IPv4Address | IPv6Address, ...]
    key_kind: KeyKind
    is_self_signed: bool
    tbs_hash: bytes
    """SHA-256 of the TBSCertificate, the part that is signed: what DNS stamps pin."""

    def matches(self, host: str) -> bool:
        """Tell whether it is for this host name or address (RFC 9525 section 6; the common name counts for nothing)."""
        try:
            return ip_address(host) in self.addresses
        except ValueError:
            return any(_name_matches(name, host.lower()) for name in self.names)

    def expires_soon(self, now: float) -> bool:
        """Tell whether it should have been renewed by now."""
        is_short = self.not_after - self.not_before < SHORT_LIFE_SECONDS
        return self.not_after - now < (SOON_SECONDS_OF_A_SHORT_LIFE if is_short else SOON_SECONDS)


@dataclass(frozen=True, slots=True)
class Chain:
    """The certificates of one file, the server's first."""

    certificates: tuple[Certificate, ...]
    is_in_order: bool
    """Whether each certificate was issued by the one after it."""

    @property
    def server(self) -> Certificate:
        """The server's own."""
        return self.certificates[0]

    @property
    def is_complete(self) -> bool:
        """Whether something stands between the server's certificate and a root, or nothing has to."""
        return len(self.certificates) > 1 or self.server.is_self_signed

    @property
    def pinned(self) -> Certificate:
        """The one whose hash a stamp should carry: the topmost that is not a root, so that renewals keep working."""
        below_root = [certificate for certificate in self.certificates if not certificate.is_self_signed]
        return below_root[-1] if below_root else self.server


def read_chain(pem: bytes) -> Chain:
    """Read the certificates of a PEM file. Raises UnreadableCertificate."""
    parsed = read_pem(pem)
    if len(parsed) > MAX_CERTIFICATES:
        raise UnreadableCertificate(f"holds {len(parsed)} certificates; a chain has {MAX_CERTIFICATES} at most")
    certificates = tuple(_read(one) for one in parsed)
    is_in_order = all(_issued(child, parent) for child, parent in pairwise(parsed))
    return Chain(certificates, is_in_order)


def faults_of(chain: Chain, host: str, now: float) -> frozenset[Fault]:
    """Return why clients that ask for `host` will refuse this chain, nothing if they will not."""
    server = chain.server
    found = (
        (Fault.EXPIRED, now >= server.not_after),
        (Fault.NOT_YET_VALID, now < server.not_before),
        (Fault.WRONG_HOST, not server.matches(host)),
        (Fault.INCOMPLETE, not chain.is_complete),
    )
    return frozenset(fault for fault, holds in found if holds)


# --- What `check` says ---


def certificate_problems(chain: Chain, host: str, now: float) -> tuple[Problem, ...]:
    """Return what makes clients refuse the certificate.

    To `check` these are errors: it is asked before a change whether the change is right. To `serve` they are warnings:
    a service that comes back from a power cut with a certificate of yesterday (or with a clock of 1970) serves those
    who can still use it, and takes the renewed one as soon as it is there; refusing to start would help nobody.
    """
    server = chain.server
    remedies = {
        Fault.EXPIRED: f"expired on {_day(server.not_after)}; renew it",
        Fault.NOT_YET_VALID: f"is valid from {_day(server.not_before)} only; is the clock of this machine right?",
        Fault.WRONG_HOST: f"is for {_shown_names(server)} and not for {host}, which is server.host; every client will"
        " refuse it. Give the certificate of that name, or the certificate's name in server.host",
    }
    faults = faults_of(chain, host, now)
    return tuple(Problem("tls.certificate", f"{text}.") for fault, text in remedies.items() if fault in faults)


def certificate_warnings(chain: Chain, now: float) -> tuple[Problem, ...]:
    """Return what clients accept today and the operator should still know."""
    return tuple(Problem("tls.certificate", f"{sentence}.") for sentence in _warnings(chain, now))


def key_warnings(tls: TlsConfig) -> tuple[Problem, ...]:
    """Return what is wrong with the key's place on the disk."""
    try:
        mode = tls.key.stat().st_mode
    except OSError:
        return ()  # Whoever loads it says so.
    if not mode & stat.S_IROTH:
        return ()
    return (
        Problem("tls.key", f"{tls.key} may be read by every user of this machine; take that away: chmod o= {tls.key}"),
    )


def read_chain_file(path: Path) -> Chain:
    """Read the chain of a file. Raises UnreadableCertificate and OSError."""
    return read_chain(read_regular(path, MAX_FILE_BYTES))


def _warnings(chain: Chain, now: float) -> Iterator[str]:
    server = chain.server
    if server.not_before <= now < server.not_after and server.expires_soon(now):
        yield f"expires on {_day(server.not_after)} and should have been renewed by now; see to whatever renews it"
    if server.key_kind is KeyKind.RSA:
        yield (
            "has an RSA key, with which a handshake costs this machine 2 times (2048 bits) to 20 times (4096) what it"
            " costs with ECDSA; ask for an ECDSA one (certbot: --key-type ecdsa)"
        )
    if not chain.is_complete:
        yield (
            f"is alone in its file: unless {server.issuer} is a root, clients need its certificate too, and many cannot"
            " find it by themselves. Give the full chain (certbot: fullchain.pem)"
        )
    if not chain.is_in_order:
        yield "is followed by certificates that did not issue one another in this order; put each after what it issued"


def _day(instant: float) -> str:
    return f"{datetime.datetime.fromtimestamp(instant, datetime.UTC):%Y-%m-%d %H:%M} UTC"


def _shown_names(certificate: Certificate) -> str:
    names = [*certificate.names, *map(str, certificate.addresses)]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "") if names else "no name"


# --- Reading ---


def _read(parsed: x509.Certificate) -> Certificate:
    """Raises UnreadableCertificate."""
    names = alternative_names(parsed)
    try:
        return Certificate(
            subject=parsed.subject.rfc4514_string(),
            issuer=parsed.issuer.rfc4514_string(),
            not_before=parsed.not_valid_before_utc.timestamp(),
            not_after=parsed.not_valid_after_utc.timestamp(),
            names=names.names,
            addresses=names.addresses,
            key_kind=_key_kind(parsed),
            is_self_signed=_issued(parsed, parsed),
            tbs_hash=hashlib.sha256(parsed.tbs_certificate_bytes).digest(),
        )
    except ValueError as error:
        raise UnreadableCertificate(f"holds a certificate that cannot be understood ({error})") from None


def _key_kind(parsed: x509.Certificate) -> KeyKind:
    try:
        key = parsed.public_key()
    except UnsupportedAlgorithm:
        return KeyKind.OTHER
    match key:
        case ec.EllipticCurvePublicKey():
            return KeyKind.ECDSA
        case rsa.RSAPublicKey():
            return KeyKind.RSA
        case ed25519.Ed25519PublicKey():
            return KeyKind.ED25519
        case _:
            return KeyKind.OTHER


def _issued(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _name_matches(pattern: str, host: str) -> bool:
    """Compare as RFC 9525 section 6.3 does: a wildcard is the whole of the left-most label and stands for one label."""
    first, _, rest = pattern.partition(".")
    if first != "*":
        return pattern == host
    # As OpenSSL does: "*.org" would be a certificate for everybody.
    return "." in rest and host.partition(".")[2] == rest and not host.startswith(".")
