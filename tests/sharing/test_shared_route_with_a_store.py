"""Whole services that share a real store: what upstreams are spared, what clients notice, what the store sees."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import dns.message
import dns.rcode
import pytest

from dohproxy.builders import clock
from dohproxy.config import CacheConfig, Config, NodesConfig
from dohproxy.core import Core
from dohproxy.doh.exchange import HttpRequest
from dohproxy.exits import Miss
from dohproxy.outcomes import NOBODY, Frontend
from dohproxy.sharing.commands import Argument
from dohproxy.sharing.shared_cache_figures import SharedCacheStatistics
from dohproxy.sharing.sharing import Sharing
from dohproxy.sharing.store import Store
from dohproxy.wire.name import from_text as encoded
from dohproxy.wire.query import parse_query
from tests.conftest import FindProgram
from tests.fakes import upstream as fakes
from tests.fakes.store import SECRET, StoreProcess, running, store_process, until
from tests.fakes.upstream import FakeUpstream
from tests.fakes.walk import ask_for

LOOKUP_SECONDS = 0.02
SPARE_SECONDS = 0.4
"""That a busy machine may take for anything: less than the store takes until it is given up."""


@pytest.fixture(scope="module")
def process(find_program: FindProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """A store of this module."""
    with store_process(find_program("redis-server", "redis-server"), tmp_path_factory.mktemp("store")) as found:
        yield found


@dataclass(slots=True)
class Node:
    """One service."""

    core: Core
    sharing: Sharing

    async def ask(self, name: str) -> dns.message.Message:
        """Ask as a client does."""
        request = HttpRequest("POST", "/dns-query", ask_for(name), content_type="application/dns-message")
        found = self.core.service.begin(self.core.service.read(request, Frontend.HTTP1), NOBODY, clock())
        response = await self.core.service.resolve(found) if isinstance(found, Miss) else found
        assert response.status == 200
        return dns.message.from_wire(response.body)

    async def timed(self, name: str) -> float:
        """Ask, and return how many seconds it took."""
        begun = time.monotonic()
        assert (await self.ask(name)).rcode() == dns.rcode.NOERROR
        return time.monotonic() - begun

    @property
    def counts(self) -> SharedCacheStatistics:
        return self.sharing.cache.statistics()


@dataclass(slots=True)
class Association:
    """What several nodes have in common."""

    process: StoreProcess
    directory: Path
    upstream: FakeUpstream
    """Of all nodes."""
    tasks: asyncio.TaskGroup
    stack: AsyncExitStack
    rules: CacheConfig

    def asked(self, names: Sequence[str]) -> int:
        """Return how often the upstream was asked for these."""
        wanted = {encoded(name) for name in names}
        return sum(parse_query(wire).qname in wanted for wire in self.upstream.asked_over_udp)

    async def node(self, secret: bytes = SECRET, *, is_up: bool = True) -> Node:
        """Begin one more node, with nothing in its cache."""
        key_file = self.directory / f"{secret[:2].hex()}.key"
        key_file.write_bytes(secret)
        sharing = Sharing(NodesConfig(self.process.address, key_file), clock)
        # All nodes and clients are in one process, and what it does in one turn of its loop may take longer than 20 ms.
        sharing.cache.lookup_seconds = 2.0
        await self.stack.enter_async_context(running(sharing.store))
        if is_up:
            await until(lambda: sharing.store.is_up)
        config = Config((self.upstream.config(),), cache=self.rules)
        core = Core(config, self.tasks, shares=sharing.routes)
        self.stack.push_async_callback(core.close)
        return Node(core, sharing)


@asynccontextmanager
async def association(
    process: StoreProcess, directory: Path, *acts: fakes.Act, rules: CacheConfig | None = None
) -> AsyncIterator[Association]:
    """Yield nodes to be begun, whose upstream does `acts`."""
    upstream = FakeUpstream(udp=acts or (fakes.ANSWER,))
    rules = rules or CacheConfig(jitter_percent=0)
    async with upstream.running(), asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        found = Association(process, directory, upstream, tasks, stack, rules)
        yield found


def names(count: int, what: str) -> Sequence[str]:
    """Return so many names of as many domains, as there are limits on each."""
    return [f"www.{what}{number}.net" for number in range(count)]


async def said(store: Store, *command: Argument) -> Any:
    """Return what the store says to a command."""
    return await store.command(*command, seconds=5)


async def written(*nodes: Node) -> None:
    """Wait until nothing is on its way to the store."""
    await until(lambda: all(node.counts.writes_under_way == 0 for node in nodes))


async def test_a_node_that_begins_is_warm_and_asks_the_upstream_nothing(process: StoreProcess, tmp_path: Path) -> None:
    async with association(process, tmp_path) as nodes:
        first = await nodes.node()
        wanted = names(60, "warm")
        await asyncio.gather(*(first.ask(name) for name in wanted))
        asked = nodes.asked(wanted)
        assert asked >= len(wanted)
        await written(first)
        second = await nodes.node()
        replies = await asyncio.gather(*(second.ask(name) for name in wanted))
        assert nodes.asked(wanted) == asked
        assert all(reply.answer and reply.answer[0].ttl <= 300 for reply in replies)
        assert (second.counts.hits, second.counts.misses) == (len(wanted), 0)


async def test_an_answer_that_is_in_the_cache_asks_the_store_nothing(process: StoreProcess, tmp_path: Path) -> None:
    async with association(process, tmp_path) as nodes:
        node = await nodes.node()
        await node.ask("cached.example.net")
        await written(node)
        lookups = node.counts.lookups
        for _ in range(50):
            await node.ask("cached.example.net")
        assert (node.counts.lookups, node.counts.writes) == (lookups, 1)


async def test_equal_questions_at_several_nodes_at_once_go_out_once(
    process: StoreProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine must not let them wait in vain.
    monkeypatch.setattr("dohproxy.sharing.shared_cache.QUESTION_SECONDS", 5.0)
    monkeypatch.setattr("dohproxy.sharing.shared_route.WAIT_SECONDS", 10.0)
    monkeypatch.setattr("dohproxy.sharing.shared_route.LEAST_LEFT_SECONDS", 0.0)
    async with association(process, tmp_path, fakes.ANSWER.after(0.06)) as nodes:
        every = [await nodes.node() for _ in range(3)]
        wanted = names(5, "once")
        replies = await asyncio.gather(*(node.ask(name) for name in wanted for node in every for _ in range(3)))
        assert all(reply.answer for reply in replies)
        assert nodes.asked(wanted) == len(wanted)
        assert sum(node.counts.waits for node in every) == 2 * len(wanted)


async def test_a_node_that_dies_with_a_question_in_hand_delays_others_a_little(
    process: StoreProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dohproxy.sharing.shared_route.WAIT_SECONDS", 60.0)
    async with association(process, tmp_path, fakes.SILENCE, fakes.ANSWER) as nodes:
        dying, other = await nodes.node(), await nodes.node()
        asked = nodes.tasks.create_task(dying.ask("dying.example.net"))
        await nodes.upstream.wait_asked()
        dying.sharing.cache.stop()
        assert await other.timed("dying.example.net") < 0.15 + SPARE_SECONDS
        assert nodes.asked(["dying.example.net"]) == 2
        asked.cancel()


async def test_a_failure_of_one_is_not_tried_by_the_other(process: StoreProcess, tmp_path: Path) -> None:
    async with association(process, tmp_path, fakes.SERVFAIL) as nodes:
        first, second = await nodes.node(), await nodes.node()
        assert (await first.ask("broken.example.net")).rcode() == dns.rcode.SERVFAIL
        asked = nodes.upstream.asked
        await written(first)
        assert (await second.ask("broken.example.net")).rcode() == dns.rcode.SERVFAIL
        assert nodes.upstream.asked == asked
        assert second.counts.failures == 1


async def test_a_stale_answer_comes_from_the_other_node_where_the_upstream_fails(
    process: StoreProcess, tmp_path: Path
) -> None:
    rules = CacheConfig(jitter_percent=0, minimum_ttl_seconds=0, maximum_ttl_seconds=60)
    async with association(process, tmp_path, fakes.ANSWER, fakes.SERVFAIL, rules=rules) as nodes:
        first, second = await nodes.node(), await nodes.node()
        await first.ask("stale.example.net")
        await written(first)
        second.sharing.cache.wall_clock = lambda: time.time() + 100
        [answer] = (await second.ask("stale.example.net")).answer
        assert answer.ttl == rules.stale_answer_ttl_seconds
        assert second.counts.stale == 1
        assert nodes.upstream.asked > 1


async def test_what_the_store_sees_tells_no_name_and_no_answer(process: StoreProcess, tmp_path: Path) -> None:
    """By what MONITOR shows of everything that is said to it, and by all that lies in it afterwards."""
    wanted = ["secretlabel.example.net", "www.privateplace.org", "x.y.z.hiddenzone.com"]
    watching = socket.socket(socket.AF_UNIX)
    watching.connect(str(process.path))
    watching.settimeout(2)
    watching.sendall(b"MONITOR\r\n")
    async with association(process, tmp_path, fakes.ANSWER) as nodes:
        first, second = await nodes.node(), await nodes.node()
        for node in (first, second):
            for name in wanted:
                await node.ask(name)
        nodes.upstream.udp = (fakes.SERVFAIL,)
        await first.ask("failing.brokenplace.net")
        await written(first, second)
        store = first.sharing.store
        keys = await said(store, "KEYS", "*")
        kept = [await said(store, "GET", key) for key in keys]
        lives = [await said(store, "PTTL", key) for key in keys]
        await said(store, "ECHO", "the end")
    seen = b""
    while b'"the end"' not in seen:
        seen += watching.recv(1 << 20)
    watching.close()
    assert seen.count(b'"EVALSHA"') >= 8
    assert all(life > 0 for life in lives)
    all_of_it = b"\n".join((seen, *keys, *(value for value in kept if value is not None))).lower()
    address = socket.inet_aton("192.0.2.1")
    for name in (*wanted, "failing.brokenplace.net"):
        for label in (label.encode() for label in name.split(".") if len(label) > 3):
            assert label not in all_of_it
            assert label.hex().encode() not in all_of_it
    assert address not in all_of_it
    assert b"\\xc0\\x00\\x02\\x01" not in all_of_it
    # That a search finds what is there: the service's own keys.
    assert b"dohproxy:1:" in all_of_it


async def test_nodes_with_another_secret_share_nothing(process: StoreProcess, tmp_path: Path) -> None:
    async with association(process, tmp_path) as nodes:
        first, other = await nodes.node(), await nodes.node(bytes(32))
        await first.ask("apart.example.net")
        await written(first)
        await other.ask("apart.example.net")
        assert nodes.upstream.asked == 2
        assert (other.counts.hits, other.counts.unreadable) == (0, 0)


async def test_what_somebody_writes_into_the_store_is_not_believed(process: StoreProcess, tmp_path: Path) -> None:
    async with association(process, tmp_path) as nodes:
        first, second = await nodes.node(), await nodes.node()
        for name in names(5, "garbled"):
            await first.ask(name)
        await written(first)
        store = first.sharing.store
        keys = [key for key in await said(store, "KEYS", "*answer*") if b":failed" not in key]
        values = [await said(store, "GET", key) for key in keys]
        # Each in another's place, one cut, one of another kind.
        for key, value in zip(keys, values[1:] + values[:1], strict=True):
            await said(store, "SET", key, value, "PX", 100_000)
        await said(store, "SET", keys[0], b"\x00")
        await said(store, "DEL", keys[1])
        await said(store, "LPUSH", keys[1], "a")
        for name in names(5, "garbled"):
            assert (await second.ask(name)).answer
        assert second.counts.hits == 0
        assert second.counts.unreadable + second.counts.lost >= 5
        await said(store, "FLUSHALL")


async def test_a_full_store_is_read_and_nobody_notices_that_it_takes_nothing(
    process: StoreProcess, tmp_path: Path
) -> None:
    async with association(process, tmp_path) as nodes:
        first, second = await nodes.node(), await nodes.node()
        await first.ask("before.example.net")
        await written(first)
        store = first.sharing.store
        await said(store, "CONFIG", "SET", "maxmemory", 1)
        try:
            assert (await second.ask("before.example.net")).answer
            assert nodes.upstream.asked == 1
            assert (await first.ask("full.example.net")).answer
            await written(first)
            assert first.counts.writes_failed == 1
            assert first.sharing.store.is_up
        finally:
            await said(store, "CONFIG", "SET", "maxmemory", 0)


async def test_a_store_that_is_flushed_is_filled_again(process: StoreProcess, tmp_path: Path) -> None:
    async with association(process, tmp_path) as nodes:
        first, second = await nodes.node(), await nodes.node()
        await first.ask("one.example.net")
        await written(first)
        # Scripts too, as after a restart.
        await said(first.sharing.store, "FLUSHALL")
        await said(first.sharing.store, "SCRIPT", "FLUSH")
        await second.ask("one.example.net")
        await written(second)
        third = await nodes.node()
        await third.ask("one.example.net")
        assert nodes.upstream.asked == 2
        assert third.counts.hits == 1


async def test_a_store_that_hangs_delays_a_few_questions_by_their_patience_and_then_none(
    process: StoreProcess, tmp_path: Path
) -> None:
    async with association(process, tmp_path) as nodes:
        node = await nodes.node()
        node.sharing.cache.lookup_seconds = LOOKUP_SECONDS
        await node.ask("well.example.net")
        await written(node)
        process.freeze()
        try:
            begun = time.monotonic()
            took = [await node.timed(name) for name in names(5, "frozen")]
            assert median(took) < LOOKUP_SECONDS + SPARE_SECONDS
            await until(lambda: not node.sharing.store.is_up, 3)
            assert time.monotonic() - begun < 1.0 + SPARE_SECONDS
            lookups = node.counts.lookups
            assert await node.timed("down.example.net") < SPARE_SECONDS
            assert node.counts.lookups == lookups
        finally:
            process.thaw()
        await until(lambda: node.sharing.store.is_up, 5)
        await node.ask("back.example.net")
        await written(node)
        assert node.counts.writes_failed <= 5


async def test_a_store_that_is_not_there_or_dies_and_comes_back_changes_nothing_but_sharing(
    process: StoreProcess, tmp_path: Path
) -> None:
    process.end()
    try:
        async with association(process, tmp_path) as nodes:
            first, second = [await nodes.node(is_up=False) for _ in range(2)]
            for node in (first, second):
                assert await node.timed("alone.example.net") < SPARE_SECONDS
            assert nodes.upstream.asked == 2
            process.begin()
            await until(lambda: first.sharing.store.is_up and second.sharing.store.is_up, 5)
            await first.ask("again.example.net")
            await written(first)
            await second.ask("again.example.net")
            assert nodes.upstream.asked == 3
            process.end()
            await until(lambda: not first.sharing.store.is_up, 1)
            assert await first.timed("gone.example.net") < SPARE_SECONDS
    finally:
        process.end()
        process.begin()
