"""A trial as it is carried out: within the budget, and with the probe's own outcome where it changes nothing."""

import asyncio

import pytest

from dohproxy.config.additions import Addition
from dohproxy.upstream.health.health import MOST_PROBES, UpstreamHealth
from dohproxy.upstream.results import SendStatus, Unproven
from dohproxy.upstream.workarounds.probing import try_additions
from dohproxy.upstream.workarounds.trial import Additions
from dohproxy.upstream.workarounds.workarounds import OVER_TCP, OVER_UDP, Workarounds
from dohproxy.wire.answer import Answer
from tests.fakes.guest import GOOD, REFUSED
from tests.fakes.upstream_health import health

Outcome = Answer | Unproven | SendStatus


class Upstream:
    """Cannot stand cookies over UDP, or what it is told."""

    def __init__(self, unable: Addition | None = Addition.COOKIE, *, burst: int = 100) -> None:
        self.health: UpstreamHealth = health(burst=burst)
        self.sent: list[tuple[bool, Additions]] = []
        self._unable = unable
        self._workarounds = {False: Workarounds(OVER_UDP), True: Workarounds(OVER_TCP, over_stream=True)}

    def workarounds(self, *, over_stream: bool) -> Workarounds:
        return self._workarounds[over_stream]

    async def probe(self, now: float, *, over_stream: bool, additions: Additions | None = None) -> Outcome:
        workarounds = self.workarounds(over_stream=over_stream)
        sent = workarounds.in_use if additions is None else additions
        self.sent.append((over_stream, sent))
        outcome: Outcome = REFUSED if self._unable in sent else GOOD
        workarounds.heard(sent, outcome, now)
        return outcome


async def _probe(upstream: Upstream) -> tuple[float, Outcome]:
    outcome = await upstream.probe(1.0, over_stream=False)
    return await try_additions(upstream, 1.0, outcome, lambda: 2.0)


async def test_the_outcome_is_that_of_a_query_with_nothing_it_cannot_stand() -> None:
    upstream = Upstream()
    assert await _probe(upstream) == (2.0, GOOD)
    assert upstream.workarounds(over_stream=False).in_use == OVER_UDP - {Addition.COOKIE}
    assert upstream.health.budget.in_flight == 0
    assert sum(upstream.health.sends.values()) == len(upstream.sent) - 1


async def test_a_probe_that_went_well_is_all_there_is() -> None:
    upstream = Upstream(None)
    assert await _probe(upstream) == (1.0, GOOD)
    assert len(upstream.sent) == 1


@pytest.mark.parametrize("outcome", [SendStatus.UNSENT, SendStatus.ABANDONED, SendStatus.NO_ROUTE])
async def test_where_nothing_goes_out_nothing_is_tried(outcome: SendStatus) -> None:
    upstream = Upstream()
    upstream.workarounds(over_stream=False).heard(OVER_UDP, REFUSED, 0.0)
    assert await try_additions(upstream, 1.0, outcome, lambda: 2.0) == (1.0, outcome)
    assert upstream.sent == []


async def test_another_way_is_tried_too_and_changes_nothing_for_the_first() -> None:
    upstream = Upstream(Addition.EDNS)
    upstream.workarounds(over_stream=True).heard(OVER_TCP, REFUSED, 0.0)
    upstream.workarounds(over_stream=False).heard(OVER_UDP, GOOD, 0.0)
    assert await try_additions(upstream, 1.0, SendStatus.TIMEOUT, lambda: 2.0) == (1.0, SendStatus.TIMEOUT)
    assert {over_stream for over_stream, _ in upstream.sent} == {True}
    assert upstream.workarounds(over_stream=True).in_use == {Addition.AD}


async def test_it_keeps_to_what_probes_may_cost_and_ends_where_that_is_spent() -> None:
    upstream = Upstream()
    for _ in range(MOST_PROBES):
        assert upstream.health.begin_trial(1.0, over_stream=False)
        upstream.health.end_trial(SendStatus.ANSWERED)
    seconds = iter(range(1, 100))
    outcome = await upstream.probe(1.0, over_stream=False)
    assert await try_additions(upstream, 1.0, outcome, lambda: float(next(seconds))) == (1.0, REFUSED)
    assert len(upstream.sent) == 1
    assert upstream.workarounds(over_stream=False).wants_trial(100.0)


async def test_one_that_is_cancelled_holds_nothing() -> None:
    upstream = Upstream()
    outcome = await upstream.probe(1.0, over_stream=False)

    async def never(*_: object, **__: object) -> Outcome:
        await asyncio.sleep(10)
        raise AssertionError

    upstream.probe = never  # type: ignore[method-assign]
    task = asyncio.ensure_future(try_additions(upstream, 1.0, outcome, lambda: 2.0))  # noqa: TID251
    await asyncio.sleep(0)
    assert upstream.health.budget.in_flight == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert upstream.health.budget.in_flight == 0
