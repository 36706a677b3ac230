"""Each bound of the frontends stands beside what fills it."""

from dohproxy.doh.dialects import Dialect
from dohproxy.frontends.connections import Closing, ConnectionStatistics
from dohproxy.frontends.frontend_metrics import address_metrics, connection_metrics, known_metrics
from dohproxy.frontends.request_cache import Known, KnownRequests
from dohproxy.http2.blocks import MOST_KEPT_TARGETS
from dohproxy.outcomes import Door as DoorKind
from dohproxy.parsed_request import Reading
from dohproxy.policy.forwarded import Status
from tests.fakes.samples import samples_of


def test_connections_stand_beside_their_bound() -> None:
    samples = samples_of(connection_metrics(ConnectionStatistics(3, 8, 20, {Closing.AGE: 2}, 500, 1_000)))
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
    samples = samples_of(known_metrics({DoorKind.HTTP1: KnownRequests(), DoorKind.HTTP2: known}))
    found = {labels[0]: value for (name, labels), value in samples.items() if name == "dohproxy_known_requests"}
    assert found == {"http1": 0, "http2": 1}
    assert samples["dohproxy_known_request_bytes", ("http2",)] == known.held_bytes > 5
    assert samples["dohproxy_max_known_request_bytes", ("http2",)] == 2_000_000
    assert 0 <= samples["dohproxy_known_paths", ()] <= samples["dohproxy_max_known_paths", ()] == MOST_KEPT_TARGETS


def test_every_way_to_an_address_is_there_from_the_start() -> None:
    samples = samples_of(address_metrics({Status.HEADER: 5}))
    assert samples == {
        ("dohproxy_client_address_total", (status.value,)): 5.0 * (status is Status.HEADER) for status in Status
    }
