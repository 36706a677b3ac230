"""Connections are let in by client, by network, by rate, and by how many handshakes are under way."""

from ipaddress import ip_address, ip_network

import pytest

from dohproxy.policy.gate import SITE_FACTOR, Gate, Refusal
from dohproxy.policy.gcra import Gcra
from dohproxy.policy.identity import Identities
from dohproxy.policy.limits import build_client_limit
from dohproxy.verdict import Client

NOW = 1_000.0
SLOTS = 4_096
IDENTITIES = Identities(bytes(16), (ip_network("192.0.2.0/24"),))


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
