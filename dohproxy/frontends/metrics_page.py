"""The metrics listener and the admin socket: small aiohttp applications, apart from the door."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from aiohttp import web
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from dohproxy.frontends.cache_file import CacheFileStatistics
from dohproxy.frontends.certificate_watch import CertificateStatistics
from dohproxy.frontends.connections import Closing, ConnectionStatistics
from dohproxy.frontends.known import KnownRequests
from dohproxy.frontends.side_door import MOST_CONNECTIONS
from dohproxy.frontends.suffix_watch import SuffixStatistics
from dohproxy.http2.blocks import MOST_KEPT_TARGETS, kept_targets
from dohproxy.observability.metrics import counter, gauge, labelled_counter, labelled_gauge
from dohproxy.policy.forwarded import Status
from dohproxy.policy.gcra import SLOT_BYTES, Gcra
from dohproxy.verdict import Door

PAGES_BURST: Final = 20
"""Saved up for whoever looks at it by hand: a tenth of a second's work, in small pieces."""
OPEN_METRICS: Final = "application/openmetrics-text"
_END: Final = b"# EOF\n"
"""The last line of OpenMetrics."""


def connection_metrics(connections: ConnectionStatistics) -> Iterator[Metric]:
    """Yield the figures of the register of connections."""
    yield gauge("dohproxy_connections", "Connections open, handshakes included.", connections.open)
    yield gauge("dohproxy_max_connections", "Connections that may be open.", connections.max_total)
    yield counter("dohproxy_connections_accepted", "Connections given a place.", connections.accepted)
    yield gauge("dohproxy_held_bytes", "Unread responses and unfinished requests, charged.", connections.held_bytes)
    yield gauge("dohproxy_max_held_bytes", "Of these, what may be held.", connections.max_held_bytes)
    closed = [((closing.value,), float(connections.closed.get(closing, 0))) for closing in Closing]
    yield labelled_counter("dohproxy_connections_closed", "Connections closed by us, by reason.", ("reason",), closed)


def loop_metrics(handshakes_waiting: int, delay_seconds: float) -> Iterator[Metric]:
    """Yield how busy the event loop is."""
    yield gauge("dohproxy_handshakes_waiting", "TLS handshakes that wait for their turn.", handshakes_waiting)
    yield gauge("dohproxy_loop_delay_seconds", "How late the event loop was, in 10 s.", delay_seconds)


def side_door_metrics(connections: Sequence[int]) -> Iterator[Metric]:
    """Yield the connections of each side door, together."""
    yield gauge("dohproxy_side_connections", "Connections of scrapers and admins.", sum(connections))
    yield gauge("dohproxy_max_side_connections", "Those that may be open.", MOST_CONNECTIONS * len(connections))


def address_metrics(statuses: dict[Status, int]) -> Iterator[Metric]:
    """Yield how clients' addresses were found behind a front proxy."""
    values = [((status.value,), float(statuses.get(status, 0))) for status in Status]
    yield labelled_counter("dohproxy_client_address", "Requests by where the address came from.", ("status",), values)


def certificate_metrics(certificate: CertificateStatistics) -> Iterator[Metric]:
    """Yield how long the certificate lasts, and whether what lies on the disk is in use."""
    yield gauge("dohproxy_certificate_not_after_seconds", "When it expires, in Unix time.", certificate.not_after)
    yield labelled_counter(
        "dohproxy_certificate_reloads",
        "New certificates found on the disk, by what became of them.",
        ("result",),
        [((result.value,), float(count)) for result, count in certificate.reloads.items()],
    )
    yield gauge(
        "dohproxy_certificate_last_reload_success",
        "1 if the certificate on the disk is in use, 0 if it was refused.",
        float(certificate.last_succeeded),
    )
    yield gauge(
        "dohproxy_handshake_cpu_seconds",
        "What one handshake with this certificate costs, of one core.",
        certificate.handshake_seconds,
    )


def suffix_list_metrics(suffixes: SuffixStatistics) -> Iterator[Metric]:
    """Yield how old the list of public suffixes is, what it holds, and whether what lies on the disk is in use."""
    yield gauge("dohproxy_suffix_list_age_seconds", "Since the list of public suffixes was made.", suffixes.age_seconds)
    yield gauge(
        "dohproxy_suffix_list_max_age_seconds", "Age at which it denies nothing any more.", suffixes.max_age_seconds
    )
    yield gauge("dohproxy_suffix_list_rules", "Public suffixes in it.", suffixes.rules)
    yield gauge("dohproxy_suffix_list_top_level_domains", "Top-level domains in it.", suffixes.top_level_domains)
    yield gauge("dohproxy_suffix_list_denies", "1 while names under others are denied here.", float(suffixes.denies))
    yield labelled_counter(
        "dohproxy_suffix_list_reloads",
        "Files found on the disk, by what became of them.",
        ("result",),
        [((result.value,), float(count)) for result, count in suffixes.reloads.items()],
    )
    yield gauge(
        "dohproxy_suffix_list_last_reload_success",
        "1 if the file on the disk is in use, or none is configured; 0 if it was refused.",
        float(suffixes.last_succeeded),
    )


def cache_file_metrics(file: CacheFileStatistics) -> Iterator[Metric]:
    """Yield what came back from the last run, and whether the next one will find anything."""
    yield gauge("dohproxy_cache_snapshot_restored", "Entries taken back at the start.", file.restored)
    yield gauge("dohproxy_cache_snapshot_left_out", "Entries found at the start and not taken back.", file.left_out)
    yield gauge(
        "dohproxy_cache_snapshot_saved_at_seconds", "When it was last saved, in Unix time; 0: not yet.", file.saved_at
    )
    yield gauge("dohproxy_cache_snapshot_entries", "Entries last saved.", file.saved)
    yield gauge("dohproxy_cache_snapshot_max_entries", "Entries that are saved at most.", file.most_entries)
    yield counter("dohproxy_cache_snapshot_failures", "Snapshots that could not be saved.", file.save_failures)


def known_metrics(doors: Mapping[Door, KnownRequests]) -> Iterator[Metric]:
    """Yield how much is remembered of requests that came before, by each door."""
    counts = [(door.value, float(len(known))) for door, known in doors.items()]
    yield labelled_gauge("dohproxy_known_requests", "Requests of which every byte is known.", "door", counts)
    held = [(door.value, float(known.held_bytes)) for door, known in doors.items()]
    yield labelled_gauge("dohproxy_known_request_bytes", "Memory charged for known requests.", "door", held)
    bounds = [(door.value, 2.0 * known.most_bytes) for door, known in doors.items()]
    yield labelled_gauge("dohproxy_max_known_request_bytes", "Memory allowed for known requests.", "door", bounds)
    yield gauge("dohproxy_known_paths", "Paths of HTTP/2 requests that are kept decoded.", kept_targets())
    yield gauge("dohproxy_max_known_paths", "Paths that may be kept decoded.", MOST_KEPT_TARGETS)


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
            parts.append(encode(_One(family)).removesuffix(_END))
            await asyncio.sleep(0)
        return b"".join(parts) + (_END if encode(_Nothing()).endswith(_END) else b"")


class _Nothing(Collector):
    """No figures."""

    def collect(self) -> Iterable[Metric]:
        """Return none."""
        return ()


class _One(Collector):
    """One figure, or several of one name."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        """Return it."""
        return (self._family,)


def metrics_application(
    collector: Collector, *, pages_per_second: float = 1.0, clock: Callable[[], float] = time.monotonic
) -> web.Application:
    """Return the application behind `[metrics] listen`."""
    page = Page(collector, clock, pages_per_second)

    async def metrics(request: web.Request) -> web.Response:
        content_type, text = await page.get(request.headers.get("Accept", ""))
        return web.Response(body=text, headers={"Content-Type": content_type})

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    return application


def admin_application(snapshot: Callable[[], dict[str, Any]]) -> web.Application:
    """Return the application behind `[admin] socket`; `snapshot` gives what `/status` shows, ready for JSON."""

    async def status(_: web.Request) -> web.Response:
        return web.json_response(snapshot(), dumps=lambda value: json.dumps(value, indent=1, default=str))

    application = web.Application()
    application.router.add_get("/status", status)
    return application
