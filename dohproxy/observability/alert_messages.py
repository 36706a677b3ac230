"""What is sent when an alert begins or ends, and what is not, so that a telephone stays usable in a bad night."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from dohproxy.durations import in_words
from dohproxy.observability.detectors.judgement import AlertEvent, AlertKind

VERSION: Final = 1
"""Of the message: raised when a field goes or changes its meaning; new fields may come without."""
HOUR_SECONDS: Final = 3_600.0
MOST_REMEMBERED: Final = 256
"""Things about which something was said lately: twice as many as there are alerts."""


class MessageResult(StrEnum):
    """What became of a message; metric label."""

    SENT = "sent"
    FAILED = "failed"
    """The program, or the server, has said that it failed, or could not be reached."""
    TIMED_OUT = "timed_out"
    REPEATED = "repeated"
    """About the same thing as one a moment ago."""
    OVER_RATE = "over_rate"
    """More than may be sent in an hour."""
    QUEUE_FULL = "queue_full"
    SENT_ELSEWHERE = "sent_elsewhere"
    """Another node has sent it, as all of them have found out the same."""


@dataclass(frozen=True, slots=True)
class MessageCounts:
    """What became of all messages since the start, and how many wait."""

    results: Mapping[MessageResult, int]
    waiting: int
    most_waiting: int


def message_of(event: AlertEvent, service: str, wall: float, node: str = "") -> dict[str, Any]:
    """Return the message about an event; `wall` is the instant of `event.at` in seconds of the epoch, `node` the name
    of this one where there are several. docs/alerts.md has what each field means."""
    lasted = event.at - event.since
    return {
        "version": VERSION,
        "service": service,
        "event": "begin" if event.has_begun else "end",
        "alert": event.kind.value,
        "subject": event.subject,
        "words": event.words,
        "remedy": event.remedy if event.has_begun else "",
        "since": iso_time(wall - lasted),
        "seconds": round(lasted),
        "text": text_of(event, f"{service} ({node})" if node else service),
    } | ({"node": node} if node else {})


def text_of(event: AlertEvent, service: str) -> str:
    """Return all of it as a text of one or two lines, for whatever shows texts."""
    if event.has_begun:
        return f"{service}: {event.words}." + (f"\nWhat to do: {event.remedy}." if event.remedy else "")
    return f"{service}: over after {in_words(event.at - event.since)}: {event.words}."


def encoded(message: Mapping[str, Any]) -> bytes:
    """Return a message as one line of JSON."""
    return (json.dumps(message, ensure_ascii=False) + "\n").encode()


def iso_time(wall: float) -> str:
    """Return an instant of the epoch as RFC 3339 writes it, in UTC."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Pacer:
    """Decides which messages are sent."""

    def __init__(self, repeat_seconds: float, per_hour: int) -> None:
        self._sent_at: deque[float] = deque()
        self._about: dict[tuple[AlertKind, str], tuple[float, bool]] = {}
        self.adopt(repeat_seconds, per_hour)

    def adopt(self, repeat_seconds: float, per_hour: int) -> None:
        """Take other limits."""
        self._repeat_seconds = repeat_seconds
        self._per_hour = per_hour

    def judge(self, event: AlertEvent) -> MessageResult | None:
        """Return why a message about this event is not sent, None if it is.

        An end is told if its beginning was: who was woken is to know that it is over.
        """
        about = event.kind, event.subject
        began_at, is_told = self._about.get(about, (float("-inf"), False))
        if event.has_begun:
            if event.at - began_at < self._repeat_seconds:
                self._remember(about, began_at, is_told=False)
                return MessageResult.REPEATED
        elif not is_told:
            return MessageResult.REPEATED
        while self._sent_at and event.at - self._sent_at[0] >= HOUR_SECONDS:
            self._sent_at.popleft()
        if len(self._sent_at) >= self._per_hour:
            return MessageResult.OVER_RATE
        self._sent_at.append(event.at)
        self._remember(about, event.at if event.has_begun else began_at, is_told=event.has_begun)
        return None

    def _remember(self, about: tuple[AlertKind, str], began_at: float, *, is_told: bool) -> None:
        self._about.pop(about, None)
        while len(self._about) >= MOST_REMEMBERED:
            self._about.pop(next(iter(self._about)))
        self._about[about] = began_at, is_told
