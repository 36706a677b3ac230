"""Each bound of the frontends stands beside what fills it."""

from dohproxy.doh.dialects import Dialect
from dohproxy.frontends.connections import Closing, ConnectionStatistics
from dohproxy.frontends.frontend_figures import (
    ADDRESS_FIGURES,
    CONNECTION_FIGURES,
    LOOP_FIGURES,
    REQUEST_CACHE_FIGURES,
    LoopStatistics,
)
from dohproxy.frontends.request_cache import CachedRequest, RequestCache
from dohproxy.http2.blocks import MOST_KEPT_TARGETS
from dohproxy.http2.errors import Excess
from dohproxy.outcomes import Frontend as FrontendKind
from dohproxy.parsed_request import ParsedRequest
from dohproxy.policy.fair_slots import FairSlotsStatistics
from dohproxy.policy.forwarded import AddressStatus
from dohproxy.policy.proxy_protocol import Defect
from tests.fakes.samples import samples_of


def _slots(taken: int) -> FairSlotsStatistics:
    return FairSlotsStatistics(taken, 8, {}, 0, 0)


def test_connections_stand_beside_their_bound() -> None:
    statistics = ConnectionStatistics(_slots(3), 20, {Closing.AGE: 2}, 500, 1_000, {}, {})
    samples = samples_of(CONNECTION_FIGURES, statistics)
    assert samples["dohproxy_connections", ()] == 3
    assert samples["dohproxy_max_connections", ()] == 8
    assert samples["dohproxy_connections_accepted_total", ()] == 20
    assert samples["dohproxy_held_bytes", ()] == 500
    assert samples["dohproxy_max_held_bytes", ()] == 1_000
    closed = {labels[0]: value for (name, labels), value in samples.items() if "closed" in name}
    assert closed == {closing.value: 2.0 * (closing is Closing.AGE) for closing in Closing}


def test_every_limit_of_http2_and_every_defect_of_a_proxy_header_is_there_from_the_start() -> None:
    statistics = ConnectionStatistics(_slots(0), 0, {}, 0, 1_000, {Excess.RESETS: 3}, {Defect.NOT_PROXY: 4})
    samples = samples_of(CONNECTION_FIGURES, statistics)
    excesses = {labels[0]: value for (name, labels), value in samples.items() if "excesses" in name}
    assert excesses == {excess.value: 3.0 * (excess is Excess.RESETS) for excess in Excess}
    defects = {labels[0]: value for (name, labels), value in samples.items() if "defects" in name}
    assert defects == {defect.value: 4.0 * (defect is Defect.NOT_PROXY) for defect in Defect}


def test_what_is_remembered_of_requests_stands_beside_its_bound_for_each_frontend() -> None:
    known = RequestCache(1_000_000)
    known.remember(b"GET /", CachedRequest(ParsedRequest(FrontendKind.HTTP2, 1, "GET", Dialect.RFC_GET), 5))
    samples = samples_of(REQUEST_CACHE_FIGURES, {FrontendKind.HTTP1: RequestCache(), FrontendKind.HTTP2: known})
    found = {labels[0]: value for (name, labels), value in samples.items() if name == "dohproxy_request_cache_entries"}
    assert found == {"http1": 0, "http2": 1}
    assert samples["dohproxy_request_cache_bytes", ("http2",)] == known.held_bytes > 5
    assert samples["dohproxy_max_request_cache_bytes", ("http2",)] == 2_000_000
    assert 0 <= samples["dohproxy_known_paths", ()] <= samples["dohproxy_max_known_paths", ()] == MOST_KEPT_TARGETS


def test_every_way_to_an_address_is_there_from_the_start() -> None:
    samples = samples_of(ADDRESS_FIGURES, {AddressStatus.HEADER: 5})
    assert samples == {
        ("dohproxy_client_address_total", (status.value,)): 5.0 * (status is AddressStatus.HEADER)
        for status in AddressStatus
    }


def test_the_event_loop_tells_who_waits_and_how_late_it_was() -> None:
    assert samples_of(LOOP_FIGURES, LoopStatistics(handshakes_waiting=3, delay_seconds=0.5)) == {
        ("dohproxy_handshakes_waiting", ()): 3,
        ("dohproxy_loop_delay_seconds", ()): 0.5,
    }
