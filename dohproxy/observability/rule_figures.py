"""The figures of rules: how each is held, and what those would have done that are only tried."""

from collections.abc import Mapping, Sequence
from typing import Final

from dohproxy.config.schema import RULE_MODES
from dohproxy.observability.figures import FigureGroup, Label, Unit, counter, gauge, label_of
from dohproxy.policy.rule_switches import Rule, RuleStatistics

_RULE: Final = label_of("rule", Rule)
_MODE: Final = Label("mode", RULE_MODES)


def _modes(rules: Sequence[RuleStatistics]) -> Mapping[tuple[str, str], float]:
    return {(one.rule.value, mode): float(mode == one.mode) for one in rules for mode in RULE_MODES}


RULE_FIGURES: Final = FigureGroup[Sequence[RuleStatistics]](
    "Rules that can be tried",
    (
        counter(
            "shadowed",
            "Requests, answers and connections let pass as a rule is only tried, by the rule that would have acted.",
            lambda rules: {one.rule.value: one.shadowed for one in rules},
            _RULE,
        ),
        gauge("rule_mode", "1 for how a rule is held now.", _modes, _RULE, _MODE, unit=Unit.SWITCH),
    ),
)
