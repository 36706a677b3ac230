"""What everybody is told: who is shown it, until when, and what a restart keeps of it."""

import json
from dataclasses import replace

import pytest

from dohproxy.policy.announcements import (
    MOST_ANNOUNCEMENTS,
    MOST_CHARACTERS,
    Announcement,
    Announcements,
    why_unfit,
)
from dohproxy.saved import UnfitState

NOW = 1_800_000_000.0
TEXT = "Maintenance tonight from 22 to 23 UTC."


def test_nothing_is_told_until_somebody_says_something() -> None:
    assert Announcements().current(NOW) == ()


def test_an_announcement_is_told_until_its_end_and_no_longer() -> None:
    announcements = Announcements()
    told = announcements.announce(TEXT, NOW + 60, NOW)
    assert told == Announcement(1, TEXT, NOW, NOW + 60)
    assert announcements.current(NOW + 59.9) == (told,)
    assert announcements.current(NOW + 60) == ()


def test_the_oldest_comes_first_and_no_number_comes_again() -> None:
    announcements = Announcements()
    for text in ("one", "two", "three"):
        announcements.announce(text, NOW + 60, NOW)
    gone = announcements.withdraw(3, NOW)
    assert gone is not None
    assert gone.text == "three"
    announcements.announce("four", NOW + 60, NOW)
    assert [(one.number, one.text) for one in announcements.current(NOW)] == [(1, "one"), (2, "two"), (4, "four")]


def test_what_is_not_told_cannot_be_withdrawn() -> None:
    announcements = Announcements()
    announcements.announce(TEXT, NOW + 60, NOW)
    assert announcements.withdraw(2, NOW) is None
    assert announcements.withdraw(1, NOW + 60) is None
    assert announcements.withdraw(1, NOW) is None


def test_there_may_be_so_many_and_one_that_is_over_makes_room() -> None:
    announcements = Announcements()
    for number in range(MOST_ANNOUNCEMENTS):
        assert announcements.announce(TEXT, NOW + 60 + number, NOW) is not None
    assert announcements.announce(TEXT, NOW + 60, NOW) is None
    assert announcements.announce(TEXT, NOW + 120, NOW + 60) is not None
    assert len(announcements.current(NOW + 60)) == MOST_ANNOUNCEMENTS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "two\nlines",
        "a bell \a",
        "\x1b[2Jgone",
        "turned \u202e round",
        "a null \0",
        "x" * (MOST_CHARACTERS + 1),
    ],
    ids=["nothing", "blanks", "two lines", "a bell", "an escape sequence", "another direction", "a null", "too long"],
)
def test_what_would_not_be_shown_as_it_is_written_is_unfit(text: str) -> None:
    assert why_unfit(text)


def test_a_text_of_one_line_is_fit() -> None:
    assert why_unfit("Wartung heute Nacht: <b>kurz</b> & schön 🛠") == ""
    assert why_unfit("x" * MOST_CHARACTERS) == ""


class TestHandedOver:
    def test_another_process_goes_on_telling_what_is_not_over(self) -> None:
        before = Announcements()
        before.announce("short", NOW + 10, NOW)
        before.announce(TEXT, NOW + 1_000, NOW)
        saved = json.loads(json.dumps({"announcements": before.export(NOW + 20)}))
        after = Announcements()
        after.restore(saved)
        assert after.current(NOW + 20) == (Announcement(2, TEXT, NOW, NOW + 1_000),)
        told = after.announce("next", NOW + 100, NOW + 20)
        assert told is not None
        assert told.number == 3

    def test_what_ends_meanwhile_is_over(self) -> None:
        before, after = Announcements(), Announcements()
        before.announce(TEXT, NOW + 60, NOW)
        after.restore({"announcements": before.export(NOW)})
        assert after.current(NOW + 61) == ()

    def test_a_state_without_any_is_none(self) -> None:
        announcements = Announcements()
        announcements.restore({})
        assert announcements.current(NOW) == ()

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("number", 2),
            ("number", -1),
            ("text", "two\nlines"),
            ("text", 7),
            ("since", "today"),
            ("until", float("inf")),
            ("until", float("nan")),
        ],
    )
    def test_what_nobody_here_would_have_written_is_unfit_as_a_whole(self, key: str, value: object) -> None:
        one = {"number": 1, "text": TEXT, "since": NOW, "until": NOW + 60, key: value}
        announcements = Announcements()
        with pytest.raises(UnfitState):
            announcements.restore({"announcements": {"last": 1, "told": [one]}})
        assert announcements.current(NOW) == ()

    @pytest.mark.parametrize(
        "told", [["a text"], [{}] * (MOST_ANNOUNCEMENTS + 1), {}], ids=["a text", "many", "a dict"]
    )
    def test_another_shape_is_unfit(self, told: object) -> None:
        with pytest.raises(UnfitState):
            Announcements().restore({"announcements": {"last": 1, "told": told}})


class TestFromElsewhere:
    def test_it_is_told_under_its_number_once_and_later_ones_have_others(self) -> None:
        announcements = Announcements()
        there = Announcement(7, TEXT, NOW, NOW + 60)
        assert announcements.take(there, NOW) is there
        assert announcements.take(replace(there, number=9), NOW) is there
        own = announcements.announce("Another.", NOW + 60, NOW)
        assert own is not None
        assert own.number == 8

    def test_where_its_number_is_taken_it_has_the_next(self) -> None:
        announcements = Announcements()
        announcements.announce("Ours.", NOW + 60, NOW)
        taken = announcements.take(Announcement(1, TEXT, NOW, NOW + 60), NOW)
        assert taken == Announcement(2, TEXT, NOW, NOW + 60)

    def test_there_are_so_many_and_no_more(self) -> None:
        announcements = Announcements()
        for number in range(MOST_ANNOUNCEMENTS):
            announcements.announce(f"{number}", NOW + 60, NOW)
        assert announcements.take(Announcement(99, TEXT, NOW, NOW + 60), NOW) is None
        assert Announcements().take(Announcement(0, TEXT, NOW, NOW + 60), NOW) is None
