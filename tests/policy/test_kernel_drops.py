"""Of which bans the kernel is told, and what of them when."""

from ipaddress import ip_address, ip_network

import pytest

from dohproxy.config import BansConfig
from dohproxy.outcomes import Client
from dohproxy.policy.ban_state import export_bans, restore_bans
from dohproxy.policy.ban_table import BanSource
from dohproxy.policy.bans import Bans
from dohproxy.policy.identity import Identities
from dohproxy.policy.kernel_drops import (
    Guarded,
    KernelDrops,
    LeftOut,
    SparedNetworks,
    Told,
    let_in_prefixes,
    prefix_of_network,
)
from dohproxy.policy.member_networks import MemberNetworks
from dohproxy.policy.prefixes import parse_prefix, show_prefix
from dohproxy.saved import Interruption
from tests.fakes.steps import result_of

NOW = 1_000.0
HOUR = 3_600.0
IDENTITIES = Identities(bytes(32))
NOBODY = Guarded(SparedNetworks(()), frozenset())


def client(text: str) -> Client:
    return IDENTITIES.look_at(ip_address(text).packed)


class Rig:
    """Bans, and what the kernel is told of them."""

    def __init__(self, rules: BansConfig | None = None, most: int = 1_000) -> None:
        self.bans = Bans(rules or BansConfig(), IDENTITIES.prefix_hashes)
        self.drops = KernelDrops(HOUR, most)

    def by_rule(self, text: str, width: int = 0, now: float = NOW) -> None:
        self.bans.ban_by_rule(client(text), width, "wrong_path", now)

    def by_command(self, text: str, seconds: float = 600.0, *, spares: bool = True) -> None:
        self.bans.ban(parse_prefix(text), seconds, "", NOW, spares=spares)

    def compare(self, now: float = NOW, guarded: Guarded | None = None) -> tuple[dict[str, float], list[str]]:
        """What is told now: networks with what is left of their time, and those that are released."""
        if guarded is None:
            guarded = Guarded(SparedNetworks(let_in_prefixes(self.bans, now)), frozenset())
        told = Told()
        for _ in self.drops.compare(self.bans, guarded, now, told):
            pass
        assert len(told) == len(told.drop) + len(told.release)
        return (
            {show_prefix(prefix): round(until - now, 3) for prefix, until in told.drop},
            [show_prefix(prefix) for prefix in told.release],
        )

    def left_out(self) -> dict[LeftOut, int]:
        return {why: count for why, count in self.drops.left_out.items() if count}


def test_each_ban_is_told_once_with_what_is_left_of_it() -> None:
    rig = Rig()
    rig.by_rule("192.0.2.7")
    rig.by_rule("2001:db8:1:2::3", 1)
    rig.by_command("198.51.100.0/25")
    assert rig.compare(NOW + 1) == (
        {"192.0.2.7": 59.0, "2001:db8:1::/56": 59.0, "198.51.100.0/25": 599.0},
        [],
    )
    assert rig.compare(NOW + 2) == ({}, [])
    assert len(rig.drops) == 3


def test_what_has_ended_is_forgotten_and_nothing_is_said_of_it() -> None:
    rig = Rig()
    rig.by_rule("192.0.2.7")
    rig.compare()
    assert rig.compare(NOW + 60) == ({}, [])
    assert len(rig.drops) == 0


def test_who_is_banned_again_before_that_was_seen_is_told_anew() -> None:
    rig = Rig()
    rig.by_rule("192.0.2.7")
    rig.compare()
    rig.by_rule("192.0.2.7", now=NOW + 60)
    assert rig.compare(NOW + 60) == ({"192.0.2.7": 120.0}, [])


@pytest.mark.parametrize(("seconds", "left"), [(30.0, 30.0), (6_000.0, 3_600.0)], ids=["shorter", "longer"])
def test_a_ban_that_ends_at_another_time_is_told_anew(seconds: float, left: float) -> None:
    rig = Rig()
    rig.by_command("192.0.2.0/24")
    rig.compare()
    rig.by_command("192.0.2.0/24", seconds)
    assert rig.compare() == ({"192.0.2.0/24": left}, [])
    assert rig.compare() == ({}, [])


def test_nobody_is_dropped_for_longer_than_an_hour_without_being_named_again() -> None:
    rig = Rig()
    rig.by_command("192.0.2.0/24", 10 * HOUR)
    assert rig.compare() == ({"192.0.2.0/24": HOUR}, [])
    assert rig.compare(NOW + 0.4 * HOUR) == ({}, [])
    assert rig.compare(NOW + 0.6 * HOUR) == ({"192.0.2.0/24": HOUR}, [])
    assert rig.compare(NOW + 9.5 * HOUR) == ({"192.0.2.0/24": HOUR / 2}, [])


def test_who_is_let_in_by_command_is_released() -> None:
    rig = Rig()
    rig.by_rule("192.0.2.7")
    rig.by_rule("192.0.2.8")
    rig.compare()
    rig.bans.unban(parse_prefix("192.0.2.7"), 600.0, NOW)
    assert rig.compare() == ({}, ["192.0.2.7"])
    rig.bans.unban(parse_prefix("192.0.2.0/28"), 600.0, NOW)
    assert rig.compare() == ({}, ["192.0.2.8"])
    assert rig.left_out() == {LeftOut.SPARED: 1}


def test_what_is_let_in_within_a_banned_network_is_spared() -> None:
    rig = Rig()
    rig.by_command("192.0.2.0/24")
    rig.bans.unban(parse_prefix("192.0.2.0/28"), 600.0, NOW)
    assert [show_prefix(prefix) for prefix in let_in_prefixes(rig.bans, NOW)] == ["192.0.2.0/28"]
    assert let_in_prefixes(rig.bans, NOW + 600.0) == set()
    assert rig.compare() == ({"192.0.2.0/24": 600.0}, [])


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_a_rule_that_is_only_tried_drops_nobody_and_a_command_does(mode: str) -> None:
    rig = Rig()
    rig.by_rule("192.0.2.7")
    rig.by_command("198.51.100.0/24")
    rig.compare()
    rig.bans.adopt(BansConfig(mode=mode), NOW)  # type: ignore[arg-type]
    assert rig.compare() == ({}, ["192.0.2.7"])
    assert len(rig.drops) == 1


def test_a_ban_within_members_networks_is_for_the_service_to_judge() -> None:
    rig = Rig()
    rig.by_rule("192.0.2.7")
    rig.by_rule("192.0.2.200", 1)
    rig.by_command("203.0.113.7", spares=False)
    guarded = Guarded(SparedNetworks((parse_prefix("192.0.2.0/25"), parse_prefix("2001:db8::/32"))), frozenset())
    rig.by_rule("2001:db8:5::1")
    # The /24 is wider than the members' network, which the kernel spares within it.
    assert rig.compare(guarded=guarded) == ({"192.0.2.0/24": 60.0}, [])
    assert rig.left_out() == {LeftOut.SPARED: 3}


@pytest.mark.parametrize(
    ("banned", "width", "member", "is_left_out"),
    [
        ("192.0.2.7", 0, "192.0.2.7", True),
        ("192.0.2.8", 0, "192.0.2.7", False),
        ("192.0.2.8", 1, "192.0.2.7", True),
        ("2001:db8:1:2::3", 0, "2001:db8:1:2::4", True),
        ("2001:db8:1:2::3", 1, "2001:db8:1:3::4", True),
        ("2001:db8:1:2::3", 2, "2001:db8:1:ff00::4", True),
        ("2001:db8:1:2::3", 2, "2001:db8:2::4", False),
    ],
    ids=["his address", "a neighbour", "his /24", "his /64", "his /56", "his /48", "another /48"],
)
def test_no_rule_drops_an_address_from_which_a_token_came(
    banned: str, width: int, member: str, is_left_out: bool
) -> None:
    rig = Rig()
    rig.by_rule(banned, width)
    members = MemberNetworks(HOUR)
    members.note(client(member), bytes(32), NOW)
    found, _ = rig.compare(guarded=Guarded(SparedNetworks(()), members.around(NOW)))
    assert (len(found), rig.left_out()) == ((0, {LeftOut.SPARED: 1}) if is_left_out else (1, {}))
    # When that is too long ago it is.
    later, _ = rig.compare(NOW + 1, guarded=Guarded(SparedNetworks(()), members.around(NOW + HOUR)))
    assert len(found) + len(later) == 1


def test_who_has_shown_a_token_on_an_open_connection_is_released() -> None:
    rig = Rig()
    rig.by_rule("192.0.2.7")
    rig.compare(guarded=NOBODY)
    assert rig.compare(guarded=Guarded(SparedNetworks(()), frozenset({client("192.0.2.7").prefixes[0]}))) == (
        {},
        ["192.0.2.7"],
    )


class TestAfterARestart:
    """Only the hashes of networks are known."""

    def restarted(self, before: Rig) -> Rig:
        after = Rig()
        restore_bans(after.bans, {"bans": result_of(export_bans(before.bans, NOW))[0]}, Interruption(NOW), NOW)
        return after

    def test_a_ban_without_an_address_is_left_to_the_service(self) -> None:
        before = Rig()
        before.by_rule("192.0.2.7")
        before.by_command("198.51.100.0/24")
        rig = self.restarted(before)
        rig.by_rule("192.0.2.8")
        assert rig.compare() == ({"192.0.2.8": 60.0}, [])
        assert rig.left_out() == {LeftOut.NAMELESS: 2}

    def test_whom_somebody_remembers_is_told_again(self) -> None:
        before = Rig()
        before.by_rule("192.0.2.7")
        before.by_command("198.51.100.0/25")
        rig = self.restarted(before)
        named = [rig.bans.name(parse_prefix(text)) for text in ("192.0.2.7", "198.51.100.0/25", "192.0.2.8")]
        assert named == [True, True, False]
        assert rig.compare() == ({"192.0.2.7": 60.0, "198.51.100.0/25": 600.0}, [])
        # Who is named is let in by command as before.
        rig.bans.unban(parse_prefix("192.0.2.7"), 60.0, NOW)
        assert rig.compare() == ({}, ["192.0.2.7"])

    def test_nobody_is_dropped_who_may_have_been_let_in(self) -> None:
        before = Rig()
        before.bans.unban(parse_prefix("192.0.2.0/24"), 600.0, NOW)
        before.bans.unban(parse_prefix("2001:db8:1::/48"), 600.0, NOW)
        rig = self.restarted(before)
        rig.by_rule("192.0.2.7")  # Within.
        rig.by_rule("198.51.100.7")  # Elsewhere.
        rig.by_command("203.0.0.0/16")  # What is let in may be within.
        rig.by_command("2001:db8:2::/48")
        assert rig.compare() == ({"198.51.100.7": 60.0, "2001:db8:2::/48": 600.0}, [])
        assert rig.left_out() == {LeftOut.SPARED: 2}


def test_no_more_are_told_than_the_kernel_holds_and_commands_go_first() -> None:
    rig = Rig(most=2)
    for number in range(4):
        rig.by_rule(f"192.0.2.{number}")
    rig.by_command("198.51.100.0/24")
    found, _ = rig.compare()
    assert found.keys() == {"198.51.100.0/24", "192.0.2.0"}
    assert rig.left_out() == {LeftOut.FULL: 3}
    # As long as they last they stay, and then there is room.
    assert rig.compare(NOW + 30) == ({}, [])
    rig.bans.expire(NOW + 60)
    rig.by_rule("192.0.2.99", now=NOW + 60)
    assert rig.compare(NOW + 60)[0].keys() == {"192.0.2.99"}


def test_a_network_that_is_banned_twice_is_dropped_until_the_later_end() -> None:
    rig = Rig(most=1)
    rig.by_rule("192.0.2.7")
    rig.by_command("192.0.2.7", 30.0)
    assert rig.compare() == ({"192.0.2.7": 60.0}, [])


def test_after_a_failure_all_is_told_again() -> None:
    rig = Rig()
    rig.by_rule("192.0.2.7")
    rig.compare()
    rig.drops.forget()
    assert rig.compare() == ({"192.0.2.7": 60.0}, [])


def test_the_networks_of_the_configuration_are_those_its_clients_come_from() -> None:
    shown = [show_prefix(prefix_of_network(ip_network(text))) for text in ("192.0.2.7/32", "::ffff:192.0.2.0/120")]
    assert shown == ["192.0.2.7", "192.0.2.0/24"]
    assert prefix_of_network(ip_network("::/0")).bits == 0


def test_bans_by_rule_are_known_by_their_source() -> None:
    rig = Rig()
    rig.by_rule("192.0.2.7")
    [key] = rig.bans.keys_by_rule()
    found = rig.bans.found_by_rule(key, NOW)
    assert found is not None
    assert found.source is BanSource.RULE
    assert rig.bans.found_by_rule(key, NOW + 60) is None
