"""Each bound of the limits stands beside what fills it, with the figures of its owner."""

import math

from dohproxy.builders import build_request_limiter
from dohproxy.config import LimitsConfig, UpstreamAddress, UpstreamConfig
from dohproxy.observability.limit_figures import (
    CONNECTION_LIMIT_FIGURES,
    DOMAIN_FIGURES,
    PROBE_FIGURES,
    REBINDING_FIGURES,
    REQUEST_LIMIT_FIGURES,
    SLOT_FIGURES,
)
from dohproxy.policy.connection_limiter import ConnectionLimiterStatistics
from dohproxy.policy.domains import DomainBound, DomainStatistics
from dohproxy.policy.fair_slots import FairSlotsStatistics
from dohproxy.policy.identity import Identities
from dohproxy.policy.limits import LimitStatistics, Width, WidthStatistics
from dohproxy.policy.probes import ProbeKind
from dohproxy.policy.standing import Standing
from tests.fakes.samples import Samples, samples_of

UPSTREAM = UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53))


def test_the_limiter_s_bounds_stand_beside_their_fill() -> None:
    limits = LimitsConfig(requests_burst=2, requests_per_second=0.1, waiting_misses=5, table_slots=1024)
    request_limiter = build_request_limiter(limits, [UPSTREAM])
    identities = Identities(bytes(32))
    client = identities.client(bytes((192, 0, 2, 1)))
    waits = [request_limiter.admit_request(client, 100.0) for _ in range(4)]
    assert [wait > 0 for wait in waits] == [False, False, True, True]
    for number in range(1, 201):
        request_limiter.admit_request(identities.client(bytes((198, 51, number, 7))), 100.0)
    request_limiter.take_slot(client, 100.0)
    for _ in range(12):
        request_limiter.priority(client, 100.0)
    samples = samples_of(REQUEST_LIMIT_FIGURES, request_limiter.statistics(100.0))
    assert (samples["dohproxy_miss_slots_taken", ()], samples["dohproxy_miss_slots", ()]) == (1, 5)
    assert samples["dohproxy_limit_admitted_total", ("requests",)] == 202
    limited = {labels: value for (name, labels), value in samples.items() if name == "dohproxy_limited_total" and value}
    assert list(limited.values()) == [2.0]
    fills = [value for (name, _), value in samples.items() if name == "dohproxy_limit_table_fill"]
    assert all(0 <= fill <= 1 for fill in fills)
    assert max(fills) > 0
    assert 0 <= samples["dohproxy_service_limit_fill", ()] <= 1
    kinds = {labels: value for (name, labels), value in samples.items() if name == "dohproxy_miss_priorities_total"}
    assert kinds == {("member",): 0, ("settled",): 0, ("newcomer",): 12, ("over_fair_share",): 2}
    assert 0 <= samples["dohproxy_seniority_table_fill", ()] <= 1


def test_the_limit_on_domains_tells_what_it_did_and_how_full_its_tables_are() -> None:
    refused = {bound: number for number, bound in enumerate(DomainBound)}
    expected: Samples = {
        ("dohproxy_domain_admitted_total", ()): 7,
        **{("dohproxy_domain_limited_total", (bound.value,)): number for bound, number in refused.items()},
        ("dohproxy_domain_fetches_total", ()): 6,
        ("dohproxy_domain_failures_total", ()): 2,
        ("dohproxy_domain_table_fill", ("misses",)): 0.5,
        ("dohproxy_domain_table_fill", ("failures",)): 0.25,
    }
    assert samples_of(DOMAIN_FIGURES, DomainStatistics(7, refused, 6, 2, 0.5, 0.25)) == expected


def test_answers_that_were_withheld_are_counted() -> None:
    assert samples_of(REBINDING_FIGURES, 3) == {("dohproxy_private_answers_withheld_total", ()): 3}


def test_probes_are_told_by_kind() -> None:
    samples = samples_of(PROBE_FIGURES, dict.fromkeys(ProbeKind, 3))
    assert samples == {("dohproxy_probes_total", (probe.value,)): 3 for probe in ProbeKind}


HANDSHAKES = FairSlotsStatistics(4, 8, {Standing.MEMBER: 1, Standing.SETTLED: 0, Standing.STRANGER: 3}, 5, 6)


def test_each_shared_bound_tells_who_holds_it_and_who_made_room() -> None:
    samples = samples_of(SLOT_FIGURES, {"handshakes": HANDSHAKES})
    held = {labels[1]: value for (name, labels), value in samples.items() if name == "dohproxy_slots_held"}
    assert held == {"member": 1, "settled": 0, "stranger": 3}
    assert samples["dohproxy_max_slots", ("handshakes",)] == 8
    assert samples["dohproxy_slots_made_room_total", ("handshakes",)] == 5
    assert samples["dohproxy_slots_refused_total", ("handshakes",)] == 6


def test_connections_that_are_refused_are_told_by_prefix_and_stand_beside_their_bounds() -> None:
    rate = LimitStatistics(9, 0, 0, tuple(WidthStatistics(width, 0.5, 3) for width in Width))
    samples = samples_of(
        CONNECTION_LIMIT_FIGURES, ConnectionLimiterStatistics(rate, 0.1, 0.2, math.inf, HANDSHAKES, 2, 16)
    )
    for width in Width:
        assert samples["dohproxy_connections_limited_total", (width.value,)] == 3
        assert samples["dohproxy_connection_table_fill", (width.value,)] == 0.5
    assert (samples["dohproxy_handshakes", ()], samples["dohproxy_max_handshakes", ()]) == (4, 8)
    assert (samples["dohproxy_busiest_client_connections", ()], samples["dohproxy_max_client_connections", ()]) == (
        2,
        16,
    )
    assert samples["dohproxy_max_new_stranger_connections_per_second", ()] == math.inf
