"""Which request lines and fields are a request, and what they say."""

import pytest

from dohproxy.http1.errors import BadRequest, Fault
from dohproxy.http1.head import LARGEST_KEPT, RequestHead, check_field_line, read_fields, read_head, read_line
from dohproxy.http1.limits import LARGEST_HEADER, LONGEST_FIELD, LONGEST_LINE, MOST_FIELDS

LINE = b"GET /dns-query HTTP/1.1"
HOST = b"Host: localhost"


def block(*fields: bytes) -> bytes:
    """Field lines as they are sent."""
    return b"".join(field + b"\r\n" for field in fields)


def head(*fields: bytes, line: bytes = LINE) -> RequestHead:
    """A request with these fields besides its Host."""
    return read_head(line, block(HOST, *fields))


def fault_of(line: bytes, *fields: bytes) -> Fault:
    """Why this is none."""
    with pytest.raises(BadRequest) as caught:
        read_head(line, block(*fields))
    return caught.value.fault


# --- The request line ---


@pytest.mark.parametrize(
    ("line", "read"),
    [
        (b"GET / HTTP/1.1", ("GET", "/", False)),
        (b"GET / HTTP/1.0", ("GET", "/", True)),
        (b"GET / HTTP/1.2", ("GET", "/", False)),
        (b"get /a?b=c#d HTTP/1.1", ("get", "/a?b=c#d", False)),
        (b'M-SEARCH! /"<>\\^`{|} HTTP/1.1', ("M-SEARCH!", '/"<>\\^`{|}', False)),
        (b"POST http://a.example:80/b HTTP/1.1", ("POST", "http://a.example:80/b", False)),
        (b"GET HTTPS://[::1]?b HTTP/1.1", ("GET", "HTTPS://[::1]?b", False)),
        (b"OPTIONS * HTTP/1.1", ("OPTIONS", "*", False)),
        (b"CONNECT a.example:443 HTTP/1.1", ("CONNECT", "a.example:443", False)),
    ],
)
def test_a_line_is_read(line: bytes, read: tuple[str, str, bool]) -> None:
    assert read_line(line) == read


@pytest.mark.parametrize(
    "line",
    [
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b" GET / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET\t/ HTTP/1.1",
        b"GET / a HTTP/1.1",
        b"GET /",
        b"GET",
        b"GET  HTTP/1.1",
        b"GET / RTSP/1.0",
        b"GET / http/1.1",
        b"GET / ICE/1.0",
        b"GET / HTTPS/1.1",
        b"GET / HTTP/2.0",
        b"GET / HTTP/0.9",
        b"GET / HTTP/11.1",
        b"GET / HTTP/1.10",
        b"GET / HTTP/1",
        b"GET / HTTP/1.\xb2",
        b"G(T / HTTP/1.1",
        b"G\x00T / HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET /\x80 HTTP/1.1",
        b"GET /\x00 HTTP/1.1",
        b"GET /a\nb HTTP/1.1",
        b"GET /a\rb HTTP/1.1",
        b"GET / HTTP/1.1\r",
        b"GET / HTTP/1.1\n",
        b"GET dns-query HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET a.example:443 HTTP/1.1",
        b"GET http:/dns-query HTTP/1.1",
        b"GET http:///dns-query HTTP/1.1",
        b"GET http://user@localhost/dns-query HTTP/1.1",
        b"CONNECT user@localhost:443 HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01",
        b"",
    ],
)
def test_a_line_that_is_none_is_malformed(line: bytes) -> None:
    assert fault_of(line, HOST) is Fault.MALFORMED


@pytest.mark.parametrize(("size", "is_good"), [(LONGEST_LINE, True), (LONGEST_LINE + 1, False)])
def test_a_line_has_its_limit(size: int, *, is_good: bool) -> None:
    line = b"GET /" + b"a" * (size - 14) + b" HTTP/1.1"
    assert len(line) == size
    if is_good:
        assert len(read_line(line)[1]) == size - 13
    else:
        assert fault_of(line, HOST) is Fault.LONG_LINE


# --- Fields ---


def test_fields_are_read_in_their_order() -> None:
    rest = read_fields(
        block(b"Host:localhost", b"ACCEPT: \t a/b, c/d \t", b"x-empty:", b"accept: \xe9", b"!#$%&'*+.^_`|~-9: a:b")
    )
    assert rest.fields == (
        ("host", "localhost"),
        ("accept", "a/b, c/d"),
        ("x-empty", ""),
        ("accept", "\xe9"),
        ("!#$%&'*+.^_`|~-9", "a:b"),
    )


def test_equal_fields_are_read_once() -> None:
    assert head(b"Accept: a/b").rest is head(b"Accept: a/b").rest


def test_large_ones_are_not_kept() -> None:
    large = b"X: " + b"a" * LARGEST_KEPT
    assert head(large).rest is not head(large).rest


@pytest.mark.parametrize(
    "field",
    [
        b"X : y",
        b"X\t: y",
        b" X: y",
        b"\tfolded",
        b" folded: y",
        b": y",
        b"X",
        b"X Y: z",
        b"X(: y",
        b"X\x00: y",
        b"\xe9: y",
        b"X: a\x00b",
        b"X: a\rb",
        b"X: a\nb",
        b"X: a\x0bb",
        b"X: a\x7fb",
    ],
)
def test_a_field_that_is_none_is_malformed(field: bytes) -> None:
    assert fault_of(LINE, HOST, field) is Fault.MALFORMED
    assert fault_of(LINE, field, HOST) is Fault.MALFORMED
    with pytest.raises(BadRequest):
        check_field_line(field)


@pytest.mark.parametrize("is_last", [False, True])
def test_a_bare_end_of_line_ends_none(*, is_last: bool) -> None:
    fields = b"Host: localhost\nX: y\r\n" if is_last else b"X: y\nHost: localhost\r\n"
    with pytest.raises(BadRequest):
        read_fields(fields)


@pytest.mark.parametrize(
    ("fields", "is_good"),
    [
        ([b"X: a"] * (MOST_FIELDS - 1), True),
        ([b"X: a"] * MOST_FIELDS, False),
        ([b"X: " + b"a" * (LONGEST_FIELD - 3)], True),
        ([b"X: " + b"a" * (LONGEST_FIELD - 2)], False),
        ([b"X: " + b"a" * 2000] * 4, True),
        ([b"X: " + b"a" * 2000] * 4 + [b"X: " + b"a" * 200], False),
    ],
    ids=["64 fields", "65 fields", "4,096 bytes", "4,097 bytes", "under 8 KiB", "over 8 KiB"],
)
def test_fields_have_their_limits(fields: list[bytes], *, is_good: bool) -> None:
    if is_good:
        assert len(head(*fields).rest.fields) == 1 + len(fields)
        assert len(block(HOST, *fields)) <= LARGEST_HEADER
    else:
        assert fault_of(LINE, HOST, *fields) is Fault.LARGE_HEADER


# --- Host ---


@pytest.mark.parametrize("host", [b"", b"localhost:8443", b"127.0.0.1", b"[::1]:443"])
def test_any_host_is_taken(host: bytes) -> None:
    assert read_head(LINE, block(b"Host: " + host)).rest.has_host


@pytest.mark.parametrize(
    "host", [b"a b", b"user@localhost", b"local/host", b"a/b", b"localhost:port", b"[::1", b"a,b c"]
)
def test_a_host_that_is_none_is_malformed(host: bytes) -> None:
    assert fault_of(LINE, b"Host: " + host) is Fault.MALFORMED
    assert fault_of(b"GET / HTTP/1.0", b"Host: " + host) is Fault.MALFORMED


def test_one_host_is_needed_by_http_1_1_alone() -> None:
    assert fault_of(LINE) is Fault.MALFORMED
    assert fault_of(LINE, HOST, HOST) is Fault.MALFORMED
    assert read_head(b"GET / HTTP/1.0", b"").is_old
    assert fault_of(b"GET / HTTP/1.0", HOST, HOST) is Fault.MALFORMED


# --- The body's length ---


@pytest.mark.parametrize(("value", "length"), [(b"0", 0), (b"12", 12), (b"0012", 12), (b"4294967296", 4_294_967_296)])
def test_a_length_is_read(value: bytes, length: int) -> None:
    assert head(b"Content-Length: " + value).rest.content_length == length


@pytest.mark.parametrize(
    "value", [b"", b"+1", b"-1", b"1 1", b"1,1", b"1, 1", b"0x1", b"1_0", b"1.0", b"\xb2", b"9" * 20]
)
def test_a_length_that_is_none_is_malformed(value: bytes) -> None:
    assert fault_of(LINE, HOST, b"Content-Length: " + value) is Fault.MALFORMED


@pytest.mark.parametrize("second", [b"Content-Length: 5", b"Content-Length: 6", b"Transfer-Encoding: chunked"])
def test_two_lengths_are_malformed_even_if_they_agree(second: bytes) -> None:
    assert fault_of(LINE, HOST, b"Content-Length: 5", second) is Fault.MALFORMED
    assert fault_of(LINE, HOST, second, b"Content-Length: 5") is Fault.MALFORMED


@pytest.mark.parametrize("value", [b"chunked", b"Chunked", b"\t chunked "])
def test_a_body_may_be_chunked(value: bytes) -> None:
    assert head(b"Transfer-Encoding: " + value).rest.is_chunked


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ([b"gzip, chunked"], Fault.UNKNOWN_CODING),
        ([b"gzip", b"chunked"], Fault.UNKNOWN_CODING),
        ([b"identity, chunked"], Fault.UNKNOWN_CODING),
        ([b"gzip"], Fault.MALFORMED),
        ([b"identity"], Fault.MALFORMED),
        ([b"chunked, gzip"], Fault.MALFORMED),
        ([b"chunked, chunked"], Fault.MALFORMED),
        ([b"chunked", b"chunked"], Fault.MALFORMED),
        ([b"chunked, gzip, chunked"], Fault.MALFORMED),
        ([b"xchunked"], Fault.MALFORMED),
        ([b"chunked;q=1"], Fault.MALFORMED),
        ([b"chunked,"], Fault.MALFORMED),
        ([b"\xa0chunked"], Fault.MALFORMED),
        ([b'"chunked"'], Fault.MALFORMED),
        ([b", chunked"], Fault.MALFORMED),
        ([b"", b"chunked"], Fault.MALFORMED),
        ([b""], Fault.MALFORMED),
    ],
)
def test_any_other_coding_is_refused(values: list[bytes], fault: Fault) -> None:
    assert fault_of(LINE, HOST, *[b"Transfer-Encoding: " + value for value in values]) is fault


def test_http_1_0_knows_no_chunks() -> None:
    assert fault_of(b"POST / HTTP/1.0", HOST, b"Transfer-Encoding: chunked") is Fault.MALFORMED


# --- What is said about the connection ---


@pytest.mark.parametrize(
    ("fields", "closes"),
    [
        ([b"Connection: close"], True),
        ([b"connection: CLOSE"], True),
        ([b"Connection: keep-alive, close"], True),
        ([b"Connection: close , te"], True),
        ([b"Connection: te", b"Connection: close"], True),
        ([b"Connection: keep-alive"], False),
        ([b"Connection: upgrade", b"Upgrade: h2c"], False),
        ([b"Connection: closed"], False),
        ([b"Connection: x-close"], False),
        ([b"X-Connection: close"], False),
        ([], False),
    ],
)
def test_a_client_says_whether_it_wants_to_close(fields: list[bytes], *, closes: bool) -> None:
    assert head(*fields).rest.says_close is closes


@pytest.mark.parametrize(
    ("fields", "waits"),
    [
        ([b"Expect: 100-continue"], True),
        ([b"Expect: 100-Continue"], True),
        ([b"Expect: 101-continue"], False),
        ([b"Expect: 100-continue", b"Expect: 100-continue"], False),
        ([], False),
    ],
)
def test_a_client_says_whether_it_waits_to_be_invited(fields: list[bytes], *, waits: bool) -> None:
    assert head(*fields).rest.expects_continue is waits
