"""The virtual day: a clock that moves when nobody has anything to do, and a small flood that lasts hours in it."""

import asyncio
import socket

import pytest

from bench.incident.clockwork import ClockworkLoop
from bench.incident.day import live_through, read_http
from bench.incident.members import KIND
from bench.incident.replay import UPSTREAM
from bench.incident.strangers import TAIL, Flood
from bench.names import Popularity
from bench.questions import A, post, query, stub_get_of_2019, stub_post_of_2019

pytestmark = pytest.mark.long

WIRE = query("www.example.net", A)


def test_hours_pass_at_once() -> None:
    async def sleep() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await asyncio.gather(asyncio.sleep(3_600), asyncio.sleep(60))
        return before, loop.time()

    loop = ClockworkLoop()
    before, after = loop.run_until_complete(sleep())
    loop.close()
    assert after - before == pytest.approx(3_600)


def test_what_was_sent_arrives_before_time_goes_on() -> None:
    async def exchange() -> tuple[bytes, float]:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.setblocking(False)
            one.bind(("127.0.0.1", 0))
            loop.call_later(10, one.sendto, b"late", one.getsockname())
            async with asyncio.timeout(11):
                return await loop.sock_recv(one, 100), loop.time()

    loop = ClockworkLoop()
    received, at = loop.run_until_complete(exchange())
    loop.close()
    assert received == b"late"
    assert at == pytest.approx(10)


def test_nothing_goes_wrong_unseen() -> None:
    loop = ClockworkLoop()
    with pytest.raises(RuntimeError, match="something"):
        loop.call_exception_handler({"message": "something"})
    loop.close()


@pytest.mark.parametrize(
    ("request_", "method", "is_padded"),
    [(post(WIRE), "POST", False), (stub_post_of_2019(WIRE), "POST", True), (stub_get_of_2019(WIRE), "GET", False)],
    ids=["RFC 8484", "with X-Pad", "GET of 2019"],
)
def test_requests_are_read_as_a_frontend_reads_them(request_: bytes, method: str, *, is_padded: bool) -> None:
    read = read_http(request_)
    assert (read.method, read.pad_header, read.accept) == (method, is_padded, "application/dns-message")
    assert (read.body == WIRE) == (method == "POST")


def test_a_small_flood_over_members_who_were_there_before() -> None:
    popularity = Popularity([f"site{number}-bench.net" for number in range(500)])
    flood = Flood(addresses=40, requests=2_000, day_seconds=1_800)
    day = live_through(flood, UPSTREAM, popularity, hours_before=0.5)
    assert sum(tally.asked for kind, tally in day.during.items() if kind != KIND) == pytest.approx(2_000, rel=0.05)
    assert day.upstream.excess == 0
    assert day.upstream.bans == 0
    assert day.tally(KIND).success == 1.0
    # A probe costs a question for the root's name servers with DO, one without, and no more.
    assert sum(count for kind, count in day.misses.items() if kind.startswith("probe")) <= 8
    assert day.flood_ratio < 2 * flood.tail_share
    assert 0 < day.misses[TAIL] <= day.tally(TAIL).asked


def test_a_service_that_knows_its_members_spares_its_upstream_the_flood() -> None:
    popularity = Popularity([f"site{number}-bench.net" for number in range(500)])
    flood = Flood(addresses=400, requests=4_000, day_seconds=3_600)
    listed = live_through(flood, UPSTREAM, popularity, hours_before=0.5, knows_members=True)
    alone = live_through(flood, UPSTREAM, popularity, hours_before=0.5, comes=False, knows_members=True)
    unguarded = live_through(flood, UPSTREAM, popularity, hours_before=0.5)
    assert set(alone.during) == {KIND}
    assert listed.tally(KIND).success == alone.tally(KIND).success == 1.0
    assert alone.asked < listed.asked < unguarded.asked
