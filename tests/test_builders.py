"""How owners are made from their sections."""

from dataclasses import replace
from pathlib import Path

from dohproxy.builders import clock, fair_share, http2_limits, secret_of_clients
from dohproxy.config import Config, ConnectionsConfig, NodesConfig, ServerConfig, UpstreamAddress, UpstreamConfig
from dohproxy.config.store_address import StoreAddress
from dohproxy.jobs.state_key import StateKey
from dohproxy.policy.priorities import FAIR_SHARE
from dohproxy.sharing.sharing import Sharing

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
