"""How owners are made from their sections."""

import os
from dataclasses import replace
from pathlib import Path

from dohproxy.builders import (
    build_connection_limiter,
    build_names,
    build_penalties,
    build_request_limiter,
    clock,
    fair_share,
    hold_strangers,
    http2_limits,
    secret_of_clients,
    table_sizes,
)
from dohproxy.config import (
    Config,
    ConnectionsConfig,
    LimitsConfig,
    NodesConfig,
    ServerConfig,
    UpstreamAddress,
    UpstreamConfig,
)
from dohproxy.config.store_address import StoreAddress
from dohproxy.jobs.state_key import StateKey
from dohproxy.policy.identity import Identities
from dohproxy.policy.member_networks import MemberNetworks
from dohproxy.policy.priorities import FAIR_SHARE
from dohproxy.sharing.sharing import Sharing
from dohproxy.workers.shared_tables import SharedTables, bytes_of, private_table

ONE = UpstreamConfig("first", UpstreamAddress("udp", "192.0.2.1", 53), queries_per_second=10.0, burst=40)


def test_a_fair_share_is_one_of_what_all_upstreams_may_be_asked_and_a_group_counts_once() -> None:
    other = replace(ONE, name="second", group="both")
    assert fair_share([ONE]) == (FAIR_SHARE * 10, FAIR_SHARE * 40)
    assert fair_share([ONE, replace(other, name="third"), other]) == (FAIR_SHARE * 20, FAIR_SHARE * 80)


def test_a_fair_share_lets_one_question_through_however_small_the_budget() -> None:
    assert fair_share([replace(ONE, burst=1)])[1] == 1.0


def test_http2_has_the_limits_that_http1_has_too() -> None:
    config = Config((ONE,), server=ServerConfig(max_query_bytes=600), connections=ConnectionsConfig(max_requests=77))
    limits = http2_limits(config)
    assert (limits.max_body_bytes, limits.max_requests) == (600, 77)


def test_nodes_that_share_hash_clients_under_one_key_and_others_under_their_own(tmp_path: Path) -> None:
    file = tmp_path / "nodes.key"
    file.write_bytes(bytes(range(32)))
    nodes = NodesConfig(StoreAddress("unix", path="/nowhere"), file)
    first, second = (Sharing(replace(nodes, name=name), clock) for name in ("a", "b"))
    kept = StateKey(bytes(32))
    assert secret_of_clients(kept, first) == secret_of_clients(None, second) != bytes(range(32))
    assert secret_of_clients(kept, None) == kept.clients
    assert secret_of_clients(None, None) != secret_of_clients(None, None)


def test_workers_hold_a_client_to_one_limit_together() -> None:
    limits = LimitsConfig(requests_per_second=1, requests_burst=4, table_slots=1024)
    memory = os.memfd_create("tables")
    os.ftruncate(memory, bytes_of(table_sizes(1024)))
    both = [build_request_limiter(limits, [ONE], tables=SharedTables(memory, table_sizes(1024))) for _ in range(2)]
    os.close(memory)
    client, other = (Identities(b"s" * 32).look_at(bytes((192, 0, 2, last))) for last in (7, 8))
    waits = [both[number % 2].admit_request(client, 100.0) for number in range(6)]
    assert [wait == 0.0 for wait in waits] == [True] * 4 + [False] * 2
    assert both[1].admit_request(other, 100.0) == 0.0


def test_every_table_has_a_place_in_the_mapping_of_workers() -> None:
    config, asked = Config((ONE,)), set[str]()

    def note(name: str, size: int) -> memoryview:
        assert table_sizes(config.limits.table_slots)[name] == size
        asked.add(name)
        return private_table(name, size)

    identities = Identities(b"s" * 32)
    limiter = build_request_limiter(config.limits, config.upstreams, None, note)
    build_penalties(config.bans, config.limits, identities.prefix_hashes, None, note)
    build_names(config, None, note)
    connections = build_connection_limiter(
        config.connections, config.limits, limiter.standings, MemberNetworks(3600.0), None, note
    )
    hold_strangers(connections, config.connections, note, 0.001)
    assert asked == set(table_sizes(config.limits.table_slots))
