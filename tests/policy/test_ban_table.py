"""A table of bans holds so many, and which one goes is never left to chance."""

import random

from dohproxy.policy.ban_table import SPARE_ITEMS, STEP_BANS, Ban, BanSource, BanTable, ending_last
from dohproxy.policy.gcra import Hashes
from dohproxy.policy.prefixes import parse_prefix
from tests.fakes.steps import result_of


def until(moment: float) -> Ban:
    return Ban(moment, "client_limit", 1, BanSource.RULE, None)


def keys_of(table: BanTable) -> set[Hashes]:
    return {key for key, _ in table.items()}


def test_an_entry_is_found_until_it_ends() -> None:
    table = BanTable(4)
    table.put((1, 2), until(10.0))
    assert table.get((1, 2), 9.9) == until(10.0)
    assert table.get((1, 2), 10.0) is None
    assert table.get((2, 1), 0.0) is None


def test_the_one_that_ends_first_makes_room() -> None:
    table = BanTable(3)
    for number, moment in enumerate((30.0, 10.0, 20.0, 40.0, 50.0)):
        table.put((number, 0), until(moment))
    assert keys_of(table) == {(0, 0), (3, 0), (4, 0)}
    assert (len(table), table.displaced) == (3, 2)


def test_an_entry_that_was_prolonged_goes_by_its_new_end() -> None:
    table = BanTable(2)
    table.put((1, 0), until(10.0))
    table.put((2, 0), until(20.0))
    table.put((1, 0), until(30.0))
    assert table.displaced == 0
    table.put((3, 0), until(40.0))
    assert keys_of(table) == {(1, 0), (3, 0)}


def test_those_that_have_ended_come_in_order_and_no_more_than_are_wanted() -> None:
    table = BanTable(10)
    for number in (3, 1, 2, 9):
        table.put((number, 0), until(float(number)))
    assert [key for key, _ in table.pop_ended(5.0, at_most=2)] == [(1, 0), (2, 0)]
    assert [key for key, _ in table.pop_ended(5.0, at_most=2)] == [(3, 0)]
    assert table.pop_ended(5.0, at_most=2) == []
    assert keys_of(table) == {(9, 0)}


def test_one_that_was_removed_does_not_come_back() -> None:
    table = BanTable(10)
    table.put((1, 0), until(1.0))
    assert table.remove((1, 0)) == until(1.0)
    assert table.remove((1, 0)) is None
    assert table.pop_ended(5.0, at_most=9) == []
    table.put((1, 0), until(3.0))
    table.clear()
    assert (len(table), table.pop_ended(5.0, at_most=9)) == (0, [])


def test_one_that_is_known_by_its_hash_is_named_once_and_ends_when_it_would_have() -> None:
    table, prefix, other = BanTable(4), parse_prefix("192.0.2.7"), parse_prefix("192.0.2.8")
    table.put((1, 2), until(10.0))
    assert [table.name((1, 2), prefix), table.name((1, 2), other), table.name((3, 4), other)] == [True, False, False]
    assert table.keys() == [(1, 2)]
    found = table.get((1, 2), 0.0)
    assert found is not None
    assert (found.prefix, found.until, found.reason) == (prefix, 10.0, "client_limit")
    assert [ban.prefix for _, ban in table.pop_ended(10.0, 9)] == [prefix]


def test_a_smaller_table_keeps_those_that_end_last() -> None:
    table = BanTable(10)
    for number in range(6):
        table.put((number, 0), until(float(number)))
    table.resize(2)
    assert keys_of(table) == {(4, 0), (5, 0)}


def test_neither_new_networks_nor_the_same_ones_again_take_more_than_its_size() -> None:
    draw, table = random.Random(1), BanTable(100)  # noqa: S311 - the same each time
    for _ in range(50_000):
        table.put((draw.randrange(300), 0), until(draw.random() * 1_000))
        assert len(table) <= 100
        assert len(table._ends) <= 2 * 100 + SPARE_ITEMS
    assert table.displaced > 0


def test_those_that_end_last_are_found_in_steps_and_the_rest_is_counted() -> None:
    ends = [number * 1_001 % (5 * STEP_BANS) for number in range(5 * STEP_BANS)]
    bans = [(number, until(float(end))) for number, end in enumerate(ends)]
    bans.append((-1, Ban(1e9, "", 0, BanSource.COMMAND, None, lets_in=True)))
    (last, held, letting_in), steps = result_of(ending_last(iter(bans), 100, 9.0))
    assert [ban.until for _, ban in last] == [1e9, *range(5 * STEP_BANS - 1, 5 * STEP_BANS - 100, -1)]
    assert all(number == -1 or ends[number] == ban.until for number, ban in last)
    assert (held, letting_in) == (len(bans) - 10, 1)
    assert steps == 6
