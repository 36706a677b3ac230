"""Bans by rule that one worker makes hold at the others, and go round no more than once."""

import json

import pytest

from dohproxy.config import BansConfig
from dohproxy.jobs.ban_exchange import MOST_WAITING, BanExchange
from dohproxy.policy.ban_table import Ban, BanSource
from dohproxy.policy.bans import Bans
from dohproxy.policy.identity import Identities
from dohproxy.policy.prefixes import Prefix

NOW = 1000.0
IDENTITIES = Identities(b"s" * 32)
ADDRESS = bytes((192, 0, 2, 7))
CLIENT = IDENTITIES.look_at(ADDRESS)


def _worker() -> tuple[Bans, BanExchange, list[Ban]]:
    bans, begun = Bans(BansConfig(), IDENTITIES.prefix_hashes), list[Ban]()

    def begin(ban: Ban, _now: float) -> None:
        begun.append(ban)
        exchange.note(ban)

    exchange = BanExchange(bans, IDENTITIES.prefix_hashes, begin)
    bans.when_banned = begin
    return bans, exchange, begun


def test_a_ban_of_one_worker_holds_at_another_and_is_told_no_further() -> None:
    first, telling, _ = _worker()
    second, hearing, begun = _worker()
    first.ban_by_rule(CLIENT, 0, "malformed", NOW)
    told = json.loads(json.dumps(telling.told()))
    assert hearing.take(told, NOW) == 1
    ban = second.judge(CLIENT, NOW)
    assert ban == first.judge(CLIENT, NOW)
    assert begun == [ban]
    assert hearing.told() == []
    assert telling.told() == []


def test_a_network_is_banned_at_the_other_as_wide_as_at_the_one() -> None:
    first, telling, _ = _worker()
    second, hearing, _ = _worker()
    first.ban_by_rule(CLIENT, 1, "malformed", NOW)
    hearing.take(telling.told(), NOW)
    neighbour = IDENTITIES.look_at(bytes((192, 0, 2, 200)))
    assert second.judge(neighbour, NOW) is not None
    assert second.judge(IDENTITIES.look_at(bytes((192, 0, 3, 7))), NOW) is None


def test_what_was_commanded_is_not_told_as_all_are_given_commands() -> None:
    bans, exchange, _ = _worker()
    bans.ban(Prefix(ADDRESS, 32), 60.0, "because", NOW, spares=True)
    assert exchange.told() == []


def test_what_an_operator_has_let_in_stays_in() -> None:
    first, telling, _ = _worker()
    second, hearing, _ = _worker()
    first.ban_by_rule(CLIENT, 0, "malformed", NOW)
    second.unban(Prefix(ADDRESS, 32), 600.0, NOW)
    hearing.take(telling.told(), NOW)
    assert second.judge(CLIENT, NOW) is None


def test_a_ban_that_is_over_is_left_out() -> None:
    first, telling, _ = _worker()
    _, hearing, _ = _worker()
    first.ban_by_rule(CLIENT, 0, "malformed", NOW)
    assert hearing.take(telling.told(), NOW + 10_000.0) == 0


def test_no_more_wait_than_may_and_the_oldest_make_room() -> None:
    _, exchange, _ = _worker()
    for number in range(MOST_WAITING + 1):
        exchange.note(Ban(NOW, str(number), 1, BanSource.RULE, Prefix(ADDRESS, 32)))
    told = exchange.told()
    assert len(told) == MOST_WAITING
    assert told[0]["reason"] == "1"


@pytest.mark.parametrize(
    "told",
    [
        None,
        "bans",
        [None],
        [{"network": "zz", "bits": 32, "until": 2e3, "level": 1}],
        [{"network": "c0000207", "bits": 33, "until": 2e3, "level": 1}],
        [{"network": "c00002", "bits": 24, "until": 2e3, "level": 1}],
        [{"network": "c0000207", "bits": 32, "until": "soon", "level": 1}],
        [{"network": 7, "bits": 32, "until": 2e3, "level": 1}],
    ],
)
def test_what_is_no_ban_is_left_out(told: object) -> None:
    _, exchange, begun = _worker()
    assert exchange.take(told, NOW) == 0
    assert begun == []
