"""Whoever is banned loses the connections that are open, and nobody else does."""

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest

from dohproxy.config import BansConfig, ConnectionsConfig
from dohproxy.frontends.ban_sweep import LOOKED_AT_ONCE, BanSweep
from dohproxy.frontends.connections import Closing, Connections, ConnectionSlot, Waiting
from dohproxy.outcomes import Client
from dohproxy.policy.bans import Bans
from dohproxy.policy.identity import Identities
from dohproxy.policy.prefixes import parse_prefix
from dohproxy.policy.standing import Standing

NOW = 1_000.0
IDENTITIES = Identities(bytes(32))


class Loop:
    """What a sweep asks for later, in order."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_later(self, _: float, do: Callable[[], None]) -> None:
        self.due.append(do)

    def turn(self) -> None:
        """Do what is due."""
        due, self.due = self.due, []
        for do in due:
            do()


class OneConnection:
    """A connection that notes why it was closed."""

    def __init__(self, address: str, told: Any = None) -> None:
        self.client: Client = IDENTITIES.client(ipaddress.ip_address(address).packed)
        self.slot = ConnectionSlot(Connections(ConnectionsConfig()), Standing.STRANGER)
        self.closed_for: list[Closing] = []
        self._told = told

    def waiting(self, now: float) -> Waiting:
        return Waiting(now, None, None, 0, idle=True)

    def close_for(self, closing: Closing) -> None:
        self.closed_for.append(closing)
        if self._told is not None:
            raise self._told

    def identify(self) -> None:
        """Nobody asks."""

    def finish_soon(self) -> None:
        """Nobody asks."""


class Town:
    """Connections, bans, and the sweep over them."""

    def __init__(self, *connections: OneConnection) -> None:
        self.loop = Loop()
        self.bans = Bans(BansConfig(), IDENTITIES.prefix_hashes)
        self.register = Connections(ConnectionsConfig())
        for connection in connections:
            self.register.add(connection)
        sweep = BanSweep(self.bans, self.register, lambda: NOW, self.loop.call_later)
        self.bans.when_banned = lambda _ban, _now: sweep.begin()

    def ban(self, network: str) -> None:
        self.bans.ban(parse_prefix(network), 60.0, "", NOW, spares=True)

    def turns(self) -> int:
        """Let everything happen; return how many turns of the loop that took."""
        count = 0
        while self.loop.due:
            self.loop.turn()
            count += 1
        return count


def test_the_connections_of_a_banned_network_are_closed_and_no_others() -> None:
    inside, beside = OneConnection("192.0.2.7"), OneConnection("192.0.3.7")
    town = Town(inside, beside)
    town.ban("192.0.2.0/24")
    town.turns()
    assert (inside.closed_for, beside.closed_for) == ([Closing.BANNED], [])
    assert town.register.statistics().closed == {Closing.BANNED: 1}


def test_it_takes_a_slice_in_each_turn() -> None:
    town = Town(*(OneConnection("192.0.2.7") for _ in range(3 * LOOKED_AT_ONCE)))
    town.ban("192.0.2.7")
    assert town.turns() == 4
    assert town.register.statistics().closed == {Closing.BANNED: 3 * LOOKED_AT_ONCE}


def test_bans_that_come_together_have_one_look_and_one_that_comes_meanwhile_another() -> None:
    connections = [OneConnection(address) for address in ("192.0.2.7", "192.0.3.7") for _ in range(LOOKED_AT_ONCE)]
    town = Town(*connections)
    town.ban("192.0.2.7")
    town.ban("192.0.2.8")
    assert len(town.loop.due) == 1
    town.loop.turn()
    town.ban("192.0.3.7")
    assert len(town.loop.due) == 1
    town.turns()
    assert all(connection.closed_for for connection in connections)


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_a_rule_that_is_only_tried_closes_nothing(mode: Any) -> None:
    connection = OneConnection("192.0.2.7")
    town = Town(connection)
    town.bans.adopt(BansConfig(mode=mode), 0.0)
    town.bans.ban_by_rule(connection.client, 0, "base64", NOW)
    town.turns()
    assert connection.closed_for == []


def test_a_connection_on_which_a_token_came_is_closed_by_a_command_and_by_no_rule() -> None:
    neighbour, member = OneConnection("192.0.2.7"), OneConnection("192.0.2.7")
    member.slot.token = b"t" * 32
    town = Town(neighbour, member)
    town.bans.ban_by_rule(neighbour.client, 0, "wrong_path", NOW)
    town.turns()
    assert (neighbour.closed_for, member.closed_for) == ([Closing.BANNED], [])
    town.ban("192.0.2.7")
    town.turns()
    assert member.closed_for == [Closing.BANNED]


def test_a_bug_in_one_connection_keeps_nobody_elses_open() -> None:
    connections = [OneConnection("192.0.2.7", RuntimeError("bug") if number < 2 else None) for number in range(4)]
    town = Town(*connections)
    town.ban("192.0.2.7")
    town.turns()
    assert [connection.closed_for for connection in connections] == [[Closing.BANNED]] * 4
