"""What Prometheus and the volunteer on duty read, and who listens for them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from dohproxy.doh.dialects import Dialect
from dohproxy.frontends.connections import Closing, ConnectionStatistics
from dohproxy.frontends.known import Known, KnownRequests
from dohproxy.frontends.metrics_page import (
    PAGES_BURST,
    Page,
    address_metrics,
    admin_application,
    connection_metrics,
    known_metrics,
    metrics_application,
    suffix_list_metrics,
)
from dohproxy.frontends.suffix_watch import Result, SuffixStatistics
from dohproxy.http2.blocks import MOST_KEPT_TARGETS
from dohproxy.observability.metrics import Metrics, counter
from dohproxy.policy.forwarded import Status
from dohproxy.reading import Reading
from dohproxy.verdict import Door as DoorKind
from tests.frontends.client import RawClient


@asynccontextmanager
async def _served(application: web.Application, *, idle_seconds: float = 75.0) -> AsyncIterator[str]:
    runner = web.AppRunner(application, access_log=None, keepalive_timeout=idle_seconds)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _samples(metrics: list[Metric]) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value for metric in metrics for sample in metric.samples
    }


def test_connections_stand_beside_their_bound() -> None:
    samples = _samples(list(connection_metrics(ConnectionStatistics(3, 8, 20, {Closing.AGE: 2}, 500, 1_000))))
    assert samples["dohproxy_connections", ()] == 3
    assert samples["dohproxy_max_connections", ()] == 8
    assert samples["dohproxy_connections_accepted_total", ()] == 20
    assert samples["dohproxy_held_bytes", ()] == 500
    assert samples["dohproxy_max_held_bytes", ()] == 1_000
    closed = {labels[0]: value for (name, labels), value in samples.items() if "closed" in name}
    assert closed == {closing.value: 2.0 * (closing is Closing.AGE) for closing in Closing}


def test_what_is_remembered_of_requests_stands_beside_its_bound_for_each_door() -> None:
    known = KnownRequests(1_000_000)
    known.remember(b"GET /", Known(Reading(DoorKind.HTTP2, "GET", Dialect.RFC_GET), 5))
    samples = _samples(list(known_metrics({DoorKind.HTTP1: KnownRequests(), DoorKind.HTTP2: known})))
    found = {labels[0]: value for (name, labels), value in samples.items() if name == "dohproxy_known_requests"}
    assert found == {"http1": 0, "http2": 1}
    assert samples["dohproxy_known_request_bytes", ("http2",)] == known.held_bytes > 5
    assert samples["dohproxy_max_known_request_bytes", ("http2",)] == 2_000_000
    assert 0 <= samples["dohproxy_known_paths", ()] <= samples["dohproxy_max_known_paths", ()] == MOST_KEPT_TARGETS


def test_every_way_to_an_address_is_there_from_the_start() -> None:
    samples = _samples(list(address_metrics({Status.HEADER: 5})))
    assert samples == {
        ("dohproxy_client_address_total", (status.value,)): 5.0 * (status is Status.HEADER) for status in Status
    }


def test_the_age_of_the_list_stands_beside_its_bound() -> None:
    statistics = SuffixStatistics(100.0, 200.0, 10_397, 1_448, True, dict.fromkeys(Result, 2), False)
    expected: dict[tuple[str, tuple[str, ...]], float] = {
        ("dohproxy_suffix_list_age_seconds", ()): 100,
        ("dohproxy_suffix_list_max_age_seconds", ()): 200,
        ("dohproxy_suffix_list_rules", ()): 10_397,
        ("dohproxy_suffix_list_top_level_domains", ()): 1_448,
        ("dohproxy_suffix_list_denies", ()): 1,
        **{("dohproxy_suffix_list_reloads_total", (result.value,)): 2 for result in Result},
        ("dohproxy_suffix_list_last_reload_success", ()): 0,
    }
    assert _samples(list(suffix_list_metrics(statistics))) == expected


async def test_the_page_is_where_prometheus_looks_and_nowhere_else() -> None:
    registry = Metrics().registry()
    async with _served(metrics_application(registry)) as url, aiohttp.ClientSession() as session:
        async with session.get(f"{url}/metrics") as page:
            assert (page.status, page.content_type) == (200, "text/plain")
            assert "dohproxy_requests" in await page.text()
        for method, path, status in (("GET", "/", 404), ("GET", "/status", 404), ("POST", "/metrics", 405)):
            async with session.request(method, f"{url}{path}") as page:
                assert page.status == status


async def test_a_scraper_cannot_make_the_page_longer_by_what_it_asks() -> None:
    async with (
        _served(metrics_application(CollectorRegistry())) as url,
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
    async with _served(metrics_application(CollectorRegistry())) as url:
        client = await RawClient.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        with contextlib.suppress(ConnectionError):
            await client.send(sent)
        assert (await client.rest()).split(b" ")[1] == status
        client.cut()


async def test_a_silent_scraper_is_cut() -> None:
    async with _served(metrics_application(CollectorRegistry()), idle_seconds=0.2) as url:
        client = await RawClient.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        assert await client.rest() == b""
        client.cut()


async def test_the_status_is_json_whatever_is_in_it() -> None:
    snapshot = {"cache": {"entries": 1}, "path": Path("/a"), "name": 'a "b"\n'}
    async with (
        _served(admin_application(lambda: snapshot)) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/status") as page,
    ):
        assert await page.json() == {"cache": {"entries": 1}, "path": "/a", "name": 'a "b"\n'}


class Counting(Collector):
    """Figures, and how often somebody wanted them."""

    def __init__(self) -> None:
        self.asked = 0

    def collect(self) -> Iterator[Metric]:
        self.asked += 1
        for number in range(50):
            yield counter(f"dohproxy_figure{number}", "A figure.", number)


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
