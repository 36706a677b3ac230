"""What is kept of a result, and what is charged for it."""

import pytest

from dohproxy.outcomes import Reason
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.numbers import Rcode
from dohproxy.wire.query import parse_query
from tests.fakes.walk import NO_DOMAIN_LIMITS, Walk, address_of, ask_for
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


class Charged:
    """Limits on domains that note what they are charged with."""

    def __init__(self) -> None:
        self.failed: list[bool] = []

    def charge(self, qname: bytes, now: float, *, failed: bool) -> None:
        assert qname == QUERY.qname
        self.failed.append(failed)


def learn(found: Answer | UpstreamFailure) -> tuple[Walk, list[bool]]:
    """Learn through a walk's own function; return the walk, and how its domain was charged."""
    charged = Charged()
    walk = Walk(about_names=NO_DOMAIN_LIMITS)
    object.__setattr__(walk.names.domains, "charge", charged.charge)
    walk.resolver._notify(QUERY, found)
    return walk, charged.failed


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
    assert learn(FOUND[kind])[1] == failed


def test_an_answer_is_stored() -> None:
    walk, _ = learn(FOUND["an answer"])
    assert walk.cache.lookup(QUERY.key, walk.clock(), 0.0)[0] is not None
    assert walk.cache.recall_failure(QUERY.key, walk.clock()) is None


@pytest.mark.parametrize("kind", ["nobody there", "no time left", "SERVFAIL", "REFUSED"])
def test_a_failure_is_remembered(kind: str) -> None:
    walk, _ = learn(FOUND[kind])
    failure = walk.cache.recall_failure(QUERY.key, walk.clock())
    assert failure is not None
    assert failure.rcode == Rcode.SERVFAIL


def test_that_nobody_was_asked_says_nothing_about_the_question() -> None:
    walk, _ = learn(FOUND["no budget"])
    assert walk.cache.recall_failure(QUERY.key, walk.clock()) is None
