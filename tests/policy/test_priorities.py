"""Who goes first: members, then those who have been here longer, and those who take more than their share last."""

from dataclasses import replace
from itertools import product

import pytest

from dohproxy.outcomes import Client, Priority
from dohproxy.policy.gcra import SLOT_BYTES, GcraTable
from dohproxy.policy.identity import Identities
from dohproxy.policy.priorities import FAIR_SHARE, GREEDY_RANKS, JUNIOR_RESERVE, Priorities
from dohproxy.policy.seniority import LEVELS, Seniority

HOUR = 3_600.0
START = 64_000.0
SHARE = 3
"""Misses that one network may have at once in these tests."""
KNOWN = bytes((192, 0, 2, 7))
STRANGER = bytes((198, 51, 100, 7))


def _priorities(burst: int = SHARE) -> Priorities:
    shares = GcraTable(memoryview(bytearray(1_024 * SLOT_BYTES)), per_second=1.0, burst=burst)
    return Priorities(Seniority(memoryview(bytearray(1_024 * SLOT_BYTES))), shares)


def _client(address: bytes, *, member: bool = False) -> Client:
    return replace(Identities(bytes(32)).client(address), member=member)


def _settled(priorities: Priorities, hours: int, address: bytes = KNOWN) -> tuple[Client, float]:
    """A client whose network has been asking for so long, and the time it is by then."""
    client = _client(address)
    now = START
    while now < START + hours * HOUR:
        priorities.seniority.meet(client.prefixes, now)
        now += 24 * HOUR
    return client, START + hours * HOUR + 64.0


def _judged(*, hours: int, greedy: bool) -> Priority:
    priorities = _priorities()
    client, now = _settled(priorities, hours)
    for _ in range(SHARE if greedy else 0):
        priorities.judge(client, now)
    return priorities.judge(client, now)


class TestRank:
    @pytest.mark.parametrize("times", [1, 100], ids=["asks little", "asks much"])
    def test_a_member_goes_first_however_much_it_asks(self, times: int) -> None:
        priorities = _priorities()
        ranks = {priorities.judge(_client(STRANGER, member=True), START).rank for _ in range(times)}
        assert ranks == {0}

    def test_an_exempt_client_goes_right_behind_members_however_much_it_asks_and_makes_no_neighbour_greedy(
        self,
    ) -> None:
        priorities = _priorities()
        exempt = replace(_client(STRANGER), exempt=True)
        judged = {priorities.judge(exempt, START) for _ in range(100)}
        assert {(one.rank, one.reserve) for one in judged} == {(_judged(hours=1_000, greedy=False).rank, 0.0)}
        assert priorities.judge(_client(STRANGER), START).rank == 1 + LEVELS
        found = priorities.statistics(START)
        assert (found.settled, found.newcomers, found.greedy) == (100, 1, 0)

    def test_a_stranger_goes_after_everybody_who_has_been_here_for_an_hour(self) -> None:
        assert _judged(hours=0, greedy=False).rank == 1 + LEVELS
        assert _judged(hours=1, greedy=False).rank == LEVELS

    def test_the_longer_here_the_better(self) -> None:
        ranks = [_judged(hours=hours, greedy=False).rank for hours in (0, 1, 2, 4, 8, 16, 32, 64, 128)]
        assert ranks == list(range(1 + LEVELS, 0, -1))

    def test_nobody_is_before_the_members(self) -> None:
        assert _judged(hours=1_000, greedy=False).rank == 1

    def test_whoever_takes_more_than_a_share_goes_after_every_stranger_who_does_not(self) -> None:
        strangers = _judged(hours=0, greedy=False).rank
        assert min(_judged(hours=hours, greedy=True).rank for hours in (0, 1, 128)) > strangers
        assert GREEDY_RANKS > LEVELS

    def test_among_those_seniority_counts_too(self) -> None:
        assert _judged(hours=128, greedy=True).rank < _judged(hours=1, greedy=True).rank

    def test_a_share_comes_back_with_time(self) -> None:
        priorities = _priorities()
        client = _client(STRANGER)
        ranks = [priorities.judge(client, START).rank for _ in range(SHARE + 1)]
        assert ranks == [1 + LEVELS] * SHARE + [1 + LEVELS + GREEDY_RANKS]
        assert priorities.judge(client, START + SHARE).rank == 1 + LEVELS


class TestReserve:
    @pytest.mark.parametrize(
        ("hours", "greedy", "reserve"),
        [
            pytest.param(0, False, JUNIOR_RESERVE, id="a stranger leaves something"),
            pytest.param(0, True, JUNIOR_RESERVE, id="a greedy stranger too"),
            pytest.param(1, False, 0.0, id="who is known may use all"),
            pytest.param(128, True, JUNIOR_RESERVE, id="but not who takes more than a share"),
        ],
    )
    def test_what_has_to_be_left_to_others(self, hours: int, reserve: float, *, greedy: bool) -> None:
        assert _judged(hours=hours, greedy=greedy).reserve == reserve

    def test_a_member_may_use_all(self) -> None:
        priorities = _priorities(burst=1)
        assert {priorities.judge(_client(STRANGER, member=True), START).reserve for _ in range(5)} == {0.0}

    def test_a_better_rank_never_leaves_more_than_a_worse_one(self) -> None:
        """Otherwise the first in line could be held up by what only those behind it may use."""
        judged = [_judged(hours=hours, greedy=greedy) for hours, greedy in product((0, 1, 8, 128), (False, True))]
        judged.append(_priorities().judge(_client(STRANGER, member=True), START))
        in_order = sorted(judged, key=lambda one: one.rank)
        assert [one.reserve for one in in_order] == sorted(one.reserve for one in in_order)


class TestNetworks:
    @pytest.mark.parametrize(
        ("one", "other", "is_one_network"),
        [
            pytest.param("c0000201", "c00002fe", True, id="a /24"),
            pytest.param("c0000201", "c0000301", False, id="two /24"),
            pytest.param("20010db8000000" + "01" + 8 * "00", "20010db8000000" + "02" + 8 * "01", True, id="a /56"),
            pytest.param("20010db8000001" + "01" + 8 * "00", "20010db8000002" + "01" + 8 * "00", False, id="two /56"),
        ],
    )
    def test_neighbours_share_what_they_have(self, one: str, other: str, *, is_one_network: bool) -> None:
        priorities = _priorities()
        first, second = (_client(bytes.fromhex(address)) for address in (one, other))
        priorities.seniority.meet(first.prefixes, START)
        judged = [priorities.judge(client, START + 2 * HOUR) for client in (first, second)]
        assert (judged[0].rank == judged[1].rank) is is_one_network
        assert (judged[0].path == judged[1].path) is is_one_network

    def test_neighbours_use_up_one_share(self) -> None:
        priorities = _priorities()
        for last in range(SHARE):
            priorities.judge(_client(bytes((192, 0, 2, last))), START)
        assert priorities.judge(_client(bytes((192, 0, 2, 99))), START).rank > 1 + LEVELS

    def test_a_question_makes_nobody_senior_before_it_is_answered(self) -> None:
        priorities = _priorities()
        priorities.judge(_client(KNOWN), START)
        assert priorities.judge(_client(KNOWN), START + 2 * HOUR).rank == 1 + LEVELS

    def test_a_peer_without_address_has_a_place_too(self) -> None:
        priorities = _priorities()
        client = _client(b"")
        assert priorities.judge(client, START).rank == 1 + LEVELS
        priorities.seniority.meet(client.prefixes, START)
        assert priorities.judge(client, START + 2 * HOUR).rank < 1 + LEVELS

    def test_a_flood_of_strangers_goes_after_all_who_were_here_before(self) -> None:
        priorities = _priorities()
        client, now = _settled(priorities, 1)
        flood = [priorities.judge(_client(bytes((10, a, b, 1))), now) for a in range(20) for b in range(20)]
        assert all(one.rank > priorities.judge(client, now + 10.0 * seconds).rank for seconds, one in enumerate(flood))


def test_the_books_tell_who_asked() -> None:
    priorities = _priorities()
    client, now = _settled(priorities, 1)
    priorities.judge(client, now)
    for _ in range(SHARE + 2):
        priorities.judge(_client(STRANGER), now)
    priorities.judge(_client(STRANGER, member=True), now)
    books = priorities.statistics(now)
    assert (books.members, books.settled, books.newcomers) == (1, 1, SHARE + 2)
    assert books.greedy == 3
    assert 0 < books.fill < 0.01


def test_four_busy_networks_can_be_served_side_by_side() -> None:
    assert 4 * FAIR_SHARE == 1.0
