"""Which requests carry a query: RFC 8484 section 4.1 and the project's own rules.

Both methods; the variable `dns` in strict base64url, without padding; a POST's body is the message, without a length
prefix; the media type and its spellings; Accept absent, its ranges and weights; any ID; other parameters; the exact
path; caps; short messages; a body's length.

Not here: what a front proxy does on port 80, and the size of an answer (in `test_answers`).
"""

import pytest

from dohproxy.doh.request import LONGEST_TARGET
from tests.conformance.exchange import (
    ACCEPT,
    CONTENT_TYPE,
    MEDIA_TYPE,
    Client,
    Request,
    assert_echoes,
    assert_refused,
    decode,
    encode,
    get,
    post,
)
from tests.conformance.http1 import HOST, Http1Client
from tests.conformance.http2 import Http2Client, Reset
from tests.conformance.queries import PADDING, option, query

Q33 = "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB"
WWW = decode(Q33)
LONG_LABEL = decode(
    "AAABAAABAAAAAAAAAWE-NjJjaGFyYWN0ZXJsYWJlbC1tYWtlcy1iYXNlNjR1cmwtZGlzdGluY3QtZnJvbS1zdGFuZGFyZC1iYXNlNjQHZXhhbXBs"
    "ZQNjb20AAAEAAQ"
)
SMALLEST = bytes.fromhex("cafe01000001000000000000") + b"\x00\x00\x02\x00\x01"


def _padded(size: int) -> bytes:
    """A query of exactly so many bytes."""
    empty = query("www.example.com", "A", option(PADDING))
    return query("www.example.com", "A", option(PADDING, bytes(size - len(empty))))


def _accepting(value: str) -> Request:
    return get(WWW, ("Accept", value))


def _typed(value: str) -> Request:
    return post(WWW, ("Content-Type", value))


def _raw(target: str, *fields: tuple[str, str]) -> Request:
    return Request("GET", target, fields)


def _fields(count: int, size: int = 0) -> tuple[tuple[str, str], ...]:
    """So many fields more, each with a value of so many bytes."""
    return tuple((f"X-{number}", size * "x") for number in range(count))


SERVED = [
    pytest.param(get(WWW, ACCEPT), WWW, id="a GET"),
    pytest.param(post(WWW, ACCEPT, CONTENT_TYPE), WWW, id="a POST"),
    pytest.param(get(LONG_LABEL, ACCEPT), LONG_LABEL, id="the second example of RFC 8484, with a minus"),
    pytest.param(post(LONG_LABEL, CONTENT_TYPE), LONG_LABEL, id="the same example as a body"),
    pytest.param(_typed("Application/DNS-Message"), WWW, id="Content-Type: a type in capitals"),
    pytest.param(_typed(f"{MEDIA_TYPE}; charset=utf-8"), WWW, id="Content-Type: a type with a parameter"),
    pytest.param(get(WWW), WWW, id="a GET without Accept"),
    pytest.param(post(WWW, CONTENT_TYPE), WWW, id="a POST without Accept"),
    pytest.param(_accepting("*/*"), WWW, id="Accept: any type"),
    pytest.param(_accepting("application/*"), WWW, id="Accept: any application"),
    pytest.param(_accepting(f"text/html;q=0.9, {MEDIA_TYPE};q=0.1"), WWW, id="Accept: ours as last choice"),
    pytest.param(_accepting("text/html, */*;q=0.01"), WWW, id="Accept: anything as last choice"),
    pytest.param(get(WWW, ("Accept", "text/html"), ACCEPT), WWW, id="Accept: ours in a second line"),
    pytest.param(get(WWW, ACCEPT, query="dns={dns}&unknown=1"), WWW, id="an unknown parameter behind"),
    pytest.param(get(WWW, ACCEPT, query="unknown&dns={dns}"), WWW, id="an unknown parameter before"),
    pytest.param(post(WWW, CONTENT_TYPE, query="no_ecs=1"), WWW, id="an unknown parameter of a POST"),
    pytest.param(
        get(WWW, ACCEPT, query="dns={dns}&x=" + "x" * (LONGEST_TARGET - 15 - len(Q33) - 3)),
        WWW,
        id="a target of 4096 bytes",
    ),
    pytest.param(post(_padded(1024), CONTENT_TYPE), _padded(1024), id="a body of 1024 bytes"),
    pytest.param(get(_padded(1024), ACCEPT), _padded(1024), id="a GET of 1024 bytes"),
    pytest.param(post(SMALLEST, CONTENT_TYPE), SMALLEST, id="a query of 17 bytes"),
    pytest.param(get(WWW, ACCEPT, *_fields(8, 900)), WWW, id="fields of 7,300 bytes"),
    pytest.param(get(WWW, ACCEPT, CONTENT_TYPE), WWW, id="a GET with a Content-Type"),
    pytest.param(get(WWW, ("Accept-Encoding", "")), WWW, id="an empty Accept-Encoding"),
]


@pytest.mark.parametrize(("request_", "wire"), SERVED)
def test_a_request_is_served(client: Client, request_: Request, wire: bytes) -> None:
    response = client.exchange(request_)
    response.message()
    assert_echoes(response.body, wire)


REFUSED = [
    pytest.param(_raw(f"/dns-query?dns={Q33}="), 400, id="base64url: padding"),
    pytest.param(_raw(f"/dns-query?dns={Q33}%3D"), 400, id="base64url: escaped padding"),
    pytest.param(_raw("/dns-query?dns=" + Q33.replace("3d3d", "3d+d")), 400, id="base64url: a plus"),
    pytest.param(_raw("/dns-query?dns=" + Q33.replace("3d3d", "3d/d")), 400, id="base64url: a slash"),
    pytest.param(_raw(f"/dns-query?dns={Q33}A"), 400, id="base64url: an impossible length"),
    pytest.param(_raw("/dns-query?dns=" + encode(WWW + b"\x00")[:-1] + "B"), 400, id="base64url: dirty trailing bits"),
    pytest.param(_raw("/dns-query?dns=Zm9vIQ%21"), 400, id="base64url: an escape"),
    pytest.param(post(b"", CONTENT_TYPE, query=f"dns={Q33}"), 400, id="a POST whose message is in the target"),
    pytest.param(post(len(WWW).to_bytes(2) + WWW, CONTENT_TYPE), 400, id="a length prefix"),
    pytest.param(_typed("application/dns"), 415, id="Content-Type: another type"),
    pytest.param(_typed("text/plain"), 415, id="Content-Type: text"),
    pytest.param(post(WWW, ACCEPT), 415, id="Content-Type: no type"),
    pytest.param(_accepting("text/html"), 406, id="Accept: a type that is not ours"),
    pytest.param(_accepting(f"{MEDIA_TYPE};q=0"), 406, id="Accept: ours ruled out"),
    pytest.param(_accepting("*/*;q=0"), 406, id="Accept: everything ruled out"),
    pytest.param(post(WWW, CONTENT_TYPE, ("Accept", "text/html")), 406, id="Accept: a POST that wants a page"),
    pytest.param(_raw(f"/dns-query?dns={Q33}&dns={Q33}"), 400, id="two dns"),
    pytest.param(_raw("/dns-query?dns="), 400, id="an empty dns"),
    pytest.param(_raw("/dns-query?dns"), 400, id="a bare dns"),
    pytest.param(_raw("/dns-query?DNS=" + Q33), 400, id="DNS in capitals"),
    pytest.param(_raw(f"/dns-query/?dns={Q33}"), 404, id="path: a slash at the end"),
    pytest.param(_raw(f"/dns-query/x?dns={Q33}"), 404, id="path: a path below"),
    pytest.param(_raw(f"/?dns={Q33}"), 404, id="path: the root"),
    pytest.param(_raw(f"/DNS-QUERY?dns={Q33}"), 404, id="path: the path in capitals"),
    pytest.param(_raw(f"/./dns-query?dns={Q33}"), 404, id="path: a dot segment"),
    pytest.param(
        get(WWW, query="dns={dns}&x=" + "x" * (LONGEST_TARGET - 15 - len(Q33) - 2)),
        414,
        id="a target of 4097 bytes",
    ),
    pytest.param(_raw("/dns-query?dns=" + 7500 * "A"), 414, id="a target of 7500 bytes"),
    pytest.param(get(bytes(1025)), 414, id="a GET of 1025 bytes"),
    pytest.param(post(bytes(1025), CONTENT_TYPE), 413, id="a body of 1025 bytes"),
    pytest.param(post(bytes(70_000), CONTENT_TYPE), 413, id="a body of 70,000 bytes"),
    pytest.param(get(WWW, ACCEPT, *_fields(9, 1000)), 431, id="fields of 9000 bytes"),
    pytest.param(get(SMALLEST[:16]), 400, id="a GET of 16 bytes"),
    pytest.param(post(SMALLEST[:16], CONTENT_TYPE), 400, id="a POST of 16 bytes"),
    pytest.param(post(b"\x00", CONTENT_TYPE), 400, id="a POST of one byte"),
    pytest.param(post(b"", CONTENT_TYPE), 400, id="an empty POST"),
]


@pytest.mark.parametrize(("request_", "status"), REFUSED)
def test_a_request_is_refused(client: Client, request_: Request, status: int) -> None:
    assert_refused(client.exchange(request_), status)


@pytest.mark.parametrize(("count", "status"), [(64, 200), (65, 431)])
def test_fields_are_counted(client: Client, count: int, status: int) -> None:
    request = get(WWW, ACCEPT, *_fields(count - client.own_fields - 1))
    assert client.exchange(request).status == status


# --- Where the frontends differ: HTTP/1.1 has a limit for each line, HTTP/2 one for the whole list of fields ---

LONG_TARGET = _raw("/dns-query?dns=" + 9000 * "A")
LONGEST_TARGET_SENT = _raw("/dns-query?dns=" + 70_000 * "A")
LONG_FIELD = get(WWW, ACCEPT, ("X-Padding", 5000 * "X"))
TWO_TYPES = post(WWW, CONTENT_TYPE, ("Content-Type", "text/plain"))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(LONG_TARGET, 414, id="a target of 9000 bytes"),
        pytest.param(LONGEST_TARGET_SENT, 414, id="a target of 70,000 bytes"),
        pytest.param(LONG_FIELD, 431, id="a field of 5000 bytes"),
        pytest.param(TWO_TYPES, 415, id="Content-Type: two types"),
    ],
)
def test_a_request_is_refused_over_http_1_1(http1: Http1Client, request_: Request, status: int) -> None:
    assert_refused(http1.exchange(request_), status)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(LONG_TARGET, 431, id="a target of 9000 bytes"),
        pytest.param(TWO_TYPES, 415, id="Content-Type: two types"),
    ],
)
def test_a_request_is_refused_over_http_2(http2: Http2Client, request_: Request, status: int) -> None:
    assert_refused(http2.exchange(request_), status)
    assert http2.exchange(LONG_FIELD).message().answer


def test_a_header_block_that_no_request_needs_ends_the_connection_over_http_2(http2: Http2Client) -> None:
    with pytest.raises(Reset, match="ENHANCE_YOUR_CALM"):
        http2.exchange(LONGEST_TARGET_SENT)
    assert http2.is_at_end()


@pytest.mark.parametrize("identifier", [0, 1, 0xCAFE, 0xFFFF], ids=hex)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_any_identifier_is_echoed(client: Client, method: str, identifier: int) -> None:
    wire = query("www.example.com", identifier=identifier)
    response = client.exchange(get(wire) if method == "GET" else post(wire, CONTENT_TYPE))
    assert response.message().id == identifier


# --- the length of a body (RFC 9112 section 6) ---

POST_HEAD = f"POST /dns-query HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {MEDIA_TYPE}\r\n".encode()


def test_a_post_without_any_length_has_an_empty_body(http1: Http1Client) -> None:
    http1.send(POST_HEAD + b"\r\n")
    assert_refused(http1.receive(), 400)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"Content-Length: 33\r\nTransfer-Encoding: chunked\r\n", id="a length and chunks"),
        pytest.param(b"Transfer-Encoding: chunked\r\nContent-Length: 33\r\n", id="chunks and a length"),
        pytest.param(b"Content-Length: 33\r\nContent-Length: 34\r\n", id="two lengths"),
        pytest.param(b"Content-Length: +33\r\n", id="a length with a sign"),
        pytest.param(b"Content-Length: 0x21\r\n", id="a hexadecimal length"),
        pytest.param(b"Content-Length: -1\r\n", id="a negative length"),
        pytest.param(b"Content-Length: 33, 33\r\n", id="a list of lengths"),
        pytest.param(b"Content-Length: 99999999999999999999999\r\n", id="a length beyond 64 bits"),
        pytest.param(b"Transfer-Encoding: chunked, chunked\r\n", id="chunks of chunks"),
        pytest.param(b"Transfer-Encoding: gzip\r\n", id="a coding that does not end in chunks"),
        pytest.param(b"Transfer-Encoding: identity\r\n", id="a coding that is no more"),
    ],
)
def test_a_body_of_doubtful_length_ends_the_connection(http1: Http1Client, fields: bytes) -> None:
    http1.send(POST_HEAD + fields + b"\r\n" + WWW)
    response = http1.receive()
    assert_refused(response, 400)
    assert response.field("connection") == "close"
    assert http1.is_at_end()
