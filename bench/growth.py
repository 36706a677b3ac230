"""CPU time of a cached answer as the cache and the crowd grow, and the longest pause of a full cache. Takes minutes.

Run as `python -m bench.growth`. One process, the real walk (`Pipeline.read`, `Pipeline.begin`) with real limits and a
real cache, no sockets. Two things grow, each with the other one fixed:

entries   10^3 to 10^6 answers in the cache, asked for in two ways: names at random, every request read anew and looked
          up; and the 1,000 most popular names by Zipf's law through `RequestCache`, as a frontend does it, where most
          requests are repeats and the look-up is seldom reached.
clients   10 to 10^6 addresses in the limiter's tables; all ask for one name, the cheapest request there is. Chosen at
          random, and ten of them again and again: the difference is what the memory of many clients costs, not the
          limiter.

The sizes take turns, the best of several rounds counts, and what is shown is CPU time, in nanoseconds and as a ratio to
the smallest size. Reading at random from a larger heap is dearer in any program, because less of it is in the
processor's caches: so a plain dict with the same keys is read in the same order beside it. That much is the memory's;
the rest of the growth is ours.

Before, a cache is filled with 10^6 answers and takes as many misses again as make it move its tables: the CPU time of
the longest single one, in which nobody else has a turn. The collector's part in that is told apart, and how long it
would take for a look at everything there is.
"""

import argparse
import asyncio
import gc
import random
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Final

from bench.memory_per_entry import SHAPES, keep
from bench.names import ZIPF_EXPONENT
from bench.questions import PATH, A, query
from dohproxy.builders import clock
from dohproxy.cache import Cache
from dohproxy.config import CacheConfig, read
from dohproxy.core import Core
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.frontends.request_cache import CachedRequest, RequestCache
from dohproxy.frontends.service import Service
from dohproxy.outcomes import Client, Frontend
from dohproxy.policy.identity import Identities
from dohproxy.wire.answer import parse_answer
from dohproxy.wire.query import parse_query

ENTRIES: Final = (1_000, 10_000, 100_000, 1_000_000)
CLIENTS: Final = (10, 1_000, 100_000, 1_000_000)
POPULAR: Final = 1_000
REQUESTS: Final = 20_000
"""In one round of one size, made beforehand."""
ROUNDS: Final = 7
PAUSE_STORES: Final = 600_000
"""More than a table of 10^6 takes before it is moved, and the collector before it looks at everything."""
TTL: Final = 86_400
"""So that nothing ends while it is measured."""
CONFIG: Final = """
[limits]
requests_per_second = 100000
requests_burst = 1000000
total_requests_per_second = 1000000
total_requests_burst = 1000000
[cache]
max_megabytes = 8192
[[upstream]]
name = "nobody"
url = "udp://127.0.0.1:9"
"""
"""Every limit is kept and none is reached, and there is room for all; nobody is ever asked."""


def name_of(number: int) -> str:
    """The name of an entry: 27 bytes on the wire."""
    return f"www.host{number:06}.example.net"


def fill(cache: Cache, entries: int, now: float) -> None:
    """Store so many answers of one address."""
    address = b"\xc0\x0c" + struct.pack("!HHIH", A, 1, TTL, 4)
    for number in range(entries):
        asked = parse_query(query(name_of(number), A))
        wire = struct.pack("!6H", 0, 0x8180, 1, 1, 0, 0) + asked.question + address + struct.pack("!I", number)
        cache.store(asked.key, parse_answer(wire, asked), now)


def request_for(number: int) -> HttpRequest:
    """The usual request for the name of an entry, of bytes that no other one shares."""
    return HttpRequest("POST", PATH, query(name_of(number), A), content_type="application/dns-message")


@dataclass(slots=True)
class Row:
    """One size of one thing that grows."""

    size: int
    run: Callable[[], None]
    best: float = float("inf")
    """Nanoseconds of CPU time for each request."""


def take_turns(rows: Sequence[Row], requests: int, rounds: int) -> None:
    """Measure every size in every round."""
    for _ in range(rounds):
        for row in rows:
            gc.collect(1)
            before = time.process_time_ns()
            row.run()
            row.best = min(row.best, (time.process_time_ns() - before) / requests)


def answered(response: object) -> None:
    """Exit if a request was not answered: nothing but hits may be measured."""
    if not isinstance(response, HttpResponse) or response.status != 200:
        raise SystemExit(f"not answered from the cache: {response}")


def ask_anew(service: Service, requests: Sequence[HttpRequest], client: Client) -> Callable[[], None]:
    """Every request read as if nobody had ever sent it."""

    def run() -> None:
        response = None
        for request in requests:
            now = clock()
            response = service.begin(service.read(request, Frontend.HTTP2), client, now)
        answered(response)

    return run


def ask_known(service: Service, requests: Sequence[HttpRequest], client: Client) -> Callable[[], None]:
    """Every request through what a frontend knows."""
    known_requests = RequestCache()

    def run() -> None:
        response = None
        for request in requests:
            now = clock()
            known = known_requests.find(request.body, service.pipeline.rules_version)
            if known is None:
                known = CachedRequest(service.read(request, Frontend.HTTP2), len(request.body))
                known_requests.remember(request.body, known)
            response = service.begin(known.parsed, client, now)
        answered(response)

    return run


def ask_as(service: Service, request: HttpRequest, clients: Sequence[Client]) -> Callable[[], None]:
    """One request, from one client after the other."""
    parsed = service.read(request, Frontend.HTTP2)

    def run() -> None:
        response = None
        for client in clients:
            response = service.begin(parsed, client, clock())
        answered(response)

    return run


def look_up(table: dict[bytes, bytes], keys: Sequence[bytes]) -> Callable[[], None]:
    """What the memory makes of it: a look-up in a plain dict, and one byte of what is found."""

    def run() -> None:
        found = 0
        for key in keys:
            found += table[key][-1]
        if not found:
            raise SystemExit("nothing was read")

    return run


def numbers_at_random(size: int) -> list[int]:
    """Numbers of entries, each as likely as the other."""
    return random.Random(size).choices(range(size), k=REQUESTS)  # noqa: S311 - the same in every run


def popular_numbers() -> list[int]:
    """Numbers of the most popular entries, by Zipf's law."""
    weights = list(accumulate(1 / rank**ZIPF_EXPONENT for rank in range(1, POPULAR + 1)))
    return random.Random(7).choices(range(POPULAR), cum_weights=weights, k=REQUESTS)  # noqa: S311 - as above


def plain_dict(size: int) -> Row:
    """A plain dict as large as a cache, with keys that are equal to its own and not the same objects."""
    table = {parse_query(query(name_of(number), A)).key: b"%08x" % number for number in range(size)}
    keys = [parse_query(query(name_of(number), A)).key for number in numbers_at_random(size)]
    return Row(size, look_up(table, keys))


def show(title: str, rows: Sequence[Row]) -> None:
    """One block of the table."""
    print(title)
    for row in rows:
        print(f"  {row.size:>9,}{row.best:>9.0f} ns{row.best / rows[0].best:>7.2f}", flush=True)


async def measure(sizes: Sequence[int], crowds: Sequence[int], rounds: int) -> None:
    """Build everything, let the sizes take turns, and print."""
    config = read(CONFIG, directory=Path())
    identities = Identities(bytes(32))
    one_client = identities.client(b"\xc0\x00\x02\x01")
    at_random, popular, crowd, few = [], [], [], []
    async with asyncio.TaskGroup() as tasks:
        for size in sizes:
            core = Core(config, tasks)
            service = core.service
            fill(core.cache, size, clock())
            requests = [request_for(number) for number in numbers_at_random(size)]
            at_random.append(Row(size, ask_anew(service, requests, one_client)))
            favourites = [request_for(number) for number in popular_numbers()]
            popular.append(Row(size, ask_known(service, favourites, one_client)))
        for size in crowds:
            core = Core(config, tasks)
            fill(core.cache, 1, clock())
            clients = crowd_of(core.service, identities, size)
            crowd.append(Row(size, ask_as(core.service, request_for(0), clients)))
            ten = (clients[:10] * REQUESTS)[:REQUESTS]
            few.append(Row(size, ask_as(core.service, request_for(0), ten)))
        dicts = [plain_dict(size) for size in sizes]
        gc.freeze()
        for rows in (at_random, dicts, popular, crowd, few):
            take_turns(rows, REQUESTS, rounds)
        gc.unfreeze()
    show("entries in the cache, names at random, every request read anew", at_random)
    show("entries of a plain dict, keys at random: the memory's share", dicts)
    show("entries in the cache, the 1,000 popular names through what a frontend knows", popular)
    show("clients in the limiter's tables, at random", crowd)
    show("clients in the limiter's tables, ten of them ask", few)


def crowd_of(service: Service, identities: Identities, size: int) -> list[Client]:
    """Let so many addresses ask once; return those that will ask again."""
    parsed = service.read(request_for(0), Frontend.HTTP2)
    for number in range(size):
        service.begin(parsed, identities.client((0x0B00_0000 + 7 * number).to_bytes(4)), clock())
    return [identities.client((0x0B00_0000 + 7 * number).to_bytes(4)) for number in numbers_at_random(size)]


@dataclass(slots=True)
class Pauses:
    """CPU time in seconds of the longest single store, and of the longest collection."""

    store: float = 0.0
    collection: float = 0.0
    _began: float = 0.0

    def see_collection(self, phase: str, _: dict[str, int]) -> None:
        """For `gc.callbacks`."""
        now = time.thread_time()
        if phase == "start":
            self._began = now
        else:
            self.collection = max(self.collection, now - self._began)


def longest_pauses(entries: int, stores: int) -> dict[str, Pauses]:
    """Fill a cache of so many entries to its bounds, and store some more."""
    probe = Cache(CacheConfig(max_megabytes=16))
    keep(probe, SHAPES[0], 0)
    share = 1 - CacheConfig().negative_share_percent / 100
    megabytes = int(entries * probe.statistics().positive_bytes / share / 1_048_576)
    cache = Cache(CacheConfig(max_megabytes=megabytes), random.random)
    gc.freeze()  # As the server does once everything is built.
    found = {"filling it": Pauses(), "once it is full": Pauses()}
    numbers = iter(range(2 * entries + stores))
    for pauses, most in zip(found.values(), (entries, stores), strict=True):
        gc.callbacks.append(pauses.see_collection)
        for number in islice(numbers, most):
            before = time.thread_time()
            keep(cache, SHAPES[0], number)
            pauses.store = max(pauses.store, time.thread_time() - before)
        gc.callbacks.pop()
    if not cache.statistics().evictions:
        raise SystemExit("the cache was not full")
    began = time.thread_time()
    gc.collect()
    found["all that the collector could have to do"] = Pauses(collection=time.thread_time() - began)
    gc.unfreeze()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--most", type=int, default=ENTRIES[-1], help="entries and clients; larger sizes are left out")
    arguments = parser.parse_args()
    sizes = [size for size in ENTRIES if size <= arguments.most]
    # First: what others leave behind would be in the collector's way too.
    print(f"a cache of {sizes[-1]:,}, longest store and longest collection among them, CPU time")
    for phase, pauses in longest_pauses(sizes[-1], PAUSE_STORES).items():
        print(f"  {phase:40}{pauses.store * 1e3:7.1f} ms{pauses.collection * 1e3:7.1f} ms", flush=True)
    asyncio.run(measure(sizes, [size for size in CLIENTS if size <= arguments.most], arguments.rounds))


if __name__ == "__main__":
    main()
