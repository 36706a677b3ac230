"""Who goes next: better ranks first, networks in turn, and no longer a line than can be served."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dohproxy.outcomes import Priority
from dohproxy.upstream.queue.fair_queue import MOST_WAITING, FairQueue

PLENTY = 100


def _priority(rank: int, network: str = "a") -> Priority:
    return Priority(rank, (ord(network),), 0.0)


def _line(*items: str, rank: int = 1) -> FairQueue[str]:
    """A line in which "a2" is the second question of the network a, all of one rank."""
    turns: FairQueue[str] = FairQueue()
    for item in items:
        assert turns.join(item, _priority(rank, item[0]), PLENTY) == (True, None)
    return turns


def _join(turns: FairQueue[str], item: str, rank: int, slots: int = PLENTY) -> tuple[bool, str | None]:
    return turns.join(item, _priority(rank, item[0]), slots)


def _serve_all(turns: FairQueue[str]) -> list[str]:
    served = []
    while turns:
        item, _ = next(turns.in_order())
        turns.serve(item)
        served.append(item)
    return served


class TestOrder:
    def test_who_came_first_goes_first(self) -> None:
        assert _serve_all(_line("a1", "a2", "a3")) == ["a1", "a2", "a3"]

    def test_networks_take_turns_however_much_each_asks(self) -> None:
        turns = _line("a1", "a2", "a3", "a4", "b1", "b2", "c1")
        assert _serve_all(turns) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]

    def test_a_better_rank_goes_before_whoever_came_first(self) -> None:
        turns = _line("a1", rank=5)
        _join(turns, "b1", 3)
        _join(turns, "c1", 0)
        _join(turns, "d1", 4)
        assert _serve_all(turns) == ["c1", "b1", "d1", "a1"]

    def test_a_network_that_was_served_goes_to_the_end_of_its_rank(self) -> None:
        turns = _line("a1", "a2", "b1")
        turns.serve("a1")
        _join(turns, "c1", 1)
        assert _serve_all(turns) == ["b1", "a2", "c1"]

    def test_a_network_that_comes_back_has_no_right_left_from_before(self) -> None:
        turns = _line("a1", "b1", "c1")
        turns.serve("a1")
        _join(turns, "a2", 1)
        assert _serve_all(turns) == ["b1", "c1", "a2"]

    def test_who_leaves_is_passed_over(self) -> None:
        turns = _line("a1", "a2", "b1")
        turns.leave("a1")
        assert _serve_all(turns) == ["a2", "b1"]

    def test_the_order_can_be_looked_at_without_a_change(self) -> None:
        turns = _line("a1", "a2", "b1", rank=1)
        _join(turns, "c1", 0)
        assert [item for item, _ in turns.in_order()] == ["c1", "a1", "b1"]
        assert len(turns) == 4

    def test_each_keeps_its_own_priority(self) -> None:
        turns = _line("a1")
        turns.join("a2", Priority(1, (ord("a"),), 0.25), PLENTY)
        turns.serve("a1")
        assert next(turns.in_order()) == ("a2", Priority(1, (ord("a"),), 0.25))


class TestComingAndGoing:
    def test_nobody_waits_at_first(self) -> None:
        turns: FairQueue[str] = FairQueue()
        assert len(turns) == 0
        assert list(turns.in_order()) == []
        assert not turns.is_before(_priority(99))

    def test_who_waits_is_known(self) -> None:
        turns = _line("a1")
        assert "a1" in turns
        assert "a2" not in turns

    def test_leaving_is_harmless_where_nobody_stands(self) -> None:
        turns = _line("a1")
        for item in ("a2", "a1", "a1"):
            turns.leave(item)
        assert len(turns) == 0

    def test_serving_is_harmless_where_nobody_stands(self) -> None:
        turns = _line("a1")
        turns.serve("a2")
        assert _serve_all(turns) == ["a1"]

    def test_nothing_is_kept_of_those_who_have_gone(self) -> None:
        turns = _line("a1", "b1", "b2")
        _join(turns, "c1", 0)
        _serve_all(turns)
        assert not turns._ranks
        assert not turns._waiting

    @pytest.mark.parametrize(
        ("waiting", "rank", "is_before"),
        [
            pytest.param(3, 2, False, id="a better rank need not wait for a worse one"),
            pytest.param(3, 3, True, id="equals take turns"),
            pytest.param(3, 4, True, id="a worse rank waits"),
        ],
    )
    def test_a_newcomer_knows_whether_somebody_goes_before(self, waiting: int, rank: int, *, is_before: bool) -> None:
        assert _line("a1", rank=waiting).is_before(_priority(rank, "b")) is is_before


class TestAFullLine:
    def test_the_last_of_the_worst_rank_makes_room_for_a_better_one(self) -> None:
        turns = _line("a1", "a2", rank=5)
        _join(turns, "b1", 4)
        assert _join(turns, "c1", 3, slots=3) == (True, "a2")
        assert _serve_all(turns) == ["c1", "b1", "a1"]

    def test_within_the_worst_rank_it_is_who_asks_most(self) -> None:
        turns = _line("a1", "b1", "b2", "b3", "c1", "c2", rank=5)
        assert _join(turns, "d1", 0, slots=6) == (True, "b3")

    def test_who_has_the_least_right_finds_no_place(self) -> None:
        turns = _line("a1", "b1", rank=2)
        assert _join(turns, "c1", 3, slots=2) == (False, None)
        assert "c1" not in turns
        assert len(turns) == 2

    @pytest.mark.parametrize(
        ("newcomer", "outcome"),
        [
            pytest.param("b1", (True, "a3"), id="a network without a question in line"),
            pytest.param("c2", (True, "a3"), id="one with two fewer"),
            pytest.param("a4", (False, None), id="not the one that asks most"),
        ],
    )
    def test_among_equals_those_who_ask_less_get_in(self, newcomer: str, outcome: tuple[bool, str | None]) -> None:
        turns = _line("a1", "a2", "a3", "c1")
        assert _join(turns, newcomer, 1, slots=4) == outcome

    def test_among_equals_nobody_is_driven_out_for_nothing(self) -> None:
        turns = _line("a1", "a2", "b1")
        assert _join(turns, "b2", 1, slots=3) == (False, None)
        assert _join(turns, "c1", 1, slots=3) == (True, "a2")
        assert _join(turns, "d1", 1, slots=3) == (False, None)

    def test_however_ample_the_budget_the_line_has_an_end(self) -> None:
        turns: FairQueue[str] = FairQueue()
        joined = [turns.join(f"a{number}", _priority(1), 10_000)[0] for number in range(MOST_WAITING + 5)]
        assert joined.count(True) == len(turns) == MOST_WAITING

    def test_a_line_that_has_become_too_long_shrinks_by_no_more_than_one_for_each_newcomer(self) -> None:
        turns = _line("a1", "a2", "a3", "a4", rank=5)
        assert _join(turns, "b1", 0, slots=2) == (True, "a4")
        assert len(turns) == 4


class TestPromotion:
    def test_a_question_goes_with_the_best_of_those_who_ask_it(self) -> None:
        turns = _line("a1", "a2", "b1", rank=5)
        turns.promote("b1", _priority(0, "m"))
        assert next(turns.in_order()) == ("b1", _priority(0, "m"))
        assert _serve_all(turns) == ["b1", "a1", "a2"]

    @pytest.mark.parametrize("rank", [5, 6], ids=["equal", "worse"])
    def test_no_better_rank_changes_nothing(self, rank: int) -> None:
        turns = _line("a1", "b1", rank=5)
        turns.promote("b1", _priority(rank, "m"))
        assert list(turns.in_order()) == [("a1", _priority(5, "a")), ("b1", _priority(5, "b"))]

    def test_it_drives_nobody_out_of_a_full_line(self) -> None:
        turns: FairQueue[str] = FairQueue()
        for number in range(MOST_WAITING):
            turns.join(f"a{number}", _priority(5), MOST_WAITING)
        turns.promote("a7", _priority(0, "m"))
        assert len(turns) == MOST_WAITING
        assert next(turns.in_order())[0] == "a7"

    def test_who_does_not_wait_is_not_put_in_line(self) -> None:
        turns = _line("a1")
        turns.promote("b1", _priority(0))
        assert "b1" not in turns


class _Model:
    """The line as a plain dictionary, beside the real one."""

    def __init__(self, places: int) -> None:
        self.turns: FairQueue[str] = FairQueue()
        self.waiting: dict[str, Priority] = {}
        self.places = places

    def join(self, item: str, priority: Priority) -> None:
        stands, evicted = self.turns.join(item, priority, self.places)
        if evicted is not None:
            assert self.waiting.pop(evicted).rank >= priority.rank
        if stands:
            self.waiting[item] = priority
        else:
            assert len(self.waiting) == self.places
            assert all(one.rank <= priority.rank for one in self.waiting.values())

    def promote(self, item: str, priority: Priority) -> None:
        self.turns.promote(item, priority)
        self.waiting[item] = min(self.waiting[item], priority, key=lambda one: one.rank)

    def serve(self) -> None:
        item, priority = next(self.turns.in_order())
        self.turns.serve(item)
        assert self.waiting.pop(item) == priority
        assert all(one.rank >= priority.rank for one in self.waiting.values())

    def leave(self, item: str) -> None:
        self.turns.leave(item)
        del self.waiting[item]

    def compare(self) -> None:
        assert len(self.turns) == len(self.waiting) <= self.places
        first_of_each = list(self.turns.in_order())
        ranks = [one.rank for _, one in first_of_each]
        assert ranks == sorted(ranks)
        assert all(self.waiting[item] == one for item, one in first_of_each)
        assert {(one.rank, one.path) for _, one in first_of_each} == {
            (one.rank, one.path) for one in self.waiting.values()
        }


STEPS = st.tuples(
    st.sampled_from(["join", "join", "join", "serve", "leave", "promote"]), st.integers(0, 3), st.sampled_from("abcd")
)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 8), st.lists(STEPS, max_size=60))
def test_whatever_happens_the_line_is_in_order(places: int, steps: list[tuple[str, int, str]]) -> None:
    model = _Model(places)
    for number, (what, rank, network) in enumerate(steps):
        priority = _priority(rank, network)
        if what == "join":
            model.join(f"{network}{number}", priority)
        elif model.waiting and what == "serve":
            model.serve()
        elif model.waiting and what == "leave":
            model.leave(min(model.waiting))
        elif model.waiting:
            model.promote(min(model.waiting), priority)
        model.compare()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=40))
def test_no_network_waits_for_two_turns_of_another(networks: list[str]) -> None:
    turns = _line(*(f"{network}{number}" for number, network in enumerate(networks)))
    left = Counter(networks)
    since_last: dict[str, Counter[str]] = defaultdict(Counter)
    for item in _serve_all(turns):
        network = item[0]
        for other in left:
            if left[other] and other != network:
                since_last[other][network] += 1
                assert since_last[other][network] <= 1
        since_last[network].clear()
        left[network] -= 1
