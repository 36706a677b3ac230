"""Floods: what begins an alert, in which words, what does not, and when it is over."""

import pytest

from dohproxy.observability.detectors.floods import FLOODS, MALFORMED
from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.outcomes import Reason
from tests.observability.detectors.readings import CALM, MadeUpService, Second

HOUR = 3_600.0
MEMBERS = {Reason.CACHED: 0.6, Reason.FORWARDED: 0.1}


def after_a_calm_hour() -> MadeUpService:
    service = MadeUpService(*FLOODS)
    assert service.passes(HOUR, CALM) == []
    return service


OVER_LIMITS = Second({**MEMBERS, Reason.CLIENT_LIMIT: 900.0, Reason.CACHED: 100.0}, failed=30.0)
WITHIN_LIMITS = Second({Reason.CACHED: 2_000.0})
CONNECTIONS = Second(MEMBERS, accepted=120.0, closed={"client_rate": 900.0, "too_many": 1_380.0})
HANDSHAKES = Second(MEMBERS, accepted=60.0, closed={"handshake": 50.0})
MALFORMED_ONES = Second({**MEMBERS, Reason.BAD_HTTP: 300.0, Reason.FORMAT_ERROR: 50.0})
RANDOM_NAMES = Second({**MEMBERS, Reason.DOMAIN_LIMIT: 30.0}, domain_refusals=30.0)


@pytest.mark.parametrize(
    ("flood", "kind", "words"),
    [
        pytest.param(
            OVER_LIMITS,
            AlertKind.REQUEST_FLOOD,
            "are usual; 90 % of them are over a limit and refused; 3 % of all end without an answer",
            id="requests over their limits",
        ),
        pytest.param(WITHIN_LIMITS, AlertKind.REQUEST_FLOOD, "2,000 requests a second, where", id="modest requests"),
        pytest.param(
            CONNECTIONS,
            AlertKind.CONNECTION_FLOOD,
            "1,500 connections a second are opened; 100 % are closed at once, most of them as too_many",
            id="1,500 connections a second",
        ),
        pytest.param(
            HANDSHAKES,
            AlertKind.HANDSHAKE_FLOOD,
            "50 TLS handshakes a second come to nothing, 83 % of all connections",
            id="handshakes that are not ended",
        ),
        pytest.param(
            MALFORMED_ONES,
            AlertKind.MALFORMED_FLOOD,
            "350 requests a second are malformed, 100 % of all; most of them end as bad_http",
            id="what is no question",
        ),
        pytest.param(
            RANDOM_NAMES,
            AlertKind.RANDOM_NAMES,
            "30 names a second are not asked for because too many were asked below one domain",
            id="random names below one domain",
        ),
    ],
)
class TestEach:
    def test_it_is_told_within_a_quarter_of_a_minute(self, flood: Second, kind: AlertKind, words: str) -> None:
        service = after_a_calm_hour()
        told = service.passes(15.0, flood)
        [event] = [event for event in told if event.kind is kind]
        assert event.has_begun
        assert words in service.board.active()[0].words
        assert event.remedy

    def test_it_is_told_once_and_ends_a_minute_after_it_is_over(
        self, flood: Second, kind: AlertKind, words: str
    ) -> None:
        service = after_a_calm_hour()
        service.passes(600.0, flood)
        assert service.passes(60.0, CALM) == []
        service.passes(30.0, CALM)
        assert [event.has_begun for event in service.events if event.kind is kind] == [True, False]
        assert service.board.active() == []

    def test_after_a_start_that_knows_nothing_it_is_told_too_or_learnt(
        self, flood: Second, kind: AlertKind, words: str
    ) -> None:
        service = MadeUpService(*FLOODS, learning=True)
        told = service.passes(60.0, flood)
        # How many requests are many is learnt; what is over its limit, or malformed, is so for everybody.
        assert (kind in {event.kind for event in told}) is (flood is not WITHIN_LIMITS)


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(Second({Reason.CACHED: 3.0, Reason.FORWARDED: 0.5}, accepted=0.3), id="a Monday morning"),
        pytest.param(Second({**MEMBERS, Reason.CLIENT_LIMIT: 15.0}), id="one broken program"),
        pytest.param(Second({**MEMBERS, Reason.WRONG_PATH: 3.0}, accepted=3.0), id="a scanner"),
        pytest.param(Second(MEMBERS, accepted=4.0, closed={"handshake": 4.0}), id="a client that trusts us not"),
        pytest.param(Second({**MEMBERS, Reason.DOMAIN_LIMIT: 2.0}, domain_refusals=2.0), id="a dead domain"),
        pytest.param(Second(MEMBERS, accepted=30.0, closed={"idle": 30.0}), id="connections that end as they should"),
    ],
)
def test_what_happens_on_any_day_is_no_flood(what: Second) -> None:
    service = after_a_calm_hour()
    assert service.passes(600.0, what) == []


def test_what_a_large_service_has_every_day_is_none() -> None:
    service = MadeUpService(*FLOODS)
    busy = Second({Reason.CACHED: 600.0, Reason.FORWARDED: 60.0}, accepted=80.0)
    for _ in range(5):
        service.passes(12 * HOUR, busy)
        service.passes(12 * HOUR, CALM)
    service.events.clear()
    assert service.passes(6 * HOUR, busy) == []


def test_a_single_look_decides_nothing() -> None:
    service = MadeUpService(*FLOODS)
    assert service.passes(5.0, Second({Reason.CACHED: 100.0})) == []


def test_every_refusal_that_counts_against_its_client_is_malformed_and_no_limit_is() -> None:
    assert {Reason.BAD_HTTP, Reason.WRONG_PATH, Reason.UNREADABLE, Reason.FORMAT_ERROR} <= set(MALFORMED)
    assert not {Reason.CLIENT_LIMIT, Reason.SERVICE_LIMIT, Reason.MISS_LIMIT, Reason.MEMBERS_ONLY} & set(MALFORMED)
