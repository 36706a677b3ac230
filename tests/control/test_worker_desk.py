"""What a worker tells its supervisor: its figures, its state in words, and what another worker goes on with."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dohproxy.builders import clock
from dohproxy.policy.ban_table import BanSource
from dohproxy.supervision.asking import ask
from dohproxy.supervision.merged_figures import read_look
from dohproxy.workers.handover import BANS, LOOK, STATE, VIEW
from tests.fakes.upstream import FakeUpstream
from tests.fakes.workers import make_tables, two_workers, worker

EVIL = bytes((192, 0, 2, 7))
SECONDS = 10.0


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    """An upstream for all workers."""
    fake = FakeUpstream()
    async with fake.running():
        yield fake


async def test_a_worker_tells_what_it_is_like(tmp_path: Path, upstream: FakeUpstream) -> None:
    async with two_workers(tmp_path, upstream) as ([_, second], [process, _]):
        told = (await ask(process.admin_socket, LOOK, seconds=SECONDS)).body
        look = read_look(told["figures"])
        assert look["dohproxy_upstream_up"] == {("first",): 1}
        assert "figures" not in told["snapshot"]
        assert told["told"] == []
        assert second.config.metrics is None
        snapshot = {**told["snapshot"], "figures": (await second.snapshot())["figures"]}
        shown = await ask(process.admin_socket, VIEW, snapshot, seconds=SECONDS)
        assert shown.body["state"] == "well"


async def test_whom_one_bans_is_fetched_and_banned_by_the_other(tmp_path: Path, upstream: FakeUpstream) -> None:
    async with two_workers(tmp_path, upstream) as ([first, second], [one, other]):
        client = first.look_at(EVIL)
        assert client == second.look_at(EVIL)
        first.core.bans.ban_by_rule(client, 0, "malformed", clock())
        bans = (await ask(one.admin_socket, BANS, seconds=SECONDS)).body
        assert (await ask(other.admin_socket, BANS, bans, seconds=SECONDS)).body == {"taken": 1}
        assert second.core.bans.judge(client, clock()) is not None
        assert (await ask(other.admin_socket, BANS, seconds=SECONDS)).body == {"bans": []}


async def test_who_takes_the_place_of_another_knows_what_the_living_know(
    tmp_path: Path, upstream: FakeUpstream
) -> None:
    tables = make_tables()
    try:
        async with worker(1, tables, tmp_path, upstream) as (living, process):
            client = living.look_at(EVIL)
            living.core.bans.ban_by_rule(client, 0, "malformed", clock())
            answer = await ask(process.admin_socket, "/v1/block", {"name": "example.net"}, seconds=SECONDS)
            assert answer.status == 200
            state = (await ask(process.admin_socket, STATE, seconds=SECONDS)).body
            async with worker(0, tables, tmp_path, upstream, saved=dict(state)) as (replacement, _):
                ban = replacement.core.bans.judge(client, clock())
                assert ban is not None
                assert ban.source is BanSource.RULE
                assert len(list(replacement.blocks.entries)) == 1
                # What the dead one has spent nobody knows.
                budgets = replacement.core.budgets._given.values()
                assert all(one.budget.left(clock()) < 0.9 * one.budget.burst for one in budgets)
    finally:
        os.close(tables)
