"""Commands that nodes carry out for each other."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from dohproxy.sharing import remote_commands
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.remote_commands import OLDEST_SECONDS, RemoteAnswer, RemoteCommands
from tests.fakes.memory_store import Link, MemoryStore

KEYS = Keys("test", bytes(32))


class Node:
    """One node, and what it was asked to do."""

    def __init__(self, store: MemoryStore, name: str, keys: Keys = KEYS) -> None:
        self.link = Link(store)
        self.wall_error = 0.0
        self.asked: list[tuple[str, Mapping[str, Any], str]] = []
        self.answer = RemoteAnswer(200, {"sentence": "Done.", "well": True})
        self.seconds = 0.0
        self.commands = RemoteCommands(
            cast(Any, self.link), keys, name, time.monotonic, lambda: time.time() + self.wall_error
        )
        self.commands.carry_out = self.carry_out

    async def carry_out(self, path: str, arguments: Mapping[str, Any], node: str) -> RemoteAnswer:
        """Do it."""
        self.asked.append((path, arguments, node))
        await asyncio.sleep(self.seconds)
        return self.answer


@asynccontextmanager
async def looking(*nodes: Node) -> AsyncIterator[None]:
    """Have nodes look into their boxes."""
    async with asyncio.TaskGroup() as tasks:
        begun = [tasks.create_task(node.commands.run()) for node in nodes]
        yield
        for task in begun:
            task.cancel()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less, so that tests do."""
    for name, seconds in (("POLL_SECONDS", 0.01), ("ANSWER_POLL_SECONDS", 0.005), ("TAKE_UP_SECONDS", 0.2)):
        monkeypatch.setattr(remote_commands, name, seconds)


async def test_a_command_is_carried_out_once_at_the_node_that_is_named() -> None:
    store = MemoryStore()
    a, b, c = (Node(store, name) for name in "abc")
    async with looking(b, c):
        answer = await a.commands.ask("b", "/v1/ban", {"network": "192.0.2.7"}, 1.0)
    assert answer == b.answer
    assert (b.asked, c.asked) == ([("/v1/ban", {"network": "192.0.2.7"}, "a")], [])
    assert not any(store.values.values()), "nothing is left"


async def test_nothing_that_is_asked_or_answered_can_be_read_in_the_store() -> None:
    store = MemoryStore()
    a, b = Node(store, "a"), Node(store, "b")
    async with looking(b):
        await a.commands.ask("b", "/v1/ban", {"network": "192.0.2.7"}, 1.0)
    said = repr([node.link.commands for node in (a, b)])
    assert "192.0.2.7" not in said
    assert "Done." not in said


async def test_who_does_not_look_into_its_box_has_not_taken_it_up() -> None:
    store = MemoryStore()
    answer = await Node(store, "a").commands.ask("b", "/v1/status", {}, 1.0)
    assert (answer.status, "did not take the command up" in answer.body["sentence"]) == (504, True)


async def test_who_takes_it_up_may_take_as_long_as_the_command_does_and_no_longer() -> None:
    store = MemoryStore()
    a, b = Node(store, "a"), Node(store, "b")
    b.seconds = 0.4
    async with looking(b):
        assert (await a.commands.ask("b", "/v1/flush", {}, 2.0)).status == 200
        slow = await a.commands.ask("b", "/v1/flush", {}, 0.1)
    assert (slow.status, "may still do it" in slow.body["sentence"]) == (504, True)


async def test_without_the_store_nobody_can_be_asked() -> None:
    a = Node(MemoryStore(), "a")
    a.link.is_up = False
    assert (await a.commands.ask("b", "/v1/status", {}, 1.0)).status == 503


async def test_a_request_that_was_copied_is_old_or_was_made_without_the_key_is_not_carried_out() -> None:
    store = MemoryStore()
    a, b, foreign = Node(store, "a"), Node(store, "b"), Node(store, "a", Keys("test", bytes(31) + b"1"))
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(a.commands.ask("b", "/v1/drain", {}, 1.0))
        await asyncio.sleep(0.02)
        [(box, [request])] = [(key, found) for key, found in store.values.items() if ":box:" in key and found]
        store.values[box] = [request, request, request[:-1] + b"x", b"nonsense", b"x" * 100_000]
        with capture_logs() as logs:
            await b.commands.turn()
            await asyncio.sleep(0)
        assert len(b.asked) == 1
        assert [entry["why"] for entry in logs] == ["it was before"]
    assert asking.result().status == 200
    await foreign.commands.ask("b", "/v1/drain", {}, 1.0)
    await b.commands.turn()
    a.wall_error = -OLDEST_SECONDS - 1
    async with asyncio.TaskGroup() as tasks:
        late = tasks.create_task(a.commands.ask("b", "/v1/drain", {}, 1.0))
        await asyncio.sleep(0.02)
        await b.commands.turn()
    assert late.result().status == 504
    assert len(b.asked) == 1


async def test_what_is_too_long_is_said_in_words() -> None:
    store = MemoryStore()
    a, b = Node(store, "a"), Node(store, "b")
    b.answer = RemoteAnswer(200, {"sentence": "x" * 300_000})
    async with looking(b):
        answer = await a.commands.ask("b", "/v1/bans", {}, 1.0)
    assert (answer.status, "at the node itself" in answer.body["sentence"]) == (409, True)
    assert (await a.commands.ask("b", "/v1/ban", {"reason": "x" * 9_000}, 1.0)).status == 409


async def test_so_many_are_carried_out_at_once_and_the_others_wait() -> None:
    store = MemoryStore()
    a, b = Node(store, "a"), Node(store, "b")
    b.seconds = 0.1
    async with looking(b), asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(a.commands.ask("b", "/v1/status", {}, 1.0)) for _ in range(12)]
        await asyncio.sleep(0.08)
        assert len(b.asked) == remote_commands.MOST_AT_ONCE
    assert [task.result().status for task in asked] == [200] * 12
