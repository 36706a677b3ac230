"""Connections are let in by client, by network, by rate, and by how many handshakes are under way."""

import math
from ipaddress import ip_address, ip_network

import pytest

from dohproxy.outcomes import Client
from dohproxy.policy.connection_limiter import SITE_FACTOR, Allowance, Gate, Refusal, affordable
from dohproxy.policy.gcra import Gcra
from dohproxy.policy.identity import Identities
from dohproxy.policy.limits import build_client_limit

NOW = 1_000.0
SLOTS = 4_096
IDENTITIES = Identities(bytes(16), (ip_network("192.0.2.0/24"),), (ip_network("198.51.100.0/24"),))


def gate(
    *, per_client: int = 2, per_network: int = 4, burst: float = 100, total: float = 1_000, handshakes: int = 2
) -> Gate:
    buffers = [memoryview(bytearray(8 * SLOTS)) for _ in range(3)]
    rate = build_client_limit(*buffers, per_second=1, burst=burst, network_factor=8, site_factor=32)
    bucket = Gcra(memoryview(bytearray(8)), per_second=1, burst=total)
    return Gate(rate, bucket, max_per_client=per_client, max_per_network=per_network, max_handshakes=handshakes)


def client(text: str) -> Client:
    return IDENTITIES.client(ip_address(text).packed)


def entered(door: Gate, *texts: str) -> list[Refusal | None]:
    return [door.enter(client(text), NOW) for text in texts]


def test_a_client_holds_so_many_connections_and_no_more() -> None:
    door = gate()
    assert entered(door, *["127.0.0.1"] * 3) == [None, None, Refusal.TOO_MANY_PER_CLIENT]


def test_a_connection_that_closes_makes_room() -> None:
    door = gate(per_client=1)
    for _ in range(3):
        assert entered(door, "127.0.0.1", "127.0.0.1") == [None, Refusal.TOO_MANY_PER_CLIENT]
        door.leave(client("127.0.0.1"))


def test_a_refused_connection_takes_no_room_from_others() -> None:
    door = gate(per_network=3)
    assert entered(door, *["127.0.0.1"] * 10)[2:] == [Refusal.TOO_MANY_PER_CLIENT] * 8
    assert entered(door, "127.0.0.2", "127.0.1.1") == [None, None]


@pytest.mark.parametrize(
    ("pattern", "apart"),
    [("127.0.0.{}", "127.0.1.1"), ("2001:db8:0:{}::1", "2001:db8:0:100::1")],
    ids=["IPv4 /24", "IPv6 /56"],
)
def test_a_network_holds_so_many_over_all_its_clients(pattern: str, apart: str) -> None:
    door = gate()
    assert entered(door, *(pattern.format(n) for n in range(1, 6))) == [None] * 4 + [Refusal.TOO_MANY_PER_CLIENT]
    assert entered(door, apart) == [None]


def test_a_site_holds_four_networks_worth() -> None:
    door = gate(per_client=4)
    networks = [f"2001:db8:0:{n:x}00::1" for n in range(SITE_FACTOR + 1)]
    for network in networks[:-1]:
        assert entered(door, *[network] * 4) == [None] * 4
    assert entered(door, networks[-1]) == [Refusal.TOO_MANY_PER_CLIENT]


def test_a_client_opens_connections_no_faster_than_its_rate() -> None:
    door = gate(per_client=100, per_network=1_000, burst=3)
    assert entered(door, *["127.0.0.1"] * 4) == [None] * 3 + [Refusal.CLIENT_RATE]
    assert door.enter(client("127.0.0.1"), NOW + 1) is None


def test_everybody_together_opens_them_no_faster_than_the_total() -> None:
    door = gate(total=3)
    assert entered(door, *(f"127.0.{n}.1" for n in range(4))) == [None] * 3 + [Refusal.TOTAL_RATE]
    assert door.enter(client("127.0.9.1"), NOW + 1) is None


def test_an_exempt_client_is_held_to_the_total_alone() -> None:
    door = gate(total=10, burst=1)
    assert entered(door, *["192.0.2.1"] * 11) == [None] * 10 + [Refusal.TOTAL_RATE]


def test_handshakes_under_way_are_bounded() -> None:
    door = gate()
    assert [door.begin_handshake() for _ in range(3)] == [True, True, False]
    door.end_handshake()
    assert door.begin_handshake()


def test_nothing_is_kept_of_those_who_have_left() -> None:
    door = gate()
    for n in range(200):
        somebody = client(f"127.0.{n}.1")
        assert door.enter(somebody, NOW) is None
        door.leave(somebody)
    assert [len(held) for held in door._held] == [0, 0, 0]


def test_figures_stand_beside_their_bounds() -> None:
    door = gate()
    entered(door, "127.0.0.1", "127.0.0.1", "127.0.0.2")
    door.begin_handshake()
    figures = door.statistics(NOW)
    assert (figures.busiest_client, figures.max_per_client) == (2, 2)
    assert (figures.handshakes, figures.max_handshakes) == (1, 2)
    assert figures.total_fill == pytest.approx(0.003)


# --- What handshakes cost ---


@pytest.mark.parametrize(
    ("milliseconds", "percent", "left"),
    [
        (0.0, 50, None),
        (0.35, 50, None),
        (1.25, 50, None),
        (2.5, 50, (200, 1_000)),
        (2.5, 100, None),
        (8.0, 50, (62.5, 312.5)),
        (8.0, 1, (1.25, 6.25)),
        (1_000.0, 1, (0.01, 1)),
    ],
)
def test_strangers_get_what_the_machine_can_afford(
    milliseconds: float, percent: float, left: tuple[float, float] | None
) -> None:
    allowance = affordable(400, 2_000, milliseconds / 1_000, percent)
    found = (400.0, 2_000.0) if allowance is None else (allowance.per_second, allowance.burst)
    assert list(found) == pytest.approx(list(left or (400, 2_000)))
    assert (allowance is None) == (left is None)


def held(*, burst: float = 2, total: float = 1_000) -> Gate:
    door = gate(per_client=100, per_network=1_000, total=total)
    door.hold_strangers(Allowance(per_second=1, burst=burst), memoryview(bytearray(8)))
    return door


def test_strangers_together_open_no_more_than_their_rate() -> None:
    door = held()
    assert entered(door, *(f"127.0.{n}.1" for n in range(3))) == [None, None, Refusal.STRANGERS_RATE]
    assert door.enter(client("127.0.9.1"), NOW + 1) is None


def test_members_and_exempt_clients_come_in_while_strangers_have_used_up_theirs() -> None:
    door = held()
    assert entered(door, *(f"127.0.{n}.1" for n in range(3)))[-1] is Refusal.STRANGERS_RATE
    assert entered(door, "198.51.100.1", "198.51.100.2", "192.0.2.1") == [None] * 3


def test_strangers_that_are_refused_take_nothing_from_everybodys_rate() -> None:
    door = held(total=3)
    assert entered(door, *(f"127.0.{n}.1" for n in range(9)))[2:] == [Refusal.STRANGERS_RATE] * 7
    assert entered(door, "198.51.100.1", "198.51.100.2") == [None, Refusal.TOTAL_RATE]


def test_a_cheaper_certificate_sets_strangers_free() -> None:
    door = held(burst=1)
    assert entered(door, "127.0.0.1", "127.0.1.1") == [None, Refusal.STRANGERS_RATE]
    figures = door.statistics(NOW)
    assert figures.strangers_fill == pytest.approx(1.0)
    assert figures.strangers_per_second == 1
    door.hold_strangers(None, memoryview(bytearray(8)))
    assert entered(door, "127.0.1.1", "127.0.2.1") == [None, None]
    figures = door.statistics(NOW)
    assert (figures.strangers_fill, figures.strangers_per_second) == (0, math.inf)
