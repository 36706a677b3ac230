"""What the pages are made of."""

from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.config import Config
from dohproxy.pages.facts import WithheldList, keeps_addresses
from tests.fakes.pages import AT, CONFIG, facts, quarter

FILE = Path("/var/lib/dohproxy/file")


def test_a_day_is_all_its_quarters() -> None:
    day = facts(quarters=(quarter(1), None, quarter(2))).day
    assert day.answered == quarter(1).answered + quarter(2).answered
    assert day.seconds == 1_800.0


@pytest.mark.parametrize("origin", ["https://doh.example.org", "https://[2001:db8::1]:8443"])
def test_the_pages_are_where_queries_are_answered(origin: str) -> None:
    assert facts(url=f"{origin}/dns/query").origin == origin


def test_names_are_counted_by_reason_those_by_hand_among_the_operators() -> None:
    lists = (
        WithheldList("a", "law", 10, 0, AT),
        WithheldList("b", "law", 5, 0, None),
        WithheldList("c", "operator", 2, 0, None),
        WithheldList("d", "harm", 0, 9, None),
    )
    found = facts(withheld=lists, by_hand=3).names_withheld()
    assert found == {"law": 15, "operator": 5, "harm": 0, "requested": 0}


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        (CONFIG, False),
        (replace(CONFIG, bans=replace(CONFIG.bans, log_file=FILE)), True),
        (replace(CONFIG, cache=replace(CONFIG.cache, snapshot_file=FILE)), True),
    ],
    ids=["neither", "the ban log", "the cache's file"],
)
def test_whether_anything_of_it_is_written_down(config: Config, kept: bool) -> None:
    assert keeps_addresses(config) is kept
