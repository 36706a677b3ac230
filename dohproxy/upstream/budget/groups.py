"""Who may spend what: one budget for each upstream, or for each group of upstreams that are one resolver."""

from collections.abc import Callable

from dohproxy.config import UpstreamConfig
from dohproxy.upstream.budget.connections import ConnectionBudget
from dohproxy.upstream.budget.queries import Budget


class BudgetGroups:
    """What has been given out so far; kept as long as anybody may ask for the budget of a group."""

    def __init__(self, now: float, draw: Callable[[], float]) -> None:
        """`draw` returns numbers from 0.0 up to 1.0."""
        self.draw = draw
        self._now = now
        self._of_groups: dict[str, tuple[Budget, ConnectionBudget]] = {}

    def of(self, config: UpstreamConfig) -> tuple[Budget, ConnectionBudget]:
        """Return what `config` may spend."""
        known = self._of_groups.get(config.group)
        if known is not None:
            return known
        budget = Budget(config.queries_per_second, config.burst, config.in_flight, now=self._now)
        connections = ConnectionBudget(config.connections, config.new_connections_per_second, self.draw, now=self._now)
        if config.group:
            self._of_groups[config.group] = budget, connections
        return budget, connections
