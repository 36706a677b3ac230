"""What an upstream is known to stand, and who can talk us out of it: nobody but the upstream."""

from collections.abc import Callable

import pytest

from dohproxy.config.additions import Addition
from dohproxy.upstream.results import Result
from dohproxy.upstream.workarounds.trial import Additions
from dohproxy.upstream.workarounds.workarounds import (
    FADE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    OVER_TLS,
    OVER_UDP,
    RETRY_SECONDS,
    SHORTEST_PAUSE_SECONDS,
    Abilities,
)
from dohproxy.wire.answer import TRUNCATED, Answer, parse_answer
from dohproxy.wire.query import parse_query
from tests.wire import messages as m

EDNS, COOKIE, AD, CASE, PADDING = Addition
NAME = m.name("www.example.net")
QUERY = parse_query(m.query(m.question(NAME)))
Outcome = Answer | Result


def _answer(rcode: int = 0, *, error: int | None = None) -> Answer:
    options = b"" if error is None else m.option(15, error.to_bytes(2))
    additional = [] if error is None and rcode < 16 else [m.opt(options, rcode=rcode)]
    records = [] if rcode else [m.record()]
    return parse_answer(m.message(m.QR | rcode & 15, [m.question(NAME)], records, [], additional), QUERY)


GOOD, DENIAL, SILENCE = _answer(), _answer(3), Result.TIMEOUT
ERRORS = [
    pytest.param(_answer(rcode), id=name)
    for name, rcode in (("FORMERR", 1), ("SERVFAIL", 2), ("NOTIMP", 4), ("REFUSED", 5))
]


def _hold(abilities: Abilities, upstream: Callable[[Additions], Outcome], now: float = 0.0) -> int:
    trial = abilities.begin_trial()
    sends = 0
    while (additions := trial.next_additions()) is not None:
        outcome = upstream(additions)
        abilities.heard(additions, outcome, now)
        trial.learn(outcome)
        sends += 1
    abilities.conclude(trial, now)
    return sends


def _unable(*additions: Addition, says: Outcome) -> Callable[[Additions], Outcome]:
    return lambda sent: GOOD if sent.isdisjoint(additions) else says


class _Recorder:
    """An upstream, and what it was sent."""

    def __init__(self, upstream: Callable[[Additions], Outcome]) -> None:
        self.all: list[Additions] = []
        self._upstream = upstream

    def __call__(self, additions: Additions) -> Outcome:
        self.all.append(additions)
        return self._upstream(additions)


def _shown() -> Abilities:
    """The abilities of an upstream that has answered well to all there is."""
    abilities = Abilities(OVER_UDP)
    abilities.heard(OVER_UDP, GOOD, 0.0)
    return abilities


def _left_out(abilities: Abilities) -> dict[Addition, str]:
    return {one.addition: one.how for one in abilities.left_out}


# --- At first ---


def test_everything_is_added_and_no_trial_is_due() -> None:
    abilities = Abilities(OVER_UDP)
    assert abilities.in_use == {EDNS, COOKIE, AD, CASE}
    assert not abilities.wants_trial(0.0)


@pytest.mark.parametrize(
    ("additions", "leave_out", "in_use"),
    [
        pytest.param(OVER_UDP, [COOKIE, CASE], {EDNS, AD}, id="two"),
        pytest.param(OVER_UDP, [EDNS], {AD, CASE}, id="EDNS, and what stands in it"),
        pytest.param(OVER_TLS, [EDNS], {AD}, id="EDNS over TLS"),
        pytest.param(OVER_TLS, [PADDING, CASE], {EDNS, AD}, id="padding, and what is not sent there anyway"),
    ],
)
def test_what_the_operator_leaves_out_is_neither_added_nor_tried(
    additions: Additions, leave_out: list[Addition], in_use: set[Addition]
) -> None:
    abilities = Abilities(additions, leave_out)
    assert abilities.in_use == in_use
    abilities.heard(abilities.in_use, SILENCE, 0.0)
    sent = _Recorder(lambda _: GOOD)
    _hold(abilities, sent)
    assert set().union(*sent.all) == in_use
    assert abilities.left_out == ()


@pytest.mark.parametrize("outcome", [*ERRORS, SILENCE, Result.UNUSABLE])
def test_a_bad_end_before_any_good_one_is_doubted(outcome: Outcome) -> None:
    abilities = Abilities(OVER_UDP)
    abilities.heard(OVER_UDP, outcome, 0.0)
    assert abilities.may_be_ours(outcome, 0.0)
    assert abilities.wants_trial(0.0)


def test_a_denial_is_doubted_for_the_case_alone() -> None:
    abilities = Abilities(OVER_UDP)
    abilities.heard(OVER_UDP, DENIAL, 0.0)
    assert abilities.may_be_ours(DENIAL, 0.0)
    assert abilities.proven(dnssec_ok=False) == {EDNS, COOKIE, AD}
    assert _hold(abilities, _unable(CASE, says=DENIAL)) == 3
    assert _left_out(abilities) == {CASE: "NXDOMAIN"}


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(_answer(5, error=18), id="REFUSED, prohibited"),
        pytest.param(_answer(2, error=6), id="SERVFAIL, bogus"),
        pytest.param(Result.UNREACHABLE, id="nobody there"),
        pytest.param(Result.NO_ROUTE, id="no way there"),
        pytest.param(TRUNCATED, id="cut"),
        pytest.param(GOOD, id="an answer"),
    ],
)
def test_what_says_what_it_is_about_is_not_repeated(outcome: Outcome) -> None:
    assert not Abilities(OVER_UDP).may_be_ours(outcome, 0.0)


def test_a_question_that_failed_is_repeated_with_what_is_proven() -> None:
    abilities = Abilities(OVER_UDP)
    assert abilities.proven(dnssec_ok=False) == set()
    abilities.heard(frozenset({EDNS, AD}), GOOD, 0.0)
    assert abilities.proven(dnssec_ok=False) == {EDNS, AD}


def test_who_wants_signatures_is_asked_for_with_an_opt_all_the_same() -> None:
    assert Abilities(OVER_UDP).proven(dnssec_ok=True) == {EDNS}
    assert Abilities(OVER_UDP, [EDNS]).proven(dnssec_ok=True) == set()


# --- Nobody talks us out of what was shown ---


@pytest.mark.parametrize("outcome", [*ERRORS, SILENCE, DENIAL, Result.UNUSABLE, Result.LOST, Result.UNREACHABLE])
def test_once_shown_no_bad_end_changes_anything(outcome: Outcome) -> None:
    abilities = _shown()
    for second in range(int(FADE_SECONDS)):
        abilities.heard(OVER_UDP, outcome, float(second))
        assert not abilities.may_be_ours(outcome, float(second))
        assert not abilities.wants_trial(float(second))
    assert abilities.in_use == OVER_UDP


def test_what_is_proven_stays_while_the_rest_is_on_trial() -> None:
    abilities = Abilities(OVER_UDP)
    abilities.heard(frozenset({EDNS, COOKIE, AD}), GOOD, 0.0)
    abilities.heard(OVER_UDP, SILENCE, 1.0)
    sent = _Recorder(_unable(CASE, says=SILENCE))
    _hold(abilities, sent)
    assert all(added >= {EDNS, COOKIE, AD} for added in sent.all)
    assert abilities.in_use == {EDNS, COOKIE, AD}


def test_an_hour_without_anything_good_brings_it_into_question_and_a_trial_decides() -> None:
    abilities = _shown()
    abilities.heard(OVER_UDP, SILENCE, 10.0)
    abilities.heard(OVER_UDP, SILENCE, 10.0 + FADE_SECONDS)
    assert abilities.wants_trial(10.0 + FADE_SECONDS)
    _hold(abilities, lambda _: GOOD, 10.0 + FADE_SECONDS)
    assert abilities.in_use == OVER_UDP
    assert not abilities.wants_trial(10.0 + FADE_SECONDS)
    abilities.heard(OVER_UDP, SILENCE, 20.0 + FADE_SECONDS)
    assert not abilities.may_be_ours(SILENCE, 20.0 + FADE_SECONDS)


def test_one_good_answer_in_the_hour_keeps_it() -> None:
    abilities = _shown()
    abilities.heard(OVER_UDP, SILENCE, 0.0)
    abilities.heard(OVER_UDP, GOOD, 1800.0)
    abilities.heard(OVER_UDP, SILENCE, 3700.0)
    assert not abilities.wants_trial(3700.0)


def test_a_reply_to_a_bare_query_shows_nothing() -> None:
    abilities = Abilities(OVER_UDP)
    abilities.heard(frozenset(), GOOD, 0.0)
    assert abilities.may_be_ours(SILENCE, 0.0)


# --- Remembered, and tried again ---


def test_what_is_left_out_is_remembered_for_a_day_and_then_tried_with_queries_of_our_own() -> None:
    abilities = Abilities(OVER_UDP)
    abilities.heard(OVER_UDP, SILENCE, 0.0)
    _hold(abilities, _unable(COOKIE, says=SILENCE), 5.0)
    assert abilities.in_use == {EDNS, AD, CASE}
    assert not abilities.wants_trial(4.0 + RETRY_SECONDS)
    assert abilities.wants_trial(5.0 + RETRY_SECONDS)
    assert abilities.in_use == {EDNS, AD, CASE}
    assert _hold(abilities, _unable(COOKIE, says=SILENCE), 5.0 + RETRY_SECONDS) == 4
    assert [(one.addition, one.since) for one in abilities.left_out] == [(COOKIE, 5.0)]
    assert not abilities.wants_trial(4.0 + 2 * RETRY_SECONDS)
    assert _hold(abilities, lambda _: GOOD, 5.0 + 2 * RETRY_SECONDS) == 2
    assert abilities.in_use == OVER_UDP
    assert abilities.left_out == ()
    assert not abilities.wants_trial(1e9)


def test_without_edns_there_is_nothing_that_stands_in_it() -> None:
    abilities = Abilities(OVER_UDP)
    abilities.heard(OVER_UDP, _answer(1), 0.0)
    _hold(abilities, _unable(EDNS, says=_answer(1)))
    assert abilities.in_use == {AD, CASE}
    assert _left_out(abilities) == {EDNS: "FORMERR"}
    _hold(abilities, lambda _: GOOD, RETRY_SECONDS)
    assert abilities.in_use == OVER_UDP


def test_a_day_on_which_the_upstream_is_away_leaves_it_as_it_is() -> None:
    abilities = Abilities(OVER_UDP)
    abilities.heard(OVER_UDP, SILENCE, 0.0)
    _hold(abilities, _unable(COOKIE, says=SILENCE))
    _hold(abilities, lambda _: SILENCE, RETRY_SECONDS)
    assert _left_out(abilities) == {COOKIE: "silence"}
    assert not abilities.wants_trial(RETRY_SECONDS + 1)


def test_a_trial_that_clears_us_is_not_held_again_at_every_failure() -> None:
    abilities = Abilities(OVER_UDP)
    now, pause = 0.0, SHORTEST_PAUSE_SECONDS
    for _ in range(10):
        abilities.heard(OVER_UDP, _answer(5), now)
        assert _hold(abilities, lambda _: _answer(5), now) == 1
        abilities.heard(OVER_UDP, _answer(5), now + pause - 1)
        assert not abilities.wants_trial(now + pause - 1)
        assert not abilities.may_be_ours(_answer(5), now + pause - 1)
        assert abilities.wants_trial(now + pause)
        now, pause = now + pause, min(2 * pause, LONGEST_PAUSE_SECONDS)
