"""Upstreams as the selection sees them, with budgets that do not matter unless a test says so."""

import time

from dohproxy.upstream.budget.connections import ConnectionBudget
from dohproxy.upstream.budget.queries import Budget
from dohproxy.upstream.health.breaker import Breaker
from dohproxy.upstream.health.health import UpstreamHealth
from dohproxy.upstream.health.signals import SendResult
from dohproxy.upstream.results import SendStatus
from dohproxy.wire.answer import Answer

ZONE = b"\x07example\x00"


def longest_draw() -> float:
    """Every pause has its full length."""
    return 0.0


def connections(most: int = 8, per_second: float = 1000.0, *, now: float | None = None) -> ConnectionBudget:
    """A budget of connections."""
    return ConnectionBudget(most, per_second, longest_draw, now=time.monotonic() if now is None else now)


def health(
    *, queries_per_second: float = 1.0, burst: int = 100, in_flight: int = 100, over_stream: bool = False
) -> UpstreamHealth:
    """An upstream that is well, at the instant 0.0."""
    budget = Budget(queries_per_second, burst, in_flight, now=0.0)
    return UpstreamHealth(budget, Breaker(longest_draw), connections(now=0.0), over_stream=over_stream)


def ending(
    result: SendStatus,
    *,
    sent_at: float,
    now: float,
    answer: Answer | None = None,
    zone: bytes = ZONE,
    over_stream: bool = False,
) -> SendResult:
    """How a send ended."""
    return SendResult(result, zone, over_stream, sent_at, now, answer)
