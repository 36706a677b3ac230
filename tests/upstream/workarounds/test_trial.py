"""How it is found out what an upstream cannot stand: every verdict has an answer with and one without."""

from collections.abc import Callable, Sequence

import pytest

from dohproxy.config.additions import Addition
from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.workarounds.trial import (
    MOST_SENDS,
    Additions,
    TrialVerdict,
    WorkaroundTrial,
    without_what_edns_holds,
)
from dohproxy.upstream.workarounds.workarounds import OVER_TLS, OVER_UDP
from dohproxy.wire.answer import TRUNCATED, Answer, parse_answer
from dohproxy.wire.query import parse_query
from tests.wire import messages as m

EDNS, COOKIE, AD, CASE, PADDING = Addition
QUERY = parse_query(m.query(m.question(m.name("a.root-servers.net"))))
Outcome = Answer | SendStatus


def answer(rcode: int = 0) -> Answer:
    """What a resolver says: an address, or an rcode."""
    records = [m.record()] if rcode == 0 else []
    upper = [m.opt(rcode=rcode)] if rcode > 15 else []
    wire = m.message(m.QR | rcode & 15, [m.question(m.name("a.root-servers.net"))], records, [], upper)
    return parse_answer(wire, QUERY)


def _one_after_the_other(*outcomes: Outcome) -> Callable[[Additions], Outcome]:
    left = list(outcomes)
    return lambda _: left.pop(0)


def hold(trial: WorkaroundTrial, upstream: Callable[[Additions], Outcome]) -> list[Additions]:
    """Hold a trial to its end; what was sent."""
    sent: list[Additions] = []
    while (additions := trial.next_additions()) is not None:
        sent.append(additions)
        trial.learn(upstream(additions))
    return sent


def _unable(*additions: Addition, says: Outcome) -> Callable[[Additions], Outcome]:
    return lambda sent: answer() if sent.isdisjoint(additions) else says


SAYINGS: dict[str, Outcome] = {
    "silence": SendStatus.TIMEOUT,
    "a broken reply": SendStatus.UNUSABLE,
    "FORMERR": answer(1),
    "SERVFAIL": answer(2),
    "NXDOMAIN": answer(3),
    "NOTIMP": answer(4),
    "REFUSED": answer(5),
    "BADVERS": answer(16),
}


@pytest.mark.parametrize("says", SAYINGS)
@pytest.mark.parametrize(
    ("everything", "unable"),
    [
        *[pytest.param(OVER_UDP, [one], id=f"udp, {one}") for one in sorted(OVER_UDP)],
        *[pytest.param(OVER_TLS, [one], id=f"tls, {one}") for one in sorted(OVER_TLS)],
        pytest.param(OVER_UDP, [COOKIE, CASE], id="udp, two"),
        pytest.param(OVER_UDP, [AD, CASE], id="udp, two others"),
        pytest.param(OVER_UDP, [EDNS, AD, CASE], id="udp, all"),
    ],
)
def test_what_is_not_stood_is_found_and_nothing_else(
    everything: Additions, unable: Sequence[Addition], says: str
) -> None:
    trial = WorkaroundTrial(frozenset(), [one for one in Addition if one in everything])
    sent = hold(trial, _unable(*unable, says=SAYINGS[says]))
    assert trial.verdict is TrialVerdict.FOUND
    assert trial.not_stood == dict.fromkeys(unable, says)
    assert trial.stood == without_what_edns_holds(everything - set(unable))
    assert sent[0] == frozenset()
    assert len(sent) <= MOST_SENDS


def test_it_begins_with_what_is_known_to_be_stood() -> None:
    trial = WorkaroundTrial(frozenset({EDNS, COOKIE}), [CASE])
    assert hold(trial, _unable(CASE, says=answer(3))) == [{EDNS, COOKIE}, {EDNS, COOKIE, CASE}, {EDNS, COOKIE}]
    assert (trial.verdict, trial.not_stood) == (TrialVerdict.FOUND, {CASE: "NXDOMAIN"})


@pytest.mark.parametrize("outcome", [SendStatus.TIMEOUT, answer(2), answer(5), TRUNCATED], ids=str)
def test_what_fails_without_anything_is_not_ours_and_costs_one_query(outcome: Outcome) -> None:
    trial = WorkaroundTrial(frozenset(), [EDNS, COOKIE])
    assert hold(trial, lambda _: outcome) == [frozenset()]
    assert trial.verdict is TrialVerdict.NOT_OURS


def test_a_resolver_to_which_the_name_is_unknown_is_measured_by_that() -> None:
    trial = WorkaroundTrial(frozenset(), [EDNS, CASE])
    hold(trial, lambda sent: answer(2) if CASE in sent else answer(3))
    assert trial.stood == {EDNS}
    assert trial.not_stood == {CASE: "SERVFAIL"}


@pytest.mark.parametrize("outcome", [TRUNCATED, answer(23)], ids=["cut", "BADCOOKIE"])
def test_what_has_been_understood_is_stood(outcome: Answer) -> None:
    trial = WorkaroundTrial(frozenset(), [EDNS, COOKIE])
    hold(trial, _unable(COOKIE, says=outcome))
    assert (trial.verdict, trial.not_stood) == (TrialVerdict.FOUND, {})


def test_one_lost_packet_is_the_weather() -> None:
    trial = WorkaroundTrial(frozenset(), [EDNS, COOKIE, AD])
    hold(trial, _one_after_the_other(answer(), answer(), SendStatus.TIMEOUT, answer(), answer()))
    assert (trial.verdict, trial.not_stood) == (TrialVerdict.FOUND, {})


def test_an_upstream_that_falls_silent_meanwhile_is_accused_of_nothing() -> None:
    trial = WorkaroundTrial(frozenset(), [EDNS, COOKIE])
    silence = SendStatus.TIMEOUT
    hold(trial, _one_after_the_other(answer(), answer(), silence, silence, silence))
    assert trial.verdict is TrialVerdict.UNDECIDED


@pytest.mark.parametrize("outcome", [SendStatus.UNSENT, SendStatus.ABANDONED, SendStatus.NO_ROUTE])
def test_what_never_went_out_says_nothing(outcome: SendStatus) -> None:
    trial = WorkaroundTrial(frozenset(), [EDNS])
    hold(trial, lambda sent: outcome if sent else answer())
    assert trial.verdict is TrialVerdict.UNDECIDED
