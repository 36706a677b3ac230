"""What one cache behind the caches costs and spares: CPU time per miss with and without a store, and questions that an
upstream is not asked. Takes a minute; needs redis-server.

Run as `python -m bench sharing`. Whole services but for the frontends, in this process, with a real store at a
Unix socket; the upstream has a thread of its own, and what that spends is not counted. The cases take turns, so that a
busy machine costs all of them the same.
"""

import asyncio
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import uvloop

from bench.guard.stub import stub_upstream
from bench.targets import Target, print_table, print_targets
from dohproxy.builders import clock
from dohproxy.config import Config, NodesConfig, UpstreamConfig
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.core import Core
from dohproxy.doh.exchange import HttpRequest
from dohproxy.exits import Miss
from dohproxy.outcomes import NOBODY, Frontend
from dohproxy.sharing.sharing import Sharing
from tests.fakes.limits import AMPLE
from tests.fakes.store import SECRET, StoreProcess, running, store_process, until
from tests.fakes.walk import ask_for

MISSES: Final = 1_000
"""Of each case in each round."""
AT_ONCE: Final = 10
ROUNDS: Final = 7
NODES: Final = (1, 2, 5)
QUERIES: Final = 6_000
NAMES: Final = 4_000
MOST_MORE_MICROSECONDS: Final = 400.0
"""That a miss may cost more with a store: a hundred a second are then 4 % of a core."""


class Node:
    """One service, with or without a store."""

    def __init__(self, upstream: int, tasks: asyncio.TaskGroup, sharing: Sharing | None) -> None:
        asked = UpstreamConfig(
            "stub",
            UpstreamAddress("udp", "127.0.0.1", upstream),
            queries_per_second=100_000.0,
            burst=100_000,
            in_flight=1_000,
        )
        config = Config((asked,), limits=AMPLE)
        self.sharing = sharing
        self.core = Core(config, tasks, shares=None if sharing is None else sharing.routes)

    async def ask(self, name: str) -> None:
        """Ask as a client does."""
        service = self.core.service
        request = HttpRequest("POST", "/dns-query", ask_for(name), content_type="application/dns-message")
        found = service.begin(service.read(request, Frontend.HTTP1), NOBODY, clock())
        response = await service.resolve(found) if isinstance(found, Miss) else found
        if response.status != 200:
            raise SystemExit(f"{name} was answered with status {response.status}")

    @property
    def sent(self) -> int:
        """Queries that went to the upstream."""
        return sum(sum(one.sends.values()) for one in self.core.resolver.statistics(clock()).upstreams)

    async def written(self) -> None:
        """Wait until nothing is on its way to the store."""
        sharing = self.sharing
        if sharing is not None:
            await until(lambda: sharing.cache.statistics().writes_under_way == 0)


@contextmanager
def upstream_in_a_thread() -> Iterator[int]:
    """Run the upstream beside us and give its port."""
    port: list[int] = []
    begun, ending = threading.Event(), threading.Event()

    async def serve() -> None:
        async with stub_upstream() as found:
            port.append(found)
            begun.set()
            await asyncio.to_thread(ending.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    begun.wait()
    try:
        yield port[0]
    finally:
        ending.set()
        thread.join()


@asynccontextmanager
async def nodes_of(store: StoreProcess | None, directory: Path, upstream: int, count: int) -> AsyncIterator[list[Node]]:
    """Begin so many, with empty caches."""
    key_file = directory / "nodes.key"
    key_file.write_bytes(SECRET)
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        found = []
        for _ in range(count):
            sharing = None
            if store is not None:
                sharing = Sharing(NodesConfig(store.address, key_file, lookup_milliseconds=100), clock)
                await stack.enter_async_context(running(sharing.store))
                await until(lambda sharing=sharing: sharing.store.is_up)  # type: ignore[misc]
            node = Node(upstream, tasks, sharing)
            stack.push_async_callback(node.core.close)
            found.append(node)
        yield found


async def spend(node: Node, names: Sequence[str]) -> float:
    """Ask for all names, some at once; return the CPU time of one, in microseconds."""
    before = time.thread_time()
    for start in range(0, len(names), AT_ONCE):
        await asyncio.gather(*(node.ask(name) for name in names[start : start + AT_ONCE]))
    spent = time.thread_time() - before
    await node.written()
    return spent / len(names) * 1e6


async def costs(store: StoreProcess, directory: Path, upstream: int) -> dict[str, float]:
    """Return what a miss costs in each case: the median of the rounds."""
    found: dict[str, list[float]] = {"alone": [], "asked, and written to the store": [], "found in the store": []}
    for number in range(-1, ROUNDS):
        names = [f"www.n{name}r{number}.net" for name in range(MISSES)]
        async with nodes_of(None, directory, upstream, 1) as [alone]:
            figures = [await spend(alone, names)]
        async with nodes_of(store, directory, upstream, 2) as [first, second]:
            figures += [await spend(first, names), await spend(second, names)]
            if second.sent:
                raise SystemExit(f"the second node has asked {second.sent} times")
        if number >= 0:  # The first round warms up.
            for case, figure in zip(found.values(), figures, strict=True):
                case.append(figure)
    return {name: statistics.median(case) for name, case in found.items()}


async def spared(store: StoreProcess | None, directory: Path, upstream: int, count: int) -> tuple[int, float]:
    """Have clients ask for names as popular as names are, each time any of the nodes; return how many questions went to
    the upstream, and which part of the misses the store answered."""
    drawn = random.Random(count)  # noqa: S311 - a workload, the same each time
    weights = [1 / rank for rank in range(1, NAMES + 1)]
    wanted = [
        f"www.p{count}s{store is not None}n{number}.net" for number in drawn.choices(range(NAMES), weights, k=QUERIES)
    ]
    async with nodes_of(store, directory, upstream, count) as nodes:
        for start in range(0, QUERIES, AT_ONCE):
            await asyncio.gather(*(drawn.choice(nodes).ask(name) for name in wanted[start : start + AT_ONCE]))
        await asyncio.gather(*(node.written() for node in nodes))
        sent = sum(node.sent for node in nodes)
        every = [node.sharing.cache.statistics() for node in nodes if node.sharing is not None]
        lookups = sum(one.lookups for one in every)
        return sent, sum(one.hits for one in every) / lookups if lookups else 0.0


def main() -> None:
    """Measure, print, exit with 1 if a target is missed."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise SystemExit("redis-server is not installed; on Debian: apt-get install redis-server")
    with (
        tempfile.TemporaryDirectory() as directory,
        store_process(program, Path(directory)) as store,
        upstream_in_a_thread() as upstream,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        place = Path(directory)
        costly = runner.run(costs(store, place, upstream))
        print_table(("a miss", "us of CPU"), [(name, round(figure, 1)) for name, figure in costly.items()])
        rows: list[tuple[object, ...]] = []
        for count in NODES:
            without, _ = runner.run(spared(None, place, upstream, count))
            with_store, share = runner.run(spared(store, place, upstream, count))
            rows.append((count, QUERIES, without, with_store, round(100 * share, 1)))
        print_table(("nodes", "queries", "asked without", "asked with", "% of misses"), rows)
    alone, asked, _ = costly.values()
    more = Target("a miss with a store, more than without, us", asked - alone, "<=", MOST_MORE_MICROSECONDS)
    sys.exit(not print_targets([more]))


if __name__ == "__main__":
    main()
