"""TLS for the frontend: one context, built once and kept for the life of the process.

TLS 1.2 and 1.3, forward secrecy and authenticated encryption only (RFC 9325 section 4.2). No renegotiation, no
compression. Keys are agreed on in named groups alone, see `dohproxy.tls.groups`. Sessions are resumed by tickets, which
are kept by the clients; OpenSSL's table for TLS 1.2 clients without tickets is bounded (20,480 entries) and cannot be
turned off from here.
"""

import ssl
from typing import Final

from dohproxy.tls.asked_name import note_members_names
from dohproxy.tls.groups import FRONTEND_GROUPS, SUITES_1_2, name_groups

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
    offer_protocols(context, dot=False)
    note_members_names(context)
    return context


def offer_protocols(context: ssl.SSLContext, *, dot: bool) -> None:
    """Have handshakes from now on agree on one of these protocols (ALPN), `dot` among them or not: where it is served
    anywhere it is served at every port to who asks for it by name, as port 853 is shut in many networks."""
    context.set_alpn_protocols(["h2", "http/1.1", "dot"] if dot else ["h2", "http/1.1"])


def frontend_context(member_authorities: str | None = None) -> ssl.SSLContext:
    """Return the same for clients, who are asked for a certificate of one of these authorities (PEM), if there are any.

    Whoever has none is a client like any other; one that these have not signed, or not for clients, ends the handshake.
    Raises ssl.SSLError if there is no authority in the text.
    """
    context = bare_context()
    if member_authorities is not None:
        context.load_verify_locations(cadata=member_authorities)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
