"""What is promised to an upstream, whoever asks what."""

from typing import Final

from bench.ban.books import Report
from bench.targets import Target

BUDGET_PER_SECOND: Final = 10.0
BUDGET_BURST: Final = 40
ASSOCIATIVE: Final = {"preset": "associative"}
"""The preset with that budget: the smallest there is."""
JITTER_QUERIES: Final = 0.5
"""How far the books may be off: a query that spent 50 ms between the proxy's decision and the upstream's note of it."""
MOST_BURST: Final = BUDGET_BURST + JITTER_QUERIES


def budget_kept(upstream: Report, *, name: str = "") -> list[Target]:
    """Return the three promises: the budget in every stretch of time, nothing beyond it, no ban."""
    prefix = f"{name}: " if name else ""
    return [
        Target(f"{prefix}smallest burst that explains all queries", upstream.needed_burst, "<=", MOST_BURST),
        Target(f"{prefix}queries beyond the budget", upstream.excess, "==", 0),
        Target(f"{prefix}bans", upstream.bans, "==", 0),
    ]
