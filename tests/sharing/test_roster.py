"""Who is there, as one node sees it, and what all others have counted."""

import json
from dataclasses import replace
from typing import Any

import pytest

from dohproxy.sharing.roster import (
    FORGOTTEN_SECONDS,
    MOST_BYTES,
    MOST_NODES,
    SILENT_SECONDS,
    Report,
    Roster,
    decode,
    encode,
)

WALL = 1_700_000_000.0


def report(name: str = "b", beat: int = 1, instance: str = "b" * 16, **more: Any) -> Report:
    """Return what a node says."""
    said: dict[str, Any] = {
        "since": WALL,
        "wall": WALL,
        "version": "0.1.0",
        "configuration": "c0",
        "behind": 0.0,
        "counters": {},
    }
    return Report(name, instance, beat, **(said | more))


def test_what_is_written_is_read_as_it_was() -> None:
    said = report(counters={"failed": 3, "requests.hit": 2**40})
    assert decode(encode(said)) == said
    assert decode(encode(report(counters={"failed": 0}))) == report()


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"name": 1},
        {"name": "a\nb"},
        {"name": "a" * 200},
        {"beat": -1},
        {"beat": 1.5},
        {"since": "x"},
        {"wall": None},
        {"behind": -1},
        {"counters": []},
        {"counters": {"a": -1}},
        {"counters": {"a": True}},
        {"counters": {f"{number}": 1 for number in range(1_000)}},
    ],
)
def test_what_is_no_report_is_left_alone(changes: dict[str, Any]) -> None:
    assert decode(json.dumps(json.loads(encode(report())) | changes).encode()) is None


@pytest.mark.parametrize("written", [b"", b"[]", b"\xff", b"{" * 9_000, b" " * (MOST_BYTES + 1)])
def test_nothing_that_is_read_raises(written: bytes) -> None:
    assert decode(written) is None


def test_a_node_is_there_while_what_it_says_changes() -> None:
    roster = Roster("a", "a" * 16)
    own = report("a", instance="a" * 16)
    assert roster.note([own, report()], 0.0, WALL) == ["a", "b"]
    assert roster.there(1.0) == ["a", "b"]
    for second in range(1, 10):
        roster.note([replace(own, beat=second + 1), report()], float(second), WALL)
    assert roster.there(9.0) == ["a"]
    [here, gone] = roster.all(9.0)
    assert (here.is_self, here.is_there, gone.is_self, gone.silent_seconds) == (True, True, False, 9.0)
    assert roster.note([report(beat=2)], 10.0, WALL) == [], "it is no new one"
    assert roster.there(10.0 + SILENT_SECONDS - 0.1) == ["b"]
    assert roster.note([report(instance="c" * 16)], 11.0, WALL) == ["b"], "it was begun again"


def test_who_is_gone_for_a_day_is_forgotten_or_at_once_if_that_is_said() -> None:
    roster = Roster("a", "a" * 16)
    roster.note([report()], 0.0, WALL)
    roster.note([], FORGOTTEN_SECONDS, WALL)
    assert len(roster.all(0.0)) == 1
    roster.note([], FORGOTTEN_SECONDS + 1, WALL)
    assert roster.all(0.0) == []
    roster.note([report()], 0.0, WALL)
    roster.forget("b")
    assert roster.all(0.0) == []


def test_clocks_are_compared_when_something_is_heard() -> None:
    roster = Roster("a", "a" * 16)
    roster.note([report(wall=WALL + 30)], 0.0, WALL)
    [one] = roster.all(0.0)
    assert one.clock_ahead == 30.0


def test_what_others_have_counted_is_added_from_when_they_were_first_seen() -> None:
    roster = Roster("a", "a" * 16)
    roster.note([report(counters={"failed": 1_000}), report("c", instance="c" * 16, counters={"failed": 7})], 0.0, WALL)
    assert not roster.others()
    roster.note([report(beat=2, counters={"failed": 1_010})], 1.0, WALL)
    roster.note([report("c", 2, "c" * 16, counters={"failed": 8, "accepted": 2})], 1.0, WALL)
    roster.note([report("a", 2, "a" * 16, counters={"failed": 500})], 1.0, WALL)
    assert roster.others() == {"failed": 11, "accepted": 2}
    # It was begun again, and counts from 0; what it reports twice counts once.
    roster.note([report(beat=1, instance="d" * 16, counters={"failed": 5})], 2.0, WALL)
    roster.note([report(beat=1, instance="d" * 16, counters={"failed": 5})], 3.0, WALL)
    roster.note([report(beat=2, instance="d" * 16, counters={"failed": 6})], 4.0, WALL)
    assert roster.others() == {"failed": 12, "accepted": 2}


def test_two_nodes_of_one_name_find_out_and_an_earlier_run_is_none() -> None:
    roster = Roster("a", "a" * 16)
    for second in range(3):
        roster.note([report("a", 7, "e" * 16)], float(second), WALL)
    assert roster.namesake is None, "it has left that behind"
    roster.note([report("a", 8, "e" * 16)], 3.0, WALL)
    assert roster.namesake == "e" * 16


def test_there_are_so_many_nodes_and_no_more() -> None:
    roster = Roster("a", "a" * 16)
    roster.note([report(f"n{number}") for number in range(MOST_NODES + 5)], 0.0, WALL)
    assert len(roster.all(0.0)) == MOST_NODES


def test_who_runs_another_configuration_is_told() -> None:
    roster = Roster("a", "a" * 16)
    roster.note([report(), report("c", configuration="c1")], 0.0, WALL)
    assert roster.otherwise_configured("c0", 0.0) == ["c"]
    assert roster.otherwise_configured("c0", 9.0) == [], "it is not there any more"
