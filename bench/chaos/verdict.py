"""What is promised while anything of it breaks, and whether it was kept."""

from collections.abc import Iterator, Sequence
from typing import Final

from bench.ban.books import Report
from bench.chaos.acts import BACK_SECONDS, Played
from bench.chaos.crowd import MEMBER
from bench.guest import budget_kept
from bench.targets import Target

MEMBERS_SHARE: Final = 0.999
"""Of the questions of members to nodes that live: answered."""


def verdict(played: Sequence[Played], upstream: Report) -> Iterator[Target]:
    """Yield every promise with what was measured."""
    yield from budget_kept(upstream)
    for one in played:
        member = one.tallies[MEMBER]
        yield Target(f"{one.act.name}: members answered", member.success, ">=", MEMBERS_SHARE)
        yield Target(f"{one.act.name}: seconds until all share again", one.back_seconds, "<=", BACK_SECONDS)


def table(played: Sequence[Played]) -> Iterator[str]:
    """Yield the rows of docs/nodes.md."""
    yield "| what | members answered | their p99 | flood answered | queries to the upstream | all share again after |"
    yield "|--|--|--|--|--|--|"
    for one in played:
        member, flood = one.tallies[MEMBER], one.tallies["flood"]
        yield (
            f"| {one.act.name} | {member.success:.2%} of {member.asked} | {member.percentile(0.99) * 1000:.0f} ms |"
            f" {flood.success:.0%} of {flood.asked} | {one.received} | {one.back_seconds:.1f} s |"
        )
