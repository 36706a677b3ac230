"""What callgrind's counts make of one request, and who is asked under it."""

import shutil
from pathlib import Path

import pytest

from bench.peers import instructions
from bench.peers.instructions import Count, per_request, under_callgrind
from bench.peers.workloads import CACHED, CALLGRIND_CONNECTIONS, DOT_IN_FLIGHT, METHODS, WORKLOADS


def test_what_begins_and_ends_a_turn_is_no_part_of_a_request() -> None:
    once, twice = Count(5_000 + 100 * 40, 100, 1.0), Count(5_000 + 200 * 40, 200, 2.0)
    assert per_request(once, twice, Count(0, 0, 3.0)) == 40


def test_what_a_server_does_by_itself_is_no_part_of_a_request_however_slow_it_is() -> None:
    by_itself = 1_000
    once, twice = Count(100 * 40 + by_itself * 2, 100, 2.0), Count(200 * 40 + by_itself * 9, 200, 9.0)
    assert per_request(once, twice, Count(by_itself * 3, 0, 3.0)) == 40


def test_cached_answers_are_counted_over_one_connection_and_over_many() -> None:
    counted = [workload for workload in WORKLOADS if workload.counted is not None]
    ways = len(CACHED) * len(METHODS) + len(DOT_IN_FLIGHT)
    assert len(counted) == ways * len(CALLGRIND_CONNECTIONS)
    for workload in counted:
        assert workload.counted is not None
        assert workload.counted.options[1:] == workload.client.options[1:]


def test_a_server_under_callgrind_does_not_count_until_it_is_told_to(tmp_path: Path) -> None:
    assert "--instr-atstart=no" in under_callgrind(tmp_path / "dumps")


def test_without_valgrind_the_package_is_named_and_nothing_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert not instructions.can_count()
    assert "apt-get install valgrind" in capsys.readouterr().err
