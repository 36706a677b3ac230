"""All workers as one service: their figures, what is wrong with any of them, and what they tell each other."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from dohproxy.builders import clock
from dohproxy.config import Config, UpstreamAddress, UpstreamConfig
from dohproxy.control.command import Refused
from dohproxy.control.status import lines, sentence
from dohproxy.runtime import Runtime
from dohproxy.supervision.fleet import Fleet, once, together
from dohproxy.supervision.restarts import FAILING, Restarts
from dohproxy.supervision.worker_process import WorkerProcess
from tests.fakes.upstream import FakeUpstream
from tests.fakes.workers import FakeProcess, two_workers

CONFIG = Config((UpstreamConfig("first", UpstreamAddress("udp", "192.0.2.1", 53)),))
EVIL = bytes((192, 0, 2, 7))


def _fleet(*workers: FakeProcess) -> Fleet:
    async def reload() -> None:
        pytest.fail("nobody has asked for it")

    restarts = [Restarts() for _ in workers]
    return Fleet(CONFIG, [cast(WorkerProcess, one) for one in workers], restarts, reload, lambda: pytest.fail("no"))


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[tuple[list[Runtime], list[FakeProcess]]]:
    """Two workers of one service."""
    upstream = FakeUpstream()
    async with upstream.running(), two_workers(tmp_path, upstream) as found:
        yield found


Both = tuple[list[Runtime], list[FakeProcess]]


async def test_all_workers_are_seen_as_one_service(both: Both) -> None:
    _, processes = both
    fleet = _fleet(*processes)
    snapshot, told = await fleet.look()
    assert told == []
    assert sentence(snapshot, told).startswith("All is well: 1 upstream is asked")
    shown = list(lines(snapshot))
    # The parts of the budget are whole again.
    assert any(line.startswith("upstream first: breaker closed") for line in shown)
    assert snapshot["figures"]["dohproxy_upstream_max_in_flight"] == {"first": 256}
    assert sum(snapshot["figures"]["dohproxy_cache_max_bytes"].values()) == 64 * 1_048_576
    assert [worker["number"] for worker in snapshot["workers"]] == [0, 1]
    view = await fleet.view(snapshot, clock(), 0.0)
    assert view["state"] == "well"


async def test_what_all_have_to_know_is_told_to_all(both: Both) -> None:
    runtimes, processes = both
    fleet = _fleet(*processes)
    answers = await fleet.tell("/v1/ban", {"network": "192.0.2.7", "for": "1h"}, 10.0, everybody=True)
    assert [answer.status for answer in answers] == [200, 200]
    for runtime in runtimes:
        assert runtime.core.bans.judge(runtime.look_at(EVIL), clock()) is not None


async def test_what_the_first_refuses_the_others_are_not_told(both: Both) -> None:
    _, processes = both
    answers = await _fleet(*processes).tell("/v1/ban", {"network": "nowhere"}, 10.0, everybody=True)
    assert [answer.status for answer in answers] == [400]


async def test_bans_by_rule_go_from_each_to_all_others(both: Both) -> None:
    runtimes, processes = both
    first, second = runtimes
    fleet = _fleet(*processes)
    first.core.bans.ban_by_rule(first.look_at(EVIL), 0, "malformed", clock())
    await fleet.exchange_bans()
    assert second.core.bans.judge(second.look_at(EVIL), clock()) is not None


async def test_one_that_lives_says_what_it_knows_for_one_that_begins(both: Both) -> None:
    _, processes = both
    fleet = _fleet(*processes)
    state = await fleet.state_for(0, 10.0)
    assert state is not None
    assert set(state) == {"at", "values", "clocks", "blocks"}
    processes[1].ready.clear()
    assert await fleet.state_for(0, 10.0) is None


async def test_one_that_does_not_answer_is_seen_as_before_and_one_that_is_gone_keeps_its_counts(both: Both) -> None:
    _, processes = both
    fleet = _fleet(*processes)
    await fleet.refresh()
    before = {one.figure.sample_name: one.values for one in fleet.read()}
    processes[1].admin_socket = Path("/nowhere.sock")
    await fleet.refresh()
    name = "dohproxy_upstream_sends_total"
    assert {one.figure.sample_name: one.values for one in fleet.read()}[name] == before[name]
    fleet.died(1)
    after = {one.figure.sample_name: one.values for one in fleet.read()}
    assert after[name] == before[name]
    assert after["dohproxy_upstream_max_in_flight"] == {("first",): 128}


async def test_where_nobody_serves_that_is_said(tmp_path: Path) -> None:
    fleet = _fleet(FakeProcess(0, tmp_path))
    with pytest.raises(Refused, match="No worker serves"):
        await fleet.tell("/v1/status", {}, 1.0, everybody=False)
    with pytest.raises(Refused, match="No worker serves"):
        await fleet.look()
    assert await fleet.state_for(0, 1.0) is None
    await fleet.exchange_bans()


async def test_one_that_dies_again_and_again_is_told_of(tmp_path: Path) -> None:
    restarts = Restarts()
    for _ in range(FAILING):
        restarts.died(0.0)
    process = cast(WorkerProcess, FakeProcess(0, tmp_path))
    fleet = Fleet(CONFIG, [process], [restarts], asyncio.Event, lambda: pytest.fail("no"))
    assert any("worker 0 dies again and again" in words for words in fleet._troubles())


def test_what_all_say_is_said_once_though_each_has_noticed_it_at_another_moment() -> None:
    words = "upstream one is gone, since 2026-12-02 01:50:{} UTC"
    assert once([words.format("30"), "another", words.format("23")]) == [words.format("30"), "another"]


def test_the_worst_that_any_worker_finds_of_an_upstream_is_shown() -> None:
    def snapshot(breaker: str) -> dict[str, Any]:
        return {"alerts": [breaker], "left_out": [], "upstreams": [{"name": "one", "breaker": breaker}], "mode": 1}

    found = together([snapshot("closed"), snapshot("open"), snapshot("half_open")])
    assert found["upstreams"] == [{"name": "one", "breaker": "open"}]
    assert found["alerts"] == ["closed", "open", "half_open"]
    assert found["mode"] == 1
