"""Who shares a budget, and who has one alone."""

import pytest

from dohproxy.config import UpstreamAddress, UpstreamConfig
from dohproxy.upstream.budget.groups import BudgetGroups
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
