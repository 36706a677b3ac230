"""Descriptors are shared out before anybody comes: clients' connections never take the last ones."""

import resource
from dataclasses import replace

import pytest

from dohproxy.config import AdminConfig, Config, ConnectionsConfig, MetricsConfig, UpstreamAddress, UpstreamConfig
from dohproxy.descriptors import (
    FEWEST_CONNECTIONS,
    ONE_MANAGEMENT_SERVER,
    OWN,
    Limits,
    affordable_connections,
    descriptor_warnings,
    make_room,
    raised,
    reserve,
)

INFINITY = resource.RLIM_INFINITY
UDP = UpstreamConfig("udp", UpstreamAddress("udp", "192.0.2.53", 53), in_flight=20, connections=2)
DOT = UpstreamConfig("dot", UpstreamAddress("tls", "192.0.2.54", 853), in_flight=20, connections=3)


def config(max_total: int = 2_000, *upstreams: UpstreamConfig) -> Config:
    return Config(upstreams or (UDP,), connections=ConnectionsConfig(max_total=max_total))


def test_everything_that_needs_one_is_thought_of() -> None:
    alone = config()
    assert reserve(alone) == OWN + 1 + 20 + 2
    assert reserve(config(2_000, UDP, DOT)) == OWN + 1 + 20 + 2 + 3
    assert (
        reserve(replace(alone, metrics=MetricsConfig(), admin=AdminConfig()))
        == reserve(alone) + 2 * ONE_MANAGEMENT_SERVER
    )


@pytest.mark.parametrize(
    ("limits", "wanted", "better"),
    [
        ((1_024, 4_096), 2_100, (2_100, 4_096)),
        ((1_024, 1_500), 2_100, (1_500, 1_500)),
        ((1_024, INFINITY), 2_100, (2_100, INFINITY)),
        ((4_096, 4_096), 2_100, (4_096, 4_096)),
        ((INFINITY, INFINITY), 2_100, (INFINITY, INFINITY)),
    ],
    ids=["enough", "not enough", "no hard limit", "already", "no limit"],
)
def test_the_soft_limit_is_raised_as_far_as_needed_and_allowed(limits: Limits, wanted: int, better: Limits) -> None:
    assert raised(limits, wanted) == better


@pytest.mark.parametrize(
    ("soft", "most"),
    [(INFINITY, 2_000), (65_536, 2_000), (2_087, 2_000), (2_086, 1_999), (1_024, 937), (20, FEWEST_CONNECTIONS)],
)
def test_connections_get_what_is_left(soft: int, most: int) -> None:
    assert affordable_connections(config(), soft) == most


def test_enough_is_not_spoken_of() -> None:
    assert descriptor_warnings(config(), (1_024, 4_096)) == ()
    assert descriptor_warnings(config(100)) == ()


def test_less_than_configured_is_told_with_the_remedy() -> None:
    [problem] = descriptor_warnings(config(), (1_024, 1_024))
    assert problem.path == "connections.max_total"
    assert problem.sentence == (
        "is 2000, but this process may open 1024 files, of which upstreams and the service itself need 87: there will"
        " be 937 connections. Allow 2087 open files (systemd: LimitNOFILE=2087; a shell: ulimit -n 2087), or write"
        " max_total = 937."
    )


def test_room_is_made_and_connections_are_held_to_it() -> None:
    told: list[tuple[int, Limits]] = []

    def notify(which: int, limits: Limits) -> None:
        told.append((which, limits))

    assert make_room(config(), lambda _: (1_024, 1_500), notify).connections.max_total == 1_413
    assert told == [(resource.RLIMIT_NOFILE, (1_500, 1_500))]
    assert make_room(config(), lambda _: (4_096, 4_096), notify) == config()
    assert len(told) == 1
