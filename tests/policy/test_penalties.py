"""What is charged, to whom, and what it takes to be banned."""

import math
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from dohproxy.config import BansConfig
from dohproxy.outcomes import OUTCOMES, Client, Reason
from dohproxy.policy.identity import Identities
from dohproxy.policy.limits import Width
from dohproxy.policy.penalties import GOOD_ANSWER, OFFENCES, Offence, Penalties, Penalty
from dohproxy.policy.prefixes import parse_prefix, show_prefix
from tests.fakes.walk import penalties

NOW = 1_000.0
RULES = BansConfig(points=100, forgiven_per_second=1, network_factor=4, site_factor=8)
IDENTITIES = Identities(bytes(32), (ip_network("203.0.113.0/24"),), (ip_network("198.51.100.0/24"),))
IDENTITIES.name_proxies((ip_network("192.0.2.99/32"),))

NOBODYS_FAULT = {
    Reason.UNKNOWN_TOKEN: "the list of members may be damaged",
    Reason.BANNED: "it costs nothing more",
    Reason.PROHIBITED: "its network is listed, whatever it asks",
    Reason.MEMBERS_ONLY: "it is turned away for what it is not",
    Reason.LIST_STUB: "it reads its list again by itself",
    Reason.SERVICE_LIMIT: "everybody together has reached it",
    Reason.DOMAIN_LIMIT: "others may have used it up",
    Reason.BUDGET_SPENT: "others may have spent it",
    Reason.UPSTREAM_TIMEOUT: "an upstream is silent",
    Reason.UPSTREAM_UNREACHABLE: "an upstream is away",
    Reason.UPSTREAM_REFUSED: "an upstream refuses us; what fails for its name is SERVFAIL",
    Reason.FAILURE_REMEMBERED: "honest stubs ask three times",
    Reason.BUG: "it is ours",
}
GOOD = {
    Reason.FORWARDED,
    Reason.CACHED,
    Reason.STALE,
    Reason.LOCAL,
    Reason.UNDELEGATED,
    Reason.MINIMAL_ANY,
    Reason.PREFLIGHT,
}


def client(text: str) -> Client:
    return IDENTITIES.client(ip_address(text).packed)


def keeper(rules: BansConfig = RULES) -> Penalties:
    return penalties(rules, IDENTITIES.prefix_hashes)


def banned(kept: Penalties) -> list[str]:
    return sorted(show_prefix(ban.prefix) for _, ban in kept.bans.by_rule() if ban.prefix is not None)


def charge(kept: Penalties, text: str, times: int, *, now: float = NOW, weight: float = 1.0) -> None:
    for _ in range(times):
        kept.charge(client(text), Penalty("format_error", weight), now)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name.lower())
def test_every_outcome_costs_something_or_is_good_or_says_why_not(reason: Reason) -> None:
    assert (OUTCOMES[reason].weight > 0) is not (reason in GOOD or reason in NOBODYS_FAULT)


@pytest.mark.parametrize("reason", [reason for reason in Reason if OUTCOMES[reason].weight], ids=lambda r: r.name)
def test_each_weight_leads_to_a_ban(reason: Reason) -> None:
    kept = keeper()
    penalty = kept.of_outcomes[reason]
    assert penalty.weight == OUTCOMES[reason].weight * penalty.every
    for _ in range(math.ceil(100 / penalty.weight - 1e-9)):
        assert banned(kept) == []
        kept.charge(client("192.0.2.7"), penalty, NOW)
    kept.charge(client("192.0.2.7"), penalty, NOW)
    assert banned(kept) == ["192.0.2.7"]
    assert [ban.reason for _, ban in kept.bans.by_rule()] == [OUTCOMES[reason].label]


@pytest.mark.parametrize("offence", Offence)
def test_each_offence_leads_to_a_ban(offence: Offence) -> None:
    kept, count = keeper(), 0
    while not banned(kept):
        kept.note(client("192.0.2.7"), offence, NOW)
        count += 1
    assert count == round(100 / OFFENCES[offence]) + 1
    assert kept.statistics(NOW).points[offence] == pytest.approx(100 + OFFENCES[offence])


def test_points_are_forgiven_with_time() -> None:
    kept = keeper()
    for second in range(1_000):
        charge(kept, "192.0.2.7", 1, now=NOW + second)
    assert banned(kept) == []
    for second in range(1_000, 1_150):
        charge(kept, "192.0.2.7", 2, now=NOW + second)
    assert banned(kept) == ["192.0.2.7"]


def test_good_answers_pay_for_some_that_are_not() -> None:
    kept = keeper(replace(RULES, forgiven_per_second=0.001))
    for _ in range(10_000):
        kept.note(client("192.0.2.7"), Offence.NXDOMAIN, NOW)
        for _ in range(7):
            kept.pay(client("192.0.2.7"), NOW)
    assert banned(kept) == []
    assert OFFENCES[Offence.NXDOMAIN] < 7 * GOOD_ANSWER


def test_nobody_saves_up_good_answers() -> None:
    kept = keeper()
    for _ in range(100_000):
        kept.pay(client("192.0.2.7"), NOW)
    charge(kept, "192.0.2.7", 101)
    assert banned(kept) == ["192.0.2.7"]


def test_a_network_is_banned_when_many_of_its_clients_are() -> None:
    kept = keeper()
    for host in range(1, 5):
        charge(kept, f"192.0.2.{host}", 101)
    assert len(banned(kept)) == 4
    charge(kept, "192.0.2.200", 1)
    assert "192.0.2.0/24" in banned(kept)


def test_many_who_stay_below_are_banned_as_a_network() -> None:
    kept = keeper()
    for host in range(1, 10):
        charge(kept, f"192.0.2.{host}", 50)
    assert banned(kept) == ["192.0.2.0/24"]


def test_a_host_that_changes_its_address_is_banned_as_what_it_holds() -> None:
    kept = keeper()
    for number in range(150):
        charge(kept, f"2001:db8:1:2::{number:x}", 1)
    assert banned(kept) == ["2001:db8:1:2::/64"]
    kept = keeper()
    for number in range(256):
        charge(kept, f"2001:db8:1:{number:x}::1", 4)
    assert banned(kept)[0] == "2001:db8:1::/56"


def test_one_client_alone_never_gets_its_network_banned() -> None:
    kept, now = keeper(BansConfig()), NOW
    for _ in range(100):
        while not kept.bans.is_banned(client("192.0.2.7"), now):
            charge(kept, "192.0.2.7", 1, now=now)
        assert banned(kept) == ["192.0.2.7"]
        [(_, ban)] = kept.bans.by_rule()
        now = ban.until
        kept.bans.expire(now)


def test_whoever_is_banned_or_let_in_owes_nothing() -> None:
    kept = keeper()
    for _ in range(500):
        kept.charge(client("192.0.2.7"), kept.of_outcomes[Reason.FORMAT_ERROR], NOW)
    assert kept.statistics(NOW).points["format_error"] == 104  # Eight at a time.
    kept.bans.unban(parse_prefix("192.0.2.7"), 600.0, NOW)
    charge(kept, "192.0.2.7", 500)
    assert banned(kept) == []


def test_a_banned_client_fills_no_slot_of_others() -> None:
    kept = keeper()
    for number in range(2_000):
        charge(kept, str(ip_address((10 << 24) + (number << 8))), 3, weight=40.0)
    assert kept.bans.statistics().made[Width.CLIENT] > 1_500
    assert kept.statistics(NOW).fills[Width.CLIENT] == 0.0


@pytest.mark.parametrize("text", ["203.0.113.7", "198.51.100.7", "192.0.2.99"], ids=["exempt", "member", "front proxy"])
def test_some_are_never_charged(text: str) -> None:
    kept = keeper()
    charge(kept, text, 1_000)
    kept.charge(client(text), Penalty("", 1_000.0), NOW)
    assert banned(kept) == []


def test_a_peer_without_address_is_never_charged() -> None:
    kept = keeper()
    kept.charge(IDENTITIES.client(b""), Penalty("", 1_000.0), NOW)
    assert list(kept.bans.by_rule()) == []


def test_without_the_rule_nothing_is_charged() -> None:
    kept = keeper(replace(RULES, mode="off"))
    charge(kept, "192.0.2.7", 1_000)
    assert banned(kept) == []
    assert sum(kept.statistics(NOW).points.values()) == 0


def test_other_rules_keep_the_points_that_there_are() -> None:
    kept = keeper()
    charge(kept, "192.0.2.7", 50)
    kept.adopt(replace(RULES, points=40), NOW)
    charge(kept, "192.0.2.7", 1)
    assert banned(kept) == ["192.0.2.7"]
