"""The figures of the frontends: connections, the event loop they share, clients' addresses, remembered requests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from dohproxy.frontends.connections import Closing, ConnectionStatistics
from dohproxy.frontends.request_cache import RequestCache
from dohproxy.frontends.router import RouterStatistics, Showing
from dohproxy.http2.blocks import MOST_KEPT_TARGETS, kept_targets
from dohproxy.http2.errors import Excess
from dohproxy.observability.figures import FigureGroup, Together, Unit, counter, gauge, label_of
from dohproxy.outcomes import Frontend
from dohproxy.pages.document import MOST_BYTES, Kind
from dohproxy.policy.forwarded import AddressStatus
from dohproxy.policy.proxy_protocol import Defect

CONNECTION_FIGURES: Final = FigureGroup[ConnectionStatistics](
    "Connections",
    (
        gauge("connections", "Connections open, handshakes included.", lambda connections: connections.slots.taken),
        gauge("max_connections", "Connections that may be open.", lambda connections: connections.slots.most),
        counter("connections_accepted", "Connections given a slot.", lambda connections: connections.accepted),
        gauge(
            "held_bytes",
            "Unread responses and unfinished requests, charged.",
            lambda connections: connections.held_bytes,
            unit=Unit.BYTES,
        ),
        gauge(
            "max_held_bytes",
            "Most that unread responses and unfinished requests may hold together.",
            lambda connections: connections.max_held_bytes,
            unit=Unit.BYTES,
        ),
        counter(
            "connections_closed",
            "Connections closed by us, by reason.",
            lambda connections: {closing: connections.closed.get(closing, 0) for closing in Closing},
            label_of("reason", Closing),
        ),
        counter(
            "http2_excesses",
            "HTTP/2 connections closed for a limit.",
            lambda connections: {excess: connections.excesses.get(excess, 0) for excess in Excess},
            label_of("limit", Excess),
        ),
        counter(
            "proxy_header_defects",
            "PROXY headers refused, by defect.",
            lambda connections: {defect: connections.defects.get(defect, 0) for defect in Defect},
            label_of("defect", Defect),
        ),
    ),
)

PAGE_FIGURES: Final = FigureGroup[RouterStatistics](
    "Public pages",
    (
        counter(
            "page_views",
            "Views of public pages within the limits of their clients, by what became of them.",
            lambda router: router.views,
            label_of("page", Kind),
            label_of("showing", Showing),
        ),
        gauge(
            "page_published_seconds",
            "When the pages that are shown were made, in Unix time; 0 before the first.",
            lambda router: router.published_at,
            unit=Unit.UNIX_TIME,
        ),
        gauge(
            "page_bytes",
            "Bytes of all pages.",
            lambda router: router.held_bytes,
            unit=Unit.BYTES,
            together=Together.MOST,
        ),
        gauge(
            "max_page_bytes",
            "Most that one page may have.",
            lambda _: float(MOST_BYTES),
            unit=Unit.BYTES,
            together=Together.MOST,
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class LoopStatistics:
    """How busy the event loop is."""

    handshakes_waiting: int
    delay_seconds: float


LOOP_FIGURES: Final = FigureGroup[LoopStatistics](
    "The event loop",
    (
        gauge("handshakes_waiting", "TLS handshakes that wait for their turn.", lambda loop: loop.handshakes_waiting),
        gauge(
            "loop_delay_seconds",
            "How late the event loop was, in 10 s.",
            lambda loop: loop.delay_seconds,
            unit=Unit.SECONDS,
        ),
    ),
)

ADDRESS_FIGURES: Final = FigureGroup[Mapping[AddressStatus, int]](
    "Clients' addresses",
    (
        counter(
            "client_address",
            "Requests by where the address came from.",
            lambda statuses: {status: statuses.get(status, 0) for status in AddressStatus},
            label_of("status", AddressStatus),
        ),
    ),
)

RequestCaches = Mapping[Frontend, RequestCache]


def _each(read: Callable[[RequestCache], float]) -> Callable[[RequestCaches], Mapping[str, float]]:
    return lambda caches: {frontend.value: read(known) for frontend, known in caches.items()}


_FRONTEND: Final = label_of("frontend", Frontend)

REQUEST_CACHE_FIGURES: Final = FigureGroup[RequestCaches](
    "Requests that came before",
    (
        gauge("request_cache_entries", "Requests of which every byte is known.", _each(len), _FRONTEND),
        gauge(
            "request_cache_bytes",
            "Memory charged for known requests.",
            _each(lambda known: known.held_bytes),
            _FRONTEND,
            unit=Unit.BYTES,
        ),
        gauge(
            "max_request_cache_bytes",
            "Memory allowed for known requests.",
            _each(lambda known: 2.0 * known.most_bytes),
            _FRONTEND,
            unit=Unit.BYTES,
        ),
        gauge("known_paths", "Paths of HTTP/2 requests that are kept decoded.", lambda _: kept_targets()),
        gauge("max_known_paths", "Paths that may be kept decoded.", lambda _: MOST_KEPT_TARGETS),
    ),
)
