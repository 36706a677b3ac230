"""Whom the service is for at the moment: everybody, or its members alone; and how strangers are held short of that.

An operator enters a mode by command, with an end or without; a rule enters one while a public list has us, and leaves
it when that is over. What an operator has said wins for its time: who says `open` during a flood means it.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dohproxy.saved import Interruption, Saved, UnfitState, distance, read_dict, read_moment


class Mode(StrEnum):
    """Who is served; metric label."""

    OPEN = "open"
    """Everybody, members first where something is short."""
    MEMBERS = "members"
    """Members and exempt networks alone; everybody else is turned away."""


class Reaction(StrEnum):
    """What a rule does by itself while the service is on a public list; values of `listed.reaction`."""

    NOTHING = "nothing"
    MEMBERS_FIRST = "members-first"
    """Strangers are given old answers for longer, and nothing is renewed for them."""
    MEMBERS = "members"
    """The mode of that name."""


class Source(StrEnum):
    """Who has entered a mode."""

    DEFAULT = "default"
    OPERATOR = "operator"
    LISTED = "listed"


@dataclass(frozen=True, slots=True)
class ModeNow:
    """What holds at one instant."""

    mode: Mode
    source: Source
    until: float | None
    """Monotonic instant of its end; None where it has none of its own."""
    spares_strangers: bool
    """Whether strangers' questions have the longest TTL floor, and renew nothing."""


EVERYBODY: Final = ModeNow(Mode.OPEN, Source.DEFAULT, None, spares_strangers=False)


class ModeSwitch:
    """What an operator has said, and what the rule says."""

    __slots__ = ("_is_listed", "_mode", "_reaction", "_until")

    def __init__(self, reaction: Reaction) -> None:
        self._reaction = reaction
        self._is_listed = False
        self._mode: Mode | None = None
        self._until = math.inf

    def adopt(self, reaction: Reaction) -> None:
        """Let the rule do something else from now on."""
        self._reaction = reaction

    def enter(self, mode: Mode, until: float = math.inf) -> None:
        """Hold to an operator's word until this instant."""
        self._mode, self._until = mode, until

    def leave(self) -> None:
        """Forget the operator's word: the rule decides again."""
        self._mode, self._until = None, math.inf

    def tell_listed(self, *, is_listed: bool) -> None:
        """Let the rule know whether a public list has us."""
        self._is_listed = is_listed

    def export(self, now: float) -> Saved:
        """Return an operator's word, with how long it still holds."""
        if self._mode is None or now >= self._until:
            return {}
        return {"mode": self._mode.value, "until": distance(self._until, now)}

    def restore(self, saved: Saved, interruption: Interruption) -> None:
        """Hold to what an operator has said to another process, if its time is not over. Raises UnfitState."""
        part = saved.get("mode")
        if not part:
            return
        part = read_dict(saved, "mode")
        if part.get("mode") not in [mode.value for mode in Mode]:
            raise UnfitState("mode")
        self.enter(Mode(part["mode"]), read_moment(part, "until", interruption, math.inf))

    def now(self, now: float) -> ModeNow:
        """Return what holds."""
        if self._mode is not None and now < self._until:
            until = None if math.isinf(self._until) else self._until
            return ModeNow(self._mode, Source.OPERATOR, until, spares_strangers=False)
        if not self._is_listed or self._reaction is Reaction.NOTHING:
            return EVERYBODY
        mode = Mode.MEMBERS if self._reaction is Reaction.MEMBERS else Mode.OPEN
        return ModeNow(mode, Source.LISTED, None, spares_strangers=True)
