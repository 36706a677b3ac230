"""Which addresses count as members', for how long, and how many of them."""

import tracemalloc

import pytest

from dohproxy.outcomes import Client
from dohproxy.policy.identity import Identities
from dohproxy.policy.member_networks import (
    BYTES_PER_NETWORK,
    KEPT_SECONDS,
    MOST_NETWORKS,
    MOST_PER_TOKEN,
    MemberNetworks,
)

NOW = 1_000.0
HOUR = 3_600.0
IDENTITIES = Identities(bytes(16))
TOKEN, OTHER = b"t" * 32, b"o" * 32


def client(number: int) -> Client:
    return IDENTITIES.look_at(number.to_bytes(4))


def token(number: int) -> bytes:
    """One of many, each of which has come from four addresses."""
    return (number // 4).to_bytes(32)


def test_what_was_noted_last_can_be_taken_to_another_process() -> None:
    networks, after = MemberNetworks(HOUR), MemberNetworks(HOUR)
    for number in range(10):
        networks.note(client(number), token(number), NOW + number)
    last = networks.last(4)
    assert [until for _, until, _ in last] == [NOW + number + HOUR for number in range(6, 10)]
    assert networks.last(1_000)[-4:] == last
    after.note(client(7), OTHER, NOW + 100)
    for one in last:
        after.restore(*one, NOW + 100)
    assert [number for number in range(10) if after.knows(client(number), NOW + 100)] == [6, 7, 8, 9]
    assert not after.knows(client(6), NOW + HOUR + 6)
    after.forget(frozenset({token(6)}))
    assert after.knows(client(7), NOW + 100)  # It was noted here, for another token.
    assert not after.knows(client(6), NOW + 100)


def test_what_is_restored_keeps_the_limits() -> None:
    networks = MemberNetworks(HOUR)
    for number in range(2 * MOST_PER_TOKEN):
        networks.restore(TOKEN, NOW + HOUR, client(number).prefixes[:3], NOW)
    assert len(networks) == MOST_PER_TOKEN
    networks.restore(OTHER, NOW + 99 * HOUR, client(9_999).prefixes[:3], NOW)
    assert not networks.knows(client(9_999), NOW + HOUR)
    networks.restore(OTHER, NOW, client(9_998).prefixes[:3], NOW)
    assert len(networks) == MOST_PER_TOKEN + 1


def test_a_token_that_comes_from_everywhere_counts_for_the_first_few_addresses() -> None:
    networks = MemberNetworks(HOUR)
    networks.note(client(9_999), OTHER, NOW)
    noted = [networks.note(client(number), TOKEN, NOW) for number in range(5_000)]
    assert noted == [True] * MOST_PER_TOKEN + [False] * (5_000 - MOST_PER_TOKEN)
    assert len(networks) == MOST_PER_TOKEN + 1
    assert networks.knows(client(9_999), NOW)
    assert networks.note(client(3), TOKEN, NOW + 1)


def test_who_moves_is_known_in_another_place_and_no_longer_in_the_oldest() -> None:
    networks = MemberNetworks(HOUR)
    for number in range(MOST_PER_TOKEN + 1):
        assert networks.note(client(number), TOKEN, NOW + number * KEPT_SECONDS / MOST_PER_TOKEN)
    later = NOW + KEPT_SECONDS
    assert [networks.knows(client(number), later) for number in (0, 1, MOST_PER_TOKEN)] == [False, True, True]


def test_an_address_is_known_for_so_long_and_its_neighbours_are_not() -> None:
    networks = MemberNetworks(HOUR)
    networks.note(client(1), TOKEN, NOW)
    assert networks.knows(client(1), NOW + HOUR - 1)
    assert not networks.knows(client(1), NOW + HOUR)
    assert not networks.knows(client(2), NOW)


def test_of_ipv6_it_is_the_64_and_no_wider_network() -> None:
    networks = MemberNetworks(HOUR)
    home = bytes.fromhex("20010db8000000010000000000000001")
    networks.note(IDENTITIES.client(home), TOKEN, NOW)
    assert networks.knows(IDENTITIES.client(home[:8] + bytes(8)), NOW)
    assert not networks.knows(IDENTITIES.client(home[:7] + b"\2" + bytes(8)), NOW)


def test_each_token_makes_it_last_longer() -> None:
    networks = MemberNetworks(HOUR)
    networks.note(client(1), TOKEN, NOW)
    networks.note(client(1), TOKEN, NOW + HOUR / 2)
    assert networks.knows(client(1), NOW + HOUR)
    assert len(networks) == 1


def test_with_no_hours_nothing_is_known() -> None:
    networks = MemberNetworks(0.0)
    networks.note(client(1), TOKEN, NOW)
    assert not networks.knows(client(1), NOW)


def test_who_was_noted_longest_ago_goes_first_when_there_are_too_many() -> None:
    networks = MemberNetworks(HOUR)
    for number in range(MOST_NETWORKS):
        networks.note(client(number), token(number), NOW)
    networks.note(client(0), token(0), NOW + HOUR / 2)
    networks.note(client(MOST_NETWORKS), token(MOST_NETWORKS), NOW + HOUR / 2)
    assert len(networks) == MOST_NETWORKS
    assert networks.held_bytes == MOST_NETWORKS * BYTES_PER_NETWORK
    assert [networks.knows(client(number), NOW + HOUR / 2) for number in (0, 1, 2, MOST_NETWORKS)] == [
        True,
        False,
        True,
        True,
    ]


def test_what_a_revoked_token_made_known_is_forgotten() -> None:
    networks = MemberNetworks(HOUR)
    networks.note(client(1), TOKEN, NOW)
    networks.note(client(2), OTHER, NOW)
    networks.forget(frozenset((TOKEN,)))
    assert [networks.knows(client(number), NOW) for number in (1, 2)] == [False, True]


@pytest.mark.parametrize(("hours", "known"), [(1, False), (12, True)])
def test_another_time_holds_for_what_is_known_already(hours: int, known: bool) -> None:
    networks = MemberNetworks(12 * HOUR)
    networks.note(client(1), TOKEN, NOW)
    networks.adopt(hours * HOUR)
    assert networks.knows(client(1), NOW + 2 * HOUR) is known


def test_the_networks_around_a_member_are_known_for_as_long() -> None:
    networks = MemberNetworks(HOUR)
    networks.note(client(1), TOKEN, NOW)
    networks.note(IDENTITIES.look_at(bytes(16)), TOKEN, NOW + 1)
    four, six = client(1).prefixes, IDENTITIES.look_at(bytes(16)).prefixes
    assert networks.around(NOW) == frozenset({*four, *six[:3]})
    assert networks.around(NOW + HOUR) == frozenset(six[:3])
    networks.forget(frozenset((TOKEN,)))
    assert networks.around(NOW) == frozenset()


def test_what_is_remembered_takes_no_more_memory_than_is_told() -> None:
    tracemalloc.start()
    try:
        networks = MemberNetworks(HOUR)
        for number in range(MOST_NETWORKS):
            networks.note(IDENTITIES.look_at((number << 64).to_bytes(16)), number.to_bytes(32), NOW)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < networks.held_bytes
