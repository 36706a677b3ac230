"""Who the nodes are, as a person is told."""

import time
from collections.abc import Sequence

import pytest

from dohproxy.sharing.commands import Argument, Reply, Script, StoreFailure
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.lease_keeper import SCRIPT, lease_keys
from dohproxy.sharing.lease_script import Call, Want, call_arguments, leave_arguments
from dohproxy.sharing.node_roster import about_node, forget_node, node_digest, read_nodes
from dohproxy.sharing.store import Store
from tests.conftest import FindProgram
from tests.fakes.store import SECRET, running, store_process, until

KEYS = Keys("roster", SECRET)


class Down:
    """A store that cannot be reached."""

    is_up = False

    async def run_script(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument], *, seconds: float
    ) -> Reply | StoreFailure:
        return StoreFailure.DOWN


def call_of(name: str, number: int = 1, *, keys: Keys = KEYS) -> Call:
    about = about_node(keys, name, since=1.0, version="1.2", configuration="abc", wall_time=time.time())
    want = Want("budget", 12, 0.25, 0.0, 0.0)
    return Call(node_digest(KEYS, name), name, "", number, "e", "", 0, 0, 0, 0, 3, 3, 3, (want,), about)


async def test_nodes_are_listed_with_what_they_say_of_themselves_and_can_be_forgotten_once_they_are_gone(
    find_program: FindProgram, tmp_path_factory: pytest.TempPathFactory
) -> None:
    program = find_program("redis-server", "redis-server")
    with store_process(program, tmp_path_factory.mktemp("store")) as process:
        store = Store(process.settings, time.monotonic)
        async with running(store):
            await until(lambda: store.is_up)
            stranger = call_of("stranger", keys=Keys("roster", bytes(32)))
            for call in (call_of("one"), call_of("other"), stranger):
                await store.run_script(SCRIPT, lease_keys(KEYS), call_arguments(call), seconds=5)
            rows = await read_nodes(store, KEYS, "nonce")
            assert isinstance(rows, list)
            shown = [(row.name, row.version, row.since, row.configuration, row.has_left, row.base) for row in rows]
            known = [(name, "1.2", 1.0, "abc", False, 3) for name in ("one", "other")]
            assert shown == [("", "", 0.0, "", False, 3), *known]
            assert rows[1].parts == {"budget": pytest.approx(4 / 12)}
            assert rows[1].silent_seconds < 5
            assert await forget_node(store, KEYS, "other", "nonce") is False
            arguments = leave_arguments(call_of("other", 2))
            await store.run_script(SCRIPT, lease_keys(KEYS), arguments, seconds=5)
            assert await forget_node(store, KEYS, "other", "nonce") is True
            assert await forget_node(store, KEYS, "other", "nonce") is None


async def test_without_the_store_it_is_said_why_nobody_is_listed() -> None:
    assert await read_nodes(Down(), KEYS, "nonce") is StoreFailure.DOWN
    assert await forget_node(Down(), KEYS, "one", "nonce") is StoreFailure.DOWN
