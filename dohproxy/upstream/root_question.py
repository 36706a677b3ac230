"""The question that is nobody's: the address of a server of the root. Every resolver has it at hand.

The answer is small, and the name has letters, so that it shows too what an upstream makes of a name in mixed case.
dnsdist asks the same to see whether a server is up.
"""

from typing import Final

from dohproxy.upstream.attempts import answer_in, judge
from dohproxy.upstream.health.signals import SendResult, zone_of
from dohproxy.upstream.results import SendStatus, Unproven
from dohproxy.wire.answer import Answer
from dohproxy.wire.numbers import CLASS_IN, Qtype
from dohproxy.wire.query import Query, parse_query

_HEAD: Final = bytes.fromhex("000001000001000000000001")
_OPT: Final = bytes.fromhex("00002904d0000000000000")
PROBE: Final[Query] = parse_query(_HEAD + b"\x01a\x0croot-servers\x03net\x00\x00\x01\x00\x01" + _OPT)
"""a.root-servers.net A, recursion desired, an OPT without options."""
PROBE_SECONDS: Final = 1.5
"""For its answer: the same as the default for one attempt; a resolver that takes longer for this is not well."""


def probe_ending(
    outcome: Answer | Unproven | SendStatus, *, over_stream: bool, sent_at: float, now: float
) -> SendResult:
    """Return what a probe has brought, in the words of `UpstreamHealth`."""
    result = judge(outcome, over_stream=over_stream)
    return SendResult(result, zone_of(PROBE.qname), over_stream, sent_at, now, answer_in(outcome))


def apex_question(domain: bytes) -> Query:
    """Return what probes ask of an upstream that knows one domain (wire form, lower case) and perhaps no root: its
    SOA."""
    question = domain + Qtype.SOA.to_bytes(2) + CLASS_IN.to_bytes(2)
    return parse_query(_HEAD + question + _OPT)
