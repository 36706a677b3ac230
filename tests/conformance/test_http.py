"""HTTP's own rules: RFC 9110, 9111 and 6585.

405 says what is allowed, and 415 what is accepted; methods and HEAD; 413 and 414; no gateway status;
conditional requests and ranges; a request's Cache-Control; Host; and the size of a response's header block.

Not here: scripts of other origins (in `test_cross_origin`), weights of Accept (in `test_requests`), limits of clients
and of the service (in `test_outcomes`).
"""

from dataclasses import replace

import pytest

from dohproxy.builders import clock
from tests.conformance.conftest import StartServer
from tests.conformance.exchange import (
    ACCEPT,
    CONTENT_TYPE,
    Client,
    Request,
    Response,
    assert_refused,
    decode,
    get,
    post,
)
from tests.conformance.http1 import HOST, Http1Client
from tests.conformance.http2 import Http2Client, Reset
from tests.conformance.queries import query
from tests.fakes.conformance import RunningServer, Setup

Q33 = "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB"
WWW = decode(Q33)
TARGET = f"/dns-query?dns={Q33}"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_a_known_method_is_told_which_are_allowed(server: RunningServer, client: Client, method: str) -> None:
    asked = server.upstream.asked
    response = client.exchange(Request(method, TARGET))
    assert_refused(response, 405)
    assert response.field("allow") == "GET, HEAD, POST"
    assert server.upstream.asked == asked


@pytest.mark.parametrize("method", ["FOO", "get", "PROPFIND", "QUERY", "GETT", "G-E_T!"])
def test_a_method_that_is_none_here_is_not_implemented(client: Client, method: str) -> None:
    assert_refused(client.exchange(Request(method, TARGET)), 501)


def test_connect_opens_no_tunnel(http1: Http1Client) -> None:
    http1.send(f"CONNECT localhost:443 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    assert_refused(http1.receive(), 404)


def test_a_method_on_another_path_is_not_told_anything(client: Client) -> None:
    response = client.exchange(Request("PUT", "/other"))
    assert_refused(response, 404)
    assert response.field("allow") is None


def test_a_wrong_type_is_told_the_right_one(client: Client) -> None:
    response = client.exchange(post(WWW, ("Content-Type", "text/plain")))
    assert_refused(response, 415)
    assert response.field("accept") == "application/dns-message"


@pytest.mark.parametrize("coding", ["gzip", "identity", "br, gzip", "x-unknown"])
def test_a_body_in_any_coding_is_refused_unread(client: Client, coding: str) -> None:
    assert_refused(client.exchange(post(WWW, CONTENT_TYPE, ("Content-Encoding", coding))), 415)
    assert client.exchange(get(WWW)).status == 200


def test_a_body_that_is_too_large_is_refused_unread(http1: Http1Client) -> None:
    head = f"POST /dns-query HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/dns-message\r\n"
    http1.send(f"{head}Content-Length: 1000000\r\n\r\n".encode())
    response = http1.receive()
    assert_refused(response, 413)
    assert response.field("connection") == "close"
    assert http1.is_at_end()


@pytest.mark.parametrize("size", [4100, 7500])
def test_a_target_that_is_too_long_is_refused(client: Client, size: int) -> None:
    assert_refused(client.exchange(Request("GET", TARGET + "&x=" + size * "x")), 414)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(get(query("head.example")), id="an answer"),
        pytest.param(get(query("servfail.head.example")), id="a failure"),
        pytest.param(Request("GET", "/dns-query?dns=AAAA="), id="a 400"),
        pytest.param(Request("GET", "/dns-query?name=a"), id="a 400 with a sentence"),
        pytest.param(get(WWW, ("Accept", "text/html")), id="a 406"),
    ],
)
def test_a_head_is_told_what_a_get_is_and_has_no_body(server: RunningServer, client: Client, request_: Request) -> None:
    # The second of each comes from what was read before.
    client.exchange(replace(request_, method="HEAD"))
    asked = server.upstream.asked
    for _ in range(2):
        head = client.exchange(replace(request_, method="HEAD"))
        whole = client.exchange(request_)
        assert (head.status, head.body) == (whole.status, b"")
        assert _lasting(head) == _lasting(whole)
        assert head.field("content-length") == str(len(whole.body))
    assert server.upstream.asked == asked
    assert server.figure("dohproxy_requests_total", method="HEAD") >= 2


def _lasting(response: Response) -> list[tuple[str, str]]:
    return [field for field in response.fields if field[0] not in ("date", "cache-control")]


def test_who_asks_by_head_has_asked_a_question(start: StartServer) -> None:
    with start(Setup()) as server:
        for kind in (Http1Client, Http2Client):
            with kind(server.port) as client:
                for _ in range(60):  # More than a stranger's connection has without one.
                    assert client.exchange(Request("HEAD", TARGET)).status == 200
                assert server.call(lambda: [one.waiting(clock()).has_asked for one in server.register.everybody()]) == [
                    True
                ]
            assert server.wait_until(lambda: not list(server.register.everybody()))


def test_a_failing_upstream_is_no_gateway_error(client: Client) -> None:
    assert client.exchange(get(query("servfail.gateway.example"))).status == 200


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(("If-None-Match", '"x"'), id="If-None-Match"),
        pytest.param(("If-None-Match", "*"), id="If-None-Match of anything"),
        pytest.param(("If-Match", '"x"'), id="If-Match"),
        pytest.param(("If-Modified-Since", "Sat, 01 Jan 2028 00:00:00 GMT"), id="If-Modified-Since"),
        pytest.param(("If-Unmodified-Since", "Sat, 01 Jan 2000 00:00:00 GMT"), id="If-Unmodified-Since"),
        pytest.param(("Range", "bytes=0-11"), id="Range"),
        pytest.param(("Accept-Encoding", "gzip, br, zstd"), id="Accept-Encoding"),
        pytest.param(("TE", "trailers"), id="TE"),
        pytest.param(("Cookie", "a=b"), id="Cookie"),
        pytest.param(("Authorization", "Basic YTpi"), id="Authorization"),
    ],
)
def test_a_field_that_asks_for_something_else_gets_the_whole_answer(client: Client, field: tuple[str, str]) -> None:
    for request in (get(WWW, ACCEPT, field), post(WWW, CONTENT_TYPE, field)):
        assert client.exchange(request).message().answer


@pytest.mark.parametrize("field", [("TE", "trailers, deflate"), ("Upgrade", "h2c")], ids=["TE", "Upgrade"])
def test_a_field_about_the_connection_is_ignored_or_no_request(
    http1: Http1Client, http2: Http2Client, field: tuple[str, str]
) -> None:
    for request in (get(WWW, ACCEPT, field), post(WWW, CONTENT_TYPE, field)):
        assert http1.exchange(request).message().answer
        with pytest.raises(Reset, match="PROTOCOL_ERROR"):
            http2.exchange(request)
    assert http2.exchange(get(WWW)).message().answer


@pytest.mark.parametrize(
    "directive", ["no-cache", "no-store", "max-age=0", "max-stale", "only-if-cached", "no-transform"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_cache_control_of_a_request_reaches_the_upstream(
    server: RunningServer, client: Client, method: str, directive: str
) -> None:
    control = ("Cache-Control", directive)
    assert client.exchange(get(WWW)).status == 200
    asked = server.upstream.asked
    request = get(WWW, control) if method == "GET" else post(WWW, CONTENT_TYPE, control, ("Pragma", "no-cache"))
    for _ in range(3):
        assert client.exchange(request).message().answer
    assert server.upstream.asked == asked


def test_a_request_without_host_is_refused(http1: Http1Client) -> None:
    http1.send(f"GET {TARGET} HTTP/1.1\r\n\r\n".encode())
    assert_refused(http1.receive(), 400)
    assert http1.is_at_end()


def test_a_request_with_two_hosts_is_refused(http1: Http1Client) -> None:
    http1.send(f"GET {TARGET} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".encode())
    assert_refused(http1.receive(), 400)
    assert http1.is_at_end()


@pytest.mark.parametrize("host", ["other.example", "127.0.0.1:8443", "[::1]", ""])
def test_any_single_host_is_served(client: Client, host: str) -> None:
    assert client.exchange(get(WWW, ("Host", host))).status == 200


@pytest.mark.parametrize(
    "request_",
    [get(WWW), get(query("nxdomain.head.example")), get(b""), post(WWW), Request("PUT", "/dns-query")],
    ids=["an answer", "an NXDOMAIN", "a 400", "a 415", "a 405"],
)
def test_the_header_block_of_a_response_is_small(client: Client, request_: Request) -> None:
    assert client.exchange(request_).head_bytes < 512


BROKEN = [
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS on the plain port"),
    pytest.param(b"\x00\x21" + WWW, id="DNS over TCP"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", id="what begins as the preface of HTTP/2"),
    pytest.param(b"GET\r\n\r\n", id="a request line of one word"),
    pytest.param(f"GET {TARGET} HTTP/9.9\r\nHost: a\r\n\r\n".encode(), id="a version that does not exist"),
    pytest.param(f"GET {TARGET} HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n".encode(), id="a folded field"),
    pytest.param(f"GET {TARGET} HTTP/1.1\r\nHost : a\r\n\r\n".encode(), id="a space before the colon"),
    pytest.param(f"GET {TARGET} HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n".encode(), id="a zero byte in a field"),
    pytest.param(f"GET {TARGET} HTTP/1.1\nHost: a\n\n".encode(), id="bare newlines"),
]


@pytest.mark.parametrize("data", BROKEN)
def test_broken_http_gets_an_empty_error_and_the_end_of_the_connection(http1: Http1Client, data: bytes) -> None:
    http1.send(data)
    response = http1.receive()
    assert response.status in (400, 501)
    assert_refused(response, response.status)
    assert response.field("connection") == "close"
    assert http1.is_at_end()
