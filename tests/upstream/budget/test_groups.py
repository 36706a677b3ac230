"""Who shares a budget, and who has one alone."""

import math

import pytest

from dohproxy.config import UpstreamAddress, UpstreamConfig
from dohproxy.upstream.budget.groups import FORGET_SECONDS, MOST_GONE, BudgetGroups
from dohproxy.upstream.budget.queries import Budget
from tests.fakes.restarts import BOOTED, after, written


def _upstream(number: int, group: str = "") -> UpstreamConfig:
    return UpstreamConfig(f"ns{number}", UpstreamAddress("udp", f"192.0.2.{number}", 53), group=group)


def test_upstreams_of_one_group_share_what_they_may_spend() -> None:
    budgets = BudgetGroups(0.0, lambda: 0.0)
    assert budgets.of(_upstream(1, "home")) == budgets.of(_upstream(2, "home"))


def test_others_have_budgets_of_their_own() -> None:
    budgets = BudgetGroups(0.0, lambda: 0.0)
    spent = [budgets.of(one) for one in (_upstream(1), _upstream(2), _upstream(3, "home"), _upstream(4, "work"))]
    assert len({id(budget) for budget, _ in spent}) == len({id(connections) for _, connections in spent}) == 4


def test_a_budget_is_what_its_upstream_allows() -> None:
    allowed = UpstreamConfig("ns0", UpstreamAddress("tls", "192.0.2.53", 853), burst=7, in_flight=3, connections=2)
    budget, connections = BudgetGroups(0.0, lambda: 0.0).of(allowed)
    assert (budget.burst, budget.most_in_flight, connections.most(0.0)) == (7, 3, 2)


def _seal(name: str) -> str:
    return f"sealed {len(name)} {sum(name.encode())}"


def test_after_a_restart_each_group_and_address_goes_on_with_its_own() -> None:
    before = BudgetGroups(0.0, lambda: 0.0)
    upstreams = [_upstream(1, "home"), _upstream(2)]
    budgets = [before.of(one)[0] for one in upstreams]
    budgets[0].take(0.0)
    saved = written(before.export(_seal, 0.0))
    assert not any(word in str(saved) for word in ("home", "192.0.2"))
    again = BudgetGroups(BOOTED, lambda: 0.0)
    first, second, third = (again.of(one)[0] for one in (*upstreams, _upstream(3)))
    assert again.restore(saved, _seal, after(0.0)) == 2
    assert first.left(BOOTED) == first.burst - 1
    assert (second.left(BOOTED), third.left(BOOTED)) == (second.burst, third.burst)


@pytest.mark.parametrize("unfit", [None, [], {}, {"queries": {}, "connections": {}}, {"queries": 1}])
def test_one_that_is_unfit_begins_anew_and_the_others_do_not(unfit: object) -> None:
    before = BudgetGroups(0.0, lambda: 0.0)
    for one in (_upstream(1), _upstream(2)):
        before.of(one)[0].take(0.0)
    saved = written(before.export(_seal, 0.0))
    saved[_seal(str(_upstream(1).url))] = unfit
    again = BudgetGroups(BOOTED, lambda: 0.0)
    first, second = (again.of(one)[0] for one in (_upstream(1), _upstream(2)))
    assert again.restore(saved, _seal, after(0.0)) == 1
    assert (first.left(BOOTED), second.left(BOOTED)) == (first.burst, second.burst - 1)


def _reload(budgets: BudgetGroups, now: float, *upstreams: UpstreamConfig) -> list[Budget]:
    budgets.begin_reload(now)
    given = [budgets.of(one)[0] for one in upstreams]
    budgets.end_reload()
    return given


def test_who_goes_and_comes_back_finds_what_was_left_of_the_budget() -> None:
    budgets = BudgetGroups(0.0, lambda: 0.0)
    spent, _ = budgets.of(_upstream(1))
    for _ in range(spent.burst):
        assert spent.take(0.0)
        spent.release()
    _reload(budgets, 0.0, _upstream(2))
    assert _reload(budgets, 0.5, _upstream(1))[0].left(0.5) == 0.5 * spent.queries_per_second


def test_who_has_gone_and_is_full_again_is_forgotten_after_a_while() -> None:
    budgets = BudgetGroups(0.0, lambda: 0.0)
    budgets.of(_upstream(1))
    _reload(budgets, 1.0, _upstream(2))
    _reload(budgets, FORGET_SECONDS, _upstream(2))
    assert budgets.gone == 1
    _reload(budgets, FORGET_SECONDS + 1.0, _upstream(2))
    assert budgets.gone == 0


def test_nobody_is_forgotten_who_has_something_under_way_or_spent() -> None:
    budgets = BudgetGroups(0.0, lambda: 0.0)
    # A burst of 40 that takes 4,000 seconds.
    slow = UpstreamConfig("ns1", UpstreamAddress("udp", "192.0.2.1", 53), queries_per_second=0.01)
    busy, connected = budgets.of(_upstream(2))[0], budgets.of(_upstream(3))[1]
    spent, _ = budgets.of(slow)
    for _ in range(spent.burst):
        spent.take(0.0)
        spent.release()
    busy.take(0.0)
    connected.take(0.0)
    _reload(budgets, 1.0)
    _reload(budgets, 2 * FORGET_SECONDS)
    assert budgets.gone == 3
    _reload(budgets, 10 * FORGET_SECONDS)
    assert budgets.gone == 2
    busy.release()
    connected.release()
    _reload(budgets, 20 * FORGET_SECONDS)
    assert budgets.gone == 0


def test_reloads_without_end_keep_no_more_than_there_may_be_and_the_emptiest() -> None:
    budgets = BudgetGroups(0.0, lambda: 0.0)
    empty, _ = budgets.of(_upstream(250))
    for _ in range(empty.burst):
        empty.take(0.0)
        empty.release()
    for number in range(2 * MOST_GONE):
        _reload(budgets, number / 1_000, _upstream(number))
        assert budgets.gone <= MOST_GONE
    assert budgets.gone == MOST_GONE
    assert _reload(budgets, 0.2, _upstream(250)) == [empty]


class Half:
    """A tenure of a half of everything."""

    def clock(self) -> float:
        return 0.0

    def part(self, now: float) -> tuple[float, float]:
        return 0.5, math.inf

    def share_of_base(self, now: float) -> float:
        return 0.5


def test_where_nodes_share_each_budget_is_held_in_part_those_of_later_too() -> None:
    budgets = BudgetGroups(0.0, lambda: 0.0)
    first, connections = budgets.of(_upstream(1))
    asked: list[str] = []

    def tenure_of(key: str) -> Half:
        asked.append(key)
        return Half()

    budgets.hold(tenure_of, 0.0)
    assert (first.burst, connections.most(0.0)) == (first.agreed.burst // 2, 0)
    [second] = _reload(budgets, 1.0, _upstream(2))
    assert second.burst == second.agreed.burst // 2
    assert [key for key, _, _ in budgets.in_use()] == asked[1:] == ["udp://192.0.2.2"]
