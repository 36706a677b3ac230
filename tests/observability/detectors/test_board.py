"""The board: which alerts there are, of how many things at most."""

from collections.abc import Iterator

from dohproxy.observability.detectors.board import MOST_SUBJECTS, AlertBoard
from dohproxy.observability.detectors.judgement import AlertKind, Detector, Judgement
from dohproxy.observability.detectors.normal import Normals
from dohproxy.observability.detectors.reading import Bound, History, Reading


def of_bounds(history: History, _: Normals) -> Iterator[Judgement]:
    for bound in history.last.bounds:
        yield Judgement(bound.fill, f"{bound.name} is full", subject=bound.name)


def reading(at: float, **fills: float) -> Reading:
    return Reading(at, bounds=tuple(Bound(name, name, fill) for name, fill in fills.items()))


def board(*kinds: AlertKind) -> AlertBoard:
    return AlertBoard([Detector(kind, of_bounds, "Look", end_seconds=10.0) for kind in kinds], Normals(0.0))


def test_each_thing_begins_and_ends_for_itself() -> None:
    one, history = board(AlertKind.BOUND_FULL), History(reading(0.0))
    told = []
    for made in (reading(5.0, a=1.0, b=0.0), reading(10.0, a=1.0, b=1.0), reading(15.0, b=1.0), reading(25.0, b=1.0)):
        history.add(made)
        told += [(made.at, event.subject, event.has_begun) for event in one.look(history)]
    assert told == [(5.0, "a", True), (10.0, "b", True), (25.0, "a", False)]
    [active] = one.active()
    assert (active.kind, active.subject, active.since, active.remedy) == (AlertKind.BOUND_FULL, "b", 10.0, "Look")


def test_an_event_says_since_when_it_was() -> None:
    one, history = board(AlertKind.DISK), History(reading(0.0))
    told = []
    for made in (reading(5.0, a=1.0), reading(10.0), reading(20.0)):
        history.add(made)
        told += one.look(history)
    assert [(event.since, event.at, event.words) for event in told] == [
        (5.0, 5.0, "a is full"),
        (5.0, 20.0, "a is full"),
    ]
    assert not one.is_active(AlertKind.DISK)


def test_two_kinds_have_subjects_of_their_own() -> None:
    one, history = board(AlertKind.DISK, AlertKind.UPSTREAM), History(reading(0.0))
    history.add(reading(5.0, a=1.0))
    assert [event.kind for event in one.look(history)] == [AlertKind.DISK, AlertKind.UPSTREAM]
    assert one.is_active(AlertKind.UPSTREAM)


def test_no_more_things_are_remembered_than_there_can_be() -> None:
    one, history = board(AlertKind.BOUND_FULL), History(reading(0.0))
    history.add(reading(5.0, **{f"bound {number}": 1.0 for number in range(10 * MOST_SUBJECTS)}))
    assert len(one.look(history)) == len(one.active()) == MOST_SUBJECTS


def test_what_is_well_is_not_remembered() -> None:
    one, history = board(AlertKind.BOUND_FULL), History(reading(0.0))
    for number in range(10 * MOST_SUBJECTS):
        history.add(reading(5.0 * number, **{f"bound {number}": 0.1}))
        assert one.look(history) == []
    history.add(reading(1e6, a=1.0))
    assert len(one.look(history)) == 1


def test_other_detectors_go_on_with_what_has_begun() -> None:
    one, history = board(AlertKind.BOUND_FULL), History(reading(0.0))
    history.add(reading(5.0, a=1.0))
    one.look(history)
    one.use([Detector(AlertKind.BOUND_FULL, of_bounds, "Look", end_seconds=10.0)])
    history.add(reading(10.0, a=1.0))
    assert one.look(history) == []
    assert [alert.since for alert in one.active()] == [5.0]


def test_what_nobody_is_asked_about_any_more_ends() -> None:
    one, history = board(AlertKind.BOUND_FULL, AlertKind.DISK), History(reading(0.0))
    history.add(reading(5.0, a=1.0))
    one.look(history)
    one.use([Detector(AlertKind.DISK, of_bounds, "Look", end_seconds=10.0)])
    history.add(reading(10.0, a=1.0))
    [event] = one.look(history)
    assert (event.kind, event.subject, event.has_begun, event.since, event.at) == (
        *(AlertKind.BOUND_FULL, "a", False, 5.0, 10.0),
    )
    assert [alert.kind for alert in one.active()] == [AlertKind.DISK]
