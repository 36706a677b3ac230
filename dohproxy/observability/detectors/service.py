"""How those who ask honestly fare: whether answers fail, the budget is spent, members suffer, a bound is full."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from dohproxy.observability.detectors.judgement import AlertKind, Detector, Judgement
from dohproxy.observability.detectors.normal import Normals
from dohproxy.observability.detectors.reading import History, Trouble, by_chance, percent, share

WINDOW_SECONDS: Final = 30.0
MEMBER_SECONDS: Final = 60.0
"""Of a window over members' questions, of which there are few."""
FEW_REQUESTS: Final = 20
"""In a window; of fewer no share means anything."""
FAILING_SHARE: Final = 0.2
"""Part of all requests that end without an answer: broken zones make one or two in a hundred."""
FAILING_MEMBERS_SHARE: Final = 0.1
"""The same of members' questions beyond the cache."""
USUAL_FAILING_SHARE: Final = 0.05
"""Of these, one in twenty fails on any day: a page of a broken site, or a laptop that asks for names of its office."""
USUAL_SLOW_SHARE: Final = 0.01
"""Of their answers that come late on any day: some server far away is down, and others of that domain are asked."""
SLOW_SECONDS: Final = 1.0
"""A member waits: browsers show nothing before the name is known."""
SLOW_FACTOR: Final = 3.0
BUDGET_REFUSALS: Final = 10
"""Questions in half a minute for which there was no budget and no place in the line."""
FULL: Final = 0.95
"""Of a bound: the next ones are turned away, or the one that stands there longest."""


def failing(history: History, _: Normals) -> Iterator[Judgement]:
    """Judge how many requests end without an answer."""
    growth = history.within(WINDOW_SECONDS)
    total, failed = growth.requests(), growth.last.failed - growth.first.failed
    part = share(failed, total)
    words = f"{percent(part)} of all requests end without an answer: {failed:,} of {total:,} in {growth.seconds:.0f} s"
    yield Judgement(part / FAILING_SHARE if total >= FEW_REQUESTS else 0.0, words)


def budget_exhausted(history: History, _: Normals) -> Iterator[Judgement]:
    """Judge how many questions found no budget."""
    growth = history.within(WINDOW_SECONDS)
    refused = growth.last.budget_refusals - growth.first.budget_refusals
    words = (
        f"the upstreams' budgets are spent: {refused:,} questions in {growth.seconds:.0f} s were not asked; old answers"
        " are given where there are any"
    )
    yield Judgement(refused / BUDGET_REFUSALS, words)


def members_suffer(history: History, normals: Normals) -> Iterator[Judgement]:
    """Judge how many of members' questions fail, and how long they take."""
    growth = history.within(MEMBER_SECONDS)
    asked, failed = growth.member_questions, growth.member_failures
    usual = normals.of("member_seconds", growth.last.at)
    aside, slowest = growth.member_seconds(USUAL_SLOW_SHARE)
    if asked < FEW_REQUESTS:
        yield Judgement(0.0, "")
        return
    part = share(failed, asked)
    seconds = min(slowest, 10.0)
    slow = seconds / max(SLOW_SECONDS, SLOW_FACTOR * usual.value)
    failure = failed / max(FAILING_MEMBERS_SHARE * asked, by_chance(USUAL_FAILING_SHARE, asked))
    level = max(failure, slow)
    usual.learn(seconds, growth.last.at, is_alarmed=level >= 1.0, is_new=normals.is_learning(growth.last.at))
    took = "more than 5 s" if math.isinf(slowest) else f"up to {slowest:g} s"
    words = (
        f"members suffer: {percent(part)} of their questions beyond the cache fail ({failed:,} of {asked:,} in"
        f" {growth.seconds:.0f} s), and all answers but {aside} take {took}"
    )
    yield Judgement(level, words)


def bound_full(history: History, _: Normals) -> Iterator[Judgement]:
    """Judge how full each bound is."""
    for bound in history.last.bounds:
        key = f"{bound.key} moves it, if the machine has more" if bound.key else ""
        yield Judgement(bound.fill / FULL, f"{percent(bound.fill)} of the {bound.words} are taken", key, bound.name)


def upstreams(history: History, _: Normals) -> Iterator[Judgement]:
    """Tell what the upstreams' health has found."""
    return _told(history.last.upstreams)


def way_out(history: History, _: Normals) -> Iterator[Judgement]:
    """Tell whether nobody can be reached at all."""
    return _told(history.last.path)


def certificate(history: History, _: Normals) -> Iterator[Judgement]:
    """Tell what is wrong with the certificate."""
    return _told(history.last.certificate)


def disk(history: History, _: Normals) -> Iterator[Judgement]:
    """Tell what cannot be written."""
    return _told(history.last.disk)


def _told(troubles: Sequence[Trouble]) -> Iterator[Judgement]:
    for trouble in troubles:
        yield Judgement(1.0, trouble.words, trouble.remedy, trouble.subject)


SERVICE: Final = (
    Detector(
        AlertKind.FAILING,
        failing,
        "`status` says which upstream is unwell and which limit is met; `explain NAME` what becomes of one question",
        begin_seconds=10.0,
    ),
    Detector(
        AlertKind.BUDGET_EXHAUSTED,
        budget_exhausted,
        "members go first by themselves; `mode members --for 1h` keeps the rest for them, another [[upstream]] adds to"
        " it, and the budget is a matter of what that upstream's operators allow",
    ),
    Detector(
        AlertKind.MEMBERS_SUFFER,
        members_suffer,
        "`mode members --for 1h` leaves everything to them",
        begin_seconds=10.0,
    ),
    Detector(AlertKind.BOUND_FULL, bound_full, "look at who fills it in the metrics", begin_seconds=10.0),
    Detector(AlertKind.UPSTREAM, upstreams, "docs/upstreams.md says what each means", is_logged=False),
    Detector(
        AlertKind.WAY_OUT, way_out, "look at this machine's network and firewall", end_seconds=30.0, is_logged=False
    ),
    Detector(AlertKind.CERTIFICATE, certificate, "see to whatever renews it"),
    Detector(AlertKind.DISK, disk, "make room on the disk, or look at who owns the directory", end_seconds=120.0),
)
