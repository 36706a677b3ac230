"""What another configuration changes is said key by key, and what has to wait is held back."""

from dataclasses import replace
from pathlib import Path

from dohproxy.adoption import FROM_START, compare, values_of
from dohproxy.config import (
    BlocklistConfig,
    Config,
    LimitsConfig,
    LogConfig,
    MetricsConfig,
    NodesConfig,
    TlsConfig,
    UpstreamAddress,
    UpstreamConfig,
)
from dohproxy.config.addresses import ListenAddress
from dohproxy.config.store_address import StoreAddress

NOW = Config((UpstreamConfig("first", UpstreamAddress("udp", "192.0.2.1", 53)),))


def test_the_same_changes_nothing() -> None:
    changes = compare(NOW, replace(NOW))
    assert (changes.changed, changes.waiting, changes.config) == ((), (), NOW)


def test_each_key_that_differs_is_named() -> None:
    limits = replace(NOW.limits, waiting_misses=7, requests_burst=99)
    [upstream] = NOW.upstreams
    wanted = replace(NOW, limits=limits, upstreams=(replace(upstream, burst=3),))
    changes = compare(NOW, wanted)
    assert changes.changed == ("limits.requests_burst", "limits.waiting_misses", "upstream.first.burst")
    assert changes.config == wanted


def test_each_key_of_a_list_that_differs_is_named_by_the_name_of_the_list() -> None:
    now = replace(NOW, blocklists=(BlocklistConfig("ads", names=("a.example",)),))
    wanted = replace(NOW, blocklists=(BlocklistConfig("ads", names=("b.example",)),))
    assert compare(now, wanted).changed == ("blocklist.ads.names",)


def test_an_upstream_that_comes_and_one_that_goes_are_named() -> None:
    wanted = replace(NOW, upstreams=(UpstreamConfig("second", UpstreamAddress("udp", "192.0.2.2", 53)),))
    changed = compare(NOW, wanted).changed
    assert {"upstream.first.url", "upstream.second.url"} <= set(changed)


def test_what_has_to_wait_keeps_its_value_beside_what_does_not() -> None:
    wanted = replace(NOW, limits=LimitsConfig(table_slots=2048, waiting_misses=7), log=LogConfig(format="json"))
    changes = compare(NOW, wanted)
    assert changes.waiting == ("limits.table_slots", "log.format")
    assert changes.changed == ("limits.waiting_misses",)
    assert changes.config == replace(NOW, limits=LimitsConfig(waiting_misses=7))


def test_a_section_that_comes_or_goes_waits_as_a_whole() -> None:
    metrics = MetricsConfig(ListenAddress("tcp", host="127.0.0.1", port=9100))
    with_both = replace(NOW, metrics=metrics, tls=TlsConfig(Path("a"), Path("b")))
    assert compare(NOW, with_both).waiting == ("metrics", "tls")
    assert compare(NOW, with_both).config == NOW
    assert compare(with_both, NOW).waiting == ("metrics", "tls")
    assert compare(with_both, NOW).config == with_both


def test_every_key_that_waits_exists() -> None:
    metrics = MetricsConfig(ListenAddress("tcp", host="127.0.0.1", port=9100))
    nodes = NodesConfig(StoreAddress("unix", path="/run/store"), Path("key"))
    paths = set(values_of(replace(NOW, metrics=metrics, nodes=nodes)))
    assert {path for path in FROM_START if not path.startswith("admin.")} <= paths
