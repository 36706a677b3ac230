"""A scenario played through the walk: its server's words, its queries, and what comes of them."""

import dns.flags
import dns.message

from dohproxy.config import CacheConfig
from dohproxy.outcomes import Reason
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.wire.answer import Answer, Kind, parse_answer
from dohproxy.wire.query import Query
from dohproxy.wire.upstream_query import write_upstream_query
from tests.fakes.walk import Walk
from tests.scenarios.replay import Entry, Scenario, facts_of, flags_of

AS_THE_OWNER_SAYS = CacheConfig(
    minimum_ttl_seconds=0, maximum_ttl_seconds=604_800, negative_ttl_max_seconds=10_800, stale_keep_seconds=0
)
"""No TTL moved, nothing stale: the scenarios know neither."""


class Performance:
    """One scenario on stage."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.step = 0
        self.walk = Walk(rules=AS_THE_OWNER_SAYS, script=self.ask_server)

    def ask_server(self, query: Query) -> Answer | UpstreamFailure:
        """Ask the scenario's server as an upstream is asked, and judge its reply alike."""
        sent = dns.message.from_wire(write_upstream_query(query, 0x1234, padded=False))
        entry = self.scenario.entry_for(sent, self.step)
        if entry is None:
            return UpstreamFailure(Reason.UPSTREAM_TIMEOUT)
        answer = parse_answer(entry.make_reply(sent), query)
        if answer.kind in (Kind.FAILURE, Kind.REFERRAL):
            return UpstreamFailure(Reason.UPSTREAM_REFUSED, answer)
        return answer

    async def replies(self) -> dict[int, dns.message.Message]:
        """Go through the steps; return the reply that each check is about."""
        checked = {}
        reply = None
        for step in self.scenario.steps:
            self.step = step.number
            match step.what:
                case "QUERY":
                    reply = await self.walk.ask(step.entry.make_query())
                case "TIME_PASSES":
                    self.walk.clock.pass_by(step.seconds)
                case "CHECK_ANSWER":
                    assert reply is not None
                    checked[step.number] = reply
                case _:
                    raise ValueError(step.what)
        return checked


def compare(reply: dns.message.Message, expected: Entry) -> None:
    """Assert that rcode, flags and the three sections are those expected, and the TTLs where the scenario says so."""
    assert reply.flags & dns.flags.RA
    assert (reply.opcode(), reply.rcode(), flags_of(reply)) == (expected.opcode, expected.rcode, expected.flags)
    for section, name in zip(reply.sections[1:], ("ANSWER", "AUTHORITY", "ADDITIONAL"), strict=True):
        here, there = facts_of(section), expected.facts(name)
        if "ttl" not in expected.match:
            here, there = ({(*fact[:3], 0) for fact in facts} for facts in (here, there))
        assert here == there
