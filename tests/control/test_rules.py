"""What rules that do not act would have done, in words."""

from dataclasses import replace

import pytest

from dohproxy.config import BlocklistConfig, RulesConfig
from dohproxy.control.rules import dialects_held, lines, rules_held
from dohproxy.jobs.blocklist_watch import BlocklistWatch
from dohproxy.policy.blocklists.lists import Blocklists
from dohproxy.policy.rule_switches import Rule, RuleSwitches, key_of

WALL = 1_800_000_000.0


def told(switches: RuleSwitches) -> list[str]:
    return list(lines(rules_held(switches, [], 100.0, WALL)))


def test_where_all_rules_act_there_is_nothing_to_say() -> None:
    assert told(RuleSwitches()) == []


@pytest.mark.parametrize(
    ("rule", "count", "says"),
    [
        (Rule.CLIENT_LIMIT, 1_204, "in shadow: rules.client_limit would have refused 1,204 requests since "),
        (Rule.MISS_LIMIT, 2, "in shadow: rules.miss_limit would have refused 2 misses since "),
        (Rule.TOTAL_RATE, 1, "in shadow: rules.total_rate would have closed 1 connection since "),
        (Rule.BANS, 3, "in shadow: bans.mode would have turned away 3 connections and requests since "),
    ],
    ids=str,
)
def test_a_rule_in_shadow_is_told_with_what_it_would_have_done_and_since_when(
    rule: Rule, count: int, says: str
) -> None:
    switches = RuleSwitches()
    switches[rule].adopt("shadow", 40.0)
    for _ in range(count):
        switches[rule].acts()
    assert told(switches) == [f"{says}2027-01-15 07:59:00 UTC"]


def test_a_rule_that_is_off_is_told() -> None:
    switches = RuleSwitches(RulesConfig(strangers_rate="off"), 100.0)
    assert told(switches) == ["off: rules.strangers_rate, since 2027-01-15 08:00:00 UTC"]


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_has_its_words_and_its_key(rule: Rule) -> None:
    switches = RuleSwitches()
    switches[rule].adopt("shadow", 40.0)
    [line] = told(switches)
    assert line.startswith(f"in shadow: {key_of(rule)} would have ")


def test_lists_are_told_beside_the_rules() -> None:
    config = BlocklistConfig("ads", names=("ads.example",), mode="shadow")
    watch = BlocklistWatch([config], Blocklists(), lambda: None, WALL)
    held = rules_held(RuleSwitches(), watch.statistics(WALL), 100.0, WALL)
    assert list(lines(held)) == [
        "in shadow: blocklist.ads.mode would have decided otherwise about 0 questions since 2027-01-15 08:00:00 UTC"
    ]
    enforced = replace(config, mode="enforce")
    watch = BlocklistWatch([enforced], Blocklists(), lambda: None, WALL)
    assert list(lines(rules_held(RuleSwitches(), watch.statistics(WALL), 100.0, WALL))) == []


def test_dialects_that_are_only_counted_are_told() -> None:
    actions = {"post-x-pad": "count", "get-ct-empty": "serve", "get-ct-message": "refuse", "post-body-hash": "count"}
    assert list(lines(dialects_held(actions, {"post-x-pad": 1.0, "get-ct-empty": 5.0}))) == [
        "in shadow: dialects.post-x-pad would have refused 1 request since the start",
        "in shadow: dialects.post-body-hash would have refused 0 requests since the start",
    ]
