"""The page of all figures for Prometheus: made no more often than configured, and a bit at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from dohproxy.observability.exposition import Exposition
from dohproxy.observability.figures import Readable
from dohproxy.policy.gcra import SLOT_BYTES, Gcra

PAGES_BURST: Final = 20
"""The pages saved up for whoever looks at it by hand: a tenth of a second's work, in small pieces."""
OPEN_METRICS: Final = "application/openmetrics-text"
_END: Final = b"# EOF\n"
"""The last line of OpenMetrics."""


class Page:
    """The page of all figures, made no more often than `metrics.pages_per_second` and bit by bit: as a whole it costs
    some milliseconds, for which everybody else would wait."""

    def __init__(self, collector: Collector, clock: Callable[[], float], pages_per_second: float = 1.0) -> None:
        self._collector = collector
        self._clock = clock
        self._making = asyncio.Lock()
        self._rate = Gcra(memoryview(bytearray(SLOT_BYTES)), per_second=pages_per_second, burst=PAGES_BURST)
        self._made: dict[str, bytes] = {}
        """The last one, by content type."""

    async def get(self, accepted: str) -> tuple[str, bytes]:
        """Return the content type that suits this Accept field, and the page."""
        kinds = {part.partition(";")[0].strip() for part in accepted.split(",")}
        # Not its own words, of which a client could have us keep a page for each.
        encode, content_type = choose_encoder(OPEN_METRICS if OPEN_METRICS in kinds else "")
        async with self._making:
            if content_type not in self._made or not self._rate.take(self._clock()):
                self._made[content_type] = await self._make(encode)
        return content_type, self._made[content_type]

    async def _make(self, encode: Callable[[Collector], bytes]) -> bytes:
        parts = []
        for family in self._collector.collect():
            parts.append(encode(One(family)).removesuffix(_END))
            await asyncio.sleep(0)
        return b"".join(parts) + (_END if encode(_Nothing()).endswith(_END) else b"")


class _Nothing(Collector):
    """No figures."""

    def collect(self) -> Iterable[Metric]:
        """Return none."""
        return ()


class One(Collector):
    """One figure, or several of one name."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        """Return it."""
        return (self._family,)


def metrics_application(
    figures: Readable,
    *,
    pages_per_second: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
    look: Callable[[], Awaitable[object]] | None = None,
) -> web.Application:
    """Return the application behind `[metrics] listen`; `look` is awaited before each page, where figures have to be
    fetched."""
    page = Page(Exposition(figures), clock, pages_per_second)

    async def metrics(request: web.Request) -> web.Response:
        if look is not None:
            await look()
        content_type, text = await page.get(request.headers.get("Accept", ""))
        return web.Response(body=text, headers={"Content-Type": content_type})

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    return application
