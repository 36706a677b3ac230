"""The invariants of `fuzz.http2_invariants` on traffic from seeds; `make fuzz` finds more."""

import random

import pytest

from fuzz.http2_invariants import MOST_BYTES_KEPT, Difference, bytes_kept_by, check_connection, check_frames
from fuzz.http2_traffic import traffic
from tests.http2 import client as c
from tests.http2.client import Client
from tests.http2.events import RequestReceived


@pytest.mark.parametrize("seed", range(12))
def test_traffic_that_breaks_no_rule_is_served(seed: int) -> None:
    run = check_connection(traffic(seed, oddity=0, steps=25))
    assert run.engine.fault is None
    assert sum(isinstance(event, RequestReceived) for event in run.events) >= 5


@pytest.mark.parametrize("oddity", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("seed", range(100, 112))
def test_every_promise_holds_for_odd_traffic(seed: int, oddity: float) -> None:
    check_connection(traffic(seed, oddity=oddity, steps=25))


@pytest.mark.parametrize("seed", range(20))
def test_every_promise_holds_for_random_bytes(seed: int) -> None:
    data = random.Random(seed).randbytes(200)  # noqa: S311 - a test's variety, not a secret
    check_frames(data)
    check_connection(data)


# Each difference that is listed, made to appear: it is one because h2 takes the second request.
DIFFERENCES = {
    Difference.LIMIT: [c.ping()] * 101 + [c.headers(3)],
    Difference.TOO_LARGE: [c.headers(3, (*c.GET, ("x", "v" * 9_000)))],
    Difference.IDLE_RESET: [c.rst_stream(99), c.headers(3)],
    Difference.UNKNOWN_SETTING: [c.settings((9, 2)), c.headers(3)],
    Difference.MALFORMED: [c.headers(3, (*c.GET[:3], (":path", "no-slash")))],
    Difference.THREE_UPDATES: [c.frame(c.HEADERS, 5, 3, b"\x20\x20\x20" + c.block(c.GET))],
}


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: str(difference.value))
def test_each_difference_from_h2_is_known(difference: Difference) -> None:
    from fuzz.http2_invariants import difference as reason_for

    wire = b"".join([c.HELLO, c.headers(1), *DIFFERENCES[difference]])
    run = check_connection(wire)
    assert [event.stream_id for event in run.events if isinstance(event, RequestReceived)] == [1]
    headers = [(name.encode(), value.encode()) for name, value in c.GET]
    if difference is Difference.MALFORMED:
        headers[3] = (b":path", b"no-slash")
    assert reason_for(wire, run, 3, headers) is difference


def test_what_an_engine_keeps_is_measured() -> None:
    """A measure that sees nothing would prove nothing."""
    assert bytes_kept_by(Client().engine) < 2_000  # Most of it the strings of the static table, which all share.
    client = Client().send(*(c.headers(at, c.POST, end=False) + c.data(at, bytes(4_096)) for at in range(1, 161, 2)))
    assert 80 * 4_096 < bytes_kept_by(client.engine) < MOST_BYTES_KEPT
