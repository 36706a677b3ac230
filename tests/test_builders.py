"""How owners are made from their sections."""

from dataclasses import replace

from dohproxy.builders import fair_share, http2_limits
from dohproxy.config import Config, ConnectionsConfig, ServerConfig, UpstreamAddress, UpstreamConfig
from dohproxy.policy.priorities import FAIR_SHARE

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
