"""Who is kept out, for how long, and who wins."""

import tracemalloc
from ipaddress import ip_address, ip_network

import pytest

from dohproxy.config import BansConfig
from dohproxy.outcomes import Client
from dohproxy.policy.ban_table import Ban, BanSource
from dohproxy.policy.bans import MOST_COMMANDS, Bans, TooManyCommands
from dohproxy.policy.identity import Identities
from dohproxy.policy.limits import Width
from dohproxy.policy.prefixes import parse_prefix, show_prefix

NOW = 1_000.0
RULES = BansConfig()
MEMBERS = "198.51.100.0/24"
IDENTITIES = Identities(bytes(32), (ip_network("203.0.113.0/24"),), (ip_network(MEMBERS),))
IDENTITIES.name_proxies((ip_network("192.0.2.99/32"),))


def client(text: str) -> Client:
    return IDENTITIES.client(ip_address(text).packed)


def nobody(rules: BansConfig = RULES) -> Bans:
    return Bans(rules, IDENTITIES.prefix_hashes)


def banned(bans: Bans, text: str, now: float = NOW) -> bool:
    return bans.is_banned(client(text), now)


def by_command(bans: Bans, text: str, seconds: float = 600.0, *, spares: bool = True, now: float = NOW) -> Ban:
    return bans.ban(parse_prefix(text), seconds, "asked for it", now, spares=spares)


class TestByRule:
    def test_a_client_is_banned_and_nobody_else(self) -> None:
        bans = nobody()
        was_active = bans.is_active
        bans.ban_by_rule(client("192.0.2.7"), 0, "client_limit", NOW)
        assert (was_active, bans.is_active) == (False, True)
        assert banned(bans, "192.0.2.7")
        assert not banned(bans, "192.0.2.8")

    @pytest.mark.parametrize(
        ("asks", "width", "inside", "outside"),
        [
            ("192.0.2.7", 1, "192.0.2.200", "192.0.3.7"),
            ("2001:db8:1:2::3", 0, "2001:db8:1:2:ffff::1", "2001:db8:1:3::3"),
            ("2001:db8:1:2::3", 1, "2001:db8:1:ff::3", "2001:db8:1:100::3"),
            ("2001:db8:1:2::3", 2, "2001:db8:1:ffff::3", "2001:db8:2::3"),
        ],
        ids=["/24", "/64", "/56", "/48"],
    )
    def test_a_network_is_banned_with_all_that_is_in_it(self, asks: str, width: int, inside: str, outside: str) -> None:
        bans = nobody()
        bans.ban_by_rule(client(asks), width, "client_limit", NOW)
        assert banned(bans, asks)
        assert banned(bans, inside)
        assert not banned(bans, outside)

    def test_what_one_ipv4_address_makes_of_itself_is_banned_with_it(self) -> None:
        bans = nobody()
        bans.ban_by_rule(client("2002:c000:207::1"), 0, "client_limit", NOW)
        assert banned(bans, "192.0.2.7")

    def test_each_ban_is_twice_as_long_as_the_one_before_up_to_the_longest(self) -> None:
        bans, now, lengths = nobody(), NOW, []
        for _ in range(7):
            bans.ban_by_rule(client("192.0.2.7"), 0, "client_limit", now)
            [(_, ban)] = bans.by_rule()
            lengths.append(ban.until - now)
            now = ban.until
            assert not banned(bans, "192.0.2.7", now)
            bans.expire(now)
        assert lengths == [60, 120, 240, 480, 960, 1_800, 1_800]

    def test_a_ban_that_nobody_has_cleared_away_yet_counts_too(self) -> None:
        bans = nobody()
        bans.ban_by_rule(client("192.0.2.7"), 0, "client_limit", NOW)
        bans.ban_by_rule(client("192.0.2.7"), 0, "client_limit", NOW + 60)
        assert banned(bans, "192.0.2.7", NOW + 60 + 119)

    @pytest.mark.parametrize(
        ("quiet", "length"), [(599, 240), (600, 120), (1_199, 120), (1_200, 60), (100_000, 60)], ids=lambda x: f"{x} s"
    )
    def test_time_without_a_ban_makes_the_next_one_shorter(self, quiet: float, length: float) -> None:
        bans, now = nobody(), NOW
        for seconds in (60, 120):
            bans.ban_by_rule(client("192.0.2.7"), 0, "client_limit", now)
            now += seconds
            bans.expire(now)
        now += quiet
        bans.expire(now)
        bans.ban_by_rule(client("192.0.2.7"), 0, "client_limit", now)
        [(_, ban)] = bans.by_rule()
        assert ban.until - now == length

    @pytest.mark.parametrize("asks", ["203.0.113.7", "198.51.100.7", "192.0.2.99"], ids=["exempt", "member", "proxy"])
    def test_those_who_may_not_be_banned_by_rule_are_not_by_that_of_their_network(self, asks: str) -> None:
        bans = nobody()
        stranger = Identities(bytes(32)).client(ip_address(asks).packed)
        for width in (0, 1):
            bans.ban_by_rule(stranger, width, "client_limit", NOW)
        assert bans.is_banned(stranger, NOW)
        assert not banned(bans, asks)

    def test_in_shadow_it_is_counted_and_nobody_is_kept_out(self) -> None:
        told: list[Ban] = []
        bans = nobody(BansConfig(mode="shadow"))
        bans.when_banned = lambda ban, _: told.append(ban)
        bans.ban_by_rule(client("192.0.2.7"), 0, "client_limit", NOW)
        assert bans.judge(client("192.0.2.7"), NOW) is None
        assert bans.judge(client("192.0.2.8"), NOW) is None
        assert not banned(bans, "192.0.2.7")
        assert (bans.statistics().in_shadow, bans.statistics().by_rule, told) == (1, 1, [])

    def test_another_mode_holds_at_once(self) -> None:
        bans = nobody(BansConfig(mode="shadow"))
        bans.ban_by_rule(client("192.0.2.7"), 0, "client_limit", NOW)
        by_command(bans, "192.0.2.8")
        bans.adopt(RULES, NOW)
        assert banned(bans, "192.0.2.7")
        bans.adopt(BansConfig(mode="off"), NOW)
        assert not banned(bans, "192.0.2.7")
        assert banned(bans, "192.0.2.8")
        bans.adopt(RULES, NOW)
        assert not banned(bans, "192.0.2.7")

    def test_it_is_told_of_each_ban_that_holds(self) -> None:
        told: list[tuple[str, int]] = []
        bans = nobody()
        bans.when_banned = lambda ban, now: told.append((show_prefix(ban.prefix) if ban.prefix else "", int(now)))
        bans.ban_by_rule(client("192.0.2.7"), 1, "client_limit", NOW)
        by_command(bans, "2001:db8::1")
        assert told == [("192.0.2.0/24", 1_000), ("2001:db8::/64", 1_000)]


class TestByCommand:
    def test_it_ends_by_itself(self) -> None:
        bans = nobody()
        by_command(bans, "192.0.2.7", 600)
        assert banned(bans, "192.0.2.7", NOW + 599)
        assert not banned(bans, "192.0.2.7", NOW + 600)
        bans.expire(NOW + 600)
        assert not bans.is_active

    @pytest.mark.parametrize("bits", [9, 17, 20, 22, 24, 25, 31, 32])
    def test_a_network_of_any_length(self, bits: int) -> None:
        bans, network = nobody(), ip_network(f"10.200.0.0/{bits}", strict=False)
        by_command(bans, str(network))
        assert banned(bans, str(network[0]))
        assert banned(bans, str(network[-1]))
        assert not banned(bans, str(network[0] - 1))
        assert not banned(bans, str(network[-1] + 1))

    @pytest.mark.parametrize("bits", [16, 29, 32, 47, 48, 52, 56, 60, 64, 96, 128])
    def test_a_network_of_ipv6_of_any_length(self, bits: int) -> None:
        bans, network = nobody(), ip_network(f"2a02:db8:f0f0:f0f0:f0f0::/{bits}", strict=False)
        by_command(bans, str(network))
        assert banned(bans, str(network[0]))
        assert banned(bans, str(network[-1]))
        assert not banned(bans, str(network[0] - 1))

    def test_a_network_of_tunnels(self) -> None:
        bans = nobody()
        by_command(bans, "2002::/16")
        assert banned(bans, "2002:c000:207::1")
        assert not banned(bans, "192.0.2.7")
        by_command(bans, "192.0.2.0/24")
        assert banned(bans, "192.0.2.7")

    def test_the_rule_may_be_off(self) -> None:
        bans = nobody(BansConfig(mode="off"))
        by_command(bans, "192.0.2.7")
        assert bans.judge(client("192.0.2.7"), NOW) is not None

    def test_a_wide_ban_spares_members_and_exempt_networks_in_it(self) -> None:
        bans = nobody()
        by_command(bans, "198.51.0.0/16")
        assert banned(bans, "198.51.101.7")
        assert not banned(bans, "198.51.100.7")
        by_command(bans, "198.51.100.7", spares=False)
        assert banned(bans, "198.51.100.7")
        assert not banned(bans, "198.51.100.8")

    def test_no_command_keeps_a_front_proxy_out(self) -> None:
        bans = nobody()
        by_command(bans, "192.0.2.0/24")
        by_command(bans, "192.0.2.99", spares=False)
        assert banned(bans, "192.0.2.98")
        assert not banned(bans, "192.0.2.99")

    def test_to_let_in_wins_over_every_rule_for_its_time(self) -> None:
        bans = nobody()
        for width in (0, 1):
            bans.ban_by_rule(client("192.0.2.7"), width, "client_limit", NOW)
        assert bans.unban(parse_prefix("192.0.2.7"), 10.0, NOW)
        assert not banned(bans, "192.0.2.7")
        assert banned(bans, "192.0.2.8")
        # The wider ban is still there.
        assert banned(bans, "192.0.2.7", NOW + 10)

    def test_to_let_in_forgives_how_long_bans_had_become(self) -> None:
        bans = nobody()
        for now in (NOW, NOW + 60):
            bans.ban_by_rule(client("192.0.2.7"), 0, "client_limit", now)
        bans.unban(parse_prefix("192.0.2.7"), 10.0, NOW + 61)
        bans.ban_by_rule(client("192.0.2.7"), 0, "client_limit", NOW + 80)
        assert [ban.level for _, ban in bans.by_rule()] == [1]

    def test_the_narrowest_command_decides(self) -> None:
        bans = nobody()
        by_command(bans, "10.0.0.0/8")
        bans.unban(parse_prefix("10.1.0.0/16"), 600.0, NOW)
        by_command(bans, "10.1.2.0/23")
        bans.unban(parse_prefix("10.1.2.3"), 600.0, NOW)
        expected = {"10.2.0.1": True, "10.1.0.1": False, "10.1.3.9": True, "10.1.2.3": False}
        assert {text: banned(bans, text) for text in expected} == expected

    def test_the_last_command_about_a_network_holds_with_all_in_it(self) -> None:
        bans = nobody()
        by_command(bans, "10.1.2.3")
        assert bans.unban(parse_prefix("10.1.0.0/16"), 600.0, NOW)
        assert not banned(bans, "10.1.2.3")
        by_command(bans, "10.0.0.0/8")
        assert banned(bans, "10.1.2.3")

    def test_whether_it_was_banned_is_told(self) -> None:
        bans = nobody()
        assert not bans.unban(parse_prefix("10.1.2.3"), 1.0, NOW)
        by_command(bans, "10.0.0.0/8", now=NOW + 1)
        assert bans.unban(parse_prefix("10.1.2.3"), 1.0, NOW + 1)
        bans.ban_by_rule(client("192.0.2.7"), 1, "client_limit", NOW)
        assert bans.unban(parse_prefix("192.0.2.9"), 1.0, NOW)

    def test_there_are_so_many_commands_and_no_more(self) -> None:
        bans = nobody()
        for number in range(MOST_COMMANDS):
            by_command(bans, str(ip_address((10 << 24) + number)), 600)
        with pytest.raises(TooManyCommands):
            by_command(bans, "192.0.2.7")
        by_command(bans, "10.0.0.1", 700)  # One of those that are there.
        by_command(bans, "192.0.2.7", now=NOW + 600)
        assert bans.statistics().by_command == 2


class TestBounds:
    def test_no_ban_by_rule_displaces_one_by_command(self) -> None:
        bans = nobody(BansConfig(max_bans=16))
        by_command(bans, "192.0.2.7", 1.0)
        for number in range(1_000):
            bans.ban_by_rule(client(str(ip_address((10 << 24) + number))), 0, "client_limit", NOW)
        assert banned(bans, "192.0.2.7")
        assert bans.statistics().by_rule == 16
        assert bans.statistics().displaced == 984
        assert bans.statistics().made[Width.CLIENT] == 1_000

    def test_memory_does_not_grow_with_the_addresses_that_come(self) -> None:
        bans = nobody(BansConfig(max_bans=1_000))

        def flood(first: int) -> int:
            for number in range(first, first + 20_000):
                packed = ((10 << 24) + number).to_bytes(4)
                hashes = ((number * 7_919, number), (number >> 8, 1))
                bans.ban_by_rule(Client(packed, hashes, hashes, ()), 0, "client_limit", NOW + number / 100)
                if not number % 100:
                    bans.expire(NOW + number / 100)
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            before = flood(0)
            after = flood(20_000)
        finally:
            tracemalloc.stop()
        assert bans.statistics().by_rule <= 1_000
        assert len(bans._levels) <= 1_000
        assert after < 1_000 * 2_000
        assert after < 1.1 * before

    def test_what_is_forgotten_leaves_nothing(self) -> None:
        bans = nobody()
        for number in range(100):
            bans.ban_by_rule(client(str(ip_address((10 << 24) + number))), 0, "client_limit", NOW)
        bans.expire(NOW + 60)
        assert not bans.is_active
        assert len(bans._levels) == 100
        bans.expire(NOW + 100_000)
        assert len(bans._levels) == 0


class TestByRuleElsewhere:
    def ban(self, seconds: float) -> Ban:
        return Ban(NOW + seconds, "client_limit", 2, BanSource.RULE, parse_prefix("192.0.2.7"))

    def test_it_holds_as_one_of_our_own_and_is_told_once(self) -> None:
        bans, told = nobody(), list[Ban]()
        bans.when_banned = lambda ban, _: told.append(ban)
        assert bans.learn_by_rule(parse_prefix("192.0.2.7"), self.ban(60), NOW)
        assert banned(bans, "192.0.2.7")
        assert not bans.learn_by_rule(parse_prefix("192.0.2.7"), self.ban(60), NOW)
        assert not bans.learn_by_rule(parse_prefix("192.0.2.7"), self.ban(30), NOW)
        assert bans.learn_by_rule(parse_prefix("192.0.2.7"), self.ban(90), NOW)
        assert [ban.until for ban in told] == [NOW + 60, NOW + 90]
        bans.ban_by_rule(client("192.0.2.7"), 0, "client_limit", NOW)
        [(_, ban)] = bans.by_rule()
        assert ban.level == 3, "who offends here is banned for longer than there"

    def test_where_bans_are_only_tried_it_is_only_tried_and_where_they_are_off_it_is_not_taken(self) -> None:
        tried, off = nobody(BansConfig(mode="shadow")), nobody(BansConfig(mode="off"))
        assert tried.learn_by_rule(parse_prefix("192.0.2.7"), self.ban(60), NOW)
        assert not banned(tried, "192.0.2.7")
        assert not off.learn_by_rule(parse_prefix("192.0.2.7"), self.ban(60), NOW)
