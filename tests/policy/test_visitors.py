"""Networks that ask: how many, how many are new, and what is forgotten when."""

import itertools
import random

import pytest

from dohproxy.outcomes import Client
from dohproxy.policy.identity import Identities
from dohproxy.policy.visitors import DAY_SECONDS, HOUR_SECONDS, Visitors
from tests.fakes.walk import client_of

NOW = 1_000.0


def networks(first: int, count: int) -> list[Client]:
    """Clients of so many different networks, always the same for the same numbers."""
    found = []
    for number in range(first, first + count):
        rng = random.Random(number)  # noqa: S311 - the same every time
        address, network = (rng.getrandbits(64), 0), (rng.getrandbits(64), 0)
        found.append(client_of(b"\xc0\x00\x02\x01", address, network))
    return found


def visitors() -> Visitors:
    salts = itertools.count(1)
    return Visitors(lambda: next(salts) * 0x1234_5678_9ABC_DEF1 % 2**64, NOW)


def note(one: Visitors, clients: list[Client]) -> None:
    for client in clients:
        one.note(client)


def test_networks_are_counted_and_not_addresses() -> None:
    one = visitors()
    for host in range(200):
        one.note(client_of(bytes([192, 0, 2, host]), (host, host), (4_711, 1)))
    figures = one.statistics()
    assert (round(figures.hour), round(figures.day), round(figures.newcomers)) == (1, 1, 1)


def test_a_peer_without_an_address_is_no_network() -> None:
    one = visitors()
    one.note(client_of(b"", (1, 2)))
    assert one.statistics().newcomers == 0.0


def test_a_members_network_is_counted_like_any_other() -> None:
    one = visitors()
    one.note(client_of(b"\xc0\x00\x02\x01", (1, 2), (3, 4), member=True))
    assert round(one.statistics().day) == 1


def test_who_has_been_here_today_is_not_new_again() -> None:
    one = visitors()
    note(one, networks(0, 60))
    before = one.statistics().newcomers
    one.turn(NOW + HOUR_SECONDS)
    note(one, networks(0, 60))
    assert one.statistics().newcomers == before
    note(one, networks(60, 100))
    assert one.statistics().newcomers - before == pytest.approx(100, rel=0.1)


def test_an_hour_that_has_just_begun_has_the_figure_of_the_one_before() -> None:
    one = visitors()
    note(one, networks(0, 80))
    assert one.turn(NOW + HOUR_SECONDS)
    assert one.statistics().hour == pytest.approx(80, rel=0.1)
    assert one.turn(NOW + 2 * HOUR_SECONDS)
    assert one.statistics().hour == 0.0


def test_everybody_is_to_be_noted_again_with_each_hour_and_not_before() -> None:
    one = visitors()
    assert [one.turn(NOW + seconds) for seconds in (1.0, HOUR_SECONDS - 1, HOUR_SECONDS, HOUR_SECONDS + 1)] == [
        False, False, True, False,
    ]  # fmt: skip


def test_a_new_day_remembers_the_one_before_and_makes_nobody_new() -> None:
    one = visitors()
    note(one, networks(0, 60))
    one.turn(NOW + DAY_SECONDS)
    before = one.statistics().newcomers
    note(one, networks(0, 60))
    figures = one.statistics()
    assert figures.newcomers == before
    assert figures.day == pytest.approx(60, rel=0.1)


def test_who_has_not_come_for_two_days_is_new() -> None:
    one = visitors()
    note(one, networks(0, 60))
    one.turn(NOW + DAY_SECONDS)
    one.turn(NOW + 2 * DAY_SECONDS)
    before = one.statistics().newcomers
    note(one, networks(0, 60))
    assert one.statistics().newcomers - before == pytest.approx(60, rel=0.1)


def test_who_counts_beside_is_told_of_each_network_that_is_noted() -> None:
    visitors, told = Visitors(lambda: 1, 0.0), list[int]()
    visitors.also = told.append
    identities = Identities(bytes(32), note=visitors.note)
    for _ in range(2):
        identities.client(bytes([192, 0, 2, 7]))
    identities.client(b"")
    assert told == [identities.look_at(bytes([192, 0, 2, 9])).prefixes[1][0]]
