"""From bytes to requests: one at a time, each when it is asked for, whatever is behind it."""

import pytest

from dohproxy.http1.connection import Http1Connection, Request
from dohproxy.http1.errors import BadRequest, Fault
from dohproxy.http1.limits import LARGEST_HEADER, LONGEST_LINE, MOST_EMPTY_LINES, MOST_FIELDS

MOST_BYTES = 1_024
GET = b"GET /dns-query?dns=AAAA HTTP/1.1\r\nHost: localhost\r\nAccept: a/b\r\n\r\n"
POST = b"POST /dns-query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /dns-query HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


def connection(data: bytes = b"") -> Http1Connection:
    """A connection on which these bytes have come."""
    made = Http1Connection(MOST_BYTES)
    made.receive(data)
    return made


def follow(data: bytes, size: int = 0) -> tuple[list[Request], Fault | None]:
    """All requests of a connection on which these bytes come in pieces of this size, and how it ends."""
    engine, found = Http1Connection(MOST_BYTES), list[Request]()
    for start in range(0, len(data), size or len(data)):
        engine.receive(data[start : start + (size or len(data))])
        try:
            while (request := engine.next_request()) is not None:
                found.append(request)
        except BadRequest as bad:
            return found, bad.fault
    return found, None


def with_field(request: bytes, field: bytes) -> bytes:
    """The request with one more field."""
    return request.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n\r\n", 1)


# --- Requests ---


@pytest.mark.parametrize("behind", [b"", GET[:20]], ids=["nothing", "a request that has begun"])
def test_what_has_been_read_is_kept_no_longer(behind: bytes) -> None:
    count = 1_000
    engine = connection(GET * count + behind)
    for read in range(1, count + 1):
        assert engine.next_request() is not None
        assert len(engine._data) <= 2 * engine.held_bytes
        assert engine.held_bytes == (count - read) * len(GET) + len(behind)
    assert engine.next_request() is None
    engine.receive(GET.removeprefix(behind))
    assert engine.next_request() is not None


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 64])
def test_requests_are_read_however_they_are_cut(size: int) -> None:
    requests, fault = follow(GET + POST + CHUNKED + b"\r\n" + GET, size)
    assert fault is None
    assert [request.head.method for request in requests] == ["GET", "POST", "POST", "GET"]
    assert [request.body for request in requests] == [b"", b"hello", b"hello", b""]
    assert not any(request.is_last for request in requests)


def test_a_request_is_read_when_it_is_asked_for() -> None:
    engine = connection(GET + POST)
    assert engine.held_bytes == len(GET + POST)
    assert engine.next_request() is not None
    assert engine.held_bytes == len(POST)
    engine.receive(GET)
    assert engine.held_bytes == len(POST + GET)


def test_it_is_known_what_is_awaited() -> None:
    engine, request = connection(), None
    states = []
    for byte in POST:
        states.append((engine.is_between, engine.is_in_body))
        engine.receive(bytes([byte]))
        request = engine.next_request()
    head = POST.index(b"hello")
    assert states == [(True, False)] + [(False, False)] * (head - 1) + [(False, True)] * 5
    assert request is not None
    assert engine.is_between


# --- What ends a connection does not spoil what came before it ---


@pytest.mark.parametrize("size", [0, 1, 17])
@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (with_field(GET, b"X : y"), Fault.MALFORMED),
        (GET.replace(b"GET /", b"GET  /"), Fault.MALFORMED),
        (GET.replace(b"HTTP/1.1", b"RTSP/1.0"), Fault.MALFORMED),
        (GET.replace(b"localhost", b"user@localhost"), Fault.MALFORMED),
        (GET.replace(b"\r\n", b"\n"), Fault.MALFORMED),
        (with_field(GET, b"Transfer-Encoding: gzip, chunked"), Fault.UNKNOWN_CODING),
        (with_field(GET, b"X: " + b"a" * 5_000), Fault.LARGE_HEADER),
        (CHUNKED.replace(b"5\r\n", b"5x\r\n"), Fault.MALFORMED),
        (b"\x16\x03\x01\x02\x00\x01\xfc", Fault.MALFORMED),
        (b"\x00\x01\r\n\r\n", Fault.MALFORMED),
    ],
)
def test_what_is_no_request_spoils_none_before_it(bad: bytes, fault: Fault, size: int) -> None:
    requests, found = follow(GET + POST + GET + bad + GET, size)
    assert ([request.head.method for request in requests], found) == (["GET", "POST", "GET"], fault)


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize(
    "last", [with_field(GET, b"Connection: close"), with_field(POST, b"Connection: close"), GET.replace(b"1.1", b"1.0")]
)
def test_nothing_is_read_behind_a_last_request(last: bytes, size: int) -> None:
    requests, fault = follow(GET + last + b"anything" + GET, size)
    assert ([request.is_last for request in requests], fault) == ([False, True], None)


def test_an_upgrade_swallows_nothing() -> None:
    upgrade = with_field(with_field(GET, b"Connection: Upgrade, HTTP2-Settings"), b"Upgrade: h2c")
    requests, fault = follow(upgrade + POST + upgrade + GET)
    assert ([request.head.method for request in requests], fault) == (["GET", "POST", "GET", "GET"], None)


def test_after_a_fault_it_is_over() -> None:
    engine = connection(GET + b"\x00")
    assert engine.next_request() is not None
    with pytest.raises(BadRequest):
        engine.next_request()
    engine.receive(GET)
    assert (engine.is_over, engine.held_bytes, engine.next_request()) == (True, 0, None)


@pytest.mark.parametrize(
    "begun",
    [
        b"GET  ",
        b"GET / H\x00",
        b"GET /\n",
        b"GET /\rx",
        b"GET / RTSP/1.0\r\n",
        b"EHLO example.net\r\n",
        b"\n",
        b"\r\r",
        b"GET / HTTP/1.1\r\n ",
        b"GET / HTTP/1.1\r\nHost : ",
        b"GET / HTTP/1.1\r\nHost: a\r\nX\r",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00",
    ],
)
@pytest.mark.parametrize("size", [0, 1])
def test_a_head_that_cannot_become_good_is_refused_before_its_end(begun: bytes, size: int) -> None:
    if begun.endswith(b"X\r"):
        begun += b"\n"
    assert follow(begun, size) == ([], Fault.MALFORMED)


# --- Bodies ---


@pytest.mark.parametrize(
    "request_bytes",
    [
        POST.replace(b": 5", b": 1025"),
        POST.replace(b": 5", b": 9999999999999999999"),
        CHUNKED.replace(b"5\r\n", b"401\r\n"),
        CHUNKED.replace(b"5\r\n", b"1\r\na\r\n" * 200),
    ],
    ids=["a length", "a huge length", "a chunk", "many chunks"],
)
def test_a_body_that_is_too_long_is_told_and_the_last(request_bytes: bytes) -> None:
    requests, fault = follow(GET + request_bytes + GET)
    assert [(request.body, request.is_last) for request in requests] == [(b"", False), (None, True)]
    assert fault is None


def test_the_longest_body_is_read() -> None:
    requests, _ = follow(POST.replace(b": 5\r\n\r\nhello", b": 1024\r\n\r\n" + bytes(1024)) + GET)
    assert [request.body for request in requests] == [bytes(1024), b""]


@pytest.mark.parametrize("request_bytes", [POST, CHUNKED], ids=["a length", "chunks"])
def test_a_client_that_waits_is_to_be_invited_once(request_bytes: bytes) -> None:
    engine = connection()
    expecting = with_field(request_bytes, b"Expect: 100-continue")
    head = expecting.index(b"\r\n\r\n") + 4
    engine.receive(expecting[:head])
    assert engine.next_request() is None
    assert [engine.take_invitation() for _ in range(2)] == [True, False]
    engine.receive(expecting[head : head + 2])
    assert engine.next_request() is None
    assert not engine.take_invitation()
    engine.receive(expecting[head + 2 :])
    assert engine.next_request() is not None


@pytest.mark.parametrize(
    "head",
    [
        with_field(POST, b"Expect: 100-continue"),
        with_field(POST, b"Expect: 100-continue").replace(b"1.1", b"1.0")[:-1],
        with_field(POST, b"Expect: 100-continue").replace(b": 5", b": 5000")[:-5],
        POST[:-5],
    ],
    ids=["the body is there", "HTTP/1.0", "it is too long", "nobody asked"],
)
def test_others_are_not(head: bytes) -> None:
    engine = connection(head)
    engine.next_request()
    assert not engine.take_invitation()


# --- Limits ---


def _endless(size: int, line: bytes, data: bytes) -> tuple[Fault | None, int]:
    """Feed a head until it is refused; return why, and how much was read of it."""
    engine = connection()
    sent = line
    engine.receive(line)
    for start in range(0, len(data), size):
        try:
            assert engine.next_request() is None
        except BadRequest as bad:
            return bad.fault, len(sent)
        sent += data[start : start + size]
        engine.receive(data[start : start + size])
    return None, len(sent)


@pytest.mark.parametrize("size", [1, 100, 1_000])
def test_a_head_is_refused_when_it_is_too_large_and_no_later(size: int) -> None:
    line = b"GET / HTTP/1.1\r\n"
    assert _endless(size, b"GET /", b"a" * 20_000)[0] is Fault.LONG_LINE
    assert _endless(size, b"GET /", b"a" * 20_000)[1] <= LONGEST_LINE + size + 1
    for data in (b"X: " + b"a" * 20_000, b"X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 500):
        fault, read = _endless(size, line, data)
        assert fault is Fault.LARGE_HEADER
        assert read <= len(line) + LARGEST_HEADER + 2 + size
    assert _endless(size, line, b"X:\r\n" * 500)[0] is Fault.LARGE_HEADER
    assert _endless(size, line, b"X:\r\n" * 500)[1] <= len(line) + 4 * (MOST_FIELDS + 1) + size


@pytest.mark.parametrize("size", [0, 1, 1_000])
def test_the_largest_head_is_read(size: int) -> None:
    line = b"GET /" + b"a" * (LONGEST_LINE - 14) + b" HTTP/1.1\r\n"
    fields = b"Host: localhost\r\n" + b"X: " + b"a" * 4_093 + b"\r\n"
    fields += b"Y: " + b"b" * (LARGEST_HEADER - len(fields) - 5) + b"\r\n"
    assert (len(line), len(fields)) == (LONGEST_LINE + 2, LARGEST_HEADER)
    requests, fault = follow(line + fields + b"\r\n" + GET, size)
    assert (len(requests), fault) == (2, None)


@pytest.mark.parametrize("size", [0, 1])
def test_a_few_empty_lines_before_a_request_are_skipped(size: int) -> None:
    requests, fault = follow((b"\r\n" * MOST_EMPTY_LINES + GET) * 2, size)
    assert (len(requests), fault) == (2, None)
    assert follow(GET + b"\r\n" * (MOST_EMPTY_LINES + 1), size)[1] is Fault.MALFORMED


def test_empty_lines_are_not_the_beginning_of_a_request() -> None:
    engine = connection()
    assert engine.is_untouched
    engine.receive(b"\r\n")
    assert engine.next_request() is None
    assert (engine.is_between, engine.is_untouched) == (True, False)
    engine.receive(GET)
    assert engine.next_request() is not None
    assert engine.is_untouched
