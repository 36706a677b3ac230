"""How a rule is held, and what it would have done."""

from dataclasses import fields, replace

import pytest

from dohproxy.config import RulesConfig
from dohproxy.config.schema import RULE_MODES, RuleMode
from dohproxy.policy.rule_switches import Rule, RuleSwitch, RuleSwitches


@pytest.mark.parametrize(("mode", "acts", "shadowed"), [("enforce", True, 0), ("shadow", False, 3), ("off", False, 0)])
def test_only_a_rule_that_is_tried_counts_what_it_would_have_done(mode: RuleMode, acts: bool, shadowed: int) -> None:
    switch = RuleSwitch(mode)
    assert [switch.acts() for _ in range(3)] == [acts] * 3
    assert switch.shadowed == shadowed
    switch.count_shadow()
    assert switch.shadowed == shadowed + (mode == "shadow")


@pytest.mark.parametrize("mode", RULE_MODES)
def test_it_is_exactly_one_of_the_three(mode: RuleMode) -> None:
    switch = RuleSwitch(mode)
    assert [switch.is_enforced, switch.is_in_shadow, switch.is_off] == [mode == one for one in RULE_MODES]


def test_each_trial_counts_from_its_beginning_and_the_whole_is_kept() -> None:
    switch = RuleSwitch("shadow", 10.0)
    switch.acts()
    switch.adopt("shadow", 20.0)
    assert (switch.since, switch.shadowed_since) == (10.0, 1)
    switch.adopt("enforce", 30.0)
    switch.adopt("shadow", 40.0)
    switch.acts()
    assert (switch.since, switch.shadowed_since, switch.shadowed) == (40.0, 1, 2)


def test_every_rule_but_bans_and_the_mode_has_a_key_and_every_key_a_rule() -> None:
    assert {field.name for field in fields(RulesConfig)} == {rule.value for rule in Rule} - {"bans", "members_only"}


@pytest.mark.parametrize("rule", [rule for rule in Rule if rule not in (Rule.BANS, Rule.MEMBERS_ONLY)])
def test_a_key_holds_its_own_rule_and_no_other(rule: Rule) -> None:
    switches = RuleSwitches()
    switches.adopt(replace(RulesConfig(), **{rule.value: "shadow"}), 5.0)  # type: ignore[arg-type]
    assert [one.rule for one in switches.statistics() if one.mode != "enforce"] == [rule]
    assert [one.since for one in switches.statistics() if one.rule is rule] == [5.0]


def test_without_a_word_every_rule_is_enforced() -> None:
    assert {one.mode for one in RuleSwitches(RulesConfig()).statistics()} == {"enforce"}


def test_who_has_a_switch_keeps_it_when_the_rules_change() -> None:
    switches = RuleSwitches()
    mine = switches[Rule.CLIENT_LIMIT]
    switches.adopt(RulesConfig(client_limit="off"), 1.0)
    assert mine.is_off
