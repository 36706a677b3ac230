"""Questions that are understood and not answered: the DNS rows of the outcome table that need no lookup."""

from typing import Final

from dohproxy.outcomes import Reason
from dohproxy.wire.numbers import CLASS_IN, Qtype
from dohproxy.wire.query import Query

_META_TYPES: Final = range(128, 255)
"""RFC 6895 section 3.1: query and meta types, among them AXFR, IXFR, TKEY and TSIG. ANY (255) is not refused; it has
an answer of its own."""


def refuse(query: Query) -> Reason | None:
    """Return why this question is refused, or None.

    Zone transfers first of all: over DoH they have crashed a peer (CVE-2024-25581).
    """
    qtype = query.qtype
    if qtype in _META_TYPES or qtype in (0, Qtype.OPT):
        return Reason.TYPE_REFUSED
    if query.qclass != CLASS_IN:
        return Reason.CLASS_REFUSED
    if query.edns is not None and query.edns.version:
        return Reason.BAD_VERSION
    if not query.recursion_desired:
        # Answering from the cache alone would tell anybody what others have asked (cache snooping).
        return Reason.RECURSION_NOT_DESIRED
    return None
