"""What a connection holds for those of its requests that wait, and gives back once."""

from dataclasses import dataclass
from typing import cast

from dohproxy.exits import Arrival, Miss
from dohproxy.frontends.misses import Misses
from dohproxy.outcomes import Priority
from dohproxy.policy.request_limiter import MissSlot
from dohproxy.wire.query import parse_query
from tests.frontends.dot_client import query


@dataclass
class Held:
    """A slot, or work upstream, that counts how often it is given back."""

    ended: int = 0

    def give_back(self) -> None:
        self.ended += 1

    stop = give_back


def waiting() -> tuple[Misses, Held]:
    """One miss under the number 4, and its slot."""
    misses, slot = Misses(), Held()
    misses.waiting[4] = Miss(
        parse_query(query()), cast(Arrival, None), None, cast(MissSlot, slot), Priority(0, (), 0.0)
    )
    return misses, slot


def test_a_miss_that_is_left_gives_back_its_slot_and_stops_its_work_once() -> None:
    misses, slot = waiting()
    work = Held()
    misses.note_asked(4, work)
    for _ in range(2):
        misses.leave(4)
    assert (slot.ended, work.ended, len(misses.waiting)) == (1, 1, 0)


def test_a_miss_that_was_answered_while_it_was_asked_for_leaves_nothing_to_be_stopped() -> None:
    misses, slot = waiting()
    misses.leave(4)
    work = Held()
    misses.note_asked(4, work)
    misses.leave(4)
    assert (slot.ended, work.ended) == (1, 0)


def test_a_miss_for_which_nothing_is_asked_upstream_gives_back_its_slot_alone() -> None:
    misses, slot = waiting()
    misses.note_asked(4, None)
    misses.leave(4)
    assert slot.ended == 1
