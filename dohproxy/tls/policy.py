"""TLS for the frontend: one context, built once and kept for the life of the process.

TLS 1.2 and 1.3, forward secrecy and authenticated encryption only (RFC 9325 section 4.2). No renegotiation, no
compression. Keys are agreed on in named groups alone, see `dohproxy.tls.groups`. Sessions are resumed by tickets, which
are kept by the clients; OpenSSL's table for TLS 1.2 clients without tickets is bounded (20,480 entries) and cannot be
turned off from here.
"""

import ssl
from pathlib import Path
from typing import Final

from dohproxy.config import ConfigError, Problem, TlsConfig
from dohproxy.tls.groups import FRONTEND_GROUPS, SUITES_1_2, name_groups
from dohproxy.tls.pair_faults import fault_of_pair

MISMATCHES: Final = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})
"""What OpenSSL calls a key that is not the certificate's; the last one if it is of another kind."""
TICKETS: Final = 2
"""Per TLS 1.3 handshake, OpenSSL's default: one for the next connection, one for a parallel one."""


def bare_context() -> ssl.SSLContext:
    """Return a context that keeps to the policy above and has no certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES_1_2)
    name_groups(context, FRONTEND_GROUPS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = TICKETS
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a context for this certificate.

    Raises ConfigError, with the operator's key and the remedy, if the pair cannot be used.
    """
    context = bare_context()
    try:
        # A password prompt would hang a service: an empty one turns an encrypted key into an error.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError) as error:
        raise ConfigError((_problem(certificate, key, error),)) from None
    return context


def context_of(config: TlsConfig | None) -> ssl.SSLContext | None:
    """Return the context for the configuration's `[tls]` section, None for plain HTTP."""
    return server_context(config.certificate, config.key) if config is not None else None


def _problem(certificate: Path, key: Path, error: Exception) -> Problem:
    try:
        fault = fault_of_pair(certificate.read_bytes(), key.read_bytes())
    except OSError:
        fault = None
    if fault is not None:
        return Problem(
            "tls.key" if fault.is_of_key else "tls.certificate",
            f"{key if fault.is_of_key else certificate} {fault.sentence}",
        )
    if isinstance(error, ssl.SSLError) and error.reason in MISMATCHES:
        return Problem("tls.key", f"{key} is not the key of {certificate}; give the pair that belongs together")
    return Problem(
        "tls.certificate",
        f"{certificate} and {key} cannot be used ({error}); both must be PEM, the key without a password, the server's"
        " certificate first in its file",
    )
