"""A profile signed with the service's own certificate, so that a device says who has made it (CMS, RFC 5652)."""

from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from dohproxy.tls.certificate_pair import Pair, PairRefused
from dohproxy.tls.policy import bare_context
from dohproxy.x509 import read_pem

OPTIONS: Final = (pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities)
"""Byte for byte as it is; which ciphers a mail program knows has no place in it."""


class CannotSign(Exception):
    """A profile cannot be signed; the text is a sentence for the operator."""


def signed(content: bytes, pair: Pair) -> bytes:
    """Return signed data in DER that holds `content` and the whole chain, and of the key nothing. Raises CannotSign."""
    try:
        # It says in an operator's words what is wrong with a pair.
        pair.load_into(bare_context())
    except PairRefused as refused:
        raise CannotSign(f"{refused}.") from None
    key = serialization.load_pem_private_key(pair.key, password=None)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise CannotSign(f"{pair.files.key} is neither an ECDSA nor an RSA key, and devices verify no other signature.")
    server, *above = read_pem(pair.certificate)
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(server, key, hashes.SHA256())
    for certificate in above:
        builder = builder.add_certificate(certificate)
    return builder.sign(serialization.Encoding.DER, list(OPTIONS))
