"""What the store does for one question, in a real one: five cases, and who asks."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from dohproxy.sharing.commands import Argument, Reply, StoreFailure
from dohproxy.sharing.question_scripts import (
    ANSWERED,
    FAILED,
    FRESH,
    LOOK,
    NEITHER,
    NOBODYS,
    OURS,
    REMEMBERED,
    SETTLE,
    THEIRS,
)
from dohproxy.sharing.store import Store
from tests.conftest import FindProgram
from tests.fakes.store import StoreProcess, running, store_process, until

MINUTE = 60_000
STALE = MINUTE.to_bytes(4)
"""Of what a value is kept for, so much is past its time."""


@pytest.fixture(scope="module")
def process(find_program: FindProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """A store of this module."""
    with store_process(find_program("redis-server", "redis-server"), tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture
async def store(process: StoreProcess) -> AsyncIterator[Store]:
    """An empty one."""
    store = Store(process.settings, time.monotonic)
    async with running(store):
        await until(lambda: store.is_up)
        await said(store, "FLUSHALL")
        await said(store, "CONFIG", "SET", "maxmemory", 0)
        yield store
        await said(store, "CONFIG", "SET", "maxmemory", 0)


KEYS = ("{q}", "{q}:failed", "{q}:asked")


async def said(store: Store, *command: Argument) -> Any:
    """Return what the store says to a command."""
    return await store.command(*command, seconds=5)


async def look(store: Store, who: str = "me", least: int = 0) -> Reply:
    return await store.run_script(LOOK, KEYS, (least, who, 500), seconds=5)


async def settle(store: Store, kind: str, value: bytes = b"", milliseconds: int = 0, who: str = "me") -> Reply:
    return await store.run_script(SETTLE, KEYS, (who, kind, value, milliseconds), seconds=5)


async def test_what_is_nowhere_is_asked_by_the_first_who_looks(store: Store) -> None:
    assert (await look(store, "one"))[0] == OURS
    assert (await look(store, "other"))[0] == THEIRS
    assert (await look(store, "one"))[0] == OURS


async def test_a_fresh_answer_is_given_with_what_is_left_of_it_and_is_nobodys_to_ask(store: Store) -> None:
    await settle(store, ANSWERED, STALE + b"sealed", 2 * MINUTE)
    case, answer, left, failure, _ = await look(store)
    assert (case, answer, failure) == (FRESH, STALE + b"sealed", None)
    assert 2 * MINUTE - 5_000 < left <= 2 * MINUTE
    assert await said(store, "EXISTS", KEYS[2]) == 0


async def test_a_stale_answer_is_given_to_who_asks(store: Store) -> None:
    await settle(store, ANSWERED, STALE + b"sealed", MINUTE - 1)
    case, answer, left, *_ = await look(store)
    assert (case, answer) == (OURS, STALE + b"sealed")
    assert left < MINUTE
    assert (await look(store, "other"))[:2] == [THEIRS, STALE + b"sealed"]


async def test_who_has_one_that_is_as_fresh_wants_a_fresher_one(store: Store) -> None:
    await settle(store, ANSWERED, STALE + b"sealed", 2 * MINUTE)
    assert (await look(store, least=MINUTE + 1))[0] == OURS
    assert (await look(store, "other", least=MINUTE - 5_000))[0] == FRESH


async def test_a_failure_forbids_asking_until_it_is_over_or_answered(store: Store) -> None:
    await settle(store, REMEMBERED, bytes(4) + b"sealed", MINUTE)
    case, answer, _, failure, left = await look(store)
    assert (case, answer, failure) == (FAILED, None, bytes(4) + b"sealed")
    assert 0 < left <= MINUTE
    await settle(store, ANSWERED, STALE + b"sealed", MINUTE - 1)
    assert (await look(store))[0] == OURS


async def test_what_is_settled_is_no_longer_asked(store: Store) -> None:
    for kind in (NEITHER, REMEMBERED, ANSWERED):
        assert (await look(store))[0] == OURS
        await settle(store, kind, STALE + b"x", 1)
        assert await said(store, "EXISTS", KEYS[2]) == 0
        await said(store, "DEL", *KEYS)


async def test_a_question_is_let_go_by_who_has_it_alone(store: Store) -> None:
    await look(store, "one")
    await settle(store, ANSWERED, STALE + b"late", MINUTE - 1, who="other")
    assert (await look(store, "third"))[0] == THEIRS


async def test_a_question_is_somebodys_for_a_time_alone(store: Store) -> None:
    await look(store)
    assert 0 < await said(store, "PTTL", KEYS[2]) <= 500


@pytest.mark.parametrize("value", [b"", b"\x00\x00\x00", bytes(4)], ids=["nothing", "three bytes", "four"])
async def test_what_is_no_value_of_ours_is_read_and_decides_nothing_worse_than_who_asks(
    store: Store, value: bytes
) -> None:
    await said(store, "SET", KEYS[0], value)
    case, answer, left, *_ = await look(store)
    assert (case, answer, left) == (OURS, value, -1)


async def test_what_is_of_another_kind_is_a_failure_of_the_look(store: Store) -> None:
    await said(store, "LPUSH", KEYS[0], "a")
    assert await look(store) is StoreFailure.WRONG


async def test_a_full_store_is_read_and_takes_nothing(store: Store) -> None:
    await settle(store, ANSWERED, STALE + b"sealed", 2 * MINUTE)
    await said(store, "CONFIG", "SET", "maxmemory", 1)
    assert (await look(store))[0] == FRESH
    assert (await look(store, least=5 * MINUTE))[0] == NOBODYS
    assert await settle(store, ANSWERED, STALE + b"new", 2 * MINUTE) is StoreFailure.FULL
    assert await settle(store, NEITHER) == 1
    assert (await look(store))[1] == STALE + b"sealed"


async def test_every_key_ends_by_itself(store: Store) -> None:
    await look(store)
    await settle(store, REMEMBERED, STALE + b"x", MINUTE, who="other")
    await settle(store, ANSWERED, STALE + b"x", MINUTE, who="other")
    await look(store, least=2 * MINUTE)
    keys = await said(store, "KEYS", "*")
    assert len(keys) == 2
    for key in keys:
        assert 0 < await said(store, "PTTL", key) <= MINUTE
