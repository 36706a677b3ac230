"""The proxy as the guest of an upstream that bans, in short: counts only. The whole is `python -m bench.ban`."""

import pytest

from bench.ban.scenarios import Guest, forced_ban, storm_of_misses, sudden_ban
from bench.ban.signals import Signal
from bench.guest import budget_kept
from bench.targets import print_targets

pytestmark = pytest.mark.long


@pytest.mark.parametrize("transport", ["udp", "tls"])
def test_a_hundred_times_too_many_misses_stay_within_the_budget(transport: str) -> None:
    stay = storm_of_misses(transport, per_second=1_000, seconds=3)
    assert print_targets(budget_kept(stay.report))
    assert stay.tallies["new"].asked == 3_000
    assert 0 < stay.report.received < 70


def test_an_upstream_that_has_banned_us_is_left_alone_and_others_answer() -> None:
    # It allows a tenth of the budget and loses its patience at once; the ban outlasts the test.
    stay = forced_ban(Guest("udp", Signal.PROHIBITED, allowed_share=0.1, patience=1, seconds=9))
    assert stay.report.bans == 1
    # Some are needed to tell a ban from what only looks like it, and then there are probes.
    assert stay.report.received_while_banned < 25
    assert stay.tallies["known"].success == 1.0
    assert stay.second is not None
    assert stay.second.received > 0


@pytest.mark.parametrize("signal", [Signal.SILENCE, Signal.REFUSED], ids=["silence", "refusal"])
def test_known_names_are_answered_from_memory_when_the_only_upstream_meets_us_with(signal: Signal) -> None:
    stay = sudden_ban("udp", signal, seconds=8)
    assert stay.tallies["learning"].success == 1.0
    assert stay.tallies["known"].success == 1.0
    assert stay.tallies["new"].success == 0.0
