"""Who gets in when all slots are taken, and who makes room."""

import random
from collections import Counter

import pytest

from dohproxy.policy.fair_slots import FairSlots, Path
from dohproxy.policy.standing import Standing

NOW = 1_000.0
GRACE = 2.0
LATER = NOW + GRACE
MEMBER, SETTLED, STRANGER = Standing


def slots(most: int = 8) -> FairSlots[str]:
    return FairSlots(most, GRACE)


def full(*holders: tuple[str, Path, Standing], useful: tuple[str, ...] = ()) -> FairSlots[str]:
    """As many slots as there are holders, all taken."""
    taken = slots(len(holders))
    for name, path, standing in holders:
        assert taken.join(name, path, standing, NOW) == (True, None)
    for name in useful:
        taken.note(name, NOW, useful=True)
    return taken


class TestRoom:
    def test_there_is_room_until_all_are_taken(self) -> None:
        taken = slots(2)
        assert [taken.join(name, (n,), STRANGER, NOW)[0] for n, name in enumerate("abc")] == [True, True, False]
        assert taken.taken == taken.most == 2
        assert taken.statistics().refused == 1

    def test_who_leaves_makes_room_and_may_leave_twice(self) -> None:
        taken = full(("a", (1,), STRANGER))
        taken.leave("a")
        taken.leave("a")
        assert taken.taken == 0
        assert taken.join("b", (1,), STRANGER, NOW) == (True, None)

    def test_to_look_whether_there_is_room_changes_nothing(self) -> None:
        taken = full(("a", (1,), STRANGER))
        assert [taken.has_room((2,), standing, NOW) for standing in Standing] == [True, True, False]
        assert taken.has_room((2,), STRANGER, LATER)
        assert taken.join("m", (2,), MEMBER, NOW) == (True, "a")

    def test_fewer_slots_than_are_taken_cut_nobody(self) -> None:
        taken = full(("a", (1,), STRANGER), ("b", (2,), STRANGER))
        taken.most = 1
        assert taken.taken == 2
        assert taken.join("c", (3,), STRANGER, NOW) == (False, None)


class TestStandings:
    @pytest.mark.parametrize(
        ("newcomer", "loser"), [(MEMBER, "stranger"), (SETTLED, "stranger"), (STRANGER, None)], ids=lambda one: str(one)
    )
    def test_who_stands_lower_makes_room(self, newcomer: Standing, loser: str | None) -> None:
        taken = full(("member", (1,), MEMBER), ("settled", (2,), SETTLED), ("stranger", (3,), STRANGER))
        assert taken.join("new", (4,), newcomer, NOW) == (loser is not None, loser)

    def test_strangers_go_before_the_settled_and_these_before_members(self) -> None:
        taken = full(("settled", (1,), SETTLED), ("stranger", (2,), STRANGER), ("member", (3,), MEMBER))
        losers = [taken.join(f"new {n}", (10 + n,), MEMBER, NOW)[1] for n in range(3)]
        assert losers == ["stranger", "settled", None]

    def test_a_stranger_of_use_makes_room_for_a_member_only_after_all_that_are_of_none(self) -> None:
        taken = full(("a", (1,), STRANGER), ("b", (2,), STRANGER), ("c", (3,), STRANGER), useful=("a", "c"))
        assert [taken.join(f"m{n}", (9,), MEMBER, NOW)[1] for n in range(2)] == ["b", "a"]

    def test_who_turns_out_to_be_a_member_keeps_its_slot_as_one(self) -> None:
        taken = full(("a", (1,), STRANGER), ("b", (2,), STRANGER))
        taken.change_standing("a", MEMBER)
        assert taken.statistics().by_standing == {MEMBER: 1, SETTLED: 0, STRANGER: 1}
        assert taken.join("m", (3,), MEMBER, NOW) == (True, "b")
        assert taken.join("n", (4,), MEMBER, NOW) == (False, None)
        taken.change_standing("a", STRANGER)
        assert taken.join("n", (4,), MEMBER, NOW) == (True, "a")


class TestShares:
    def test_the_greediest_prefix_makes_room_for_one_that_holds_less(self) -> None:
        taken = full(*((f"g{n}", (1, n), STRANGER) for n in range(7)), ("modest", (2, 0), STRANGER))
        assert taken.join("new", (3, 0), STRANGER, NOW) == (True, "g0")

    def test_a_greedy_prefix_makes_room_for_itself_in_vain(self) -> None:
        taken = full(*((f"g{n}", (1, n), STRANGER) for n in range(4)))
        assert taken.join("g4", (1, 4), STRANGER, NOW) == (False, None)

    def test_within_the_greediest_prefix_the_greediest_part_makes_room(self) -> None:
        taken = full(("a", (1, 1), STRANGER), *((f"g{n}", (1, 2), STRANGER) for n in range(3)), ("z", (9, 9), STRANGER))
        assert taken.join("new", (3, 3), STRANGER, NOW) == (True, "g0")

    def test_a_modest_part_of_a_greedy_prefix_gets_in_at_the_cost_of_the_greedy_part(self) -> None:
        taken = full(*((f"g{n}", (1, 2), STRANGER) for n in range(5)))
        assert taken.join("new", (1, 3), STRANGER, NOW) == (True, "g0")

    def test_many_prefixes_of_one_wide_one_have_its_share_alone(self) -> None:
        taken = slots(100)
        for n in range(1_000):
            taken.join(f"flood {n}", (1, n), STRANGER, NOW)
        assert all(taken.join(f"honest {n}", (100 + n, 0), STRANGER, NOW)[0] for n in range(40))
        assert taken.statistics().made_room == 40

    def test_prefixes_come_to_equal_shares_whatever_they_try(self) -> None:
        taken, draw = slots(60), random.Random(4)  # noqa: S311
        paths: dict[str, Path] = {}
        for n in range(5_000):
            path = (draw.choices(range(6), weights=(1, 2, 4, 8, 16, 969))[0], draw.randrange(4))
            is_in, loser = taken.join(str(n), path, STRANGER, NOW)
            if loser is not None:
                del paths[loser]
            if is_in:
                paths[str(n)] = path
        shares = Counter(path[0] for path in paths.values())
        assert min(shares.values()) >= 3
        assert max(shares.values()) <= 20
        assert sum(shares.values()) == taken.taken == 60


class TestInVain:
    def test_between_equals_who_has_held_a_slot_in_vain_makes_room(self) -> None:
        taken = full(("a", (1,), STRANGER), ("b", (2,), STRANGER), useful=("a",))
        assert taken.join("c", (3,), STRANGER, NOW) == (False, None)
        assert taken.join("c", (3,), STRANGER, LATER) == (True, "b")
        assert taken.join("d", (4,), STRANGER, LATER) == (False, None)

    def test_who_was_of_use_and_is_no_longer_holds_in_vain_from_then_on(self) -> None:
        taken = full(("a", (1,), STRANGER), useful=("a",))
        taken.note("a", LATER, useful=False)
        assert taken.join("b", (2,), STRANGER, LATER) == (False, None)
        assert taken.join("b", (2,), STRANGER, LATER + GRACE) == (True, "a")

    def test_the_next_look_is_at_other_prefixes(self) -> None:
        taken = slots(12)
        for n in range(12):
            taken.join(f"h{n}", (n,), STRANGER, NOW)
            taken.note(f"h{n}", NOW, useful=n != 11)
        taken.note("h0", NOW, useful=False)
        found = {taken.join(f"n{n}", (50 + n,), STRANGER, LATER)[1] for n in range(8)}
        assert {"h0", "h11"} <= found

    def test_a_flood_that_is_of_no_use_takes_no_more_than_half_from_those_who_ask(self) -> None:
        taken = slots(100)
        for n in range(100):
            taken.join(f"honest {n}", (n // 5,), STRANGER, NOW)
            taken.note(f"honest {n}", NOW, useful=True)
        for n in range(10_000):
            taken.join(f"flood {n}", (1_000 + n,), STRANGER, LATER + n)
        left = sum(taken.has(f"honest {n}") for n in range(100))
        assert left >= 49

    def test_a_greedy_prefix_that_is_of_no_use_pushes_out_nobody_who_is_of_some(self) -> None:
        taken = slots(100)
        for n in range(99):
            taken.join(f"honest {n}", (n // 3, n), STRANGER, NOW)
            taken.note(f"honest {n}", NOW, useful=True)
        for n in range(5_000):
            taken.join(f"greedy {n}", (1_000, n), STRANGER, NOW + n / 100)
        assert sum(taken.has(f"honest {n}") for n in range(99)) >= 96

    def test_a_greedy_prefix_that_is_of_use_pushes_out_nobody_who_has_just_come(self) -> None:
        taken = slots(100)
        for n in range(50):
            taken.join(f"greedy {n}", (1_000, n), STRANGER, NOW)
            taken.note(f"greedy {n}", NOW, useful=True)
        for n in range(50):
            taken.join(f"new {n}", (n // 2, n), STRANGER, NOW)
        assert not any(taken.join(f"greedy again {n}", (1_000, 100 + n), STRANGER, NOW)[0] for n in range(50))

    def test_silent_holders_do_not_keep_out_who_asks(self) -> None:
        taken = slots(100)
        for n in range(100):
            taken.join(f"idle {n}", (n % 2, n), STRANGER, NOW)
        for n in range(40):
            assert taken.join(f"honest {n}", (50 + n,), STRANGER, NOW)[0]
            taken.note(f"honest {n}", NOW, useful=True)
        assert sum(taken.has(f"honest {n}") for n in range(40)) == 40


def test_nothing_is_kept_of_those_who_have_left() -> None:
    taken, draw = slots(50), random.Random(1)  # noqa: S311
    inside: set[str] = set()
    for n in range(3_000):
        standing = draw.choice(list(Standing))
        is_in, loser = taken.join(str(n), (draw.randrange(9), draw.randrange(9), n), standing, NOW + n)
        inside.discard(loser or "")
        if is_in:
            inside.add(str(n))
        for name in draw.sample(sorted(inside), min(len(inside), 2)):
            taken.note(name, NOW + n, useful=draw.random() < 0.5)
            if draw.random() < 0.3:
                taken.leave(name)
                inside.discard(name)
        assert taken.taken == len(inside) <= 50
    for name in inside:
        taken.leave(name)
    assert [(group.size, group.largest, group._parts, group._by_size) for group in taken._groups.values()] == [
        (0, 0, {}, {})
    ] * 6
