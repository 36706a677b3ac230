"""A real store: what becomes of commands while it is well, hangs, is full, refuses, and comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from dohproxy.sharing.commands import Reply, Script, StoreFailure
from dohproxy.sharing.store import MOST_LATE, MOST_UNDER_WAY, REPLIES_AT_ONCE, Store
from tests.conftest import FindProgram
from tests.fakes.store import StoreProcess, running, store_process, until

WORD = "of a test"
"""With which the guest gets in."""


@pytest.fixture(scope="module")
def process(find_program: FindProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """A store of this module."""
    with store_process(find_program("redis-server", "redis-server"), tmp_path_factory.mktemp("store")) as found:
        yield found


@asynccontextmanager
async def connected(process: StoreProcess) -> AsyncIterator[Store]:
    """Yield a store that is up."""
    store = Store(process.settings, time.monotonic)
    async with running(store):
        await until(lambda: store.is_up)
        yield store


async def test_a_command_is_done_and_its_reply_comes_back(process: StoreProcess) -> None:
    async with connected(process) as store:
        assert await store.command("SET", "a", b"\x00b", seconds=5) == b"OK"
        assert await store.command("GET", "a", seconds=5) == b"\x00b"
        assert await store.command("GET", "absent", seconds=5) is None


async def test_what_is_asked_in_one_turn_gets_each_its_own_reply(process: StoreProcess) -> None:
    async with connected(process) as store:
        replies = await asyncio.gather(*(store.command("ECHO", number, seconds=5) for number in range(200)))
    assert replies == [b"%d" % number for number in range(200)]


async def test_while_many_replies_are_told_others_have_their_turns(process: StoreProcess) -> None:
    turns: list[int] = []
    told: list[Reply] = []

    def note() -> None:
        turns.append(len(told))
        asyncio.get_running_loop().call_soon(note)

    async with connected(process) as store:
        for number in range(200):
            store.ask(("ECHO", number), told.append, until=time.monotonic() + 10)
        note()
        await until(lambda: len(told) == 200)
    assert max(after - before for before, after in pairwise(turns)) <= REPLIES_AT_ONCE


async def test_what_the_store_does_not_understand_is_a_failure_of_that_command_alone(process: StoreProcess) -> None:
    async with connected(process) as store:
        await store.command("SET", "text", "a", seconds=5)
        replies = await asyncio.gather(
            *(store.command(*one, seconds=5) for one in (("NONSENSE",), ("LPOP", "text"), ("GET", "text")))
        )
        assert replies == [StoreFailure.WRONG, StoreFailure.WRONG, b"a"]
        assert store.statistics().connections == 1


async def test_a_script_is_made_known_where_it_is_not(process: StoreProcess) -> None:
    script = Script("return {KEYS[1], ARGV[1]}")
    async with connected(process) as store:
        await store.command("SCRIPT", "FLUSH", seconds=5)
        for _ in range(2):
            assert await store.run_script(script, ["k"], ["v"], seconds=5) == [b"k", b"v"]


async def test_without_a_store_everything_fails_at_once_and_it_says_why(tmp_path: Path, process: StoreProcess) -> None:
    nowhere = replace(process.settings, address=replace(process.address, path=str(tmp_path / "absent")))
    store = Store(nowhere, time.monotonic)
    async with running(store):
        await until(lambda: "No such file" in store.why_down)
        assert await store.command("PING", seconds=60) is StoreFailure.DOWN
        assert store.statistics().failures[StoreFailure.DOWN] == 1


async def test_a_store_that_hangs_is_noticed_and_used_again_when_it_goes_on(process: StoreProcess) -> None:
    async with connected(process) as store:
        process.freeze()
        try:
            assert await store.command("PING", seconds=0.02) is StoreFailure.SLOW
            assert await store.command("PING", seconds=60) is StoreFailure.DOWN
            assert "does not answer" in store.why_down
        finally:
            process.thaw()
        await until(lambda: store.is_up)
        assert await store.command("ECHO", "back", seconds=5) == b"back"


async def test_a_store_that_hangs_is_noticed_though_nobody_asks_it_anything(process: StoreProcess) -> None:
    async with connected(process) as store:
        process.freeze()
        try:
            await until(lambda: not store.is_up)
        finally:
            process.thaw()


async def test_a_store_that_was_killed_is_used_again_when_it_is_back(process: StoreProcess) -> None:
    downs = []
    async with connected(process) as store:
        store.when_down.append(lambda: downs.append(store.is_up))
        process.end()
        await until(lambda: not store.is_up)
        process.begin()
        await until(lambda: store.is_up)
        assert await store.command("ECHO", "back", seconds=5) == b"back"
    assert downs[0] is False


async def test_late_replies_are_nobody_elses(process: StoreProcess) -> None:
    async with connected(process) as store:
        late = [store.command("EVAL", "local n = 0 for i = 1, 2e7 do n = n + 1 end return 'late'", 0, seconds=0.01)]
        assert await asyncio.gather(*late) == [StoreFailure.SLOW]
        assert await store.command("ECHO", "mine", seconds=5) == b"mine"


async def test_after_some_late_answers_no_question_waits_for_a_while(process: StoreProcess) -> None:
    async with connected(process) as store:
        process.freeze()
        try:
            hasty = [store.command("PING", seconds=0.02) for _ in range(MOST_LATE)]
            assert set(await asyncio.gather(*hasty)) == {StoreFailure.SLOW}
            told: list[Reply] = []
            store.ask(("PING",), told.append, until=time.monotonic() + 0.02)
            assert told == [StoreFailure.SLOW], "it was not told at once"
            assert not store.is_hasty
        finally:
            process.thaw()
        assert await store.command("ECHO", "patient", seconds=5) == b"patient"


async def test_no_more_is_under_way_than_may_be(process: StoreProcess) -> None:
    async with connected(process) as store:
        process.freeze()
        try:
            told: list[Reply] = []
            for _ in range(MOST_UNDER_WAY + 1):
                store.ask(("PING",), told.append, until=time.monotonic() + 60)
            assert told == [StoreFailure.BUSY]
            assert store.statistics().under_way == MOST_UNDER_WAY
            await until(lambda: not store.is_up)
            assert told.count(StoreFailure.DOWN) == MOST_UNDER_WAY
            assert (store.statistics().under_way, store.statistics().under_way_bytes) == (0, 0)
        finally:
            process.thaw()


async def test_a_full_store_says_so_and_goes_on_reading(process: StoreProcess) -> None:
    async with connected(process) as store:
        await store.command("SET", "kept", "a", seconds=5)
        await store.command("CONFIG", "SET", "maxmemory", "1", seconds=5)
        try:
            assert await store.command("SET", "more", "b", seconds=5) is StoreFailure.FULL
            assert await store.command("GET", "kept", seconds=5) == b"a"
        finally:
            await store.command("CONFIG", "SET", "maxmemory", "0", seconds=5)


async def test_a_confined_user_gets_in_and_is_refused_what_is_not_his(process: StoreProcess) -> None:
    async with connected(process) as store:
        await store.command(
            "ACL", "SETUSER", "guest", "on", f">{WORD}", "~dohproxy:*", "+get", "+set", "+ping", seconds=5
        )
    confined = replace(process.settings, user="guest", password=WORD)
    store = Store(confined, time.monotonic)
    async with running(store):
        await until(lambda: store.is_up)
        assert await store.command("SET", "dohproxy:a", "b", seconds=5) == b"OK"
        assert await store.command("SET", "other", "b", seconds=5) is StoreFailure.REFUSED
    wrong = Store(replace(confined, password=WORD[::-1]), time.monotonic)
    async with running(wrong):
        await until(lambda: "nodes.password_file" in wrong.why_down)


async def test_a_replica_is_not_used(find_program: FindProgram, tmp_path: Path) -> None:
    program = find_program("redis-server", "redis-server")
    with store_process(program, tmp_path, "--replicaof", "127.0.0.1", "9") as found:
        store = Store(found.settings, time.monotonic)
        async with running(store):
            await until(lambda: "name the primary" in store.why_down)
            assert not store.is_up
