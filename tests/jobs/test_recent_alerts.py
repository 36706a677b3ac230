"""The alerts of the last hours: which began, which ended, and no more than there is room for."""

from dohproxy.jobs.recent_alerts import MOST_RECENT, RecentAlert, RecentAlerts
from dohproxy.observability.detectors.judgement import AlertEvent, AlertKind


def event(kind: AlertKind, *, has_begun: bool, subject: str = "") -> AlertEvent:
    return AlertEvent(kind, subject, has_begun, "It is bad", "Do this.", 1.0, 2.0)


def test_one_that_began_is_kept_with_its_end() -> None:
    recent = RecentAlerts()
    recent.note(event(AlertKind.FAILING, has_begun=True), 100.0)
    recent.note(event(AlertKind.DISK, has_begun=True), 110.0)
    recent.note(event(AlertKind.FAILING, has_begun=False), 120.0)
    assert recent.newest_first() == [
        RecentAlert("disk", "", "It is bad", "Do this.", 110.0),
        RecentAlert("failing", "", "It is bad", "Do this.", 100.0, 120.0),
    ]


def test_an_end_is_that_of_its_own_subject_and_of_the_last_time() -> None:
    recent = RecentAlerts()
    for wall, has_begun in ((1.0, True), (2.0, False), (3.0, True)):
        recent.note(event(AlertKind.BOUND_FULL, has_begun=has_begun, subject="misses"), wall)
    recent.note(event(AlertKind.BOUND_FULL, has_begun=False, subject="connections"), 4.0)
    assert [one.ended for one in recent.newest_first()] == [None, 2.0]


def test_the_oldest_makes_room() -> None:
    recent = RecentAlerts()
    for wall in range(MOST_RECENT + 5):
        recent.note(event(AlertKind.FAILING, has_begun=True), float(wall))
    assert [one.began for one in recent.newest_first()][-1] == 5.0
    assert len(recent.newest_first()) == MOST_RECENT
