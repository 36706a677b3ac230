"""Three nodes, one store and an upstream that bans, in short: what breaks costs no budget and no member."""

import pytest

from bench.chaos.acts import ACTS, BACK_SECONDS, WARM_UP, Played, play
from bench.chaos.crowd import MEMBER
from bench.chaos.ground import ground
from bench.guest import budget_kept
from tests.conftest import FindProgram

SHORT = ("the store is killed and comes back empty", "one node is killed and comes back")
SECONDS = 8.0
WARM_UP_SECONDS = 20.0
MEMBERS_SHARE = 0.99
"""A look of some seconds has a few hundred questions of members, and names that nobody has asked for yet."""


@pytest.mark.long
def test_no_budget_is_passed_and_members_are_answered_whatever_breaks(find_program: FindProgram) -> None:
    find_program("redis-server", "redis-server")
    played: list[Played] = []
    with ground() as on:
        play(WARM_UP, on, WARM_UP_SECONDS, seed=99)
        played += [play(act, on, SECONDS, seed) for seed, act in enumerate(ACTS) if act.name in SHORT]
        report = on.upstream.report()
    assert [target for target in budget_kept(report) if not target.is_met] == []
    assert [one.act.name for one in played] == list(SHORT)
    assert report.received > SECONDS, "nobody was asked"
    for one in played:
        assert one.tallies[MEMBER].success >= MEMBERS_SHARE, (one.act.name, one.tallies[MEMBER].results)
        assert one.back_seconds < 4 * BACK_SECONDS, f"{one.act.name}: not all share again"
