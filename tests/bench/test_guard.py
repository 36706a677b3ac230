"""The guard against dearer requests: its comparison, its file, and that every workload does what its name says."""

import asyncio
import shutil

import pytest

from bench.guard import __main__ as guard
from bench.guard import player
from bench.guard.plays import PLAYS, REQUESTS, YARDSTICK
from bench.guard.stage import Clock, Failed, Loop, open_stage
from bench.guard.verdict import (
    BEFORE_LIMITS,
    FILE,
    judge,
    judge_multiples,
    ratios,
    read_baselines,
    read_total,
    table,
    write_baselines,
)


def test_a_cost_is_a_multiple_of_the_yardstick() -> None:
    found = ratios({"yardstick": 1_000, "hit": 900}, {"yardstick": 10, "hit": 3}, "yardstick")
    assert found == {"hit": 3.0}


@pytest.mark.parametrize(
    ("is_now", "sentence", "is_failure"),
    [
        (2.31, "hit: was 2.00, is 2.31, +15.5%: dearer than allowed (15%)", True),
        (4.0, "hit: was 2.00, is 4.00, +100.0%: dearer than allowed (15%)", True),
        (1.69, "hit: was 2.00, is 1.69, -15.5%: cheaper; keep it with --renew", False),
    ],
    ids=["a little beyond", "double", "cheaper"],
)
def test_what_changes_by_more_than_fifteen_percent_is_told(is_now: float, sentence: str, *, is_failure: bool) -> None:
    (finding,) = judge({"hit": 2.0}, {"hit": is_now})
    assert (finding.sentence, finding.is_failure) == (sentence, is_failure)


@pytest.mark.parametrize("is_now", [2.0, 2.29, 1.71], ids=["the same", "a little dearer", "a little cheaper"])
def test_less_than_that_is_not_worth_a_word(is_now: float) -> None:
    assert judge({"hit": 2.0}, {"hit": is_now}) == []


def test_nothing_before_a_limit_may_cost_more_than_twenty_cached_answers() -> None:
    dear, cheap = f"{BEFORE_LIMITS}64 fields, HTTP/1.1", f"{BEFORE_LIMITS}64 fields, HTTP/2"
    found = {"cached GET, HTTP/1.1": 0.5, "cached GET, HTTP/2, 1 stream": 0.6, dear: 10.1, cheap: 11.9, "miss": 99.0}
    (finding,) = judge_multiples(found)
    assert finding.is_failure
    assert finding.sentence == f"{dear}: 20.2 times a cached answer, which is more than 20"
    assert judge_multiples({dear: 10.1}) == []  # Without the other there is nothing to compare it with.


def test_a_page_view_may_cost_no_more_than_three_cached_answers() -> None:
    found = {"cached GET, HTTP/1.1": 0.5, "page view, HTTP/1.1": 1.6, "cached GET, HTTP/2, 1 stream": 0.6}
    (finding,) = judge_multiples(found | {"page view, HTTP/2": 1.7})
    assert finding.sentence == "page view, HTTP/1.1: 3.2 times a cached answer, which is more than 3"


def test_the_baselines_keep_to_that_too() -> None:
    for baselines in read_baselines(FILE.read_text(encoding="utf-8")).values():
        assert judge_multiples(baselines) == []


def test_a_workload_without_a_baseline_guards_nothing() -> None:
    (finding,) = judge({}, {"hit": 2.0})
    assert finding.is_failure
    assert "--renew" in finding.sentence


def test_a_workload_that_was_left_out_is_not_missed() -> None:
    assert judge({"hit": 2.0, "miss": 9.0}, {"hit": 2.0}) == []


def test_the_table_has_a_line_for_each_workload() -> None:
    assert table({"hit": 2.0}, {"hit": 2.5, "new": 1.0})[1:] == [
        "hit     2.00     2.50   +25.0%",
        "new        -     1.00",
    ]


def test_baselines_are_read_as_they_were_written() -> None:
    baselines = {"3.9": {"hit, 10 streams": 1.5}, "3.11": {"hit, 10 streams": 1.25}}
    text = write_baselines(baselines)
    assert read_baselines(text) == baselines
    assert text.index('"3.9"') < text.index('"3.11"')


def test_the_committed_baselines_are_those_of_the_workloads_there_are() -> None:
    for baselines in read_baselines(FILE.read_text(encoding="utf-8")).values():
        assert {YARDSTICK, *baselines} == set(PLAYS)


@pytest.mark.parametrize("line", ["summary: 40669458", "totals: 40669458"])
def test_a_count_is_read_from_what_callgrind_writes(line: str) -> None:
    assert read_total(f"events: Ir\n{line}\n") == 40_669_458


def test_a_file_without_a_count_is_an_error() -> None:
    with pytest.raises(ValueError, match="no total"):
        read_total("events: Ir\n")


def test_every_workload_gets_the_answers_that_its_name_promises() -> None:
    with asyncio.Runner(loop_factory=lambda: Loop(Clock())) as runner:
        requests = runner.run(player.play(list(PLAYS), counting=False))
    assert requests.keys() == PLAYS.keys()
    assert all(0 < count <= REQUESTS for count in requests.values())


def test_a_workload_that_is_answered_otherwise_has_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play_with_everything_blocked() -> None:
        async with open_stage() as stage:
            monkeypatch.setattr(stage, "_wide", stage._narrow)
            async for _ in PLAYS["cached GET, HTTP/2, 10 streams"](stage):
                pass

    with asyncio.Runner(loop_factory=lambda: Loop(Clock())) as runner, pytest.raises(ExceptionGroup) as raised:
        runner.run(play_with_everything_blocked())
    assert raised.group_contains(Failed, match=f"0 of {REQUESTS} answers have status 200")


def test_without_valgrind_the_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["guard"])
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SystemExit) as ended:
        guard.main()
    assert ended.value.code == 2
    assert "apt-get install valgrind" in capsys.readouterr().err
