"""What one node learns of an upstream, and what the others make of it."""

from typing import Any

import pytest

from dohproxy.sharing.standing_exchange import StandingExchange
from dohproxy.upstream.budget.queries import Budget
from dohproxy.upstream.health.breaker import BAN, RESTART, Breaker, BreakerState
from dohproxy.upstream.health.health import UpstreamHealth
from dohproxy.upstream.health.signals import Signal
from tests.fakes.upstream_health import connections, longest_draw

NOW = 1_000.0


class Side:
    """One node's view of one upstream."""

    def __init__(self, now: float = NOW) -> None:
        budget = Budget(10.0, 10, 10, now=now)
        self.health = UpstreamHealth(budget, Breaker(longest_draw), connections(now=now), over_stream=False)
        self.exchange = StandingExchange(lambda name: f"digest of {name}")
        self.exchange.look({"ns0": budget}, {"ns0": self.health})

    def tell(self, other: "Side", now: float = NOW, *, age: float = 0.0) -> int:
        """Tell another node what is new, and that it has arrived; return how much that was."""
        news = self.exchange.news(now)
        self.exchange.told(news)
        other.exchange.learn([(*one, age) for one in news], now + age)
        return len(news)


def test_on_an_ordinary_day_there_is_no_news() -> None:
    assert Side().tell(Side()) == 0


def test_a_ban_is_everybody_s_until_one_is_answered_again() -> None:
    one, other = Side(), Side()
    opened: list[float] = []
    other.health.when_opened = opened.append
    one.health.breaker.ban(NOW)
    assert one.tell(other) == 1
    assert other.health.is_banned
    assert opened == [NOW]
    assert other.health.finding(NOW).signal is Signal.REFUSED  # type: ignore[union-attr]
    assert one.tell(other) == other.tell(one) == 0
    other.health.learn_end_of_ban(NOW + 60)
    assert other.tell(one, NOW + 60) == 2  # The end, and that it comes back with half.
    assert one.health.breaker.is_closed
    assert one.health.budget.aimd.is_held_back(NOW + 60)


def test_each_longer_ban_is_news_and_counts_from_when_it_began() -> None:
    one, other = Side(), Side()
    one.health.breaker.ban(NOW)
    one.tell(other, age=50.0)
    assert other.health.breaker.state(NOW + 59.0) is BreakerState.OPEN
    assert other.health.breaker.state(NOW + 61.0) is BreakerState.HALF_OPEN
    one.health.breaker.ban(NOW + 61.0)
    assert one.tell(other, NOW + 61.0) == 1
    assert other.health.breaker.state(NOW + 61.0) is BreakerState.OPEN


def test_that_an_upstream_cannot_be_reached_from_here_is_no_news() -> None:
    one, other = Side(), Side()
    one.health.breaker.open(RESTART, NOW)
    assert one.tell(other) == 0


@pytest.mark.parametrize("is_halved_before", [False, True])
def test_of_two_shares_the_smaller_is_both_s(is_halved_before: bool) -> None:
    one, other = Side(), Side()
    if is_halved_before:
        other.health.budget.halve(NOW - 100)
        other.health.budget.halve(NOW - 50)
    share = other.health.budget.aimd.share(NOW)
    one.health.budget.halve(NOW)
    one.tell(other)
    assert other.health.budget.aimd.share(NOW) == pytest.approx(min(share, 0.5))
    assert not other.health.budget.halve(NOW + 1)


def test_after_the_store_has_forgotten_everything_all_is_new() -> None:
    one, other = Side(), Side()
    one.health.breaker.ban(NOW)
    one.tell(other)
    one.exchange.forget()
    assert one.tell(other) == 1


def test_one_node_probes_for_all() -> None:
    one, other = Side(), Side()
    for side in (one, other):
        side.health.breaker.ban(NOW)
        assert not side.health.may_probe(NOW + 61.0)
        assert side.exchange.probes() == ("digest of upstream ns0",)
    one.exchange.allow(one.exchange.probes(), [True])
    other.exchange.allow(other.exchange.probes(), [False])
    assert one.health.may_probe(NOW + 62.0)
    assert not other.health.may_probe(NOW + 62.0)


def test_without_the_store_each_node_finds_out_by_itself() -> None:
    one = Side()
    one.health.breaker.ban(NOW)
    assert not one.health.may_probe(NOW + 61.0)
    one.exchange.allow_all()
    assert one.health.may_probe(NOW + 62.0)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"ban": 1}', '{"ban": {}}', '{"ban": {"breaker": {"cause": "silence"}, "convicted": "refused"}}'],
)
def test_what_no_node_would_have_told_is_left_out(text: str) -> None:
    one = Side()
    one.exchange.learn([("digest of upstream ns0", text, 0.0), ("digest of budget ns0", text, 0.0)], NOW)
    assert one.health.breaker.is_closed
    assert not one.health.budget.aimd.is_held_back(NOW)


def test_the_cause_of_what_is_learnt_is_a_ban() -> None:
    one, other = Side(), Side()
    one.health.breaker.ban(NOW)
    one.tell(other)
    cause: Any = other.health.breaker.cause
    assert cause is BAN
