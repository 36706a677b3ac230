"""Scenarios written for another caching client, run through the walk; a table says where this project differs and why.

Where a scenario and this project disagree, what we answer instead is held as firmly as the rest.
"""

from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.message
import pytest

from dohproxy.config import CacheConfig
from dohproxy.outcomes import Reason
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.wire.answer import Answer, Kind, parse_answer
from dohproxy.wire.query import Query
from dohproxy.wire.upstream_query import write_upstream_query
from tests.fakes.walk import Walk
from tests.scenarios.replay import Entry, Scenario, facts_of, flags_of, read

pytestmark = pytest.mark.interpreted  # its resolver is derived from ours, which the compiled one allows nobody

NAMES = (
    "aa", "ad", "ad_rev", "broken_nodata", "case", "cd", "cd_rev", "chaos", "delegation", "do_nsec", "do_nsec3",
    "do_q_nsec", "do_q_rrsig", "nodata", "notify", "nxdomain", "rd", "rd_rev", "refused", "transport_error", "ttl",
    "ttl_sections",
)  # fmt: skip

AS_THE_OWNER_SAYS = CacheConfig(
    minimum_ttl_seconds=0, maximum_ttl_seconds=604_800, negative_ttl_max_seconds=10_800, stale_keep_seconds=0
)
"""No TTL moved, nothing stale: the scenarios know neither."""


@dataclass(frozen=True, slots=True)
class Instead:
    """What this project answers where the scenario expects something else."""

    reply: str | int
    """Flags and rcode of a reply without records; or the step whose expected answer comes again."""
    why: str


NO_CACHE_SNOOPING = Instead("QR REFUSED", "RD=0 is refused: the cache would tell what others have asked")
INTERNET_ONLY = Instead("QR RD REFUSED", "no class but IN is served, so it is no part of the cache's key either")
NO_REFERRALS = Instead("QR RD SERVFAIL", "a referral means that the upstream does not resolve for us: no answer")
QUERIES_ONLY = Instead("QR NOTIFY NOTIMP", "no opcode but QUERY is served, and none other goes upstream")
NOT_THE_CLIENTS_FAULT = Instead(
    "QR RD NOTIMP", "the client's message was well-formed: what the upstream does not understand is the type"
)

# Everywhere, besides: RA is set, because recursion is what this service offers (RFC 1035 section 4.1.1).
DIFFERENCES = {
    ("aa", 2): Instead(11, "who passes an answer on is no authority for it, fresh or from the cache"),
    ("ad_rev", 11): Instead(2, "upstreams are always asked with AD, so one answer serves clients with and without it"),
    ("chaos", 2): INTERNET_ONLY,
    ("chaos", 11): INTERNET_ONLY,
    ("delegation", 2): NO_REFERRALS,
    ("delegation", 11): NO_REFERRALS,
    ("do_q_nsec", 21): Instead(11, "as in ad_rev: the answer is known, asking again with AD would change nothing"),
    ("do_q_rrsig", 21): Instead(11, "as in do_q_nsec"),
    ("notify", 2): QUERIES_ONLY,
    ("rd", 11): NO_CACHE_SNOOPING,
    ("rd_rev", 2): NO_CACHE_SNOOPING,
    ("refused", 21): NOT_THE_CLIENTS_FAULT,
    ("transport_error", 11): NOT_THE_CLIENTS_FAULT,
}


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


@pytest.fixture(scope="session")
def directory(corpora: Path) -> Path:
    return corpora / "scenarios" / "domain-client-cache"


def test_every_scenario_there_is_is_run(directory: Path) -> None:
    assert {path.stem.removeprefix("cache_") for path in directory.glob("*.rpl")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
async def test_a_scenario_is_played_as_written_or_as_explained(directory: Path, name: str) -> None:
    scenario = read(directory / f"cache_{name}.rpl")
    expected = {step.number: step.entry for step in scenario.steps if step.what == "CHECK_ANSWER"}
    replies = await Performance(scenario).replies()
    assert replies
    for number, reply in replies.items():
        instead = DIFFERENCES.get((name, number))
        if instead is None:
            compare(reply, expected[number])
            continue
        with pytest.raises(AssertionError):
            compare(reply, expected[number])
        if isinstance(instead.reply, int):
            compare(reply, expected[instead.reply])
        else:
            compare(reply, Entry(words=frozenset(instead.reply.split())))


def compare(reply: dns.message.Message, expected: Entry) -> None:
    """Assert that rcode, flags and the three sections are those expected, and the TTLs where the scenario says so."""
    assert reply.flags & dns.flags.RA
    assert (reply.opcode(), reply.rcode(), flags_of(reply)) == (expected.opcode, expected.rcode, expected.flags)
    for section, name in zip(reply.sections[1:], ("ANSWER", "AUTHORITY", "ADDITIONAL"), strict=True):
        here, there = facts_of(section), expected.facts(name)
        if "ttl" not in expected.match:
            here, there = ({(*fact[:3], 0) for fact in facts} for facts in (here, there))
        assert here == there


def test_every_difference_belongs_to_a_scenario() -> None:
    assert {name for name, _ in DIFFERENCES} <= set(NAMES)
