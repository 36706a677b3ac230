"""The figures of the frontends: connections, the event loop they share, clients' addresses, remembered requests."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric

from dohproxy.frontends.connections import Closing, ConnectionStatistics
from dohproxy.frontends.request_cache import RequestCache
from dohproxy.http2.blocks import MOST_KEPT_TARGETS, kept_targets
from dohproxy.http2.errors import Excess
from dohproxy.observability.metrics import counter, gauge, labelled_counter, labelled_gauge
from dohproxy.outcomes import Frontend
from dohproxy.policy.forwarded import AddressStatus
from dohproxy.policy.proxy_protocol import Defect


def connection_metrics(connections: ConnectionStatistics) -> Iterator[Metric]:
    """Yield the figures of the register of connections."""
    yield gauge("dohproxy_connections", "Connections open, handshakes included.", connections.open)
    yield gauge("dohproxy_max_connections", "Connections that may be open.", connections.max_total)
    yield counter("dohproxy_connections_accepted", "Connections given a slot.", connections.accepted)
    yield gauge("dohproxy_held_bytes", "Unread responses and unfinished requests, charged.", connections.held_bytes)
    yield gauge("dohproxy_max_held_bytes", "Of these, what may be held.", connections.max_held_bytes)
    closed = [((closing.value,), float(connections.closed.get(closing, 0))) for closing in Closing]
    yield labelled_counter("dohproxy_connections_closed", "Connections closed by us, by reason.", ("reason",), closed)
    excesses = [((excess.value,), float(connections.excesses.get(excess, 0))) for excess in Excess]
    yield labelled_counter("dohproxy_http2_excesses", "HTTP/2 connections closed for a limit.", ("limit",), excesses)
    defects = [((defect.value,), float(connections.defects.get(defect, 0))) for defect in Defect]
    yield labelled_counter("dohproxy_proxy_header_defects", "PROXY headers refused, by defect.", ("defect",), defects)


def loop_metrics(handshakes_waiting: int, delay_seconds: float) -> Iterator[Metric]:
    """Yield how busy the event loop is."""
    yield gauge("dohproxy_handshakes_waiting", "TLS handshakes that wait for their turn.", handshakes_waiting)
    yield gauge("dohproxy_loop_delay_seconds", "How late the event loop was, in 10 s.", delay_seconds)


def address_metrics(statuses: dict[AddressStatus, int]) -> Iterator[Metric]:
    """Yield how clients' addresses were found behind a front proxy."""
    values = [((status.value,), float(statuses.get(status, 0))) for status in AddressStatus]
    yield labelled_counter("dohproxy_client_address", "Requests by where the address came from.", ("status",), values)


def request_cache_metrics(frontends: Mapping[Frontend, RequestCache]) -> Iterator[Metric]:
    """Yield how much is remembered of requests that came before, by each frontend."""
    counts = [(frontend.value, float(len(known))) for frontend, known in frontends.items()]
    yield labelled_gauge("dohproxy_request_cache_entries", "Requests of which every byte is known.", "frontend", counts)
    held = [(frontend.value, float(known.held_bytes)) for frontend, known in frontends.items()]
    yield labelled_gauge("dohproxy_request_cache_bytes", "Memory charged for known requests.", "frontend", held)
    bounds = [(frontend.value, 2.0 * known.most_bytes) for frontend, known in frontends.items()]
    yield labelled_gauge("dohproxy_max_request_cache_bytes", "Memory allowed for known requests.", "frontend", bounds)
    yield gauge("dohproxy_known_paths", "Paths of HTTP/2 requests that are kept decoded.", kept_targets())
    yield gauge("dohproxy_max_known_paths", "Paths that may be kept decoded.", MOST_KEPT_TARGETS)
