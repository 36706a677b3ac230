"""Proof at start, by real handshakes, of what strangers can make the frontend's TLS compute.

Which groups a context has is said by a setting that Python hardly knows, and a system's own configuration of OpenSSL
may say otherwise. So a context is shown what an attacker sends, and asked what it does with it.
"""

import ssl
from typing import Final

from dohproxy.tls.local_handshake import (
    DEAR_CURVES,
    DHE_SUITES_1_2,
    FINITE_FIELDS,
    P256,
    Reaction,
    attempt,
    cheap_hello,
    hello,
    hello_1_2,
    ordinary_hello,
)

ROUNDS: Final = 5
"""Handshakes that are measured; the cheapest counts, as all else that happens on a machine only adds to it."""


class LimitsNotInForce(RuntimeError):
    """OpenSSL does not enforce a limit; the message says which. The service must not start."""


def check_groups(context: ssl.SSLContext) -> bool:
    """Return whether ordinary clients come in without a second round trip.

    Raises LimitsNotInForce if there is a group in which a stranger could make this context compute for long, or none
    for the clients there are. `context` has its certificate.
    """
    for name, group in (FINITE_FIELDS | DEAR_CURVES).items():
        # Without a share: a server that knows the group asks for one.
        if attempt(context, hello([], [group])).reaction is not Reaction.REFUSES:
            raise LimitsNotInForce(
                f"OpenSSL agrees on keys in {name}, in which one small message costs it far more than the sender;"
                " the groups that were named to it are not in force, with this release of Python or OpenSSL"
            )
    if attempt(context, hello_1_2(DHE_SUITES_1_2, FINITE_FIELDS.values())).reaction is not Reaction.REFUSES:
        raise LimitsNotInForce("OpenSSL agrees on keys in finite fields with TLS 1.2; what has changed its suites?")
    if attempt(context, hello([], [P256])).reaction is not Reaction.ASKS_AGAIN:
        raise LimitsNotInForce("OpenSSL does not agree on keys on P-256, the curve that every client has")
    return attempt(context, ordinary_hello()).reaction is Reaction.ANSWERS


def handshake_seconds(context: ssl.SSLContext) -> float:
    """Return what a stranger's first message costs with the certificate of `context`, in seconds of one core."""
    return min(attempt(context, cheap_hello()).cpu_seconds for _ in range(ROUNDS))
