"""The look that comes before a fetch: what is begun, what is told, and who waits how long."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from dohproxy.outcomes import Priority
from dohproxy.upstream.elsewhere import Finding, LateStart
from dohproxy.upstream.results import Bug
from dohproxy.upstream.sends import Stoppable
from dohproxy.wire.query import Query
from tests.fakes.upstream import make_query

QUERY = make_query()
CLIENT = Priority(2, (1,), 0.0)
MEMBER = Priority(0, (2,), 0.0)
NOBODY = Priority(1_000, (), 0.25)
BUG = ValueError("a bug")


class Looking:
    """A look, or a fetch, under way."""

    def __init__(self) -> None:
        self.stopped = 0

    def stop(self) -> None:
        self.stopped += 1


@dataclass(slots=True)
class Rig:
    """Who is asked first, and all that comes of it."""

    has_others: bool = True
    has_room: bool = True
    fails: bool = False
    notify: list[Callable[[Finding], None]] = field(default_factory=list)
    looking: Looking = field(default_factory=Looking)
    fetch: Looking = field(default_factory=Looking)
    begun: list[tuple[Priority, bool]] = field(default_factory=list)
    told: list[Bug | None] = field(default_factory=list)
    hurried: list[float] = field(default_factory=list)
    let_gone: int = 0
    stale_wait_seconds: float = 1.8

    def look(
        self, query: Query, pressure: Callable[[float], float], deadline: float, notify: Callable[[Finding], None]
    ) -> Stoppable | None:
        self.notify.append(notify)
        return self.looking if self.has_others else None

    def let_go(self, query: Query) -> None:
        self.let_gone += 1

    def start(self, priority: Priority, *, is_awaited: bool) -> Stoppable | None:
        if self.fails:
            raise BUG
        self.begun.append((priority, is_awaited))
        return self.fetch if self.has_room else None

    def begin(self, priority: Priority = CLIENT, *, is_awaited: bool = True) -> LateStart:
        late = LateStart(
            QUERY, self, priority, self.start, self.told.append, self.hurried.append, is_awaited=is_awaited
        )
        late.begin(lambda _: 0.0, 1e9)
        return late


def test_nothing_is_begun_while_others_are_asked() -> None:
    rig = Rig()
    rig.begin()
    assert (rig.begun, rig.told) == ([], [])


def test_where_nobody_is_to_be_asked_the_fetch_begins_at_once() -> None:
    rig = Rig(has_others=False)
    rig.begin()
    assert (rig.begun, rig.hurried) == ([(CLIENT, True)], [])


@pytest.mark.parametrize(
    ("finding", "is_awaited", "begun", "hurried"),
    [
        (Finding.KNOWN, True, False, False),
        (Finding.KNOWN, False, False, False),
        (Finding.KEPT, True, False, False),
        (Finding.KEPT, False, True, True),
        (Finding.STALE, True, True, True),
        (Finding.NOTHING, True, True, False),
    ],
    ids=["known", "known and unawaited", "kept", "kept and to be renewed", "stale", "nothing"],
)
def test_what_is_found_decides_whether_an_upstream_is_asked(
    finding: Finding, is_awaited: bool, begun: bool, hurried: bool
) -> None:
    rig = Rig()
    rig.begin(is_awaited=is_awaited)
    rig.notify[0](finding)
    assert bool(rig.begun) is begun
    assert rig.told == ([] if begun else [None])
    assert rig.hurried == ([1.8] if hurried else [])
    assert rig.let_gone == (not begun)


def test_the_fetch_is_begun_for_the_best_of_those_who_wait_by_then() -> None:
    rig = Rig()
    late = rig.begin(CLIENT)
    late.promote(MEMBER)
    late.promote(CLIENT)
    rig.notify[0](Finding.NOTHING)
    assert rig.begun == [(MEMBER, True)]


def test_what_nobody_waited_for_is_awaited_once_somebody_joins() -> None:
    rig = Rig()
    late = rig.begin(NOBODY, is_awaited=False)
    late.promote(CLIENT)
    rig.notify[0](Finding.NOTHING)
    assert rig.begun == [(CLIENT, True)]


def test_what_has_no_room_is_let_go() -> None:
    rig = Rig(has_room=False)
    rig.begin(NOBODY, is_awaited=False)
    rig.notify[0](Finding.NOTHING)
    assert (rig.begun, rig.let_gone) == ([(NOBODY, False)], 1)


def test_one_that_is_stopped_stops_what_is_under_way() -> None:
    looking, fetching = Rig(), Rig()
    looking.begin().stop()
    late = fetching.begin()
    fetching.notify[0](Finding.NOTHING)
    late.stop()
    late.stop()
    assert (looking.looking.stopped, fetching.fetch.stopped) == (1, 1)
    assert (looking.let_gone, fetching.let_gone) == (1, 1)


def test_a_bug_ends_this_question_and_is_told() -> None:
    rig = Rig(fails=True)
    rig.begin()
    rig.notify[0](Finding.NOTHING)
    assert [told.error for told in rig.told if told is not None] == [BUG]
    assert rig.let_gone == 1
