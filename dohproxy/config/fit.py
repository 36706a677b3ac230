"""Limits that can each be kept and do not fit each other: one is never reached, or one user of it leaves none over."""

from collections.abc import Iterator
from typing import Final

from dohproxy.config.keys import show
from dohproxy.config.problems import Problem
from dohproxy.config.schema import Config
from dohproxy.config.shares import separate_budgets

LEAST_SHARE: Final = 0.05
"""The least part of the smallest budget that one domain should have: a lower limit is met by a few people on one busy
site, while the upstream could be asked ten times as much."""

FITTING: Final = (
    ("limits.misses_per_second", "limits.requests_per_second", "a miss is a request, so that it is never reached"),
    ("limits.misses_burst", "limits.requests_burst", "a miss is a request, so that it is never reached"),
    ("limits.requests_per_second", "limits.total_requests_per_second", "one client can use up what all have together"),
    ("limits.requests_burst", "limits.total_requests_burst", "one client can use up what all have together"),
    ("connections.max_per_network", "connections.max_total", "one network can take every slot"),
    ("connections.max_handshakes", "connections.max_total", "it is never reached"),
    (
        "connections.new_per_second_per_client",
        "connections.new_per_second",
        "one client can use up what all have together",
    ),
    ("connections.new_burst_per_client", "connections.new_burst", "one client can use up what all have together"),
    ("resolver.budget_wait_seconds", "resolver.deadline_seconds", "a question is given up while it still waits"),
)
"""Pairs of keys of which the first should not be the greater, and what happens if it is."""


def fit_warnings(config: Config) -> Iterator[Problem]:
    """Yield what does not fit; the service can start."""
    for lesser, greater, why in FITTING:
        low, high = _look_up(config, lesser), _look_up(config, greater)
        if low > high:
            yield Problem(lesser, f"is {show(low)}, above {greater}, which is {show(high)}: {why}.")
    yield from _fit_to_budgets(config)


def _fit_to_budgets(config: Config) -> Iterator[Problem]:
    budgets = separate_budgets(config.general_upstreams)
    total, least = (choose(one.queries_per_second for one in budgets) for choose in (sum, min))
    if config.limits.misses_per_second > total:
        yield Problem(
            "limits.misses_per_second",
            f"is {show(config.limits.misses_per_second)}, more than all upstreams may be asked"
            f" ({show(total)} a second): one client can use up the budget of everyone.",
        )
    domain = config.names.domain_misses_per_second
    if domain > total:
        yield Problem(
            "names.domain_misses_per_second",
            f"is {show(domain)}, more than all upstreams may be asked ({show(total)} a second): questions about one"
            " domain can use up the budget of everyone. Without the line it follows the budget.",
        )
    elif domain < LEAST_SHARE * least:
        yield Problem(
            "names.domain_misses_per_second",
            f"is {show(domain)}, while every upstream may be asked {show(least)} a second: new names of one busy domain"
            " are refused although they could be asked for. Without the line it follows the budget.",
        )
    in_flight = max(one.in_flight for one in budgets)
    if config.limits.waiting_misses < in_flight:
        yield Problem(
            "limits.waiting_misses",
            f"is {config.limits.waiting_misses}, fewer than the {in_flight} that an upstream may have in flight: it is"
            " never asked so many.",
        )


def _look_up(config: Config, path: str) -> float:
    section, _, key = path.partition(".")
    return float(getattr(getattr(config, section), key))
