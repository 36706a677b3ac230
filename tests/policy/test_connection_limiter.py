"""Connections are let in by client, by network, by rate, and by how many handshakes are under way."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from dohproxy.config.schema import RuleMode
from dohproxy.outcomes import Client
from dohproxy.policy.connection_limiter import (
    CROWDED_FILL,
    SITE_FACTOR,
    Allowance,
    ConnectionLimiter,
    ConnectionRefusal,
    Leave,
    affordable,
)
from dohproxy.policy.gcra import Gcra, GcraTable
from dohproxy.policy.identity import Identities
from dohproxy.policy.limits import build_client_limit
from dohproxy.policy.member_networks import MemberNetworks
from dohproxy.policy.rule_switches import Rule, RuleSwitches
from dohproxy.policy.seniority import Seniority
from dohproxy.policy.standing import STRANGERS_LEAVE, Standing, Standings

NOW = 1_000.0
SLOTS = 4_096
IDENTITIES = Identities(bytes(16), (ip_network("192.0.2.0/24"),), (ip_network("198.51.100.0/24"),))


def connection_limiter(
    *,
    per_client: int = 2,
    per_network: int = 4,
    burst: float = 100,
    total: float = 1_000,
    handshakes: int = 2,
    seniority: Seniority | None = None,
    member_networks: MemberNetworks | None = None,
    rules: RuleSwitches | None = None,
) -> ConnectionLimiter:
    buffers = [memoryview(bytearray(8 * SLOTS)) for _ in range(3)]
    rate = build_client_limit(*buffers, per_second=1, burst=burst, network_factor=8, site_factor=32)
    bucket = Gcra(memoryview(bytearray(8)), per_second=1, burst=total)
    shares = GcraTable(memoryview(bytearray(8 * SLOTS)), per_second=1, burst=1)
    return ConnectionLimiter(
        rate,
        bucket,
        shares,
        Standings(seniority or Seniority(memoryview(bytearray(8 * SLOTS)))),
        MemberNetworks(3_600) if member_networks is None else member_networks,
        Allowance(1, total),
        max_per_client=per_client,
        max_per_network=per_network,
        max_handshakes=handshakes,
        rules=rules,
    )


def client(text: str) -> Client:
    return IDENTITIES.client(ip_address(text).packed)


def entered(frontend: ConnectionLimiter, *texts: str) -> list[ConnectionRefusal | None]:
    return [enter(frontend, text) for text in texts]


def enter(frontend: ConnectionLimiter, text: str, now: float = NOW) -> ConnectionRefusal | None:
    found = frontend.enter(client(text), frontend.standing(client(text), now), now)
    return found if isinstance(found, ConnectionRefusal) else None


def let_in(frontend: ConnectionLimiter, text: str, now: float = NOW) -> Leave:
    """Let a connection in; return what is to be called when it closes."""
    found = frontend.enter(client(text), frontend.standing(client(text), now), now)
    assert not isinstance(found, ConnectionRefusal)
    return found


def test_a_client_holds_so_many_connections_and_no_more() -> None:
    frontend = connection_limiter()
    assert entered(frontend, *["127.0.0.1"] * 3) == [None, None, ConnectionRefusal.TOO_MANY_PER_CLIENT]


def test_a_connection_that_closes_makes_room() -> None:
    frontend = connection_limiter(per_client=1)
    for _ in range(3):
        leave = let_in(frontend, "127.0.0.1")
        assert enter(frontend, "127.0.0.1") is ConnectionRefusal.TOO_MANY_PER_CLIENT
        leave()


def test_a_refused_connection_takes_no_room_from_others() -> None:
    frontend = connection_limiter(per_network=3)
    assert entered(frontend, *["127.0.0.1"] * 10)[2:] == [ConnectionRefusal.TOO_MANY_PER_CLIENT] * 8
    assert entered(frontend, "127.0.0.2", "127.0.1.1") == [None, None]


@pytest.mark.parametrize(
    ("pattern", "apart"),
    [("127.0.0.{}", "127.0.1.1"), ("2001:db8:0:{}::1", "2001:db8:0:100::1")],
    ids=["IPv4 /24", "IPv6 /56"],
)
def test_a_network_holds_so_many_over_all_its_clients(pattern: str, apart: str) -> None:
    frontend = connection_limiter()
    assert entered(frontend, *(pattern.format(n) for n in range(1, 6))) == [None] * 4 + [
        ConnectionRefusal.TOO_MANY_PER_CLIENT
    ]
    assert entered(frontend, apart) == [None]


def test_a_site_holds_four_networks_worth() -> None:
    frontend = connection_limiter(per_client=4)
    networks = [f"2001:db8:0:{n:x}00::1" for n in range(SITE_FACTOR + 1)]
    for network in networks[:-1]:
        assert entered(frontend, *[network] * 4) == [None] * 4
    assert entered(frontend, networks[-1]) == [ConnectionRefusal.TOO_MANY_PER_CLIENT]


def test_a_client_opens_connections_no_faster_than_its_rate() -> None:
    frontend = connection_limiter(per_client=100, per_network=1_000, burst=3)
    assert entered(frontend, *["127.0.0.1"] * 4) == [None] * 3 + [ConnectionRefusal.CLIENT_RATE]
    assert enter(frontend, "127.0.0.1", NOW + 1) is None


def test_everybody_together_opens_them_no_faster_than_the_total() -> None:
    frontend = connection_limiter(total=3)
    members = [f"198.51.100.{n}" for n in range(4)]
    assert entered(frontend, *members) == [None] * 3 + [ConnectionRefusal.TOTAL_RATE]
    assert enter(frontend, "198.51.100.9", NOW + 1) is None


def test_an_exempt_client_is_held_to_the_total_alone() -> None:
    frontend = connection_limiter(total=10, burst=1)
    assert entered(frontend, *["192.0.2.1"] * 11) == [None] * 10 + [ConnectionRefusal.TOTAL_RATE]


def test_handshakes_under_way_are_bounded() -> None:
    frontend = connection_limiter()
    joins = [frontend.handshakes.join(number, (number,), Standing.STRANGER, NOW) for number in range(3)]
    assert joins == [(True, None), (True, None), (False, None)]
    frontend.handshakes.leave(0)
    assert frontend.handshakes.join(3, (3,), Standing.STRANGER, NOW) == (True, None)


def test_nothing_is_kept_of_those_who_have_left() -> None:
    frontend = connection_limiter()
    for n in range(200):
        let_in(frontend, f"127.0.{n}.1")()
    assert [len(held) for held in frontend._held] == [0, 0, 0]


def test_figures_stand_beside_their_bounds() -> None:
    frontend = connection_limiter()
    entered(frontend, "127.0.0.1", "127.0.0.1", "127.0.0.2")
    frontend.handshakes.join("one", (1,), Standing.STRANGER, NOW)
    figures = frontend.statistics(NOW)
    assert (figures.busiest_client, figures.max_per_client) == (2, 2)
    assert (figures.handshakes.taken, figures.handshakes.most) == (1, 2)
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


def held(*, burst: float = 2, total: float = 1_000) -> ConnectionLimiter:
    frontend = connection_limiter(per_client=100, per_network=1_000, total=total)
    frontend.hold_strangers(Allowance(per_second=1, burst=burst), memoryview(bytearray(8)), 0.0)
    return frontend


def test_strangers_together_open_no_more_than_their_rate() -> None:
    frontend = held(burst=4)
    assert entered(frontend, *(f"127.{n}.0.1" for n in range(4))) == [None] * 3 + [ConnectionRefusal.STRANGERS_RATE]
    assert enter(frontend, "127.9.0.1", NOW + 1) is None


def test_members_and_exempt_clients_come_in_while_strangers_have_used_up_theirs() -> None:
    frontend = held()
    assert entered(frontend, *(f"127.0.{n}.1" for n in range(3)))[-1] is ConnectionRefusal.STRANGERS_RATE
    assert entered(frontend, "198.51.100.1", "198.51.100.2", "192.0.2.1") == [None] * 3


def test_strangers_that_are_refused_take_nothing_from_everybodys_rate() -> None:
    frontend = held(total=2)
    assert entered(frontend, *(f"127.{n}.0.1" for n in range(9)))[1:] == [ConnectionRefusal.STRANGERS_RATE] * 8
    assert entered(frontend, "198.51.100.1", "198.51.100.2") == [None, ConnectionRefusal.TOTAL_RATE]


def test_a_cheaper_certificate_sets_strangers_free() -> None:
    frontend = held(burst=1)
    assert entered(frontend, "127.0.0.1", "127.0.1.1") == [None, ConnectionRefusal.STRANGERS_RATE]
    figures = frontend.statistics(NOW)
    assert figures.strangers_fill == pytest.approx(1.0)
    assert figures.strangers_per_second == 1
    frontend.hold_strangers(None, memoryview(bytearray(8)), 0.0)
    assert entered(frontend, "127.0.1.1", "127.0.2.1") == [None, None]
    figures = frontend.statistics(NOW)
    assert (figures.strangers_fill, figures.strangers_per_second) == (0, math.inf)


# --- Who goes first ---


def test_a_flood_of_strangers_leaves_members_their_part_of_the_rate() -> None:
    frontend = connection_limiter(total=100)
    refusals = entered(frontend, *(f"127.{n}.0.1" for n in range(200)))
    assert refusals.count(None) == 100 * (1 - STRANGERS_LEAVE)
    assert entered(frontend, *(f"198.51.100.{n}" for n in range(25)), "198.51.100.25")[-2:] == [
        None,
        ConnectionRefusal.TOTAL_RATE,
    ]


def test_members_come_in_at_the_full_rate_while_the_flood_goes_on() -> None:
    frontend = connection_limiter(total=100)
    for second in range(200):
        for n in range(50):
            enter(frontend, f"127.{n}.0.1", NOW + second)
        let_in(frontend, "198.51.100.1", NOW + second)()


def test_one_prefix_has_no_more_than_its_share_while_the_rate_is_short() -> None:
    frontend = connection_limiter(per_client=1_000, per_network=1_000, total=400)
    greedy = entered(frontend, *(f"2001:db8:{n:x}::1" for n in range(400)))
    assert greedy.count(None) == 400 * CROWDED_FILL
    assert greedy[-1] is ConnectionRefusal.TOTAL_RATE
    assert entered(frontend, *(f"127.{n}.0.1" for n in range(50))) == [None] * 50


def test_a_network_that_has_been_here_for_an_hour_comes_in_where_strangers_do_not() -> None:
    seniority = Seniority(memoryview(bytearray(8 * SLOTS)))
    frontend = connection_limiter(total=8, seniority=seniority)
    settled = client("127.9.9.1")
    seniority.meet(settled.prefixes, NOW)
    later = NOW + 2 * 3_600
    assert frontend.standing(settled, later) is Standing.STRANGER
    seniority.meet(settled.prefixes, later)
    assert frontend.standing(settled, later) is Standing.SETTLED
    assert [enter(frontend, f"127.{n}.0.1", later) for n in range(7)][-1] is ConnectionRefusal.TOTAL_RATE
    assert enter(frontend, "127.9.9.1", later) is None


def test_a_member_is_not_counted_with_its_neighbours() -> None:
    frontend = connection_limiter(per_client=2, per_network=2)
    assert entered(frontend, *(f"198.51.100.{n}" for n in range(9))) == [None] * 9


def test_an_address_from_which_a_token_came_is_a_members_for_connections_alone() -> None:
    networks = MemberNetworks(3_600)
    frontend = connection_limiter(member_networks=networks)
    stranger = client("203.0.113.7")
    networks.note(stranger, b"token", NOW)
    assert frontend.standing(stranger, NOW) is Standing.MEMBER
    assert frontend.standing(client("203.0.113.8"), NOW) is Standing.STRANGER
    assert not stranger.member
    assert frontend.standing(stranger, NOW + 3_601) is Standing.STRANGER


def test_what_a_neighbour_gets_by_it_is_bounded_by_the_limits_of_one_address() -> None:
    networks = MemberNetworks(3_600)
    frontend = connection_limiter(per_client=2, member_networks=networks)
    networks.note(client("203.0.113.7"), b"token", NOW)
    assert entered(frontend, *["203.0.113.7"] * 3) == [None, None, ConnectionRefusal.TOO_MANY_PER_CLIENT]


# --- Rules that do not act ---


def rules_but(rule: Rule, mode: RuleMode) -> RuleSwitches:
    """All rules enforced, but for this one."""
    switches = RuleSwitches()
    switches[rule].adopt(mode, NOW)
    return switches


def hold_strangers_tightly(frontend: ConnectionLimiter) -> None:
    frontend.hold_strangers(Allowance(1.0, 2.0), memoryview(bytearray(8)), NOW)


@dataclass(frozen=True, slots=True)
class Case:
    """A limit that lets in two connections of one stranger, and which rule it is."""

    rule: Rule
    keys: dict[str, Any]
    refusal: ConnectionRefusal
    prepare: Callable[[ConnectionLimiter], None] = lambda _: None


CASES = [
    Case(Rule.TOO_MANY_PER_CLIENT, {"per_client": 2}, ConnectionRefusal.TOO_MANY_PER_CLIENT),
    Case(Rule.CLIENT_RATE, {"per_client": 99, "per_network": 99, "burst": 2}, ConnectionRefusal.CLIENT_RATE),
    Case(Rule.TOTAL_RATE, {"per_client": 99, "per_network": 99, "total": 3}, ConnectionRefusal.TOTAL_RATE),
    Case(
        *(Rule.STRANGERS_RATE, {"per_client": 99, "per_network": 99}, ConnectionRefusal.STRANGERS_RATE),
        hold_strangers_tightly,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.rule for case in CASES])
class TestRulesThatDoNotAct:
    def limiter(self, case: Case, mode: RuleMode) -> tuple[ConnectionLimiter, RuleSwitches]:
        switches = rules_but(case.rule, mode)
        if case.rule is Rule.STRANGERS_RATE:  # Its prefix is over its share before.
            switches[Rule.TOTAL_RATE].adopt("off", NOW)
        frontend = connection_limiter(**case.keys, rules=switches)
        case.prepare(frontend)
        return frontend, switches

    def test_one_that_is_enforced_refuses(self, case: Case) -> None:
        frontend, switches = self.limiter(case, "enforce")
        assert entered(frontend, *(f"127.{n}.0.1" for n in (1, 1, 1, 1)))[2:] == [case.refusal] * 2
        assert switches[case.rule].shadowed == 0

    def test_one_that_is_only_tried_counts_as_often_as_it_would_have_refused(self, case: Case) -> None:
        enforced, _ = self.limiter(case, "enforce")
        shadow, switches = self.limiter(case, "shadow")
        visits = [(f"127.{n % 3}.0.1", NOW + n / 5) for n in range(100)]
        refused = sum(enter(enforced, text, now) is not None for text, now in visits)
        assert [enter(shadow, text, now) for text, now in visits] == [None] * 100
        assert switches[case.rule].shadowed == refused > 0
        assert sum(width.limited for width in shadow.statistics(NOW).rate.widths) == 0

    def test_one_that_is_off_lets_everybody_in_and_counts_nothing(self, case: Case) -> None:
        frontend, switches = self.limiter(case, "off")
        assert entered(frontend, *["127.0.0.1"] * 50) == [None] * 50
        assert switches[case.rule].shadowed == 0


def test_what_caps_would_have_refused_takes_no_place_of_those_whom_they_would_have_let_in() -> None:
    switches = rules_but(Rule.TOO_MANY_PER_CLIENT, "shadow")
    frontend = connection_limiter(per_client=2, rules=switches)
    first, _, beyond = (let_in(frontend, "127.0.0.1") for _ in range(3))
    beyond()
    assert enter(frontend, "127.0.0.1") is None
    assert switches[Rule.TOO_MANY_PER_CLIENT].shadowed == 2
    first()
    let_in(frontend, "127.0.0.1")
    assert switches[Rule.TOO_MANY_PER_CLIENT].shadowed == 2


def test_a_rule_that_is_only_tried_leaves_the_others_to_act() -> None:
    frontend = connection_limiter(per_client=1, burst=2, rules=rules_but(Rule.TOO_MANY_PER_CLIENT, "shadow"))
    assert entered(frontend, *["127.0.0.1"] * 3) == [None, None, ConnectionRefusal.CLIENT_RATE]


def test_a_connection_over_its_share_is_counted_once_for_the_rate_of_all() -> None:
    switches = rules_but(Rule.TOTAL_RATE, "shadow")
    frontend = connection_limiter(per_client=1_000, per_network=1_000, total=8, rules=switches)
    assert entered(frontend, *["127.0.0.1"] * 20) == [None] * 20
    enforced = connection_limiter(per_client=1_000, per_network=1_000, total=8)
    refused = 20 - entered(enforced, *["127.0.0.1"] * 20).count(None)
    assert switches[Rule.TOTAL_RATE].shadowed == refused
