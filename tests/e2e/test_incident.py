"""Two floods over real sockets, made small: what the upstream gets, and what those get who were there before.

The whole of both is `python -m bench.incident`; here only counts are asserted, never times.
"""

import pytest

from bench.callers import Tally
from bench.guest import budget_kept
from bench.incident.members import Browsing, networks
from bench.incident.replay import Figures, Setting, replay
from bench.incident.strangers import Flood, strangers
from bench.incident.torture import VICTIM, Torture, random_names
from bench.names import Popularity, popular_names
from bench.targets import print_targets

pytestmark = pytest.mark.long

MEMBERS = 12
SETTING = Setting(
    Browsing(members=MEMBERS, seconds=0.1, think_seconds=60.0),
    # The budgets grow for half a minute after a start; the flood comes before that is over, as it may.
    warm_seconds=7.0,
    sections={"clients": {"member_networks": networks(MEMBERS)}},
)
FLOOD_SECONDS = 7.0
MOST_MEGABYTES = 192


@pytest.fixture(scope="module")
def popularity() -> Popularity:
    """What people ask for."""
    return Popularity(popular_names())


def assert_promises_kept(figures: Figures) -> None:
    """Whatever comes over it: a good guest, bounded, and those who were there before are answered."""
    assert print_targets(budget_kept(figures.upstream))
    assert figures.largest_bytes < MOST_MEGABYTES * 1_048_576
    assert figures.during.asked > 0
    assert figures.during.results == {"answered": figures.during.asked}


def test_the_flood_of_2019_in_small(popularity: Popularity) -> None:
    flood = Flood(addresses=300, requests=3_000, day_seconds=FLOOD_SECONDS)
    figures = replay(SETTING, strangers(flood, popularity), popularity, FLOOD_SECONDS)
    assert_promises_kept(figures)
    probes = [tally for kind, tally in figures.flood.items() if kind.startswith("probe")]
    assert sum(tally.asked for tally in probes) > 2_600
    # Whoever only looks whether we are well is told so, for nothing.
    assert {result for tally in probes for result in tally.results} == {"answered"}
    assert figures.upstream_queries < 100


def test_random_names_below_one_domain(popularity: Popularity) -> None:
    torture = Torture(addresses=300, per_second=300, seconds=FLOOD_SECONDS)
    figures = replay(SETTING, random_names(torture), popularity, FLOOD_SECONDS)
    assert_promises_kept(figures)
    flood = figures.flood.get("random name", Tally())
    assert flood.asked == 2_100
    # An ordinary limit on what comes to nothing: 20 saved up, one a second after that.
    assert figures.upstream.by_label[VICTIM] < 60
