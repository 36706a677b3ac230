"""Bans go from one process to the next, without an address."""

import json
from ipaddress import ip_address
from typing import Any

import pytest

from dohproxy.config import BansConfig
from dohproxy.outcomes import Client
from dohproxy.policy.ban_state import MOST_KEPT, export_bans, restore_bans
from dohproxy.policy.ban_table import STEP_BANS, Ban, BanSource
from dohproxy.policy.bans import Bans
from dohproxy.policy.identity import Identities
from dohproxy.policy.prefixes import parse_prefix
from dohproxy.saved import Interruption, Saved
from tests.fakes.steps import result_of

NOW = 1_000.0
MOST_BANS = BansConfig().max_bans
THEN = 5.0
"""The same moment on the clock of the next process."""
IDENTITIES = Identities(bytes(32))


def client(text: str) -> Client:
    return IDENTITIES.client(ip_address(text).packed)


def nobody(mode: Any = "enforce") -> Bans:
    return Bans(BansConfig(mode=mode), IDENTITIES.prefix_hashes)


def saved_bans() -> Bans:
    bans = nobody()
    bans.ban_by_rule(client("192.0.2.7"), 0, "client_limit", NOW)
    bans.ban_by_rule(client("2001:db8:1:2::3"), 1, "base64", NOW)
    bans.ban(parse_prefix("198.51.100.0/22"), 600.0, "somebody's machine", NOW, spares=True)
    bans.unban(parse_prefix("198.51.100.7"), 300.0, NOW)
    return bans


def exported(bans: Bans, now: float) -> Saved:
    return result_of(export_bans(bans, now))[0]


def carried_over(saved: Any, passed: float = 0.0, mode: Any = "enforce") -> Bans:
    bans = nobody(mode)
    restore_bans(bans, json.loads(json.dumps(saved)), Interruption(THEN), THEN + passed)
    return bans


def test_all_go_on_for_as_long_as_they_had_left() -> None:
    bans = carried_over({"bans": exported(saved_bans(), NOW + 20)})
    assert bans.is_active
    expected = {
        ("192.0.2.7", THEN + 39): True,
        ("192.0.2.7", THEN + 40): False,
        ("192.0.2.8", THEN): False,
        ("2001:db8:1:ff::1", THEN + 39): True,
        ("198.51.103.1", THEN + 579): True,
        ("198.51.103.1", THEN + 580): False,
        ("198.51.100.7", THEN + 279): False,
        ("198.51.100.7", THEN + 280): True,
    }
    assert {key: bans.is_banned(client(key[0]), key[1]) for key in expected} == expected


def test_the_next_ban_is_longer_as_if_nothing_had_happened() -> None:
    bans = carried_over({"bans": exported(saved_bans(), NOW)})
    bans.ban_by_rule(client("192.0.2.7"), 0, "client_limit", THEN + 60)
    assert {ban.level for _, ban in bans.by_rule() if ban.prefix is not None} == {2}


def test_what_has_ended_meanwhile_is_left_out() -> None:
    bans = carried_over({"bans": exported(saved_bans(), NOW)}, passed=400.0)
    assert (len(list(bans.by_rule())), len(bans.by_command())) == (0, 1)


def test_no_address_and_no_persons_word_is_handed_over() -> None:
    text = json.dumps(exported(saved_bans(), NOW))
    for word in ("192.0.2", "2001", "198.51", "machine", str(int(ip_address("192.0.2.7")))):
        assert word not in text


def hashed(number: int) -> Client:
    hashes = ((number, 1), (number, 2))
    return Client(b"\x0a\0\0\1", hashes, hashes, ())


def test_only_so_many_are_kept_and_those_that_end_last() -> None:
    bans = nobody()
    for number in range(MOST_KEPT + 500):
        bans.ban_by_rule(hashed(number), 0, "base64", NOW + number / 1_000)
    kept = exported(bans, NOW + 10)["rule"]
    assert len(kept) == MOST_KEPT
    assert min(one["hashes"][0] for one in kept) == 500
    assert len(json.dumps(kept)) < 300_000


def test_others_have_a_turn_while_many_are_exported() -> None:
    bans = nobody()
    for number in range(MOST_BANS):
        bans.restore_by_rule((number, 1), Ban(NOW + number, "base64", 1, BanSource.RULE, None))
    _, steps = result_of(export_bans(bans, NOW))
    assert steps >= (MOST_BANS + MOST_KEPT) // STEP_BANS


def test_where_the_rule_is_off_none_by_rule_goes_on() -> None:
    bans = carried_over({"bans": exported(saved_bans(), NOW)}, mode="off")
    assert (len(list(bans.by_rule())), len(bans.by_command())) == (0, 2)


@pytest.mark.parametrize(
    "unfit",
    [
        {},
        {"bans": None},
        {"bans": {"rule": 1, "command": []}},
        {"bans": {"rule": [None, {}, {"hashes": [1], "left": 1.0, "level": 1}], "command": [[], {"hashes": "ab"}]}},
        {"bans": {"rule": [{"hashes": [-1, 2], "left": 1.0, "level": 1}], "command": []}},
        {"bans": {"rule": [{"hashes": [1, 2], "left": float("nan"), "level": 1}], "command": []}},
        {"bans": {"rule": [{"hashes": [1, 2], "left": 1.0, "level": 10**6}], "command": []}},
        {"bans": {"rule": [], "command": [{"hashes": [1, 2], "left": 9.0, "size": 5, "bits": 8}]}},
        {"bans": {"rule": [], "command": [{"hashes": [1, 2], "left": 9.0, "size": 4, "bits": 33}]}},
    ],
    ids=["none", "nothing", "no lists", "no entries", "a hash", "a number", "a level", "a family", "a length"],
)
def test_what_is_unfit_is_left_out(unfit: Any) -> None:
    bans = carried_over(unfit)
    assert (list(bans.by_rule()), bans.by_command(), bans.is_active) == ([], [], False)


def test_a_reason_that_nobody_here_gives_is_not_repeated() -> None:
    entry = {"hashes": [1, 2], "left": 9.0, "level": 1, "reason": "<script>"}
    bans = carried_over({"bans": {"rule": [entry], "command": []}})
    assert [ban.reason for _, ban in bans.by_rule()] == ["unknown"]
