"""The question that is nobody's: the address of a server of the root. Every resolver has it at hand.

The answer is small, and the name has letters, so that it shows too what an upstream makes of a name in mixed case.
dnsdist asks the same to see whether a server is up.
"""

from typing import Final

from dohproxy.upstream.attempts import judge
from dohproxy.upstream.results import Result
from dohproxy.upstream.signals import Ending, zone_of
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query, parse_query

PROBE: Final[Query] = parse_query(
    bytes.fromhex("000001000001000000000001")
    + b"\x01a\x0croot-servers\x03net\x00"
    + bytes.fromhex("0001000100002904d0000000000000")
)
"""a.root-servers.net A, recursion desired, an OPT without options."""
PROBE_SECONDS: Final = 1.5
"""For its answer: the same as the default for one attempt; a resolver that takes longer for this is not well."""


def probe_ending(outcome: Answer | Result, *, over_stream: bool, sent_at: float, now: float) -> Ending:
    """Return what a probe has brought, in the words of `Standing`."""
    result = judge(outcome, over_stream=over_stream)
    answer = outcome if isinstance(outcome, Answer) else None
    return Ending(result, zone_of(PROBE.qname), over_stream, sent_at, now, answer)
