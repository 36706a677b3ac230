"""What went wrong, as it is told to everybody."""

import json
from typing import Any

import pytest

from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.pages.incidents import (
    LEVELS,
    MOST_INCIDENTS,
    OF_ALERTS,
    REOPEN_SECONDS,
    STOPPED_SECONDS,
    Incident,
    IncidentBook,
    IncidentKind,
    Level,
    told,
)
from dohproxy.saved import UnfitState

NOW = 1_800_000_000.0
FLOOD, FAILING, UPSTREAM = IncidentKind.FLOOD, IncidentKind.FAILING, IncidentKind.UPSTREAM


def test_several_floods_are_one_since_the_first_of_them() -> None:
    alerts = [(AlertKind.CONNECTION_FLOOD, 20.0), (AlertKind.REQUEST_FLOOD, 10.0), (AlertKind.HANDSHAKE_FLOOD, 30.0)]
    assert told(alerts) == {FLOOD: 10.0}


@pytest.mark.parametrize(
    "kind", [AlertKind.MALFORMED_FLOOD, AlertKind.RANDOM_NAMES, AlertKind.CERTIFICATE, AlertKind.DISK]
)
def test_what_is_the_operators_alone_is_not_told(kind: AlertKind) -> None:
    assert told([(kind, 10.0)]) == {}


def test_every_alert_is_told_or_kept_on_purpose() -> None:
    kept = {AlertKind.MALFORMED_FLOOD, AlertKind.RANDOM_NAMES, AlertKind.CERTIFICATE, AlertKind.DISK}
    assert set(OF_ALERTS) | kept == set(AlertKind)
    assert set(LEVELS) == set(IncidentKind)


def test_an_incident_begins_and_ends() -> None:
    book = IncidentBook(NOW)
    assert book.observe({FAILING: NOW - 5}, NOW)
    assert book.incidents == (Incident(FAILING, NOW - 5),)
    assert (book.level, book.level_since) == (Level.DISTURBED, NOW)
    assert not book.observe({FAILING: NOW - 5}, NOW + 10)
    assert book.observe({}, NOW + 60)
    assert book.incidents == (Incident(FAILING, NOW - 5, NOW + 60),)
    assert (book.level, book.level_since) == (Level.WELL, NOW + 60)


@pytest.mark.parametrize(
    ("kinds", "level"),
    [({UPSTREAM}, Level.WELL), ({UPSTREAM, FLOOD}, Level.LIMITED), ({UPSTREAM, FLOOD, FAILING}, Level.DISTURBED)],
    ids=["an upstream", "and a flood", "and failures"],
)
def test_the_worst_of_what_goes_on_is_how_the_service_is(kinds: set[IncidentKind], level: Level) -> None:
    book = IncidentBook(NOW)
    book.observe(dict.fromkeys(kinds, NOW), NOW)
    assert book.level is level


def test_what_comes_back_soon_is_the_same_incident() -> None:
    book = IncidentBook(NOW)
    book.observe({FLOOD: NOW}, NOW)
    book.observe({}, NOW + 60)
    book.observe({FLOOD: NOW + 100}, NOW + 100)
    assert book.incidents == (Incident(FLOOD, NOW),)
    book.observe({}, NOW + 200)
    book.observe({FLOOD: NOW + 300 + REOPEN_SECONDS}, NOW + 300 + REOPEN_SECONDS)
    assert [one.since for one in book.incidents] == [NOW + 300 + REOPEN_SECONDS, NOW]


def test_the_oldest_go_and_what_goes_on_stays() -> None:
    book = IncidentBook(NOW)
    book.observe({UPSTREAM: NOW}, NOW)
    for number in range(1, 2 * MOST_INCIDENTS):
        at = NOW + number * 2 * REOPEN_SECONDS
        book.observe({UPSTREAM: NOW, FLOOD: at}, at)
        book.observe({UPSTREAM: NOW}, at + 60)
    assert len(book.incidents) == MOST_INCIDENTS
    assert book.incidents[-1] == Incident(UPSTREAM, NOW)


def test_a_restart_is_no_incident_and_an_absence_is_one() -> None:
    book = IncidentBook(NOW)
    book.observe({FLOOD: NOW}, NOW)
    saved = json.loads(json.dumps(book.export()))
    soon, late = IncidentBook(NOW + 5), IncidentBook(NOW + 9_000)
    soon.restore(saved, NOW + 5)
    assert soon.incidents == (Incident(FLOOD, NOW),)
    assert (soon.level, soon.level_since) == (Level.LIMITED, NOW)
    late.restore(saved, NOW + 9_000)
    stopped = Incident(IncidentKind.STOPPED, NOW, NOW + 9_000)
    assert set(late.incidents) == {stopped, Incident(FLOOD, NOW, NOW)}
    assert (late.level, late.level_since) == (Level.WELL, NOW + 9_000)
    edge = IncidentBook(NOW)
    edge.restore(saved, NOW + STOPPED_SECONDS)
    assert edge.incidents == (Incident(FLOOD, NOW),)


GOOD: dict[str, Any] = {"all": [], "level": 0, "level_since": NOW, "looked_at": NOW}


@pytest.mark.parametrize(
    "saved",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"incidents": GOOD | {"level": 7}}, id="a level that there is none of"),
        pytest.param({"incidents": GOOD | {"looked_at": 1e300}}, id="the end of time"),
        pytest.param({"incidents": GOOD | {"all": [{"kind": "war", "since": NOW, "until": None}]}}, id="another kind"),
        pytest.param({"incidents": GOOD | {"all": [{"kind": "flood", "since": NOW, "until": 1.0}]}}, id="backwards"),
        pytest.param({"incidents": GOOD | {"all": [{"kind": ["flood"], "since": NOW}]}}, id="a list for a kind"),
        pytest.param({"incidents": GOOD | {"all": [None] * (MOST_INCIDENTS + 1)}}, id="too many"),
    ],
)
def test_what_is_unfit_changes_nothing(saved: dict[str, Any]) -> None:
    book = IncidentBook(NOW)
    book.observe({FLOOD: NOW}, NOW)
    before = book.export()
    with pytest.raises(UnfitState):
        book.restore(saved, NOW)
    assert book.export() == before
