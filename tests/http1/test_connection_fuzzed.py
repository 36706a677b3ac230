"""The invariants of `fuzz.http1_invariants` on traffic from seeds; `make fuzz` finds more."""

import random

import pytest

from dohproxy.http1.errors import Fault
from fuzz.http1_invariants import Difference, check_engine, check_http1, difference, read_by_h11
from fuzz.seeds import http1

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
ODD = [b" ", b"\t", b"\r", b"\n", b"\r\n", b":", b",", b";", b"\x00", b"\xff", b"0", b"a", b"chunked", b"Host: b\r\n"]


def odd_traffic(seed: int) -> bytes:
    """Some of the seeds behind each other, and damaged."""
    rng = random.Random(seed)  # noqa: S311 - a test's variety, not a secret
    seeds = [each for each in http1() if len(each) < 1_000]
    data = b"".join(rng.choices(seeds, k=rng.randrange(1, 5)))
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(data))
        data = data[:at] + rng.choice(ODD) + data[at + rng.randrange(3) :]
    return data


@pytest.mark.parametrize("seed", range(40))
def test_every_promise_of_the_engine_holds_for_odd_traffic(seed: int) -> None:
    check_engine(odd_traffic(seed))


@pytest.mark.parametrize("seed", range(40))
def test_the_frontend_answers_each_request_of_odd_traffic_once_and_in_order(seed: int) -> None:
    check_http1(odd_traffic(seed))


@pytest.mark.parametrize("seed", range(10))
def test_every_promise_holds_for_random_bytes(seed: int) -> None:
    check_engine(random.Random(seed).randbytes(200))  # noqa: S311


# Each difference that is listed, made to appear: it is one because h11 takes the request.
DIFFERENCES = {
    Difference.LIMIT: GET.replace(b"\r\n\r\n", b"\r\nX: " + b"a" * 5_000 + b"\r\n\r\n"),
    Difference.BARE_NEWLINE: GET.replace(b"\r\n", b"\n"),
    Difference.FOLDED: GET.replace(b"\r\n\r\n", b"\r\nX: a\r\n b\r\n\r\n"),
    Difference.CONTROL: GET.replace(b"\r\n\r\n", b"\r\nX: a\x01b\r\n\r\n"),
    Difference.TARGET: GET.replace(b"/ ", b"relative "),
    Difference.HOST: GET.replace(b"Host: a", b"Host: user@a"),
    Difference.LENGTH: GET.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"),
    Difference.CODING: CHUNKED.replace(b"Host", b"Content-Length: 5\r\nHost") + b"0\r\n\r\n",
    Difference.VERSION: GET.replace(b"1.1", b"2.0"),
    Difference.CHUNK: CHUNKED + b"0 \r\n\r\n",
}


@pytest.mark.parametrize("reason", Difference, ids=lambda reason: str(reason.value))
def test_each_difference_from_h11_is_known(reason: Difference) -> None:
    run = check_engine(GET + DIFFERENCES[reason])
    assert len(run.requests) == 1
    assert run.fault is not None
    theirs = read_by_h11(run.rest)
    assert theirs is not None
    assert difference(run.rest, theirs, run.fault) is reason


def test_a_difference_that_is_none_would_be_told() -> None:
    theirs = read_by_h11(GET)
    assert theirs is not None
    assert difference(GET, theirs, Fault.MALFORMED) is None
