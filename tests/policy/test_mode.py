"""Modes: who enters one, who wins, and when it ends."""

import math
from dataclasses import replace

import pytest

from dohproxy.policy.mode import EVERYBODY, Mode, ModeNow, ModeSwitch, Reaction, Source
from dohproxy.policy.rule_switches import RuleSwitch
from dohproxy.saved import Interruption, UnfitState

NOW = 1_000.0


def test_everybody_is_served_as_long_as_nobody_says_otherwise() -> None:
    assert ModeSwitch(Reaction.MEMBERS_FIRST).now(NOW) == EVERYBODY


@pytest.mark.parametrize(
    ("reaction", "mode", "spares"),
    [
        (Reaction.NOTHING, Mode.OPEN, False),
        (Reaction.MEMBERS_FIRST, Mode.OPEN, True),
        (Reaction.MEMBERS, Mode.MEMBERS, True),
    ],
    ids=str,
)
def test_while_a_list_has_us_the_reaction_holds(reaction: Reaction, mode: Mode, spares: bool) -> None:
    switch = ModeSwitch(reaction)
    switch.tell_listed(is_listed=True)
    held = switch.now(NOW)
    assert (held.mode, held.spares_strangers) == (mode, spares)
    switch.tell_listed(is_listed=False)
    assert switch.now(NOW) == EVERYBODY


def test_an_operators_word_goes_before_the_rule_and_ends_by_itself() -> None:
    switch = ModeSwitch(Reaction.MEMBERS)
    switch.tell_listed(is_listed=True)
    switch.enter(Mode.OPEN, NOW + 60)
    assert switch.now(NOW + 59) == ModeNow(Mode.OPEN, Source.OPERATOR, NOW + 60, spares_strangers=False)
    assert switch.now(NOW + 60).mode is Mode.MEMBERS
    switch.enter(Mode.OPEN)
    assert switch.now(NOW + 1e9).source is Source.OPERATOR
    switch.leave()
    assert switch.now(NOW).source is Source.LISTED


def test_another_reaction_holds_from_now_on() -> None:
    switch = ModeSwitch(Reaction.NOTHING)
    switch.tell_listed(is_listed=True)
    switch.adopt(Reaction.MEMBERS)
    assert switch.now(NOW).mode is Mode.MEMBERS


def test_a_reaction_that_is_only_tried_holds_nobody_and_is_told() -> None:
    rule = RuleSwitch("shadow")
    switch = ModeSwitch(Reaction.MEMBERS, rule)
    switch.tell_listed(is_listed=True)
    held = switch.now(NOW)
    assert replace(held, tried=None) == EVERYBODY
    assert held.tried == ModeNow(Mode.MEMBERS, Source.LISTED, None, spares_strangers=True)
    switch.enter(Mode.MEMBERS, NOW + 60)
    assert (switch.now(NOW).mode, switch.now(NOW).tried) == (Mode.MEMBERS, None)
    rule.adopt("off", NOW)
    assert switch.now(NOW + 60) == EVERYBODY


def test_an_operator_tries_a_mode_and_what_else_holds_holds() -> None:
    switch = ModeSwitch(Reaction.MEMBERS_FIRST)
    switch.tell_listed(is_listed=True)
    switch.attempt(Mode.MEMBERS, NOW + 60)
    held = switch.now(NOW)
    assert (held.mode, held.spares_strangers) == (Mode.OPEN, True)
    assert held.tried == ModeNow(Mode.MEMBERS, Source.OPERATOR, NOW + 60, spares_strangers=False)
    assert switch.now(NOW + 60).tried is None
    switch.attempt(Mode.MEMBERS, NOW + 60)
    switch.leave()
    assert switch.now(NOW).tried is None


@pytest.mark.parametrize(("word", "tried"), [(Mode.OPEN, Mode.MEMBERS), (Mode.MEMBERS, Mode.OPEN)], ids=str)
def test_a_trial_leaves_an_operators_word_as_it_is(word: Mode, tried: Mode) -> None:
    switch = ModeSwitch(Reaction.MEMBERS)
    switch.tell_listed(is_listed=True)
    switch.enter(word, NOW + 600)
    switch.attempt(tried, NOW + 60)
    held = switch.now(NOW)
    assert (held.mode, held.source, held.until) == (word, Source.OPERATOR, NOW + 600)
    assert held.tried == ModeNow(tried, Source.OPERATOR, NOW + 60, spares_strangers=False)
    after = ModeSwitch(Reaction.NOTHING)
    after.restore({"mode": switch.export(NOW)}, Interruption(saved_at=NOW))
    assert after.now(NOW) == held
    assert switch.now(NOW + 60) == replace(held, tried=None)
    switch.attempt(tried)
    switch.enter(word)
    assert switch.now(NOW).tried is None


def test_what_holds_is_not_tried() -> None:
    switch = ModeSwitch(Reaction.MEMBERS)
    switch.attempt(Mode.MEMBERS, NOW + 60)
    switch.tell_listed(is_listed=True)
    assert (switch.now(NOW).mode, switch.now(NOW).tried) == (Mode.MEMBERS, None)
    switch.tell_listed(is_listed=False)
    assert switch.now(NOW).tried is not None


class TestHandedOver:
    def test_a_trial_stays_a_trial(self) -> None:
        before = ModeSwitch(Reaction.NOTHING)
        before.attempt(Mode.MEMBERS, 600.0)
        after = ModeSwitch(Reaction.NOTHING)
        after.restore({"mode": before.export(0.0)}, Interruption(saved_at=0.0))
        held = after.now(0.0)
        assert (held.mode, held.tried and held.tried.mode) == (Mode.OPEN, Mode.MEMBERS)

    def restored(self, saved: dict[str, object], started: float = 50.0) -> ModeSwitch:
        switch = ModeSwitch(Reaction.NOTHING)
        switch.restore({"mode": saved}, Interruption(saved_at=started))
        return switch

    def test_an_operators_word_goes_on_for_what_is_left_of_its_time(self) -> None:
        before = ModeSwitch(Reaction.NOTHING)
        before.enter(Mode.MEMBERS, NOW + 600)
        after = self.restored(before.export(NOW))
        assert after.now(50.0 + 599).mode is Mode.MEMBERS
        assert after.now(50.0 + 600) == EVERYBODY

    def test_one_without_an_end_has_none(self) -> None:
        before = ModeSwitch(Reaction.NOTHING)
        before.enter(Mode.MEMBERS)
        assert self.restored(before.export(NOW)).now(1e12).mode is Mode.MEMBERS

    def test_where_nothing_was_said_nothing_is_handed_over(self) -> None:
        before = ModeSwitch(Reaction.NOTHING)
        assert before.export(NOW) == {}
        before.enter(Mode.MEMBERS, NOW)
        assert before.export(NOW) == {}
        assert self.restored({}).now(NOW) == EVERYBODY
        switch = ModeSwitch(Reaction.NOTHING)
        switch.restore({}, Interruption(0.0))
        assert switch.now(NOW) == EVERYBODY

    @pytest.mark.parametrize(
        "saved", [{"mode": "closed"}, {"mode": "members", "until": math.nan}, {"tried": {}}, {"tried": 1}], ids=str
    )
    def test_what_nobody_could_have_saved_is_not_taken(self, saved: dict[str, object]) -> None:
        with pytest.raises(UnfitState):
            self.restored(saved)
