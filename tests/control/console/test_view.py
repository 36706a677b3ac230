"""What is shown: how it is in a word and a sentence, each upstream in words, and no address and no name."""

import json
from typing import Any

import pytest

from dohproxy.control.console.view import BAD, MIND, WELL, more, state, upstream, view
from dohproxy.observability.detectors.judgement import AlertEvent, AlertKind
from dohproxy.observability.upstream_alerts import Alert
from dohproxy.policy.announcements import Announcements
from dohproxy.policy.prefixes import parse_prefix
from tests.control.command_samples import FakeService
from tests.control.console.samples import FIGURES, snapshot

WALL = 1_800_000_000.0


async def test_a_service_that_is_well() -> None:
    shown = view(FakeService(), snapshot(), 100.0, WALL)
    assert (shown["state"], shown["more"], shown["version"]) == (WELL, "", "0.1.0")
    assert shown["sentences"] == ["1 upstream is asked, 1,234 answers are in the cache."]
    assert shown["mode"]["sentence"] == "Everybody is served."
    assert [one["key"] for one in shown["rules"]] == ["rules.client_limit"]
    assert shown["blocklists"] == [{"name": "ads", "problem": "", "names": 1_000, "hits": 7}]
    assert json.loads(json.dumps(shown)) == shown


async def test_what_is_wrong_is_in_the_sentence_and_what_was_is_among_the_recent() -> None:
    service = FakeService()
    service.told = [
        Alert("", "bound_full", WALL, "all places are taken", is_harmless=False),
        Alert("", "disk", WALL, "the disk is full", is_harmless=False),
    ]
    service.recent.note(AlertEvent(AlertKind.BOUND_FULL, "misses", True, "all are taken", "do this", 1.0, 1.0), WALL)
    shown = view(service, snapshot(), 100.0, WALL)
    assert shown["state"] == BAD
    assert [one.partition(", since ")[0] for one in shown["sentences"]] == ["All places are taken", "The disk is full"]
    assert [(one["words"], one["remedy"], one["ended"]) for one in shown["recent"]] == [
        ("all are taken", "do this", None)
    ]


@pytest.mark.parametrize(
    ("told", "by_hand", "alerts", "word"),
    [([], [], [], WELL), ([], [1], [], MIND), ([], [], ["harmless"], MIND), (["bad"], [1], ["bad"], BAD)],
)
def test_how_it_is_in_a_word(told: list[str], by_hand: list[int], alerts: list[str], word: str) -> None:
    assert state(told, by_hand, alerts) == word


def test_what_else_there_is_to_know() -> None:
    assert more([], []) == ""
    assert more([1], []) == "1 thing holds by hand."
    assert more([], ["upstream.Quad9"]) == "A restart is waited for by upstream.Quad9."
    assert more([1, 2], ["admin.listen"]) == "2 things hold by hand; a restart is waited for by admin.listen."


@pytest.mark.parametrize(
    ("breaker", "paused", "share", "word", "says"),
    [
        ("closed", None, 1.0, WELL, "is asked"),
        ("closed", None, 0.5, MIND, "is asked, with 50% of its budget for now, which grows as it answers"),
        ("half_open", None, 1.0, BAD, "is tried again with one question"),
        ("open", None, 1.0, BAD, "is left alone: it failed, and is tried again soon"),
        ("open", 1.0, 0.5, MIND, "is paused by hand: nothing is sent to it"),
    ],
)
def test_an_upstream_in_words(breaker: str, paused: float | None, share: float, word: str, says: str) -> None:
    figures: dict[str, Any] = FIGURES | {"dohproxy_upstream_budget_share": {"ns0": share}}
    found = upstream({"name": "ns0", "breaker": breaker, "paused_since": paused}, figures)
    assert (found["state"], found["words"]) == (word, says)
    assert (found["left"], found["burst"], found["per_second"], found["sends"]) == (39.5, 40, 20.0, 8)


def test_an_upstream_that_was_never_asked_has_no_round_trip() -> None:
    never = FIGURES | {"dohproxy_upstream_score_seconds": {"ns0": None}}
    assert upstream({"name": "ns0", "breaker": "closed", "paused_since": None}, never)["milliseconds"] == 0.0


async def test_nobody_who_is_banned_and_no_name_that_is_blocked_is_shown_unasked() -> None:
    service = FakeService()
    service.banned.ban(parse_prefix("198.51.100.0/24"), 3_600.0, "scans us", 0.0, spares=True)
    service.announcements = Announcements()
    service.announcements.announce("Maintenance tonight.", WALL + 60, WALL)
    shown = json.dumps(view(service, snapshot(), 100.0, WALL))
    assert "Maintenance tonight." in shown
    assert "198.51.100" not in shown
