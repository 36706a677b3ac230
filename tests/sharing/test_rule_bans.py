"""Bans by rule among nodes that share a store in memory."""

from typing import Any

import pytest

from dohproxy.policy.ban_table import BanSource
from dohproxy.policy.prefixes import parse_prefix
from dohproxy.sharing.events import Event, Kind
from dohproxy.sharing.hand_words import written_prefix
from dohproxy.sharing.rule_bans import LONGEST_SECONDS, MOST_WAITING
from tests.fakes.minds import REASON, WALL
from tests.sharing.test_one_mind import Cluster

STRANGER = "198.51.100.7"


async def test_a_ban_is_told_once_and_holds_everywhere_as_long() -> None:
    cluster = Cluster(3)
    a, b, c = cluster.minds
    a.ban_by_rule(STRANGER)
    await cluster.turns(2.0)
    assert all(mind.is_banned(STRANGER) for mind in cluster.minds)
    assert [len(mind.begun) for mind in cluster.minds] == [1, 1, 1]
    [ban] = b.begun
    assert (ban.source, ban.level, ban.reason, ban.until) == (BanSource.RULE, 1, REASON, a.begun[0].until)
    assert [mind.rule_bans.told for mind in cluster.minds] == [1, 0, 0]
    cluster.clock.pass_by(60.0)
    c.expire()
    assert not c.is_banned(STRANGER)


async def test_who_offends_at_another_node_is_banned_for_longer_there() -> None:
    cluster = Cluster(2)
    a, b = cluster.minds
    a.ban_by_rule(STRANGER)
    await cluster.turns(1.0)
    b.ban_by_rule(STRANGER)
    await cluster.turns(1.0)
    assert [ban.level for ban in a.begun] == [1, 2]
    a.ban_by_rule("198.51.100.9")
    await cluster.turns(1.0)
    assert len(b.begun) == 3


async def test_who_is_let_in_by_command_is_not_banned_by_what_was_told_before() -> None:
    cluster = Cluster(2)
    a, b = cluster.minds
    b.link.is_up = False
    a.ban_by_rule(STRANGER)
    await cluster.turns(1.0)
    b.bans.unban(parse_prefix(STRANGER), 3, cluster.clock())
    await cluster.turns(8.0)
    b.link.is_up = True
    await cluster.turns(2.0)
    assert not b.is_banned(STRANGER)


async def test_a_lost_stream_is_told_again_what_holds_and_each_ban_by_one_node() -> None:
    cluster = Cluster(3)
    for number in range(30):
        cluster.minds[number % 3].ban_by_rule(f"198.51.100.{number}")
    await cluster.turns(3.0)
    cluster.store.flush()
    await cluster.turns(6.0)
    [stream] = cluster.store.streams.values()
    assert len(stream) == 30


async def test_where_too_many_wait_the_oldest_are_left_out() -> None:
    cluster = Cluster(2)
    a, b = cluster.minds
    a.link.is_up = False
    for number in range(MOST_WAITING + 3):
        a.ban_by_rule(f"10.{number // 256}.{number % 256}.1")
    assert (a.rule_bans.waiting, a.rule_bans.left_out) == (MOST_WAITING, 3)
    a.link.is_up = True
    await cluster.turns(25.0)
    assert (a.rule_bans.waiting, len(b.begun)) == (0, MOST_WAITING)


@pytest.mark.parametrize(
    "changes",
    [
        {"said": None},
        {"said": {"level": 0, "reason": REASON}},
        {"said": {"level": "1", "reason": REASON}},
        {"said": {"level": 1}},
        {"subject": "nonsense"},
        {"until": WALL - 1},
        {"kind": Kind.NAME},
    ],
)
async def test_what_is_no_ban_is_not_taken(changes: dict[str, Any]) -> None:
    cluster = Cluster(1)
    plain: dict[str, Any] = {
        "kind": Kind.RULE_BAN,
        "subject": written_prefix(parse_prefix(STRANGER)),
        "stamp": 1,
        "origin": "f" * 16,
        "until": WALL + 60,
        "said": {"level": 1, "reason": REASON},
    } | changes
    cluster.minds[0].rule_bans._take(Event(**plain))
    assert cluster.minds[0].begun == []


async def test_no_ban_is_longer_than_any_may_be_and_reasons_are_ours() -> None:
    cluster = Cluster(1)
    mind = cluster.minds[0]
    said = {"level": 1, "reason": "a client's own words"}
    subject = written_prefix(parse_prefix(STRANGER))
    mind.rule_bans._take(Event(Kind.RULE_BAN, subject, 1, "f" * 16, WALL + 1e9, said))
    [ban] = mind.begun
    assert (ban.until, ban.reason) == (LONGEST_SECONDS, "unknown")
