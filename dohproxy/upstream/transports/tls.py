"""TLS towards upstreams: always verified, by name or by address (RFC 8310 section 8.1)."""

import ssl
from pathlib import Path
from typing import Final

from cryptography import x509

from dohproxy.config.addresses import UpstreamAddress
from dohproxy.tls.groups import UPSTREAM_GROUPS, name_groups

SUITES_1_2: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""As at the door: who answers DoT has one of these, and none of them lets the other side choose what we compute in a
finite field, of up to 10,000 bits in TLS 1.2."""


def make_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities, and those in the PEM file `ca_file` besides.

    Reads files: call it at start. Raises OSError if `ca_file` cannot be read or holds no certificate. The caller
    keeps the context as long as it lives itself (CVE-2026-19445).
    """
    context = ssl.create_default_context()
    # RFC 9325 section 3.1.1.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(["dot"])
    limit_key_exchange(context)
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def limit_key_exchange(context: ssl.SSLContext) -> None:
    """Let whoever answers choose only among key exchanges that cost us little."""
    context.set_ciphers(SUITES_1_2)
    name_groups(context, UPSTREAM_GROUPS)


def name_to_verify(address: UpstreamAddress) -> str:
    """Return what the upstream's certificate must bear: the configured name, else the IP address, whose interface is
    nobody's business but ours (RFC 4007 section 11.2)."""
    return address.bare_host if address.verify_name is None else address.verify_name


def read_certificate(der: bytes) -> tuple[tuple[str, ...], float | None]:
    """Return the names and addresses in a certificate, and when it expires in Unix seconds.

    Nothing and None where it cannot be read: what a stranger shows may be anything.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        return _names_in(certificate), certificate.not_valid_after_utc.timestamp()
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return (), None


def _names_in(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = found.get_values_for_type(x509.IPAddress)
    return (*found.get_values_for_type(x509.DNSName), *map(str, addresses))
