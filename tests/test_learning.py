"""What is kept of a result, and what is charged for it."""

from dataclasses import dataclass, field, replace

import pytest

from dohproxy.cache import Cache
from dohproxy.config import CacheConfig
from dohproxy.learning import learn_into
from dohproxy.outcomes import Reason
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.numbers import Rcode
from dohproxy.wire.query import Query, parse_query
from tests.fakes.clock import FakeClock
from tests.fakes.walk import CLIENT, NO_DOMAIN_LIMITS, Walk, address_of, ask_for
from tests.wire import messages as m

QUERY = parse_query(ask_for("www.example.net"))


def rcode_of(rcode: int) -> Answer:
    return parse_answer(m.answer(asked=QUERY.question, flags=m.QR | m.RD | m.RA | rcode), QUERY)


FOUND: dict[str, Answer | UpstreamFailure] = {
    "an answer": address_of(QUERY),
    "a denial": rcode_of(Rcode.NXDOMAIN),
    "no budget": UpstreamFailure(Reason.BUDGET_SPENT),
    "nobody there": UpstreamFailure(Reason.UPSTREAM_UNREACHABLE),
    "no time left": UpstreamFailure(Reason.UPSTREAM_TIMEOUT),
    "SERVFAIL": UpstreamFailure(Reason.UPSTREAM_REFUSED, rcode_of(Rcode.SERVFAIL)),
    "REFUSED": UpstreamFailure(Reason.UPSTREAM_REFUSED, rcode_of(Rcode.REFUSED)),
}


ONE_OF_EACH = replace(
    NO_DOMAIN_LIMITS,
    domain_misses_per_second=0.1,
    domain_misses_burst=1,
    domain_failures_per_second=0.1,
    domain_failures_burst=1,
)
"""Limits on domains that one charge uses up."""


def learn(found: Answer | UpstreamFailure) -> Walk:
    """Learn through a walk's own function."""
    walk = Walk(about_names=ONE_OF_EACH)
    walk.resolver.learn(QUERY, found)
    return walk


@pytest.mark.parametrize(
    ("kind", "failed"),
    [
        ("an answer", [False]),
        ("a denial", [True]),
        ("no budget", []),
        ("nobody there", [False]),
        ("no time left", [True]),
        ("SERVFAIL", [True]),
        ("REFUSED", [False]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_domain_is_charged_for_what_was_asked_and_fails_by_its_own_doing_alone(kind: str, failed: list[bool]) -> None:
    walk = learn(FOUND[kind])
    domains = walk.names.domains
    charged = domains.statistics(walk.clock())
    assert (charged.fetches, charged.failures) == (len(failed), sum(failed))
    assert (domains.foresee(QUERY.qname, CLIENT, walk.clock()) is None) == (not failed)


def test_an_answer_is_stored() -> None:
    walk = learn(FOUND["an answer"])
    assert walk.cache.lookup(QUERY.key, walk.clock(), 0.0)[0] is not None
    assert walk.cache.recall_failure(QUERY.key, walk.clock()) is None


@pytest.mark.parametrize("kind", ["nobody there", "no time left", "SERVFAIL", "REFUSED"])
def test_a_failure_is_remembered(kind: str) -> None:
    walk = learn(FOUND[kind])
    failure = walk.cache.recall_failure(QUERY.key, walk.clock())
    assert failure is not None
    assert failure.rcode == Rcode.SERVFAIL


def test_that_nobody_was_asked_says_nothing_about_the_question() -> None:
    walk = learn(FOUND["no budget"])
    assert walk.cache.recall_failure(QUERY.key, walk.clock()) is None


@dataclass(slots=True)
class Listener:
    """Another node, as far as it is told."""

    cache: Cache
    told: list[tuple[Answer | UpstreamFailure, bool]] = field(default_factory=list)
    """What, and whether the cache had something to show by then."""
    stale_wait_seconds: float = 1.8

    def look(self, *_: object) -> None:
        """Know nothing."""

    def let_go(self, query: Query) -> None:
        """Care for nothing."""

    def publish(self, query: Query, found: Answer | UpstreamFailure) -> None:
        self.told.append((found, self.cache.peek(query.key) is not None))


@pytest.mark.parametrize("kind", FOUND)
def test_others_are_told_of_everything_once_it_is_kept(kind: str) -> None:
    cache = Cache(CacheConfig())
    listener = Listener(cache)
    learn_into(cache, None, FakeClock(), listener)(QUERY, FOUND[kind])
    assert listener.told == [(FOUND[kind], kind == "an answer")]
