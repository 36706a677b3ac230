"""What is in force by hand: each thing that a person has said to the running service, and when it ends.

`status` tells it, so that nobody finds out in a week what somebody has changed in a night. Networks and names that were
banned or blocked are counted here; `bans` and `blocks` show them.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dohproxy.control.announce import line as announcement_line
from dohproxy.control.blocks import counted
from dohproxy.control.durations import moment
from dohproxy.control.limit import held_limits
from dohproxy.control.service import Service
from dohproxy.durations import in_words
from dohproxy.policy.mode import Source


@dataclass(frozen=True, slots=True)
class InForce:
    """One thing that holds by hand."""

    what: str
    """Which command has said it, or takes it back."""
    words: str
    """What it is and when it ends, for people."""
    seconds_left: int | None
    """None: until it is taken back, or the service is started again where that is said."""


def in_force(service: Service) -> list[InForce]:
    """Return all that holds by hand."""
    return [
        *_ending(service),
        *_mode(service),
        *_bans(service),
        *_blocks(service),
        *_limits(service),
        *_pauses(service),
        *_log_level(service),
        *_announcements(service),
    ]


def by_hand(service: Service) -> list[dict[str, Any]]:
    """Return the same ready for JSON."""
    return [asdict(one) for one in in_force(service)]


def _ending(service: Service) -> Iterator[InForce]:
    if service.is_ending:
        yield InForce("drain", "the service ends: it takes nothing new, until it is started again", None)


def _mode(service: Service) -> Iterator[InForce]:
    now = time.monotonic()
    held = service.mode.now(now)
    for one, how in ((held, ""), (held.tried, ", only tried")):
        if one is not None and one.source is Source.OPERATOR:
            left = None if one.until is None else one.until - now
            yield InForce("mode", f"mode {one.mode.value}{how}, {_ends(service, left)}", _whole(left))


def _bans(service: Service) -> Iterator[InForce]:
    now = time.monotonic()
    held = [ban for _, _, ban in service.bans().by_command() if ban.until > now]
    for what, lets_in in (("banned", False), ("let in", True)):
        ends = [ban.until - now for ban in held if ban.lets_in is lets_in]
        if ends:
            words = f"{counted(len(ends), 'network')} {what}, {_last_of(service, ends)} (`bans` lists them)"
            yield InForce("unban" if lets_in else "ban", words, _whole(max(ends)))


def _blocks(service: Service) -> Iterator[InForce]:
    now = time.time()
    held = [entry for entry in service.blocks.entries if entry.until > now]
    for what, is_block in (("blocked", True), ("let through", False)):
        ends = [entry.until - now for entry in held if entry.is_block is is_block]
        if ends:
            words = f"{counted(len(ends), 'name')} {what}, {_last_of(service, ends)} (`blocks` lists them)"
            yield InForce("block" if is_block else "allow", words, _whole(max(ends)))


def _limits(service: Service) -> Iterator[InForce]:
    for one in held_limits(service):
        yield InForce("limit", one.words, one.seconds_left)


def _pauses(service: Service) -> Iterator[InForce]:
    now = time.monotonic()
    for name, since in service.resolvers().paused(now).items():
        paused = moment(time.time() - (now - since))
        yield InForce("upstream pause", f"upstream {name} paused since {paused}, {_ends(service, None)}", None)


def _log_level(service: Service) -> Iterator[InForce]:
    left = service.log_level.seconds_left(time.monotonic())
    if left:
        words = f"log level {service.log_level.now}, {_for(left)} or until a restart"
        yield InForce("log-level", words, left)


def _announcements(service: Service) -> Iterator[InForce]:
    now = time.time()
    for one in service.announcements.current(now):
        yield InForce("announce", announcement_line(one, now), _whole(one.until - now))


def _last_of(service: Service, ends: Sequence[float]) -> str:
    """Return when the last of several ends."""
    last = max(ends)
    return ("" if len(ends) == 1 else "the last ") + _ends(service, None if math.isinf(last) else last)


def _ends(service: Service, left: float | None) -> str:
    """Return when something ends that a restart does not end where there is a state directory."""
    end = "until it is taken back" if left is None else _for(left)
    return end if service.config.server.state_directory is not None else f"{end} or until a restart"


def _for(seconds: float) -> str:
    return f"for {in_words(seconds)} more, until {moment(time.time() + seconds)}"


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None or math.isinf(seconds) else math.ceil(seconds)
