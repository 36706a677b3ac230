"""Why OpenSSL does not take a certificate and a key, in an operator's words: its own are about its functions."""

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from dohproxy.x509 import UnreadableCertificate, is_authority, public_key_info, read_pem

_SSH_MARK: Final = b"BEGIN OPENSSH PRIVATE KEY"


@dataclass(frozen=True, slots=True)
class PairFault:
    """What is wrong with a pair of files."""

    is_of_key: bool
    """Whether it is the key's file that has to change."""
    is_mismatch: bool
    """Whether both are good, and not for each other."""
    sentence: str
    """What is wrong and what to do, in words that continue the name of the file."""


def fault_of_pair(certificate: bytes, key: bytes) -> PairFault | None:
    """Return what is wrong with the PEM of a chain and of its key.

    None if they are only not for each other, or if OpenSSL alone knows.
    """
    if _SSH_MARK in key:
        return PairFault(True, False, "is an SSH key; give the private key for which the certificate was issued")
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except TypeError:
        return PairFault(
            True,
            False,
            "is encrypted, and nobody is there to type the password; write it without a password: openssl pkey -in OLD"
            " -out NEW",
        )
    except (ValueError, UnsupportedAlgorithm):
        return PairFault(
            True,
            False,
            "cannot be used: it holds no private key in PEM form, or a damaged one, or one of a kind that TLS has not",
        )
    try:
        chain = read_pem(certificate)
        places = [number for number, one in enumerate(chain, start=1) if _belong(one, private)]
    except UnreadableCertificate as error:
        return PairFault(False, False, f"cannot be used: it {error}")
    if not places:
        return _fault_of_strangers(chain)
    if places[0] > 1:
        return PairFault(
            False,
            True,
            f"has the server's certificate in place {places[0]}, behind that of {chain[0].subject.rfc4514_string()};"
            " put the server's first, and behind it each authority after what it issued (certbot: fullchain.pem)",
        )
    return None


def _fault_of_strangers(chain: list[x509.Certificate]) -> PairFault | None:
    """Tell of a file that has the authorities alone, as certbot's chain.pem."""
    if not all(map(is_authority, chain)) or all(one.issuer == one.subject for one in chain):
        return None
    return PairFault(
        False,
        True,
        "has the certificates of authorities alone; put the server's own before them (certbot: fullchain.pem)",
    )


def _belong(certificate: x509.Certificate, private: PrivateKeyTypes) -> bool:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public_key_info(certificate) == private.public_key().public_bytes(serialization.Encoding.DER, form)
