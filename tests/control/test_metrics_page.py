"""The page that Prometheus reads: where it is, how often it is made, and what nobody can do to it."""

import asyncio
import contextlib
from collections.abc import Iterator

import aiohttp
import pytest
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from dohproxy.control.metrics_page import PAGES_BURST, Page, metrics_application
from dohproxy.observability.figures import FigureRegistry
from dohproxy.observability.request_figures import REQUEST_FIGURES
from tests.control.served import served
from tests.fakes.samples import registry_of
from tests.frontends.client import RawClient


async def test_the_page_is_where_prometheus_looks_and_nowhere_else() -> None:
    async with served(metrics_application(registry_of(REQUEST_FIGURES, ()))) as url, aiohttp.ClientSession() as session:
        async with session.get(f"{url}/metrics") as page:
            assert (page.status, page.content_type) == (200, "text/plain")
            assert "dohproxy_requests" in await page.text()
        for method, path, status in (("GET", "/", 404), ("GET", "/status", 404), ("POST", "/metrics", 405)):
            async with session.request(method, f"{url}{path}") as page:
                assert page.status == status


async def test_a_scraper_cannot_make_the_page_longer_by_what_it_asks() -> None:
    async with (
        served(metrics_application(FigureRegistry())) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/metrics", params={"name[]": "<script>" * 100}) as page,
    ):
        assert "script" not in await page.text()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\n" + b"X-A: a\r\n" * 1000 + b"\r\n", b"400"),
    ],
    ids=["TLS", "a long field", "many fields"],
)
async def test_the_page_is_bounded_itself(sent: bytes, status: bytes) -> None:
    async with served(metrics_application(FigureRegistry())) as url:
        client = await RawClient.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        with contextlib.suppress(ConnectionError):
            await client.send(sent)
        assert (await client.rest()).split(b" ")[1] == status
        client.cut()


async def test_a_silent_scraper_is_cut() -> None:
    async with served(metrics_application(FigureRegistry()), idle_seconds=0.2) as url:
        client = await RawClient.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        assert await client.rest() == b""
        client.cut()


class Counting(Collector):
    """Figures, and how often somebody wanted them."""

    def __init__(self) -> None:
        self.asked = 0

    def collect(self) -> Iterator[Metric]:
        self.asked += 1
        for number in range(50):
            yield CounterMetricFamily(f"dohproxy_figure{number}", "A figure.", value=number)


async def test_the_page_is_made_once_a_second_however_often_it_is_wanted() -> None:
    now = 0.0
    figures = Counting()
    page = Page(figures, lambda: now)
    for _ in range(100):
        await asyncio.gather(*(page.get("") for _ in range(10)))
    assert figures.asked == PAGES_BURST + 1
    for _ in range(5):
        now += 1.0
        for _ in range(100):
            await page.get("")
    assert figures.asked == PAGES_BURST + 1 + 5


async def test_others_have_their_turns_while_the_page_is_made() -> None:
    making = asyncio.get_running_loop().create_task(Page(Counting(), lambda: 0.0).get(""))
    turns = 0
    while not making.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns >= 50


@pytest.mark.parametrize("accepted", ["", "application/openmetrics-text; version=1.0.0", "text/plain; version=1.0.0"])
async def test_the_page_made_bit_by_bit_is_the_page(accepted: str) -> None:
    figures = Counting()
    kind, text = await Page(figures, lambda: 0.0).get(accepted)
    is_open = kind.startswith("application/openmetrics-text")
    assert text == (openmetrics.generate_latest if is_open else generate_latest)(figures)
    assert is_open == ("openmetrics" in accepted)


async def test_a_scraper_cannot_have_a_page_kept_for_each_of_its_words() -> None:
    page = Page(Counting(), lambda: 0.0)
    for number in range(50):
        await page.get(f"application/openmetrics-text; version=1.{number}.0")
        await page.get(f"text/plain; version={number}.0.0; escaping=values")
    assert len(page._made) <= 2
