"""TLS towards upstreams: always verified, by name or by address (RFC 8310 section 8.1)."""

import base64
import hashlib
import ssl
from pathlib import Path
from typing import Final

from dohproxy.config import UpstreamConfig
from dohproxy.tls.groups import SUITES_1_2, UPSTREAM_GROUPS, name_groups
from dohproxy.x509 import UnreadableCertificate, alternative_names, public_key_info, read_der


def make_context(ca_file: Path | None = None, *, own: Path | None = None) -> "PinningContext":
    """Return a context that trusts the system's authorities, and those in the PEM file `ca_file` besides; or none but
    the certificates in the file `own`, be they of authorities or not.

    Reads files: call it at start. Raises OSError if a file cannot be read or holds no certificate. The caller keeps the
    context as long as it lives itself (CVE-2026-19445).
    """
    # It verifies certificate and name unless told otherwise.
    context = PinningContext(ssl.PROTOCOL_TLS_CLIENT)
    if own is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=own)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # A handshake within the connection, in TLS 1.2, costs us as much as the first one and brings nothing.
    context.options |= ssl.OP_NO_RENEGOTIATION
    # RFC 9325 section 3.1.1.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(["dot"])
    limit_key_exchange(context)
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def context_for(upstream: UpstreamConfig, ca_file: Path | None = None) -> ssl.SSLContext:
    """Return a context that believes this upstream: by the authorities of its own or else those of `make_context`, by
    its name or address, and by its pins. Without a name and authorities of its own the pins alone decide.

    Raises OSError as `make_context` does.
    """
    context = make_context(ca_file, own=upstream.ca_file)
    if upstream.pins:
        context.pins = frozenset(upstream.pins)
        context.sslobject_class = _PinnedObject
        if upstream.ca_file is None and upstream.url.verify_name is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
    return context


class PinningContext(ssl.SSLContext):
    """A context that can have pins."""

    pins: frozenset[str] = frozenset()
    """SHA-256 of the public keys that are believed, in base64."""


class _PinnedObject(ssl.SSLObject):
    """One handshake, whose last step is to look at the key: before anything of ours is sent."""

    def do_handshake(self) -> None:
        super().do_handshake()
        certificate = self.getpeercert(binary_form=True)
        pins = self.context.pins if isinstance(self.context, PinningContext) else frozenset()
        if certificate is None or pin_of(certificate) not in pins:
            error = ssl.SSLCertVerificationError(ssl.SSL_ERROR_SSL, OTHER_KEY)
            error.verify_message = OTHER_KEY
            raise error


OTHER_KEY: Final = "its key is not among upstream.pins"
"""As OpenSSL says why it refuses a certificate."""


class TlsFlood(ssl.SSLError):
    """An upstream sends TLS records without end that bring no answer."""

    reason = "RECORDS_WITHOUT_END"
    """As OpenSSL writes its own."""


def pin_of(certificate: bytes) -> str:
    """Return the SHA-256 of the public key in a certificate (its SubjectPublicKeyInfo), in base64; empty if it cannot
    be read."""
    try:
        info = public_key_info(read_der(certificate))
    except UnreadableCertificate:
        return ""
    return base64.b64encode(hashlib.sha256(info).digest()).decode()


def limit_key_exchange(context: ssl.SSLContext) -> None:
    """Let whoever answers choose only among key exchanges that cost us little."""
    context.set_ciphers(SUITES_1_2)
    name_groups(context, UPSTREAM_GROUPS)


def read_certificate(der: bytes) -> tuple[tuple[str, ...], float | None]:
    """Return the names and addresses in a certificate, and when it expires in Unix seconds.

    Nothing and None where it cannot be read: what a stranger shows may be anything.
    """
    try:
        certificate = read_der(der)
        return alternative_names(certificate).texts, certificate.not_valid_after_utc.timestamp()
    except ValueError:
        return (), None
