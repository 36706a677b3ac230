"""What must hold whatever bytes an HTTP/1.1 client sends. The fuzz target calls this, and so does pytest.

1. `next_request` raises nothing but BadRequest, and after that, or a last request, there is nothing more.
2. How the bytes are cut changes neither the requests nor whether there is a fault; of two faults in the same request,
   one of them a limit, either may be told.
3. What is held of a request that is not whole is bounded.
4. A request is the same to `h11`, which is given exactly its bytes.
5. What `h11` takes where we find a fault, we refuse for a difference that is listed here.
6. The frontend answers each request once and in order, whether its bytes are known or new, at once or later.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, Final, cast

import h11

from dohproxy.authority import is_authority
from dohproxy.config import ClientsConfig, ConnectionsConfig
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.exits import Arrival, Miss
from dohproxy.frontends.client_resolver import ClientResolver
from dohproxy.frontends.connections import Connections
from dohproxy.frontends.http1.connection import Http1Server
from dohproxy.frontends.http1.parsing import REASONS
from dohproxy.frontends.service import Service
from dohproxy.http1.connection import Http1Connection, Request
from dohproxy.http1.errors import BadRequest, Fault
from dohproxy.http1.limits import LONGEST_CHUNK_LINE, LONGEST_FIELD, LONGEST_HEAD
from dohproxy.outcomes import OUTCOMES, Client, Frontend, Priority, Reason
from dohproxy.parsed_request import ParsedRequest
from dohproxy.policy.identity import Identities
from dohproxy.policy.penalties import Offence
from dohproxy.policy.request_limiter import MissSlot
from dohproxy.policy.standing import Standing
from dohproxy.upstream.sends import Stoppable
from dohproxy.wire.query import Query

MOST_BYTES: Final = 1_024
MOST_HELD: Final = max(LONGEST_HEAD, MOST_BYTES, LONGEST_CHUNK_LINE, LONGEST_FIELD) + 4
MOST_PIECES: Final = 512
"""Long inputs are cut into larger pieces: byte by byte they take most of a campaign, and find no more."""
LIMITS: Final = (Fault.LARGE_HEADER, Fault.LONG_LINE)


class Difference(Enum):
    """Why we may refuse a request that `h11` takes."""

    LIMIT = "one of our limits, of which h11 has one"
    BARE_NEWLINE = "h11 takes a bare LF for the end of a line (RFC 9112 section 2.2 allows it, and smugglers like it)"
    FOLDED = "h11 unfolds fields (RFC 9112 section 5.2 has a server refuse them)"
    CONTROL = "h11 lets control characters through in values (RFC 9110 section 5.5)"
    TARGET = "h11 leaves it to its user what a target looks like"
    HOST = "h11 leaves it to its user what a host looks like, and needs one in 1.1 alone (RFC 9110 section 2.5)"
    LENGTH = "the same length twice, or one of more than 19 digits"
    CODING = "a length beside a coding, or chunks in HTTP/1.0: h11 obeys the coding"
    VERSION = "h11 takes any version"
    CHUNK = "h11 takes a blank behind a chunk's size, 20 digits of it, and anything in an extension"


@dataclass
class Run:
    """All that an engine said about some bytes."""

    requests: list[Request] = field(default_factory=list)
    spans: list[bytes] = field(default_factory=list)
    """The bytes of each, with empty lines before it."""
    fault: Fault | None = None
    rest: bytes = b""
    """What is behind the last of them."""


def check_http1(data: bytes) -> Run:
    """Hold every promise of the engine and the frontend on what one client sends; return what the engine said."""
    whole = check_engine(data)
    check_frontend(data, whole)
    return whole


def check_engine(data: bytes) -> Run:
    """Hold every promise of the engine alone; return what it said."""
    whole = read(data)
    for size in (1, 7, 64):
        cut = read(data, max(size, len(data) // MOST_PIECES))
        assert cut.requests == whole.requests, "the cut changes the meaning"
        assert cut.fault in _alike(whole.fault), "the cut changes the fault"
    for request, span in zip(whole.requests, whole.spans, strict=True):
        _is_the_same_to_h11(request, span)
    if whole.fault is not None:
        theirs = read_by_h11(whole.rest)
        assert theirs is None or difference(whole.rest, theirs, whole.fault) is not None, "only h11 takes it"
    return whole


def _alike(fault: Fault | None) -> frozenset[Fault | None]:
    """Return what may be told in place of a fault."""
    if fault is None:
        return frozenset({None})
    return frozenset(Fault) if fault in LIMITS else frozenset({fault, *LIMITS})


def read(data: bytes, size: int = 0) -> Run:
    """Return what the engine says about bytes that come in pieces of this size."""
    run, engine = Run(rest=data), Http1Connection(MOST_BYTES)
    received = 0
    while received < len(data):
        piece = data[received : received + (size or len(data))]
        engine.receive(piece)
        received += len(piece)
        while not engine.is_over:
            try:
                request = engine.next_request()
            except BadRequest as bad:
                run.fault = bad.fault
                break
            if request is None:
                assert engine.held_bytes <= MOST_HELD
                break
            run.requests.append(request)
            if not size:
                _note_span(run, request, received - engine.held_bytes)
    assert not engine.is_over or (engine.held_bytes, engine.next_request()) == (0, None)
    assert engine.is_over == (run.fault is not None or bool(run.requests and run.requests[-1].is_last))
    return run


def _note_span(run: Run, request: Request, end: int) -> None:
    """Note the bytes of a request; those of a last one cannot be told from what is behind it."""
    before = sum(map(len, run.spans))
    assert run.rest
    span = run.rest if request.is_last else run.rest[: end - before]
    run.spans.append(span)
    run.rest = run.rest[len(span) :]


# ------------------------------------------------------------------ against h11


@dataclass
class Theirs:
    """One request as `h11` reads it."""

    request: h11.Request
    body: bytes
    left: bytes


def read_by_h11(data: bytes) -> Theirs | None:
    """Return the first request that `h11`'s server sees, None if it finds a fault or wants more."""
    while data.startswith(b"\r\n"):
        data = data[2:]  # It does not skip any.
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=10 * MOST_HELD)
    try:
        server.receive_data(data)
        request = server.next_event()
        if not isinstance(request, h11.Request):
            return None
        body = b""
        while isinstance(event := server.next_event(), h11.Data):
            body += event.data
    except h11.RemoteProtocolError:
        return None
    return Theirs(request, body, server.trailing_data[0]) if isinstance(event, h11.EndOfMessage) else None


def _is_the_same_to_h11(request: Request, span: bytes) -> None:
    theirs = read_by_h11(span)
    head = request.head
    if request.body is None:
        return  # It waits for more.
    if theirs is None:
        assert re.search(rb"[0-9A-Fa-f][ \t]+;", span), "only we take it"  # A blank before an extension: section 7.1.1.
        return
    assert request.is_last or not theirs.left
    assert head.method.encode() == theirs.request.method
    assert head.target.encode() == theirs.request.target
    assert head.is_old is (theirs.request.http_version == b"1.0")
    ours = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head.rest.fields]
    assert [(name, _joined(name, value)) for name, value in ours] == [
        (name, _joined(name, value)) for name, value in theirs.request.headers
    ]
    assert request.body == theirs.body


def _joined(name: bytes, value: bytes) -> bytes:
    return value.lower() if name == b"transfer-encoding" else value  # h11 writes it in lower case.


def difference(data: bytes, theirs: Theirs, fault: Fault) -> Difference | None:
    """Return the reason that holds for a request that `h11` takes and we refuse."""
    if fault in LIMITS:
        return Difference.LIMIT
    request = theirs.request
    head = data[: len(data) - len(theirs.left)]
    fields = list(request.headers)
    names = [name for name, _ in fields]
    values = dict(fields)
    reasons: dict[Difference, Callable[[], bool]] = {
        Difference.BARE_NEWLINE: lambda: re.search(rb"(?<!\r)\n", head) is not None,
        Difference.FOLDED: lambda: re.search(rb"\n[ \t]", head) is not None,
        Difference.VERSION: lambda: not request.http_version.startswith(b"1."),
        Difference.TARGET: lambda: not request.target.startswith(b"/"),
        Difference.HOST: lambda: (
            not all(is_authority(value.decode("latin-1")) for name, value in fields if name == b"host")
            or (b"host" not in names and request.http_version not in (b"1.0", b"1.1"))
        ),
        Difference.LENGTH: lambda: _lengths_of(head) > 1 or len(values.get(b"content-length", b"")) > 19,
        Difference.CODING: lambda: (
            b"transfer-encoding" in names and (b"content-length" in names or request.http_version == b"1.0")
        ),
        Difference.CONTROL: lambda: re.search(rb"[\x01-\x08\x0e-\x1f\x7f]", head) is not None,
        Difference.LIMIT: lambda: data.startswith(b"\r\n" * 5),
        Difference.CHUNK: lambda: b"transfer-encoding" in names,
    }
    return next((reason for reason, holds in reasons.items() if holds()), None)


def _lengths_of(head: bytes) -> int:
    """Return how many lengths there are in all; h11 takes a list of the same one for it."""
    fields: list[bytes] = re.findall(rb"(?i)(?:^|\n)content-length:(.*)", head)
    return sum(1 + value.count(b",") for value in fields)


# ------------------------------------------------------------------ through the frontend


class Sink(asyncio.Transport):
    """Takes what a frontend writes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.has_ended = False

    def write(self, data: Any) -> None:
        """Keep it; nothing may come behind the end."""
        assert not self.has_ended, "something is said behind the last response"
        self.written += data

    def write_eof(self) -> None:
        """Note it."""
        self.has_ended = True

    close = abort = write_eof

    def is_closing(self) -> bool:
        """Tell whether it is closed."""
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """There is no TLS."""
        return default

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits."""

    def pause_reading(self) -> None:
        """It gives what it is told to."""

    def resume_reading(self) -> None:
        """It gives what it is told to."""


@dataclass
class Echo:
    """A service that says to everybody what it was asked: at once, or, to every third request, a little later."""

    later: list[tuple[Callable[[HttpResponse], None], HttpResponse]] = field(default_factory=list)
    pipeline: "Unruled" = field(default_factory=lambda: Unruled())

    def turn_away_early(self, client: Client, target: str, frontend: Frontend, now: float) -> HttpResponse | None:
        """Nobody is over a limit."""
        return None

    def read(self, request: HttpRequest, frontend: Frontend) -> ParsedRequest:
        """Read a request as what it says."""
        return ParsedRequest(frontend, 0, wire=_echo(request.method, request.target, request.body))

    def begin(self, parsed: ParsedRequest, client: Client, now: float) -> HttpResponse | Miss:
        """Answer it at once, or not."""
        response = HttpResponse(200, (), parsed.wire)
        if len(parsed.wire) % 3:
            return response
        priority = Priority(0, (), 0.0)
        return Miss(cast(Query, response), cast(Arrival, None), None, cast(MissSlot, _NoPlace()), priority)

    def pursue(self, miss: Miss, notify: Callable[[HttpResponse], None]) -> Stoppable | None:
        """Answer it later."""
        self.later.append((notify, cast(HttpResponse, miss.query)))
        return None

    def turn_away(self, reason: Reason, client: Client, frontend: Frontend, now: float) -> HttpResponse:
        """Refuse it."""
        return HttpResponse(OUTCOMES[reason].status, (), close=True)

    def note(self, client: Client, offence: Offence, now: float) -> None:
        """Hold nothing against anybody."""


class Unruled:
    """A walk whose rules never change."""

    rules_version = 0


class _NoPlace:
    def give_back(self) -> None:
        """Nothing was taken."""


def _echo(method: str, target: str, body: bytes | None) -> bytes:
    read = bytes(MOST_BYTES + 1) if body is None else body
    return b"%b %b %b" % (method.encode(), target.encode(), read)


@cache
def _server() -> tuple[Http1Server, Echo]:
    """One for all that is tried in this process, so that what is known and what is new come by."""
    echo = Echo()
    register = Connections(ConnectionsConfig(max_requests=1_000_000))
    peers = ClientResolver(Identities(bytes(32)), ClientsConfig())
    return Http1Server(cast(Service, echo), peers, register, lambda: 0.0, max_query_bytes=MOST_BYTES), echo


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def check_frontend(data: bytes, run: Run) -> None:
    """Give the bytes to a frontend twice, once whole and once in pieces, and compare what it says to what was asked."""
    for size in (len(data) or 1, max(5, len(data) // 32)):
        written, has_ended = _loop().run_until_complete(_speak(data, size))
        wanted = [(200, _echo(each.head.method, each.head.target, each.body)) for each in run.requests]
        responses = _responses(written)
        assert responses[: len(wanted)] == wanted
        refused = {(OUTCOMES[REASONS[fault]].status, b"") for fault in _alike(run.fault) if fault is not None}
        assert responses[len(wanted) :] == [] if run.fault is None else set(responses[len(wanted) :]) <= refused
        assert len(responses) == len(wanted) + (run.fault is not None)
        assert has_ended is (run.fault is not None or bool(run.requests and run.requests[-1].is_last))


async def _speak(data: bytes, size: int) -> tuple[bytes, bool]:
    server, echo = _server()
    place = server.register.take_slot((), Standing.MEMBER, 0.0)
    assert place is not None
    frontend, sink = server.frontend(None, place), Sink()
    frontend.connection_made(sink)
    try:
        for start in range(0, len(data), size):
            frontend.data_received(data[start : start + size])
            await _let_it_answer(echo)
        await _let_it_answer(echo)
        return sink.written, sink.has_ended
    finally:
        frontend.connection_lost(None)


async def _let_it_answer(echo: Echo) -> None:
    for _ in range(1_000):
        later, echo.later = echo.later, []
        for notify, response in later:
            notify(response)
        await asyncio.sleep(0)
        if not echo.later and not later:
            return


def _responses(written: bytes) -> list[tuple[int, bytes]]:
    """Return statuses and bodies, with invitations left out; the last may say that it is."""
    found = []
    while written:
        head, _, written = written.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        if status == 100:
            continue
        length = re.search(rb"\r\ncontent-length: ([0-9]+)\r\n", head)
        assert length is not None
        size = int(length.group(1))
        found.append((status, written[:size]))
        written = written[size:]
        assert (b"connection: close" in head) <= (not written), "something is said behind the last response"
    return found
