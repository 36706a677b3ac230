"""The workloads. Each plays fixed bytes through frontends and a walk that are built as the service builds them.

A play is an asynchronous generator of three parts. Up to its first `yield` it gets ready: opens its connection, has its
names fetched, warms the interpreter up. What it does up to the second is measured, and that gives the number of
requests. The rest checks that they were answered as the name of the play says.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import Final

from bench.guard import reference
from bench.guard.clients import STREAMS, Http2Bytes, dot_flights, name_of, statuses
from bench.guard.stage import CACHED, Failed, Stage
from bench.guard.stub import answer_to
from bench.guard.verdict import BEFORE_LIMITS, PAGE_VIEW
from bench.peers.clients import target
from bench.peers.speakers import DotReader
from bench.questions import MEDIA_TYPE, A, get, query
from dohproxy.http1.limits import MOST_CHUNKS, MOST_FIELDS
from dohproxy.http2.hpack import EXCESS_FIELDS
from dohproxy.http2.limits import Http2Limits
from dohproxy.wire.answer import parse_answer
from dohproxy.wire.query import parse_query

Play = Callable[[Stage], AsyncGenerator[int, None]]

REQUESTS: Final = 200
WARM: Final = 60
SECONDS_PER_FLIGHT: Final = 0.0005
MALFORMED: Final = "/dns-query?dns=AAAA"
OK, BAD_REQUEST, TOO_MANY_REQUESTS, TOO_LARGE = 200, 400, 429, 431
LIMITS: Final = Http2Limits()

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
    async for count in _http1(requests, stage):
        yield count


async def http1_pages(stage: Stage) -> AsyncGenerator[int, None]:
    """Views of the status page by a browser that comes again."""
    head = b"GET / HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\naccept-language: fr,en;q=0.5\r\n\r\n"
    async for count in _http1([head] * (WARM + REQUESTS), stage):
        yield count


async def _http1(requests: Sequence[bytes], stage: Stage) -> AsyncGenerator[int, None]:
    frontend, sink = stage.open_http1()
    for request in requests[:WARM]:
        frontend.data_received(request)
    sink.written.clear()
    yield 0
    for request in requests[WARM:]:
        stage.clock.now += SECONDS_PER_FLIGHT
        frontend.data_received(request)
    yield REQUESTS
    good = sum(data.startswith(b"HTTP/1.1 200 ") for data in sink.written)
    if good != REQUESTS:
        raise Failed(f"{good} of {REQUESTS} answers are good")


async def http1_over_limit(make: Callable[[int], bytes], stage: Stage) -> AsyncGenerator[int, None]:
    """Requests by number, of a client that is over its limit: what they cost before that is found."""
    requests = [make(number) for number in range(WARM + REQUESTS)]
    frontend, sink = stage.open_http1(limited=True)
    for request in requests[:WARM]:  # The first of them is all that the limit lets through.
        frontend.data_received(request)
    sink.written.clear()
    yield 0
    for request in requests[WARM:]:
        stage.clock.now += SECONDS_PER_FLIGHT
        frontend.data_received(request)
    yield REQUESTS
    refused = sum(data.startswith(b"HTTP/1.1 429 ") for data in sink.written)
    if refused != REQUESTS:
        raise Failed(f"{refused} of {REQUESTS} requests were refused for their client's limit")


async def http2(
    make: Flights, status: int, stage: Stage, *, limited: bool = False, banned: bool = False
) -> AsyncGenerator[int, None]:
    """Requests that are answered where they arrive, all with this status but the first."""
    speaker = Http2Bytes()
    # A client that never sends a good query is soon cut off; one over its limit or banned has had its one answer.
    first, warm = speaker.get(target(CACHED)), make(speaker, WARM)
    flights = make(speaker, REQUESTS)
    frontend, sink = stage.open_http2(limited=limited, banned=banned)
    for flight in (speaker.hello, first):
        frontend.data_received(flight)
    if banned:
        await sink.until_ended(first)
        stage.ban()
    for flight in warm:
        frontend.data_received(flight)
    warmed = len(sink.written)
    yield 0
    for flight in flights:
        stage.clock.now += SECONDS_PER_FLIGHT
        frontend.data_received(flight)
    yield REQUESTS
    _check(sink.written, warmed, status)


async def dot(size: int, stage: Stage) -> AsyncGenerator[int, None]:
    """Queries for a cached name over DoT, so many at a time."""
    warm, flights = dot_flights([CACHED] * WARM, size), dot_flights([CACHED] * REQUESTS, size)
    frontend, sink = stage.open_dot()
    for flight in warm:
        frontend.data_received(flight)
    sink.written.clear()
    yield 0
    for flight in flights:
        stage.clock.now += SECONDS_PER_FLIGHT
        frontend.data_received(flight)
    yield REQUESTS
    reader = DotReader()
    reader.read(b"".join(sink.written))
    if reader.answers != REQUESTS:
        raise Failed(f"{reader.answers} of {REQUESTS} answers are good")


async def misses(stage: Stage) -> AsyncGenerator[int, None]:
    """Names that are all new, asked of an upstream in the same process: its part of the figure never changes."""
    speaker = Http2Bytes()
    names = [name_of("miss", number) for number in range(WARM + REQUESTS)]
    warm, flights = speaker.gets(names[:WARM]), speaker.gets(names[WARM:])
    frontend, sink = stage.open_http2()
    for flight in (speaker.hello, *warm):
        frontend.data_received(flight)
        await sink.until_ended(flight)
    warmed = len(sink.written)
    yield 0
    for flight in flights:
        stage.clock.now += SECONDS_PER_FLIGHT
        frontend.data_received(flight)
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
        frontend, last = stage.open_http2()
        frontend.data_received(speaker.hello + flight)
        frontend.connection_lost(None)
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


def _pages(speaker: Http2Bytes, count: int) -> list[bytes]:
    return [speaker.get("/fr") for _ in range(count)]


def _broken(speaker: Http2Bytes, count: int) -> list[bytes]:
    return speaker.gets_of([MALFORMED] * count)


def _field_lines(number: int) -> bytes:
    """As many fields as there may be, and new ones each time: what is said again is not read again."""
    lines = b"".join(b"x%d:%d\r\n" % (field, number) for field in range(MOST_FIELDS - 1))
    return b"GET /dns-query HTTP/1.1\r\nhost: localhost\r\n" + lines + b"\r\n"


def _chunks(number: int) -> bytes:
    """As many chunks as a body may have."""
    head = b"POST /dns-query?%d HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n" % number
    return head + b"1\r\nx\r\n" * (MOST_CHUNKS - 1) + b"0\r\n\r\n"


def _fields(speaker: Http2Bytes, count: int) -> list[bytes]:
    """As many fields as there may be, and new ones each time."""
    names = [f"x{field}" for field in range(LIMITS.max_fields - 4)]
    return [speaker.spelled("/dns-query", [(name, str(number)) for name in names]) for number in range(count)]


def _table_entries(speaker: Http2Bytes, count: int) -> list[bytes]:
    """As many fields as are still followed, each of which goes into the dynamic table and pushes another out."""
    block = speaker.spelled("/dns-query", [])[9:]
    block += b"\x60\x00" * (LIMITS.max_fields + EXCESS_FIELDS - 4)
    return [speaker.head(block) for _ in range(count)]


def _huffman(speaker: Http2Bytes, count: int) -> list[bytes]:
    """The longest block that costs a connection nothing, all of it in Huffman's code."""
    size = LIMITS.free_block_bytes * 8 // 5 - 100
    return [speaker.spelled("/dns-query", [("x", f"{number:03}{'aeiost' * size}"[:size])]) for number in range(count)]


def _always(_: int) -> str:
    return CACHED


async def _others(stage: Stage) -> AsyncGenerator[int, None]:
    """Names that are in the cache, none of them asked for before on this connection or any other of this kind."""
    names = [name_of("other", number) for number in range(WARM + REQUESTS)]
    await stage.fetch(names)
    left = iter(names)
    async for count in http2(lambda speaker, count: speaker.gets([next(left) for _ in range(count)]), OK, stage):
        yield count


def _known_paths(speaker: Http2Bytes, count: int) -> list[bytes]:
    """Names that are known by now, from a client that leaves paths out of the dynamic table, as curl does."""
    fields = [("accept", MEDIA_TYPE), ("user-agent", "curl/8.5.0")]
    gets = [speaker.spelled(target(name_of("again", number % 20)), fields) for number in range(count)]
    return [b"".join(gets[start : start + STREAMS]) for start in range(0, count, STREAMS)]


async def _again(stage: Stage) -> AsyncGenerator[int, None]:
    await stage.fetch([name_of("again", number) for number in range(20)])
    async for count in http2(_known_paths, OK, stage):
        yield count


YARDSTICK: Final = "reference"
PLAYS: Final[dict[str, Play]] = {
    YARDSTICK: steps,
    "cached GET, HTTP/1.1": partial(http1, _always),
    "cached GET, HTTP/1.1, each name for the first time": partial(http1, partial(name_of, "first")),
    "cached GET, HTTP/2, 1 stream": partial(http2, _same(1), OK),
    "cached GET, HTTP/2, 10 streams": partial(http2, _same(STREAMS), OK),
    "cached POST, HTTP/2, 10 streams": partial(http2, _posts, OK),
    "cached query, DoT, 1 in flight": partial(dot, 1),
    "cached query, DoT, 10 in flight": partial(dot, STREAMS),
    "cached GET, HTTP/2, 10 streams, each name for the first time": _others,
    "cached GET, HTTP/2, 10 streams, the path alone changes": _again,
    f"{PAGE_VIEW}HTTP/1.1": http1_pages,
    f"{PAGE_VIEW}HTTP/2": partial(http2, _pages, OK),
    "malformed, HTTP/2, 10 streams": partial(http2, _broken, BAD_REQUEST),
    "over its limit, HTTP/2, 10 streams": partial(http2, _same(STREAMS), TOO_MANY_REQUESTS, limited=True),
    "banned, HTTP/2, 10 streams": partial(http2, _same(STREAMS), TOO_MANY_REQUESTS, banned=True),
    **{
        f"{BEFORE_LIMITS}{name}": play
        for name, play in {
            "64 fields, HTTP/1.1": partial(http1_over_limit, _field_lines),
            "44 chunks, HTTP/1.1": partial(http1_over_limit, _chunks),
            "63 fields, HTTP/2": partial(http2, _fields, TOO_MANY_REQUESTS, limited=True),
            "76 table entries, HTTP/2": partial(http2, _table_entries, TOO_LARGE, limited=True),
            "704 bytes of Huffman's code, HTTP/2": partial(http2, _huffman, TOO_MANY_REQUESTS, limited=True),
        }.items()
    },
    "new connection without TLS, one query": connections,
    "misses, HTTP/2, 10 streams": misses,
    "reading an answer": answers,
}
