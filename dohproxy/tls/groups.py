"""The groups in which keys are agreed on: named here for every context, never left to what OpenSSL has by default.

OpenSSL 3 lets TLS 1.3 agree on keys in finite fields too, ffdhe2048 to ffdhe8192 (RFC 7919). There a client sends
some random bytes, and the other side computes: 150 ms in ffdhe8192, 500 times what X25519 costs (the attack D(HE)at).
"""

import ssl
from collections.abc import Sequence
from typing import Final, Protocol, cast

from dohproxy.tls.native_context import NotProved, set_groups

SUITES_1_2: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For both, as in TLS 1.2 it is the suite that says how keys are agreed on: in these on a curve, never in a finite
field, whose size of up to 10,000 bits whoever answers may choose. Every client of the last ten years has one of them,
and so has who answers DoT."""
FRONTEND_GROUPS: Final = ("X25519MLKEM768:X25519:P-256", "X25519:P-256")
"""For the frontend. Every client of today sends a share of X25519 with its first message; browsers prefer the hybrid,
which OpenSSL has from 3.5 on: what is recorded today stays secret when there are quantum computers. P-256 is what RFC
8446 section 9.1 demands of everybody. P-384 costs 2 ms with OpenSSL 3.0, and who has it has P-256."""
UPSTREAM_GROUPS: Final = ("X25519:P-256:P-384:P-521", "P-256:P-384:P-521")
"""Towards upstreams, which choose. In TLS 1.2 they say as well on which curves a certificate may be, so all are here;
the second is for a system that allows no X25519 (FIPS 140-2). No hybrid: we would send a share of it alone, and most
upstreams would have us come again with another."""
ONE_CURVE: Final = "prime256v1"
"""P-256: the one that everybody has, for a Python that can be told no more than one. Clients whose first message has a
share of X25519 alone, as most have, then pay a round trip (HelloRetryRequest)."""


def name_groups(context: ssl.SSLContext, lists: Sequence[str]) -> bool:
    """Have `context` agree on keys in the groups of the first of `lists` that it takes, and in no others.

    Return False if it takes none, and has P-256 alone. Pythons before 3.15 can name one group only; for them the call
    into OpenSSL is made by hand, if that is proved to be safe.
    """
    if any(_take(context, groups) for groups in lists):
        return True
    context.set_ecdh_curve(ONE_CURVE)
    return False


class _NamesGroups(Protocol):
    """A context of Python 3.15."""

    def set_groups(self, groups: str, /) -> None:
        """Use these groups alone."""


def _take(context: ssl.SSLContext, groups: str) -> bool:
    try:
        if not hasattr(context, "set_groups"):
            return set_groups(context, groups)
        cast(_NamesGroups, context).set_groups(groups)
    except (NotProved, ssl.SSLError, ValueError):
        return False
    return True
