"""News for all viewers: made once for all of them, no more often than every two seconds, and not if nobody looks."""

import asyncio
import json
from typing import Any

import pytest

from dohproxy.control.console.live import EVERY_SECONDS, MOST_VIEWERS, Live, TooManyViewers, encode
from tests.control.command_samples import FakeService
from tests.control.console.samples import snapshot
from tests.fakes.clock import FakeClock


class Watched(FakeService):
    """Counts how often it is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    async def snapshot(self) -> dict[str, Any]:
        """Take some turns for it, as a service does."""
        self.looks += 1
        await asyncio.sleep(0)
        return snapshot()


def live(service: Watched) -> tuple[Live, FakeClock]:
    """News over a clock that passes as long as somebody sleeps."""
    clock = FakeClock()

    async def sleep(seconds: float) -> None:
        clock.pass_by(seconds)
        await asyncio.sleep(0)

    return Live(service, clock, lambda: 1_800_000_000.0 + clock(), sleep), clock


def read(event: bytes) -> tuple[str, dict[str, Any]]:
    """Return the name of an event and what it holds."""
    name, data = event.decode().removesuffix("\n\n").split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def test_five_viewers_cost_what_one_does() -> None:
    service = Watched()
    news, _ = live(service)

    async def look() -> int:
        number = 0
        for _ in range(10):
            number, event = await news.after(number)
            assert read(event)[0] == "state"
        return number

    assert await asyncio.gather(*(look() for _ in range(MOST_VIEWERS))) == [10] * MOST_VIEWERS
    assert service.looks == 10


async def test_nothing_is_made_when_nobody_looks() -> None:
    service = Watched()
    news, clock = live(service)
    await news.after(0)
    clock.pass_by(3_600)
    await asyncio.sleep(0)
    assert service.looks == 1


async def test_who_comes_new_gets_what_there_is_and_nothing_old() -> None:
    service = Watched()
    news, clock = live(service)
    first, event = await news.after(0)
    assert await news.after(0) == (first, event)
    assert service.looks == 1
    clock.pass_by(EVERY_SECONDS)
    assert (await news.after(0))[0] == first + 1


async def test_whoever_goes_in_the_middle_leaves_the_work_to_the_next() -> None:
    service = Watched()
    news, _ = live(service)
    number, _ = await news.after(0)
    going, staying = (asyncio.ensure_future(news.after(number)) for _ in range(2))  # noqa: TID251
    await asyncio.sleep(0)
    going.cancel()
    assert (await staying)[0] == number + 1


def test_a_viewer_too_many_is_refused_and_a_place_that_is_left_is_free() -> None:
    news, _ = live(Watched.__new__(Watched))
    places = [news.looking() for _ in range(MOST_VIEWERS)]
    for place in places:
        place.__enter__()
    with pytest.raises(TooManyViewers), news.looking():
        pass
    places[0].__exit__(None, None, None)
    with news.looking():
        assert news.viewers == MOST_VIEWERS


async def test_the_past_comes_with_all_points() -> None:
    news, _ = live(Watched())
    number, _ = await news.after(0)
    _, event = await news.after(number)
    name, body = read(news.past())
    assert (name, len(body["points"])) == ("past", 2)
    assert body["points"][-1] == read(event)[1]["point"]


def test_an_event_has_one_line_of_data_whatever_is_in_it() -> None:
    event = encode("state", {"words": "a\nb\r\n\n\u2028event: evil"})
    assert event.count(b"\n") == 3
    assert read(event) == ("state", {"words": "a\nb\r\n\n\u2028event: evil"})
