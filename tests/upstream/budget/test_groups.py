"""Who shares a budget, and who has one alone."""

from dohproxy.config import UpstreamAddress, UpstreamConfig
from dohproxy.upstream.budget.groups import BudgetGroups


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
