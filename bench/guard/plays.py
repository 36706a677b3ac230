"""The workloads. Each plays fixed bytes through doors and a walk that are built as the service builds them.

A play is an asynchronous generator of three parts. Up to its first `yield` it gets ready: opens its connection, has its
names fetched, warms the interpreter up. What it does up to the second is measured, and that gives the number of
requests. The rest checks that they were answered as the name of the play says.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import Final

from bench.guard import reference
from bench.guard.clients import STREAMS, Http2Bytes, name_of, statuses
from bench.guard.stage import CACHED, Failed, Stage
from bench.guard.stub import answer_to
from bench.peers.clients import target
from bench.questions import A, get, query
from dohproxy.wire.answer import parse_answer
from dohproxy.wire.query import parse_query

Play = Callable[[Stage], AsyncGenerator[int, None]]

REQUESTS: Final = 200
WARM: Final = 60
SECONDS_PER_FLIGHT: Final = 0.0005
MALFORMED: Final = "/dns-query?dns=AAAA"
OK, BAD_REQUEST, TOO_MANY_REQUESTS = 200, 400, 429

Flights = Callable[[Http2Bytes, int], list[bytes]]
"""Makes the bytes of so many requests, some at a time."""


async def steps(_: Stage) -> AsyncGenerator[int, None]:
    """The yardstick itself."""
    reference.steps(WARM)
    yield 0
    reference.steps(REQUESTS)
    yield REQUESTS


async def http1(wanted: Callable[[int], str], stage: Stage) -> AsyncGenerator[int, None]:
    """GETs of the names that `wanted` gives by number."""
    requests = [get(query(wanted(number), A)) for number in range(WARM + REQUESTS)]
    await stage.fetch({wanted(number) for number in range(WARM + REQUESTS)})
    door, sink = stage.open_http1()
    for request in requests[:WARM]:
        door.data_received(request)
    sink.written.clear()
    yield 0
    for request in requests[WARM:]:
        stage.clock.now += SECONDS_PER_FLIGHT
        door.data_received(request)
    yield REQUESTS
    good = sum(data.startswith(b"HTTP/1.1 200 ") for data in sink.written)
    if good != REQUESTS:
        raise Failed(f"{good} of {REQUESTS} answers are good")


async def http2(make: Flights, status: int, stage: Stage, *, limited: bool = False) -> AsyncGenerator[int, None]:
    """Requests that are answered where they arrive, all with this status but the first."""
    speaker = Http2Bytes()
    # A client that never sends a good query is soon cut off, and one over its limit has had its one answer.
    first, warm = speaker.get(target(CACHED)), make(speaker, WARM)
    flights = make(speaker, REQUESTS)
    door, sink = stage.open_http2(limited=limited)
    for flight in (speaker.hello, first, *warm):
        door.data_received(flight)
    warmed = len(sink.written)
    yield 0
    for flight in flights:
        stage.clock.now += SECONDS_PER_FLIGHT
        door.data_received(flight)
    yield REQUESTS
    _check(sink.written, warmed, status)


async def misses(stage: Stage) -> AsyncGenerator[int, None]:
    """Names that are all new, asked of an upstream in the same process: its part of the figure never changes."""
    speaker = Http2Bytes()
    names = [name_of("miss", number) for number in range(WARM + REQUESTS)]
    warm, flights = speaker.gets(names[:WARM]), speaker.gets(names[WARM:])
    door, sink = stage.open_http2()
    for flight in (speaker.hello, *warm):
        door.data_received(flight)
        await sink.until_ended(flight)
    warmed = len(sink.written)
    yield 0
    for flight in flights:
        stage.clock.now += SECONDS_PER_FLIGHT
        door.data_received(flight)
        await sink.until_ended(flight)
    yield REQUESTS
    _check(sink.written, warmed, OK)


async def connections(stage: Stage) -> AsyncGenerator[int, None]:
    """New HTTP/2 connections that ask once: all of it but the kernel's part and OpenSSL's."""
    speaker = Http2Bytes()
    flight = speaker.get(target(CACHED))
    count, last = REQUESTS // STREAMS, None
    for number in range(2 * count):
        if number == count:
            yield 0
        stage.clock.now += SECONDS_PER_FLIGHT
        door, last = stage.open_http2()
        door.data_received(speaker.hello + flight)
        door.connection_lost(None)
    yield count
    if last is None or statuses(last.written) != [OK]:
        raise Failed("the last connection got no answer")


async def answers(_: Stage) -> AsyncGenerator[int, None]:
    """Answers of an upstream, each read in full."""
    asked = query(CACHED, A)
    wire, parsed = answer_to(asked, records=4), parse_query(asked)
    for number in range(WARM + REQUESTS):
        if number == WARM:
            yield 0
        parse_answer(wire, parsed)
    yield REQUESTS


def _check(written: Sequence[bytes], warmed: int, status: int) -> None:
    found = statuses(written)
    measured = found[len(found) - REQUESTS :]
    if warmed >= len(written) or measured != [status] * REQUESTS:
        raise Failed(f"{measured.count(status)} of {REQUESTS} answers have status {status}")


def _same(size: int) -> Flights:
    return lambda speaker, count: speaker.gets([CACHED] * count, size)


def _posts(speaker: Http2Bytes, count: int) -> list[bytes]:
    return speaker.posts([CACHED] * count)


def _broken(speaker: Http2Bytes, count: int) -> list[bytes]:
    return speaker.gets_of([MALFORMED] * count)


def _always(_: int) -> str:
    return CACHED


async def _others(stage: Stage) -> AsyncGenerator[int, None]:
    """Names that are in the cache, none of them asked for before on this connection or any other of this kind."""
    names = [name_of("other", number) for number in range(WARM + REQUESTS)]
    await stage.fetch(names)
    left = iter(names)
    async for count in http2(lambda speaker, count: speaker.gets([next(left) for _ in range(count)]), OK, stage):
        yield count


YARDSTICK: Final = "reference"
PLAYS: Final[dict[str, Play]] = {
    YARDSTICK: steps,
    "cached GET, HTTP/1.1": partial(http1, _always),
    "cached GET, HTTP/1.1, each name for the first time": partial(http1, partial(name_of, "first")),
    "cached GET, HTTP/2, 1 stream": partial(http2, _same(1), OK),
    "cached GET, HTTP/2, 10 streams": partial(http2, _same(STREAMS), OK),
    "cached POST, HTTP/2, 10 streams": partial(http2, _posts, OK),
    "cached GET, HTTP/2, 10 streams, each name for the first time": _others,
    "malformed, HTTP/2, 10 streams": partial(http2, _broken, BAD_REQUEST),
    "over its limit, HTTP/2, 10 streams": partial(http2, _same(STREAMS), TOO_MANY_REQUESTS, limited=True),
    "new connection without TLS, one query": connections,
    "misses, HTTP/2, 10 streams": misses,
    "reading an answer": answers,
}
