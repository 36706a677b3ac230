"""Whom the service is for at the moment: everybody, or its members alone; and how strangers are held short of that.

An operator enters a mode by command, with an end or without; a rule enters one while a public list has us, and leaves
it when that is over. What an operator has said wins for its time: who says `open` during a flood means it.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from dohproxy.policy.rule_switches import RuleSwitch
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
    tried: "ModeNow | None" = None
    """What would hold if it were not only tried."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How strangers would be held, if that were not only tried."""

    members_only: bool
    spares_strangers: bool
    rule: RuleSwitch
    """What counts whom it would meet."""


@dataclass(frozen=True, slots=True)
class SaidMode:
    """What an operator has said last, whether or not its time is over."""

    mode: Mode | None
    until: float
    """Monotonic instant, infinite where there is none."""
    tried: Mode | None
    tried_until: float


EVERYBODY: Final = ModeNow(Mode.OPEN, Source.DEFAULT, None, spares_strangers=False)


class ModeSwitch:
    """What an operator has said, and what the rule says."""

    __slots__ = ("_is_listed", "_mode", "_reaction", "_switch", "_tried", "_tried_until", "_until")

    def __init__(self, reaction: Reaction, switch: RuleSwitch | None = None) -> None:
        """`switch`: how the rule is held; without it it is enforced."""
        self._reaction = reaction
        self._switch = RuleSwitch() if switch is None else switch
        self._is_listed = False
        self._mode: Mode | None = None
        self._until = math.inf
        self._tried: Mode | None = None
        self._tried_until = math.inf

    def adopt(self, reaction: Reaction) -> None:
        """Let the rule do something else from now on."""
        self._reaction = reaction

    def enter(self, mode: Mode, until: float = math.inf) -> None:
        """Hold to an operator's word until this instant; it ends what was tried by one."""
        self.leave()
        self._mode, self._until = mode, until

    def attempt(self, mode: Mode, until: float = math.inf) -> None:
        """Only try a mode until this instant, whatever holds."""
        self._tried, self._tried_until = mode, until

    def leave(self) -> None:
        """Forget the operator's word, and what is tried by one: the rule decides again."""
        self._mode, self._until = None, math.inf
        self._tried, self._tried_until = None, math.inf

    @property
    def said(self) -> SaidMode:
        """What an operator has said last."""
        return SaidMode(self._mode, self._until, self._tried, self._tried_until)

    def tell_listed(self, *, is_listed: bool) -> None:
        """Let the rule know whether a public list has us."""
        self._is_listed = is_listed

    def export(self, now: float) -> Saved:
        """Return an operator's word and trial, with how long each still holds."""
        found: Saved = {}
        if self._mode is not None and now < self._until:
            found = {"mode": self._mode.value, "until": distance(self._until, now)}
        if self._tried is not None and now < self._tried_until:
            found["tried"] = {"mode": self._tried.value, "until": distance(self._tried_until, now)}
        return found

    def restore(self, saved: Saved, interruption: Interruption) -> None:
        """Hold to what an operator has said to another process, if its time is not over. Raises UnfitState."""
        if not saved.get("mode"):
            return
        part = read_dict(saved, "mode")
        tried = _read_word(read_dict(part, "tried"), interruption) if "tried" in part else None
        if "mode" in part:
            self.enter(*_read_word(part, interruption))
        if tried is not None:
            self.attempt(*tried)

    def now(self, now: float) -> ModeNow:
        """Return what holds."""
        held = self._ruled() if self._mode is None or now >= self._until else _said(self._mode, self._until)
        # There is nothing to be tried of what holds.
        if self._tried is None or now >= self._tried_until or self._tried is held.mode:
            return held
        return replace(held, tried=_said(self._tried, self._tried_until))

    def _ruled(self) -> ModeNow:
        """Return what holds without an operator's word."""
        if not self._is_listed or self._reaction is Reaction.NOTHING or self._switch.is_off:
            return EVERYBODY
        mode = Mode.MEMBERS if self._reaction is Reaction.MEMBERS else Mode.OPEN
        found = ModeNow(mode, Source.LISTED, None, spares_strangers=True)
        return found if self._switch.is_enforced else replace(EVERYBODY, tried=found)


def _said(mode: Mode, until: float) -> ModeNow:
    """Return what an operator's word means."""
    return ModeNow(mode, Source.OPERATOR, None if math.isinf(until) else until, spares_strangers=False)


def _read_word(part: Saved, interruption: Interruption) -> tuple[Mode, float]:
    """Return a mode and its end. Raises UnfitState."""
    if part.get("mode") not in [mode.value for mode in Mode]:
        raise UnfitState("mode")
    return Mode(part["mode"]), read_moment(part, "until", interruption, math.inf)
