"""What is remembered of requests, and for how long."""

from dohproxy.doh.dialects import Dialect
from dohproxy.frontends.known import BYTES_PER_REQUEST, LONGEST_REQUEST, Known, KnownRequests
from dohproxy.reading import Reading
from dohproxy.verdict import Door

REQUEST = b"GET / HTTP/1.1\r\n\r\n"
ROOM = 10 * (BYTES_PER_REQUEST + 10)
"""For ten requests of ten bytes in each generation."""


def known(size: int = 10) -> Known:
    return Known(Reading(Door.HTTP1, "GET", Dialect.RFC_GET), size)


def request(number: int) -> bytes:
    return b"%10d" % number


def test_the_same_bytes_are_found_and_no_others() -> None:
    requests, one = KnownRequests(), known()
    requests.remember(REQUEST, one)
    assert requests.find(REQUEST) is one
    assert requests.find(REQUEST + b" ") is None


def test_what_is_not_asked_for_again_goes() -> None:
    requests = KnownRequests(ROOM)
    requests.remember(REQUEST[:10], known())
    for number in range(20):
        requests.remember(request(number), known())
    assert requests.find(REQUEST[:10]) is None


def test_what_is_asked_for_again_and_again_stays() -> None:
    requests, one = KnownRequests(ROOM), known()
    requests.remember(REQUEST[:10], one)
    for number in range(1_000):
        requests.remember(request(number), known())
        assert requests.find(REQUEST[:10]) is one


def test_there_are_never_more_than_two_generations() -> None:
    requests = KnownRequests(ROOM)
    for number in range(1_000):
        requests.remember(request(number), known())
        assert len(requests) <= 20
        assert 0 < requests.fill <= 1


def test_one_that_is_long_pushes_nobody_out() -> None:
    requests = KnownRequests(ROOM)
    requests.remember(b"x", known(LONGEST_REQUEST + 1))
    assert len(requests) == 0
