"""What is remembered of requests, and for how long."""

import pytest

from dohproxy.doh.dialects import Dialect
from dohproxy.frontends.request_cache import BYTES_PER_REQUEST, LONGEST_REQUEST, MOST_BYTES, CachedRequest, RequestCache
from dohproxy.outcomes import Frontend, Reason, Reply
from dohproxy.parsed_request import Answered, ParsedRequest
from tests.frontends.growth import measure

REQUEST = b"GET / HTTP/1.1\r\n\r\n"
VERSION = 7
"""Of the rules."""
ROOM = 10 * (BYTES_PER_REQUEST + 10)
"""For ten requests of ten bytes in each generation."""


def known(size: int = 10) -> CachedRequest:
    return CachedRequest(ParsedRequest(Frontend.HTTP1, VERSION, "GET", Dialect.RFC_GET), size)


def request(number: int) -> bytes:
    return b"%10d" % number


def test_the_same_bytes_are_found_and_no_others() -> None:
    requests, one = RequestCache(), known()
    requests.remember(REQUEST, one)
    assert requests.find(REQUEST, VERSION) is one
    assert requests.find(REQUEST + b" ", VERSION) is None


def test_what_is_not_asked_for_again_goes() -> None:
    requests = RequestCache(ROOM)
    requests.remember(REQUEST[:10], known())
    for number in range(20):
        requests.remember(request(number), known())
    assert requests.find(REQUEST[:10], VERSION) is None


def test_what_is_asked_for_again_and_again_stays() -> None:
    requests, one = RequestCache(ROOM), known()
    requests.remember(REQUEST[:10], one)
    for number in range(1_000):
        requests.remember(request(number), known())
        assert requests.find(REQUEST[:10], VERSION) is one


def test_there_are_never_more_than_two_generations() -> None:
    requests = RequestCache(ROOM)
    for number in range(1_000):
        requests.remember(request(number), known())
        assert len(requests) <= 20
        assert 0 < requests.held_bytes <= 2 * ROOM


def test_one_that_is_long_pushes_nobody_out() -> None:
    requests = RequestCache(ROOM)
    requests.remember(b"x", known(LONGEST_REQUEST + 1))
    assert len(requests) == 0


def test_what_was_answered_is_charged_and_makes_room_for_fewer() -> None:
    requests = RequestCache(ROOM)
    for number in range(1_000):
        one = known()
        requests.remember(request(number), one)
        one.parsed.keep(Answered(Reply(bytes(BYTES_PER_REQUEST + 10), Reason.CACHED, 0), lambda _: None, 10.0))
        assert len(requests) <= 11
        assert requests.held_bytes <= 2 * ROOM + BYTES_PER_REQUEST + 10


def test_an_answer_that_is_no_longer_than_the_one_before_is_charged_once() -> None:
    requests, one = RequestCache(ROOM), known()
    requests.remember(request(0), one)
    for size in (500, 400, 500):
        one.parsed.keep(Answered(Reply(bytes(size), Reason.CACHED, 0), lambda _: None, 10.0))
    assert requests.held_bytes == BYTES_PER_REQUEST + 10 + 500


@pytest.mark.parametrize("is_old", [False, True], ids=["the younger generation", "the older one"])
def test_what_was_read_under_other_rules_is_forgotten(*, is_old: bool) -> None:
    requests = RequestCache(ROOM)
    requests.remember(REQUEST[:10], known())
    if is_old:
        for number in range(10):
            requests.remember(request(number), known())
    assert requests.find(REQUEST[:10], VERSION + 1) is None
    assert requests.find(REQUEST[:10], VERSION) is None


def test_rules_that_change_all_the_time_charge_nothing_twice() -> None:
    requests, one = RequestCache(ROOM), known()
    for version in range(VERSION, VERSION + 100):
        if requests.find(request(0), version) is None:
            one = CachedRequest(ParsedRequest(Frontend.HTTP1, version), 10)
            requests.remember(request(0), one)
            one.parsed.keep(Answered(Reply(bytes(500), Reason.CACHED, 0), lambda _: None, 10.0))
        assert requests.held_bytes == BYTES_PER_REQUEST + 10 + 500


@pytest.mark.parametrize("frontend", ["http1", "http2"])
@pytest.mark.parametrize("answer", ["small", "middling", "large"])
def test_no_flood_of_requests_takes_more_memory_than_two_generations(frontend: str, answer: str) -> None:
    # A quarter beyond what is charged: dicts that have just been moved, and the decoded paths of HTTP/2.
    assert measure(f"known-{frontend}-{answer}").grown < 2.5 * MOST_BYTES
