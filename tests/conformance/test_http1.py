"""HTTP/1.1's own shapes: pipelines, segments, chunks, old versions and the ends of connections."""

import itertools
import threading
from dataclasses import replace

import dns.message
import pytest

from dohproxy.config import ConnectionsConfig
from dohproxy.frontends.connections import Closing
from dohproxy.frontends.http1.connection import MOST_READ_AHEAD, Http1Frontend
from tests.conformance.conftest import StartServer
from tests.conformance.exchange import (
    ACCEPT,
    CONTENT_TYPE,
    MEDIA_TYPE,
    Request,
    Response,
    assert_echoes,
    assert_refused,
    encode,
    get,
    post,
)
from tests.conformance.http1 import HOST, Http1Client, render
from tests.conformance.queries import query
from tests.conformance.setups import with_sections
from tests.fakes.conformance import RunningServer

WWW = query("www.example.com", identifier=0x0101)
POST_HEAD = f"POST /dns-query HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {MEDIA_TYPE}\r\n".encode()
ONE_READ = 262_144
"""Bytes that an event loop reads at once at most."""

_numbers = itertools.count()


def _fresh(identifier: int = 0) -> bytes:
    """A query that the upstream has to be asked."""
    return query(f"pipeline{next(_numbers)}.example", identifier=identifier)


# --- Pipelines ---


def test_hits_and_misses_in_one_segment_are_answered_in_order(http1: Http1Client) -> None:
    http1.exchange(get(WWW))
    wires = [_fresh(number) if number % 3 == 1 else query("www.example.com", identifier=number) for number in range(30)]
    requests = [get(wire) if number % 2 else post(wire, CONTENT_TYPE) for number, wire in enumerate(wires)]
    http1.send(b"".join(map(render, requests)))
    for wire in wires:
        assert_echoes(http1.receive().body, wire)


def test_refusals_between_answers_keep_their_places(http1: Http1Client) -> None:
    requests = [
        get(WWW),
        get(WWW, path="/other"),
        post(WWW, CONTENT_TYPE),
        Request("PUT", "/dns-query", (), b"body"),
        get(_fresh()),
        get(b""),
        post(WWW, ("Content-Type", "text/plain")),
        get(WWW),
    ]
    http1.send(b"".join(map(render, requests)))
    assert [http1.receive().status for _ in requests] == [200, 404, 200, 405, 200, 400, 415, 200]


def test_what_follows_a_refusal_that_closes_is_not_read(server: RunningServer, http1: Http1Client) -> None:
    before = server.figure("dohproxy_requests_total")
    http1.send(render(post(bytes(2000), CONTENT_TYPE)) + render(get(WWW)))
    assert_refused(http1.receive(), 413)
    assert http1.is_at_end()
    assert server.figure("dohproxy_requests_total") == before + 1


@pytest.mark.parametrize("count", [15, 16, 17, 31, 32, 33, 64, 65, 500])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_pipeline_of_any_length_is_answered_whole(http1: Http1Client, method: str, count: int) -> None:
    request = render(get(WWW) if method == "GET" else post(WWW, CONTENT_TYPE))
    http1.send(request * count)
    assert {http1.receive().status for _ in range(count)} == {200}


def test_ten_thousand_pipelined_requests_are_answered_while_their_client_reads(http1: Http1Client) -> None:
    http1.exchange(get(WWW))
    count = 10_000
    sender = threading.Thread(target=http1.send, args=(render(get(WWW)) * count,))
    sender.start()
    for _ in range(count):
        assert http1.receive().status == 200
    sender.join()


def test_a_queue_behind_a_miss_stops_growing_at_its_bound(start: StartServer) -> None:
    with start(with_sections()) as server, Http1Client(server.port) as http1:
        request = render(get(WWW))
        http1.send(render(get(query("silent.queue.example"))))
        flood = threading.Thread(target=_send_until_closed, args=(http1, request * 100_000))
        flood.start()
        queued = [server.call(lambda: _longest_rest(server)) for _ in range(300)]
        http1.socket.shutdown(2)
        flood.join()
    assert 0 < max(queued) <= MOST_READ_AHEAD + ONE_READ


def _send_until_closed(http1: Http1Client, data: bytes) -> None:
    try:
        http1.send(data)
    except OSError:
        return


def _longest_rest(server: RunningServer) -> int:
    return max((frontend._engine.held_bytes for frontend in _frontends(server)), default=0)


def _frontends(server: RunningServer) -> list[Http1Frontend]:
    return [connection for connection in server.register._open if isinstance(connection, Http1Frontend)]


def test_a_client_that_reads_nothing_is_cut_and_its_answers_are_not_heaped_up(start: StartServer) -> None:
    limits = ConnectionsConfig(max_requests=1_000_000, write_seconds=0.5)
    with start(with_sections(connections=limits)) as server, Http1Client(server.port) as http1:
        wire = query("large.deaf.example", "TXT")
        assert http1.exchange(get(wire)).status == 200
        http1.send(render(get(wire)) * 20_000)
        assert server.wait_until(lambda: server.register.statistics().closed)
        closed, open_ = server.call(lambda: (server.register.statistics(), server.register.slots_taken))
        answered = server.figure("dohproxy_requests_total")
    assert closed.closed == {Closing.WRITE_DEADLINE: 1}
    assert open_ == 0
    # What the kernel takes for a client that does not read is some MiB; the rest was never made.
    assert answered < 10_000


# --- Segments and bodies ---


@pytest.mark.parametrize(
    "request_",
    [get(WWW, ACCEPT), post(WWW, CONTENT_TYPE), get(WWW, path="/other")],
    ids=["a GET", "a POST", "a 404"],
)
def test_a_request_in_segments_of_one_byte(http1: Http1Client, request_: Request) -> None:
    expected = http1.exchange(request_)
    for byte in render(request_):
        http1.send(bytes([byte]))
    response = http1.receive()
    assert (response.status, response.body[:12]) == (expected.status, expected.body[:12])


def test_requests_cut_anywhere_are_put_together(http1: Http1Client) -> None:
    whole = render(get(WWW)) + render(post(WWW, CONTENT_TYPE))
    for cut in range(1, len(whole), 7):
        http1.send(whole[:cut])
        http1.send(whole[cut:])
        assert [http1.receive().status for _ in range(2)] == [200, 200]


CHUNKED = POST_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(b"%x\r\n%b\r\n0\r\n\r\n" % (len(WWW), WWW), id="one chunk"),
        pytest.param(b"".join(b"1\r\n%c\r\n" % byte for byte in WWW) + b"0\r\n\r\n", id="chunks of one byte"),
        pytest.param(b"%X;a=b\r\n%b\r\n0\r\n\r\n" % (len(WWW), WWW), id="a chunk with an extension"),
        pytest.param(b"%x\r\n%b\r\n0\r\nX-Trailer: a\r\n\r\n" % (len(WWW), WWW), id="a trailer"),
    ],
)
def test_a_chunked_body_is_read(http1: Http1Client, chunks: bytes) -> None:
    http1.send(CHUNKED + chunks)
    assert_echoes(http1.receive().body, WWW)
    assert http1.exchange(get(WWW)).status == 200


@pytest.mark.parametrize(
    ("chunks", "status"),
    [
        pytest.param(b"0\r\n\r\n", 400, id="an empty body"),
        pytest.param(b"zz\r\n", 400, id="a size that is none"),
        pytest.param(b"3\r\nabcdef\r\n0\r\n\r\n", 400, id="a chunk longer than its size"),
        pytest.param(b"401\r\n" + bytes(0x401) + b"\r\n0\r\n\r\n", 413, id="1025 bytes"),
        pytest.param(2000 * b"1\r\nx\r\n" + b"0\r\n\r\n", 413, id="two thousand chunks"),
        pytest.param(b"fffffffffffffffff\r\n", 400, id="a size beyond 64 bits"),
    ],
)
def test_a_chunked_body_is_refused(http1: Http1Client, chunks: bytes, status: int) -> None:
    http1.send(CHUNKED + chunks)
    response = http1.receive()
    assert response.status == status
    assert response.body == b""


def test_a_client_that_waits_for_it_is_invited_to_send_its_body(http1: Http1Client) -> None:
    http1.send(POST_HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(WWW))
    assert http1.receive().status == 100
    http1.send(WWW)
    assert_echoes(http1.receive().body, WWW)


def test_a_client_that_does_not_wait_is_not_invited(http1: Http1Client) -> None:
    http1.send(POST_HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(WWW) + WWW)
    assert http1.receive().status == 200


def test_a_body_that_is_too_large_is_not_invited(http1: Http1Client) -> None:
    http1.send(POST_HEAD + b"Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n")
    assert_refused(http1.receive(), 413)


# --- Versions and targets ---


def _raw_get(line: str, *fields: str) -> bytes:
    return "\r\n".join([line, *fields, "", ""]).encode()


def test_http_1_0_is_served_and_its_connection_closed(http1: Http1Client) -> None:
    http1.send(_raw_get(f"GET /dns-query?dns={encode(WWW)} HTTP/1.0"))
    response = http1.receive()
    assert_echoes(response.body, WWW)
    assert response.field("connection") == "close"
    assert http1.is_at_end()


def test_http_1_0_with_a_body_is_served(http1: Http1Client) -> None:
    head = f"POST /dns-query HTTP/1.0\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(WWW)}\r\n\r\n"
    http1.send(head.encode() + WWW)
    assert_echoes(http1.receive().body, WWW)
    assert http1.is_at_end()


def test_http_1_0_is_never_invited_to_send_its_body(server: RunningServer, http1: Http1Client) -> None:
    """RFC 9110 section 10.1.1: a client of that version would take the invitation for the answer."""
    head = f"POST /dns-query HTTP/1.0\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(WWW)}\r\n"
    http1.send(head.encode() + b"Expect: 100-continue\r\n\r\n")
    assert server.wait_until(lambda: _awaits_body(server))
    http1.send(WWW)
    assert http1.receive().status == 200


def _awaits_body(server: RunningServer) -> bool:
    return any(frontend._engine.is_in_body for frontend in _frontends(server))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_client_that_wants_to_close_is_closed_after_its_answer(http1: Http1Client, method: str) -> None:
    close = ("Connection", "close")
    response = http1.exchange(get(WWW, close) if method == "GET" else post(WWW, CONTENT_TYPE, close))
    assert response.message().answer
    assert response.field("connection") == "close"
    assert http1.is_at_end()


def test_a_client_that_half_closes_gets_what_is_known(http1: Http1Client) -> None:
    http1.exchange(get(WWW))
    http1.send(render(get(WWW)) * 2)
    http1.socket.shutdown(1)
    assert [http1.receive().status for _ in range(2)] == [200, 200]
    assert http1.is_at_end()


@pytest.mark.parametrize("origin", ["http://localhost", "https://localhost:443", "HTTP://other.example"])
def test_the_absolute_form_of_a_target_is_read(http1: Http1Client, origin: str) -> None:
    http1.send(_raw_get(f"GET {origin}/dns-query?dns={encode(WWW)} HTTP/1.1", f"Host: {HOST}"))
    assert_echoes(http1.receive().body, WWW)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        pytest.param(f"http://localhost?dns={encode(WWW)}", 404, id="an absolute form without a path"),
        pytest.param(f"http://localhost?x=/dns-query?dns={encode(WWW)}", 404, id="a path inside its query"),
        pytest.param("*", 400, id="an asterisk"),
        pytest.param("dns-query", 400, id="a relative path"),
        pytest.param("//dns-query", 404, id="two slashes"),
        pytest.param("/dns-query#dns=AAAA", 404, id="a fragment"),
    ],
)
def test_another_target_finds_nothing(http1: Http1Client, target: str, status: int) -> None:
    http1.send(_raw_get(f"GET {target} HTTP/1.1", f"Host: {HOST}"))
    assert_refused(http1.receive(), status)


def test_an_upgrade_is_ignored_and_the_connection_goes_on(http1: Http1Client) -> None:
    upgrade = (("Connection", "Upgrade"), ("Upgrade", "websocket"))
    http1.send(render(get(WWW, *upgrade)) + render(post(WWW, CONTENT_TYPE, *upgrade)) + render(get(WWW)))
    assert [http1.receive().status for _ in range(3)] == [200] * 3


def test_a_get_with_a_body_is_answered_and_its_body_skipped(http1: Http1Client) -> None:
    http1.send(render(get(WWW, ("Content-Length", "5"))) + b"hello" + render(get(WWW)))
    assert [http1.receive().status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_large_body_that_nobody_reads_is_not_taken_for_a_request(http1: Http1Client, method: str) -> None:
    target = get(WWW).target
    http1.send(render(Request(method, target, (("Content-Length", "50000"),))) + render(get(WWW)))
    assert http1.receive().field("connection") == "close"
    assert http1.is_at_end()


def test_empty_lines_before_a_request_are_skipped(http1: Http1Client) -> None:
    http1.send(b"\r\n\r\n" + render(get(WWW)))
    assert http1.receive().status == 200


# --- Ends ---


def test_a_connection_ends_politely_after_its_number_of_requests(start: StartServer) -> None:
    with start(with_sections(connections=ConnectionsConfig(max_requests=10))) as server:
        with Http1Client(server.port) as http1:
            responses: list[Response] = [http1.exchange(get(WWW)) for _ in range(10)]
            assert http1.is_at_end()
        assert [response.field("connection") for response in responses] == [None] * 9 + ["close"]
        with Http1Client(server.port) as other:
            assert other.exchange(get(WWW)).status == 200


def test_a_client_that_leaves_in_the_middle_harms_nobody(server: RunningServer) -> None:
    whole = render(post(WWW, CONTENT_TYPE))
    for cut in range(0, len(whole), 20):
        with Http1Client(server.port) as http1:
            http1.send(whole[:cut])
    with Http1Client(server.port) as http1:
        http1.send(render(get(query("silent.left.example"))))
    with Http1Client(server.port) as http1:
        assert http1.exchange(get(WWW)).status == 200


def test_a_fetch_outlives_the_client_that_asked_for_it(start: StartServer) -> None:
    wire = query("left.example")
    with start(with_sections()) as server:
        with Http1Client(server.port) as http1:
            http1.send(render(get(wire)))
        with Http1Client(server.port) as http1:
            response = http1.exchange(get(wire))
        assert dns.message.from_wire(response.body).answer
        assert server.upstream.asked == 1


def test_a_query_larger_than_usual_is_read_where_it_is_allowed(start: StartServer) -> None:
    setup = with_sections()
    server_section = replace(setup.config.server, max_query_bytes=4096)
    with start(with_sections(server=server_section)) as server, Http1Client(server.port) as http1:
        assert http1.exchange(post(bytes(4096), CONTENT_TYPE)).status == 200
        assert http1.exchange(post(bytes(4097), CONTENT_TYPE)).status == 413
