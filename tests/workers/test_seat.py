"""How a process sees itself: alone it has all, and one of several has its part and files of its own."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.builders import table_sizes
from dohproxy.config import (
    AdminConfig,
    AlertsConfig,
    BansConfig,
    CacheConfig,
    Config,
    MetricsConfig,
    NodesConfig,
    ServerConfig,
    UpstreamAddress,
    UpstreamConfig,
)
from dohproxy.config.store_address import StoreAddress
from dohproxy.service_manager.activation import InheritedSockets
from dohproxy.workers.division import Place
from dohproxy.workers.handover import HandedSockets, Handover
from dohproxy.workers.seat import SOLE, Seat, seat_of
from dohproxy.workers.shared_tables import bytes_of

UPSTREAM = UpstreamConfig("one", UpstreamAddress("udp", "192.0.2.1", 53), burst=10)
DIRECTORY = Path("/var/lib/dohproxy")
CONFIG = Config(
    (UPSTREAM,),
    server=ServerConfig(state_directory=DIRECTORY, workers=2),
    bans=BansConfig(log_file=DIRECTORY / "bans", kernel_socket=Path("/run/nft.sock")),
    cache=CacheConfig(snapshot_file=DIRECTORY / "cache"),
    alerts=AlertsConfig(command=("/bin/mail",), webhook="https://alerts.example.net/"),
    metrics=MetricsConfig(),
    admin=AdminConfig(),
)
SLOTS = 1024


def _seat(number: int, **handed: object) -> Seat:
    tables = os.memfd_create("tables")
    os.ftruncate(tables, bytes_of(table_sizes(SLOTS)))
    handover = Handover(Place(number, 2), b"s" * 32, Path("/run/workers"), b"", SLOTS, tables, -1, (), {})
    return seat_of(replace(handover, **handed), table_sizes(SLOTS))  # type: ignore[arg-type]


def test_who_is_alone_has_all_of_it() -> None:
    assert SOLE.own(CONFIG) is CONFIG
    assert SOLE.part(CONFIG) is CONFIG
    assert SOLE.shares(CONFIG, CONFIG.upstreams) == CONFIG.upstreams
    assert (SOLE.is_worker, SOLE.begins_empty, SOLE.from_start, SOLE.secret) == (False, False, (), None)
    assert type(SOLE.inherited({}, 1)) is InheritedSockets


@pytest.mark.parametrize("number", [0, 1])
def test_every_worker_takes_commands_of_the_supervisor_alone(number: int) -> None:
    seat = _seat(number)
    own = seat.own(CONFIG)
    assert own.metrics is None
    assert own.admin == AdminConfig(socket=Path(f"/run/workers/worker-{number}.sock"))
    assert own.limits.table_slots == SLOTS
    assert seat.is_worker
    assert "server.listen" in seat.from_start
    assert seat.shares(own, CONFIG.upstreams)[0].burst == 5
    assert isinstance(seat.inherited({}, 1), HandedSockets)


def test_the_first_writes_what_only_one_may_write() -> None:
    own = _seat(0).own(CONFIG)
    assert own.server.state_directory == DIRECTORY
    assert own.bans == CONFIG.bans
    assert own.alerts == CONFIG.alerts
    assert own.cache == CONFIG.cache


def test_the_others_write_nothing_but_their_own_cache() -> None:
    own = _seat(1).own(CONFIG)
    assert own.server.state_directory is None
    assert (own.bans.log_file, own.bans.kernel_socket) == (None, None)
    assert (own.alerts.command, own.alerts.webhook) == ((), None)
    assert own.cache.snapshot_file == DIRECTORY / "cache.1"


@pytest.mark.parametrize(
    ("number", "is_replacement", "is_empty"),
    [(0, False, False), (1, False, True), (0, True, True), (1, True, True)],
    ids=["the first at the start", "another at the start", "the first anew", "another anew"],
)
def test_who_does_not_know_what_was_spent_begins_with_nothing(
    number: int, is_replacement: bool, is_empty: bool
) -> None:
    assert _seat(number, is_replacement=is_replacement).begins_empty is is_empty


@pytest.mark.parametrize("number", [0, 1])
def test_where_workers_have_a_store_leases_divide_the_budgets_among_them(number: int) -> None:
    seat = _seat(number, store="/run/workers/store.sock")
    own = seat.own(CONFIG)
    assert own.nodes is not None
    assert (str(own.nodes.store), own.nodes.expected) == ("unix:/run/workers/store.sock", 2)
    assert own.nodes.name == f"worker.{number}"
    assert own.nodes.key_file == Path("/run/workers/nodes.key")
    assert seat.shares(own, CONFIG.upstreams) == CONFIG.upstreams


def test_each_worker_is_a_node_of_the_store_that_is_configured() -> None:
    nodes = NodesConfig(StoreAddress("unix", path="/run/valkey.sock"), Path("/etc/nodes.key"), name="paris", expected=4)
    own = _seat(1).own(replace(CONFIG, nodes=nodes))
    assert own.nodes == replace(nodes, name="paris.1")


def test_workers_have_one_memory_for_each_table() -> None:
    seat = _seat(0)
    [total, *_] = [name for name in table_sizes(SLOTS) if name.endswith("/total")]
    seat.tables(total, 8)[0] = 1
    assert seat.tables(total, 8)[0] == 1
