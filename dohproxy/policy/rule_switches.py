"""How each rule is held: it acts, it is only tried, or it is off.

A rule that is tried ("in shadow") finds what it always finds, charges what it always charges, and lets pass what it
would have turned away; its switch counts that. So whoever judges asks its switch once it has found something, and
nobody else has to know: what was let pass costs no points, ends in no refusal and stands in no other count of refusals.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dohproxy.config import RulesConfig
from dohproxy.config.schema import RuleMode


class Rule(StrEnum):
    """The rules that can be tried, each called as what it brings; metric label. All but the last two are keys of
    [rules]."""

    CLIENT_LIMIT = "client_limit"
    MISS_LIMIT = "miss_limit"
    DOMAIN_LIMIT = "domain_limit"
    SERVICE_LIMIT = "service_limit"
    TOO_MANY_PER_CLIENT = "too_many_per_client"
    CLIENT_RATE = "client_rate"
    TOTAL_RATE = "total_rate"
    STRANGERS_RATE = "strangers_rate"
    UNDELEGATED = "undelegated"
    PRIVATE_ADDRESSES = "private_addresses"
    LISTED_REACTION = "listed_reaction"
    LIST_STUB = "list_stub"
    BANS = "bans"
    """The key is bans.mode."""
    MEMBERS_ONLY = "members_only"
    """The mode `members`, which the command of that name enters or tries."""


_KEPT_ELSEWHERE: Final = {Rule.BANS: "bans.mode", Rule.MEMBERS_ONLY: "mode members"}


def key_of(rule: Rule) -> str:
    """Return the key, or the command, that says how a rule is held."""
    return _KEPT_ELSEWHERE.get(rule, f"rules.{rule}")


class RuleSwitch:
    """How one rule is held, and what it would have done."""

    __slots__ = ("_before", "is_enforced", "is_in_shadow", "is_off", "mode", "shadowed", "since")

    def __init__(self, mode: RuleMode = "enforce", now: float = 0.0) -> None:
        """`now`: an instant by the clock by which `since` is to be read."""
        self.shadowed = 0
        """How often it would have acted, since the start."""
        self._hold(mode, now)

    def adopt(self, mode: RuleMode, now: float) -> None:
        """Hold the rule so from now on; if it is held so already, since when stays as it is."""
        if mode != self.mode:
            self._hold(mode, now)

    def _hold(self, mode: RuleMode, now: float) -> None:
        self.mode: RuleMode = mode
        self.is_enforced = mode == "enforce"
        self.is_in_shadow = mode == "shadow"
        """It is only tried."""
        self.is_off = mode == "off"
        """Nobody need look."""
        self.since = now
        """When it began to be held so."""
        self._before = self.shadowed

    @property
    def shadowed_since(self) -> int:
        """How often it would have acted since it is held so."""
        return self.shadowed - self._before

    def acts(self) -> bool:
        """Tell whether what the rule has just found holds; where it is only tried, count it."""
        if self.is_enforced:
            return True
        self.count_shadow()
        return False

    def count_shadow(self) -> None:
        """Count that the rule would have acted, if it is only tried."""
        self.shadowed += self.is_in_shadow


@dataclass(frozen=True, slots=True)
class RuleStatistics:
    """One rule at one instant."""

    rule: Rule
    mode: RuleMode
    shadowed: int
    """How often it would have acted, since the start."""
    shadowed_since: int
    """The same since it is held so."""
    since: float
    """Monotonic instant from which on it is."""


class RuleSwitches:
    """The switches of all rules; whoever judges has one, and keeps it for good."""

    def __init__(self, rules: RulesConfig | None = None, now: float = 0.0) -> None:
        """`now` is monotonic. Without `rules` all of them act."""
        self._switches = {rule: RuleSwitch("enforce", now) for rule in Rule}
        self.adopt(RulesConfig() if rules is None else rules, now)

    def __getitem__(self, rule: Rule) -> RuleSwitch:
        """Return the switch of one rule."""
        return self._switches[rule]

    def adopt(self, rules: RulesConfig, now: float) -> None:
        """Hold the rules otherwise from now on. How bans and the mode are held, their owners say."""
        for rule, mode in _modes(rules):
            self._switches[rule].adopt(mode, now)

    def statistics(self) -> tuple[RuleStatistics, ...]:
        """Return a frozen snapshot."""
        return tuple(
            RuleStatistics(rule, one.mode, one.shadowed, one.shadowed_since, one.since)
            for rule, one in self._switches.items()
        )


def _modes(rules: RulesConfig) -> Iterator[tuple[Rule, RuleMode]]:
    for rule in Rule:
        if rule not in _KEPT_ELSEWHERE:
            mode: RuleMode = getattr(rules, rule.value)
            yield rule, mode
