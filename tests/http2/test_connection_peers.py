"""The engine and the `h2` library as its client: what others make of our frames, and how honest clients fare."""

import random

import h2.events
import h2.settings
import pytest

from dohproxy.http2.errors import Excess
from dohproxy.http2.limits import Http2Limits
from tests.http2 import client as c
from tests.http2.events import RequestReceived, StreamReset
from tests.http2.peer import Peer

Fields = c.Fields
SMALL, LARGE = b"a" * 128, random.Random(1).randbytes(65_535)  # noqa: S311 - filling


def target(method: str, path: str) -> Fields:
    """Return the pseudo-header fields of a request."""
    return ((":method", method), (":scheme", "https"), (":authority", "doh.example.net"), (":path", path))


ANSWERS = {"/dns-query": SMALL, c.QUERY_PATH: SMALL, "/large": LARGE, "/empty": b""}
POST_FIELDS = (("content-type", "application/dns-message"), ("content-length", "33"))

# Real header sets; the order is that of the wire.
CLIENTS: dict[str, tuple[Fields, bytes | None]] = {
    "curl --doh-url": (
        (*target("POST", "/dns-query"), ("accept", "*/*"), *POST_FIELDS),
        bytes(33),
    ),
    "Chromium": (
        (
            *((":method", "GET"), (":authority", "doh.example.net"), (":scheme", "https"), (":path", c.QUERY_PATH)),
            *(("accept", "application/dns-message"), ("accept-language", "*"), ("user-agent", "Chrome")),
            ("accept-encoding", "identity"),
        ),
        None,
    ),
    "Firefox": (
        (
            *((":method", "POST"), (":path", "/dns-query"), (":authority", "doh.example.net"), (":scheme", "https")),
            *(("accept", "application/dns-message"), ("accept-encoding", ""), ("cache-control", "no-store")),
            *(*POST_FIELDS, ("pragma", "no-cache"), ("te", "trailers")),
        ),
        bytes(33),
    ),
    "dnscrypt-proxy": (
        (
            *target("POST", "/dns-query"),
            *(("accept", "application/dns-message"), ("cache-control", "max-stale"), *POST_FIELDS),
            ("user-agent", "dnscrypt-proxy"),
        ),
        bytes(33),
    ),
    "Apple": (
        (
            *target("GET", c.QUERY_PATH),
            *(("accept", "application/dns-message"), ("content-type", "application/dns-message")),
        ),
        None,
    ),
    "dig": (
        (
            *target("POST", "/dns-query"),
            *POST_FIELDS,
            *(("accept", "application/dns-message"), ("cache-control", "no-cache, no-store, must-revalidate")),
        ),
        bytes(33),
    ),
    "NextDNS CLI": (
        (
            *(*target("POST", "/dns-query"), *POST_FIELDS, ("user-agent", "nextdns-cli/1.44.3 (linux; amd64)")),
            *(("x-conf-last-modified", "Mon, 01 Jan 2024 00:00:00 GMT"), ("x-device-id", "abcdef")),
            *(("x-device-ip", "192.0.2.7"), ("x-device-model", "unknown"), ("accept-encoding", "gzip")),
        ),
        bytes(33),
    ),
    "Xray": ((*target("POST", "/dns-query"), *POST_FIELDS, ("x-padding", "X" * 1_000)), bytes(33)),
}
# What each sends before its first request: settings, then the window of the connection.
GREETINGS: dict[str, tuple[dict[int, int], int]] = {
    "curl, kdig, dig: nghttp2": ({3: 100, 4: 10_485_760, 2: 0}, 1_048_510_465),
    "Chromium": ({1: 65_536, 2: 0, 4: 6_291_456, 6: 262_144}, 15_663_105),
    "Firefox": ({1: 65_536, 2: 0, 4: 131_072, 5: 16_384}, 12_517_377),
    "Go": ({2: 0, 4: 4_194_304, 5: 16_384, 6: 10_485_760}, 1_073_741_824),
    "hyper": ({2: 0, 4: 2_097_152, 5: 16_384, 6: 16_384}, 5_177_345),
    "the default": ({}, 0),
}


@pytest.mark.parametrize("greeting", GREETINGS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_real_client_asks_as_often_as_it_may_and_is_answered(client: str, greeting: str) -> None:
    settings, window = GREETINGS[greeting]
    peer = Peer(answers=ANSWERS, settings=settings)
    if window:
        peer.client.increment_flow_control_window(window)
    fields, body = CLIENTS[client]
    for _ in range(6):
        for _ in range(20):
            peer.ask(fields, body)
        peer.exchange()
    assert set(peer.bodies.values()) == {SMALL}
    assert len(peer.ended) == 120
    assert peer.engine.is_idle


def test_a_thousand_requests_of_all_kinds_interleaved() -> None:
    rng = random.Random(20_191_115)  # noqa: S311 - a test's variety, not a secret
    peer = Peer(limits=Http2Limits(max_requests=1_001))  # h2's client reads nothing more behind a GOAWAY.
    expected: dict[int, bytes] = {}
    waiting: list[int] = []
    while len(expected) < 1_000 or waiting:
        for _ in range(rng.randrange(8) if len(expected) < 1_000 and len(waiting) < 90 else 0):
            fields, body = rng.choice(list(CLIENTS.values()))
            stream_id = peer.ask(fields, body)
            waiting.append(stream_id)
            expected[stream_id] = rng.randbytes(rng.choice([0, 40, 468, 4_096, 20_000]))
            if len(expected) == 1_000:
                break
        peer.exchange()
        rng.shuffle(waiting)
        for _ in range(min(len(waiting), rng.randrange(8))):
            stream_id = waiting.pop()
            peer.answer(stream_id, expected[stream_id])
        peer.exchange()
    assert {stream_id: peer.bodies.get(stream_id, b"") for stream_id in expected} == expected
    assert peer.ended == set(expected)
    assert [type(event) for event in peer.seen] == [RequestReceived] * 1_000
    assert peer.engine.is_idle


def test_what_the_client_sent_is_what_the_frontend_gets() -> None:
    peer = Peer()
    fields, body = CLIENTS["dnscrypt-proxy"]
    peer.ask(fields, body)
    peer.exchange()
    [request] = peer.seen
    assert isinstance(request, RequestReceived)
    head = request.head
    assert (head.method, head.path, head.authority) == ("POST", "/dns-query", "doh.example.net")
    assert head.fields == fields[4:]
    assert (request.body, head.content_length) == (body, 33)


@pytest.mark.parametrize("window", [1_024, 4_096, 16_383, 65_535])
def test_large_answers_arrive_through_small_windows(window: int) -> None:
    peer = Peer(answers=ANSWERS, settings={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
    asked = [peer.ask(target("GET", "/large")) for _ in range(3)]
    peer.exchange()
    if window == 1_024:
        # Sixty-four updates for one answer: nobody does that but to make us send small frames.
        assert peer.engine.fault is not None
        assert peer.engine.fault.excess is Excess.WINDOW_UPDATES
        return
    assert [peer.bodies[stream_id] for stream_id in asked] == [LARGE] * 3
    assert peer.engine.windows.sent_bytes == 3 * 65_535


def test_a_large_answer_holds_no_other_stream_back() -> None:
    peer = Peer(answers=ANSWERS, acknowledges=False, settings={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 20_000})
    large = peer.ask(target("GET", "/large"))
    small = peer.ask(target("GET", "/dns-query"))
    peer.exchange()
    assert small in peer.ended
    assert (len(peer.bodies[large]), peer.engine.windows.blocked_bytes) == (20_000, 45_535)
    peer.client.increment_flow_control_window(45_535, large)
    peer.client.increment_flow_control_window(45_535)
    peer.exchange()
    assert peer.bodies[large] == LARGE


def test_a_client_that_changes_its_window_midway_gets_the_rest() -> None:
    peer = Peer(answers=ANSWERS, acknowledges=False)
    peer.client.increment_flow_control_window(10**6)
    code = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE
    peer.client.update_settings({code: 1_000})
    peer.exchange()
    stream_id = peer.ask(target("GET", "/large"))
    peer.exchange()
    assert len(peer.bodies[stream_id]) == 1_000
    peer.client.update_settings({code: 0})
    peer.exchange()
    peer.client.update_settings({code: 70_000})
    peer.exchange()
    assert peer.bodies[stream_id] == LARGE


def test_a_client_that_gives_up_midway_disturbs_no_other() -> None:
    peer = Peer(answers={"/large": LARGE}, acknowledges=False)
    peer.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 5_000})
    peer.exchange()
    pending, large, unfinished = peer.ask(target("GET", "/slow")), peer.ask(target("GET", "/large")), 5
    peer.client.send_headers(unfinished, list(target("POST", "/dns-query")))
    peer.exchange()
    for stream_id in (pending, large, unfinished):
        peer.client.reset_stream(stream_id)
    peer.exchange()
    assert peer.seen[-1] == StreamReset(pending)
    assert peer.engine.is_idle
    peer.answers["/dns-query"] = SMALL
    again = peer.ask(target("GET", "/dns-query"))
    peer.exchange()
    assert peer.bodies[again] == SMALL


def test_a_browser_that_closes_a_page_may_reset_dozens() -> None:
    peer = Peer(answers=ANSWERS)
    for _ in range(5):
        asked = [peer.ask(target("GET", "/slow")) for _ in range(60)]
        peer.exchange()
        for stream_id in asked:
            peer.client.reset_stream(stream_id)
        peer.exchange()
        peer.now += 3
    assert peer.engine.fault is None


def test_a_client_may_ping_as_it_measures_the_line() -> None:
    """gRPC and Go ping once in a round trip while data arrives, and Go with each request that it gives up."""
    peer = Peer(answers=ANSWERS)
    for _ in range(500):
        peer.client.ping(b"measures")
        peer.ask(target("GET", "/dns-query"))
        peer.exchange()
        peer.now += 0.1
    assert peer.engine.fault is None


def test_a_client_that_gives_each_request_a_priority_may() -> None:
    peer = Peer(answers=ANSWERS)
    for stream_id in range(3, 13, 2):
        peer.client.prioritize(stream_id, weight=201, depends_on=0)
    stream_id = 13
    for _ in range(300):
        peer.client.send_headers(
            stream_id, list(target("GET", "/dns-query")), True, priority_weight=22, priority_depends_on=3
        )
        peer.exchange()
        stream_id += 2
    assert peer.engine.fault is None
    assert len(peer.ended) == 300


def test_graceful_shutdown_lets_a_client_finish_and_go_elsewhere() -> None:
    peer = Peer()
    first = peer.ask(target("GET", "/slow"))
    peer.exchange()
    peer.engine.go_away()
    peer._take(peer.client.receive_data(peer.engine.data_to_send()))
    [goodbye] = [event for event in peer.events if isinstance(event, h2.events.ConnectionTerminated)]
    assert (goodbye.error_code, goodbye.last_stream_id) == (0, first)
    peer.answer(first, SMALL)
    assert b"a" * 128 in peer.engine.data_to_send()
    assert peer.engine.is_closing


def test_a_client_that_is_told_of_a_full_house_is_served_when_there_is_room() -> None:
    peer = Peer()
    asked = [peer.ask(target("GET", "/slow")) for _ in range(100)]
    peer.exchange()
    assert peer.client.remote_settings.max_concurrent_streams == 100
    for stream_id in asked:
        peer.answer(stream_id, SMALL)
    peer.exchange()
    peer.ask(target("GET", "/slow"))
    peer.exchange()
    assert len(peer.seen) == 101
    assert peer.engine.fault is None


def test_padded_requests_are_understood() -> None:
    peer = Peer(answers=ANSWERS)
    stream_id = peer.client.get_next_available_stream_id()
    peer.client.send_headers(stream_id, list(target("POST", "/dns-query")))
    peer.client.send_data(stream_id, bytes(33), end_stream=True, pad_length=95)
    peer.exchange()
    assert peer.bodies[stream_id] == SMALL


def test_an_empty_answer_is_whole() -> None:
    peer = Peer(answers=ANSWERS)
    stream_id = peer.ask(target("GET", "/empty"))
    peer.exchange()
    assert (peer.ended, peer.bodies) == ({stream_id}, {})


def test_half_a_request_says_since_when() -> None:
    peer = Peer()
    peer.client.send_headers(1, list(target("POST", "/dns-query")))
    peer.exchange()
    peer.now += 4
    peer.client.send_data(1, bytes(10))
    peer.exchange()
    assert (peer.engine.half_read_since, peer.engine.is_half_read, peer.engine.is_idle) == (50.0, True, False)
    peer.client.end_stream(1)
    peer.exchange()
    assert (peer.engine.half_read_since, peer.engine.is_half_read) == (None, False)
