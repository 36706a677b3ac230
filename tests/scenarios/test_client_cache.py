"""Scenarios written for another caching client, run through the walk; a table says where this project differs and why.

Where a scenario and this project disagree, what we answer instead is held as firmly as the rest.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.scenarios.performance import Performance, compare
from tests.scenarios.replay import Entry, read

NAMES = (
    "aa", "ad", "ad_rev", "broken_nodata", "case", "cd", "cd_rev", "chaos", "delegation", "do_nsec", "do_nsec3",
    "do_q_nsec", "do_q_rrsig", "nodata", "notify", "nxdomain", "rd", "rd_rev", "refused", "transport_error", "ttl",
    "ttl_sections",
)  # fmt: skip


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


def test_every_difference_belongs_to_a_scenario() -> None:
    assert {name for name, _ in DIFFERENCES} <= set(NAMES)
