"""Leases over a real store: who calls, what is adopted, and what becomes of it all when the store is gone."""

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dohproxy.config import UpstreamConfig
from dohproxy.config.addresses import parse_upstream
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.lease_holder import LeaseHolder
from dohproxy.sharing.lease_keeper import LeaseKeeper
from dohproxy.sharing.node_roster import about_node, node_digest
from dohproxy.sharing.store import Store
from dohproxy.upstream.budget.groups import BudgetGroups
from dohproxy.upstream.budget.queries import Budget
from tests.conftest import FindProgram
from tests.fakes.store import SECRET, StoreProcess, running, store_process, until

CONFIG = UpstreamConfig(
    "ns0", parse_upstream("udp://192.0.2.1", Path()), queries_per_second=40.0, burst=24, in_flight=24
)


@pytest.fixture(scope="module")
def process(find_program: FindProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """A store of this module."""
    with store_process(find_program("redis-server", "redis-server"), tmp_path_factory.mktemp("store")) as found:
        yield found


@dataclass
class Node:
    """One node's share of the sharing."""

    keys: Keys
    store: Store
    keeper: LeaseKeeper
    budget: Budget

    @property
    def part(self) -> float:
        return self.budget.queries_per_second / CONFIG.queries_per_second


def make_node(process: StoreProcess, name: str, prefix: str, *, expected: int = 3) -> Node:
    keys = Keys(prefix, SECRET)
    store = Store(process.settings, time.monotonic)
    now = time.monotonic()
    budgets = BudgetGroups(now, random.random)
    budget, _ = budgets.of(CONFIG)
    draw = random.SystemRandom()
    holder = LeaseHolder(
        node_digest(keys, name), f"{name}/{draw.random()}", expected, lambda: str(draw.random()), now=now
    )
    holder.about = about_node(keys, name, since=1.0, version="1.2", configuration="abc", wall_time=time.time())
    return Node(keys, store, LeaseKeeper(store, keys, holder, budgets, dict, lambda: None, time.monotonic), budget)


async def test_a_node_may_use_nothing_until_the_store_has_spoken_and_then_a_quarter_of_its_base(
    process: StoreProcess,
) -> None:
    node = make_node(process, "a", "first")
    assert node.part == 0.0
    assert not node.budget.take(time.monotonic())
    async with running(node.store):
        await until(lambda: node.store.is_up)
        await node.keeper.call()
    assert node.part == pytest.approx(2 / 24)
    assert node.budget.most_in_flight == 8
    assert node.keeper.failures == 0


async def test_a_node_that_cannot_reach_the_store_begins_with_as_much(process: StoreProcess) -> None:
    node = make_node(process, "a", "alone")
    await node.keeper.call()
    assert node.part == pytest.approx(2 / 24)
    assert node.keeper.failures == 1


@pytest.mark.long
async def test_five_real_nodes_never_ask_more_than_one_may_while_the_store_comes_and_goes(
    process: StoreProcess,
) -> None:
    nodes = [make_node(process, f"node {number}", "five", expected=5) for number in range(5)]
    sent: list[float] = []

    async def ask(node: Node, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if node.budget.take(time.monotonic()):
                sent.append(time.monotonic())
                node.budget.release()
            else:
                node.budget.missed += 1
            await asyncio.sleep(0.005)

    async with running(*(node.store for node in nodes)), asyncio.TaskGroup() as tasks:
        keepers = [tasks.create_task(node.keeper.run()) for node in nodes]
        asking = [tasks.create_task(ask(node, 32.0 - 4 * number)) for number, node in enumerate(nodes)]
        for pause, act in ((11, process.freeze), (4, process.thaw), (6, process.end), (3, process.begin), (3, None)):
            await asyncio.sleep(pause)
            if act is not None:
                act()
        await asyncio.wait(asking)
        for keeper in keepers:
            keeper.cancel()
    level, at = 0.0, sent[0]
    for moment in sorted(sent):
        level = max(0.0, level - CONFIG.queries_per_second * (moment - at)) + 1
        at = moment
        assert level <= CONFIG.burst + 1e-6
    # They have not been idle either.
    assert len(sent) > 0.5 * CONFIG.queries_per_second * 32
