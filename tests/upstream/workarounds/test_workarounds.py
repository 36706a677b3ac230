"""What an upstream is known to stand, and who can talk us out of it: nobody but the upstream."""

from collections.abc import Callable

import pytest

from dohproxy.config.additions import Addition
from dohproxy.saved import UnfitState
from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.workarounds.trial import Additions
from dohproxy.upstream.workarounds.workarounds import (
    FADE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    OVER_TLS,
    OVER_UDP,
    RETRY_SECONDS,
    SHORTEST_PAUSE_SECONDS,
    Workarounds,
)
from dohproxy.wire.answer import TRUNCATED, Answer, parse_answer
from dohproxy.wire.query import parse_query
from tests.fakes.restarts import BOOTED, after, written
from tests.wire import messages as m

EDNS, COOKIE, AD, CASE, PADDING = Addition
NAME = m.name("www.example.net")
QUERY = parse_query(m.query(m.question(NAME)))
Outcome = Answer | SendStatus


def _answer(rcode: int = 0, *, error: int | None = None) -> Answer:
    options = b"" if error is None else m.option(15, error.to_bytes(2))
    additional = [] if error is None and rcode < 16 else [m.opt(options, rcode=rcode)]
    records = [] if rcode else [m.record()]
    return parse_answer(m.message(m.QR | rcode & 15, [m.question(NAME)], records, [], additional), QUERY)


GOOD, DENIAL, SILENCE = _answer(), _answer(3), SendStatus.TIMEOUT
ERRORS = [
    pytest.param(_answer(rcode), id=name)
    for name, rcode in (("FORMERR", 1), ("SERVFAIL", 2), ("NOTIMP", 4), ("REFUSED", 5))
]


def _hold(workarounds: Workarounds, upstream: Callable[[Additions], Outcome], now: float = 0.0) -> int:
    trial = workarounds.begin_trial()
    sends = 0
    while (additions := trial.next_additions()) is not None:
        outcome = upstream(additions)
        workarounds.heard(additions, outcome, now)
        trial.learn(outcome)
        sends += 1
    workarounds.conclude(trial, now)
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


def _shown() -> Workarounds:
    """The abilities of an upstream that has answered well to all there is."""
    workarounds = Workarounds(OVER_UDP)
    workarounds.heard(OVER_UDP, GOOD, 0.0)
    return workarounds


def _left_out(workarounds: Workarounds) -> dict[Addition, str]:
    return {one.addition: one.how for one in workarounds.left_out}


# --- At first ---


def test_everything_is_added_and_no_trial_is_due() -> None:
    workarounds = Workarounds(OVER_UDP)
    assert workarounds.in_use == {EDNS, COOKIE, AD, CASE}
    assert not workarounds.wants_trial(0.0)


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
    workarounds = Workarounds(additions, leave_out)
    assert workarounds.in_use == in_use
    workarounds.heard(workarounds.in_use, SILENCE, 0.0)
    sent = _Recorder(lambda _: GOOD)
    _hold(workarounds, sent)
    assert set().union(*sent.all) == in_use
    assert workarounds.left_out == ()


@pytest.mark.parametrize("outcome", [*ERRORS, SILENCE, SendStatus.UNUSABLE])
def test_a_bad_end_before_any_good_one_is_doubted(outcome: Outcome) -> None:
    workarounds = Workarounds(OVER_UDP)
    workarounds.heard(OVER_UDP, outcome, 0.0)
    assert workarounds.may_be_ours(outcome, 0.0)
    assert workarounds.wants_trial(0.0)


def test_a_denial_is_doubted_for_the_case_alone() -> None:
    workarounds = Workarounds(OVER_UDP)
    workarounds.heard(OVER_UDP, DENIAL, 0.0)
    assert workarounds.may_be_ours(DENIAL, 0.0)
    assert workarounds.proven(dnssec_ok=False) == {EDNS, COOKIE, AD}
    assert _hold(workarounds, _unable(CASE, says=DENIAL)) == 3
    assert _left_out(workarounds) == {CASE: "NXDOMAIN"}


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(_answer(5, error=18), id="REFUSED, prohibited"),
        pytest.param(_answer(2, error=6), id="SERVFAIL, bogus"),
        pytest.param(SendStatus.UNREACHABLE, id="nobody there"),
        pytest.param(SendStatus.NO_ROUTE, id="no way there"),
        pytest.param(TRUNCATED, id="cut"),
        pytest.param(GOOD, id="an answer"),
    ],
)
def test_what_says_what_it_is_about_is_not_repeated(outcome: Outcome) -> None:
    assert not Workarounds(OVER_UDP).may_be_ours(outcome, 0.0)


def test_a_question_that_failed_is_repeated_with_what_is_proven() -> None:
    workarounds = Workarounds(OVER_UDP)
    assert workarounds.proven(dnssec_ok=False) == set()
    workarounds.heard(frozenset({EDNS, AD}), GOOD, 0.0)
    assert workarounds.proven(dnssec_ok=False) == {EDNS, AD}


def test_who_wants_signatures_is_asked_for_with_an_opt_all_the_same() -> None:
    assert Workarounds(OVER_UDP).proven(dnssec_ok=True) == {EDNS}
    assert Workarounds(OVER_UDP, [EDNS]).proven(dnssec_ok=True) == set()


# --- Nobody talks us out of what was shown ---


@pytest.mark.parametrize(
    "outcome", [*ERRORS, SILENCE, DENIAL, SendStatus.UNUSABLE, SendStatus.LOST, SendStatus.UNREACHABLE]
)
def test_once_shown_no_bad_end_changes_anything(outcome: Outcome) -> None:
    workarounds = _shown()
    for second in range(int(FADE_SECONDS)):
        workarounds.heard(OVER_UDP, outcome, float(second))
        assert not workarounds.may_be_ours(outcome, float(second))
        assert not workarounds.wants_trial(float(second))
    assert workarounds.in_use == OVER_UDP


def test_what_is_proven_stays_while_the_rest_is_on_trial() -> None:
    workarounds = Workarounds(OVER_UDP)
    workarounds.heard(frozenset({EDNS, COOKIE, AD}), GOOD, 0.0)
    workarounds.heard(OVER_UDP, SILENCE, 1.0)
    sent = _Recorder(_unable(CASE, says=SILENCE))
    _hold(workarounds, sent)
    assert all(added >= {EDNS, COOKIE, AD} for added in sent.all)
    assert workarounds.in_use == {EDNS, COOKIE, AD}


def test_an_hour_without_anything_good_brings_it_into_question_and_a_trial_decides() -> None:
    workarounds = _shown()
    workarounds.heard(OVER_UDP, SILENCE, 10.0)
    workarounds.heard(OVER_UDP, SILENCE, 10.0 + FADE_SECONDS)
    assert workarounds.wants_trial(10.0 + FADE_SECONDS)
    _hold(workarounds, lambda _: GOOD, 10.0 + FADE_SECONDS)
    assert workarounds.in_use == OVER_UDP
    assert not workarounds.wants_trial(10.0 + FADE_SECONDS)
    workarounds.heard(OVER_UDP, SILENCE, 20.0 + FADE_SECONDS)
    assert not workarounds.may_be_ours(SILENCE, 20.0 + FADE_SECONDS)


def test_one_good_answer_in_the_hour_keeps_it() -> None:
    workarounds = _shown()
    workarounds.heard(OVER_UDP, SILENCE, 0.0)
    workarounds.heard(OVER_UDP, GOOD, 1800.0)
    workarounds.heard(OVER_UDP, SILENCE, 3700.0)
    assert not workarounds.wants_trial(3700.0)


def test_a_reply_to_a_bare_query_shows_nothing() -> None:
    workarounds = Workarounds(OVER_UDP)
    workarounds.heard(frozenset(), GOOD, 0.0)
    assert workarounds.may_be_ours(SILENCE, 0.0)


# --- Remembered, and tried again ---


def test_what_is_left_out_is_remembered_for_a_day_and_then_tried_with_queries_of_our_own() -> None:
    workarounds = Workarounds(OVER_UDP)
    workarounds.heard(OVER_UDP, SILENCE, 0.0)
    _hold(workarounds, _unable(COOKIE, says=SILENCE), 5.0)
    assert workarounds.in_use == {EDNS, AD, CASE}
    assert not workarounds.wants_trial(4.0 + RETRY_SECONDS)
    assert workarounds.wants_trial(5.0 + RETRY_SECONDS)
    assert workarounds.in_use == {EDNS, AD, CASE}
    assert _hold(workarounds, _unable(COOKIE, says=SILENCE), 5.0 + RETRY_SECONDS) == 4
    assert [(one.addition, one.since) for one in workarounds.left_out] == [(COOKIE, 5.0)]
    assert not workarounds.wants_trial(4.0 + 2 * RETRY_SECONDS)
    assert _hold(workarounds, lambda _: GOOD, 5.0 + 2 * RETRY_SECONDS) == 2
    assert workarounds.in_use == OVER_UDP
    assert workarounds.left_out == ()
    assert not workarounds.wants_trial(1e9)


def test_without_edns_there_is_nothing_that_stands_in_it() -> None:
    workarounds = Workarounds(OVER_UDP)
    workarounds.heard(OVER_UDP, _answer(1), 0.0)
    _hold(workarounds, _unable(EDNS, says=_answer(1)))
    assert workarounds.in_use == {AD, CASE}
    assert _left_out(workarounds) == {EDNS: "FORMERR"}
    _hold(workarounds, lambda _: GOOD, RETRY_SECONDS)
    assert workarounds.in_use == OVER_UDP


def test_a_day_on_which_the_upstream_is_away_leaves_it_as_it_is() -> None:
    workarounds = Workarounds(OVER_UDP)
    workarounds.heard(OVER_UDP, SILENCE, 0.0)
    _hold(workarounds, _unable(COOKIE, says=SILENCE))
    _hold(workarounds, lambda _: SILENCE, RETRY_SECONDS)
    assert _left_out(workarounds) == {COOKIE: "silence"}
    assert not workarounds.wants_trial(RETRY_SECONDS + 1)


def test_a_trial_that_clears_us_is_not_held_again_at_every_failure() -> None:
    workarounds = Workarounds(OVER_UDP)
    now, pause = 0.0, SHORTEST_PAUSE_SECONDS
    for _ in range(10):
        workarounds.heard(OVER_UDP, _answer(5), now)
        assert _hold(workarounds, lambda _: _answer(5), now) == 1
        workarounds.heard(OVER_UDP, _answer(5), now + pause - 1)
        assert not workarounds.wants_trial(now + pause - 1)
        assert not workarounds.may_be_ours(_answer(5), now + pause - 1)
        assert workarounds.wants_trial(now + pause)
        now, pause = now + pause, min(2 * pause, LONGEST_PAUSE_SECONDS)


class TestAfterARestart:
    def _learnt(self) -> Workarounds:
        workarounds = Workarounds(OVER_UDP)
        _hold(workarounds, lambda additions: SILENCE if COOKIE in additions else GOOD, 1_000.0)
        return workarounds

    def test_what_an_upstream_cannot_stand_stays_left_out_until_it_is_tried_again(self) -> None:
        before = self._learnt()
        assert COOKIE not in before.in_use
        again = Workarounds(OVER_UDP)
        again.restore(written(before.export(1_000.0)), after(600.0))
        assert again.in_use == before.in_use
        [left_out] = again.left_out
        assert (left_out.addition, left_out.how, left_out.since) == (COOKIE, "silence", BOOTED - 600.0)
        assert not again.wants_trial(BOOTED + RETRY_SECONDS - 601.0)
        assert again.wants_trial(BOOTED + RETRY_SECONDS - 600.0)
        assert not again.may_be_ours(SILENCE, BOOTED)

    def test_what_the_operator_leaves_out_now_is_not_a_finding(self) -> None:
        again = Workarounds(OVER_UDP, [COOKIE])
        again.restore(written(self._learnt().export(1_000.0)), after(0.0))
        assert again.left_out == ()

    @pytest.mark.parametrize(
        "change",
        [
            {"shown": ["magic"]},
            {"shown": [["edns"]]},
            {"left_out": [{"addition": "magic", "since": 0, "how": "silence"}]},
            {"left_out": [{"addition": "ad", "since": 0, "how": "x" * 99}]},
            {"left_out": ["ad"]},
            {"pause": 1e9},
            {"retry_at": "soon"},
        ],
        ids=str,
    )
    def test_what_is_unfit_changes_nothing(self, change: dict[str, object]) -> None:
        again = Workarounds(OVER_UDP)
        with pytest.raises(UnfitState):
            again.restore(self._learnt().export(1_000.0) | change, after(0.0))
        assert (again.in_use, again.left_out) == (OVER_UDP, ())
