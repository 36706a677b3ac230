"""Messages: what they say, and which are sent."""

import json
from dataclasses import replace

from dohproxy.observability.alert_messages import (
    HOUR_SECONDS,
    MOST_REMEMBERED,
    MessageResult,
    Pacer,
    encoded,
    iso_time,
    message_of,
)
from dohproxy.observability.detectors.judgement import AlertEvent, AlertKind

WALL = 1_772_334_000.0
BEGIN = AlertEvent(AlertKind.DISK, "state", True, "the disk is full", "make room", since=100.0, at=100.0)
END = replace(BEGIN, has_begun=False, at=820.0)


class TestMessage:
    def test_a_beginning_says_what_is_wrong_and_what_to_do(self) -> None:
        assert message_of(BEGIN, "doh.example.net", WALL) == {
            "version": 1,
            "service": "doh.example.net",
            "event": "begin",
            "alert": "disk",
            "subject": "state",
            "words": "the disk is full",
            "remedy": "make room",
            "since": "2026-03-01T03:00:00Z",
            "seconds": 0,
            "text": "doh.example.net: the disk is full.\nWhat to do: make room.",
        }

    def test_an_end_says_how_long_it_was(self) -> None:
        message = message_of(END, "doh.example.net", WALL + 720.0)
        assert (message["event"], message["since"], message["seconds"]) == ("end", "2026-03-01T03:00:00Z", 720)
        assert message["remedy"] == ""
        assert message["text"] == "doh.example.net: over after 12 min: the disk is full."

    def test_it_is_one_line_of_json(self) -> None:
        written = encoded(message_of(replace(BEGIN, words='é "quoted"\nlines'), "h", WALL))
        assert written.endswith(b"\n")
        assert written.count(b"\n") == 1
        assert json.loads(written)["words"] == 'é "quoted"\nlines'

    def test_a_time_is_in_utc(self) -> None:
        assert iso_time(0.0) == "1970-01-01T00:00:00Z"


class TestPacer:
    def test_a_beginning_and_its_end_are_told(self) -> None:
        pacer = Pacer(900.0, 30)
        assert [pacer.judge(BEGIN), pacer.judge(END)] == [None, None]

    def test_what_begins_again_within_the_pause_is_not_and_neither_is_its_end(self) -> None:
        pacer = Pacer(900.0, 30)
        told = [pacer.judge(replace(BEGIN, at=100.0 + at, has_begun=begins)) for at, begins in (
            (0, True), (60, False), (120, True), (180, False), (899, True), (950, False), (1_000, True), (1_100, False),
        )]  # fmt: skip
        repeated = MessageResult.REPEATED
        assert told == [None, None, repeated, repeated, repeated, repeated, None, None]

    def test_another_thing_is_told(self) -> None:
        pacer = Pacer(900.0, 30)
        others = [replace(BEGIN, subject="cache"), replace(BEGIN, kind=AlertKind.BOUND_FULL)]
        assert [pacer.judge(event) for event in (BEGIN, *others)] == [None, None, None]

    def test_an_hour_has_so_many_and_no_more(self) -> None:
        pacer = Pacer(0.0, 3)
        told = [pacer.judge(replace(BEGIN, at=100.0 + number)) for number in range(5)]
        assert told == [None, None, None, MessageResult.OVER_RATE, MessageResult.OVER_RATE]
        assert pacer.judge(replace(BEGIN, at=100.0 + HOUR_SECONDS)) is None

    def test_what_was_over_the_rate_may_be_told_when_it_begins_again(self) -> None:
        pacer = Pacer(900.0, 1)
        pacer.judge(replace(BEGIN, subject="cache"))
        assert pacer.judge(BEGIN) is MessageResult.OVER_RATE
        assert pacer.judge(END) is MessageResult.REPEATED
        pacer.adopt(900.0, 30)
        assert pacer.judge(replace(BEGIN, at=200.0)) is None

    def test_what_it_remembers_is_bounded(self) -> None:
        pacer = Pacer(900.0, 100_000)
        for number in range(3 * MOST_REMEMBERED):
            pacer.judge(replace(BEGIN, subject=str(number)))
        assert len(pacer._about) == MOST_REMEMBERED
