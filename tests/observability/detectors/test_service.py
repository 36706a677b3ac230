"""How those fare who ask honestly: what is told, with which figures, and what is left alone."""

import math

import pytest

from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.observability.detectors.reading import Bound, Trouble
from dohproxy.observability.detectors.service import SERVICE
from dohproxy.outcomes import Reason
from tests.observability.detectors.readings import CALM, MadeUpService, Second

HOUR = 3_600.0


def service_after_a_calm_hour() -> MadeUpService:
    service = MadeUpService(*SERVICE)
    assert service.passes(HOUR, CALM) == []
    return service


def begun(service: MadeUpService, seconds: float, what: Second) -> dict[AlertKind, str]:
    return {event.kind: event.words for event in service.passes(seconds, what) if event.has_begun}


def test_a_flood_that_makes_92_of_100_requests_fail_is_told_and_says_so() -> None:
    service = service_after_a_calm_hour()
    flood = Second({Reason.FORWARDED: 8.0, Reason.FAILURE_REMEMBERED: 92.0}, failed=92.0)
    words = begun(service, 60.0, flood)
    assert AlertKind.FAILING in words
    [now] = [alert.words for alert in service.board.active() if alert.kind is AlertKind.FAILING]
    assert now == "92 % of all requests end without an answer: 2,760 of 3,000 in 30 s"


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(Second({Reason.CACHED: 10.0, Reason.FORWARDED: 1.0}, failed=0.3), id="some broken zones"),
        pytest.param(Second({Reason.FAILURE_REMEMBERED: 0.3}, failed=0.3), id="one who asks at night for one name"),
    ],
)
def test_some_failures_are_usual(what: Second) -> None:
    assert begun(service_after_a_calm_hour(), 600.0, what) == {}


def test_a_spent_budget_is_told() -> None:
    words = begun(service_after_a_calm_hour(), 30.0, Second(CALM.requests, budget_refusals=2.0))
    assert words == {
        AlertKind.BUDGET_EXHAUSTED: "the upstreams' budgets are spent: 10 questions in 30 s were not asked; old answers"
        " are given where there are any"
    }


def test_a_budget_that_was_short_for_a_moment_is_not() -> None:
    assert begun(service_after_a_calm_hour(), 600.0, Second(CALM.requests, budget_refusals=0.2)) == {}


class TestMembers:
    def test_that_they_get_no_answers_is_told(self) -> None:
        what = Second(member_seconds={0.05: 0.7}, member_failures=0.3)
        words = begun(service_after_a_calm_hour(), 120.0, what)
        assert words[AlertKind.MEMBERS_SUFFER].startswith("members suffer: ")
        assert "of their questions beyond the cache fail (" in words[AlertKind.MEMBERS_SUFFER]

    def test_that_they_wait_is_told(self) -> None:
        what = Second(member_seconds={0.05: 0.9, 5.0: 0.1})
        words = begun(service_after_a_calm_hour(), 120.0, what)
        assert words[AlertKind.MEMBERS_SUFFER].endswith(" take up to 5 s")

    def test_beyond_all_bounds_is_said_as_that(self) -> None:
        words = begun(service_after_a_calm_hour(), 120.0, Second(member_seconds={math.inf: 1.0}))
        assert words[AlertKind.MEMBERS_SUFFER].endswith("take more than 5 s")

    def test_that_one_of_twenty_names_is_broken_is_not(self) -> None:
        what = Second(member_seconds={0.05: 0.8, 0.25: 0.15}, member_failures=0.05)
        assert begun(service_after_a_calm_hour(), 600.0, what) == {}

    @pytest.mark.parametrize(
        "page",
        [
            pytest.param({0.05: 19, 2.0: 1}, id="one name of a page is slow"),
            pytest.param({0.05: 113, 2.0: 2}, id="two names of an evening are slow"),
        ],
    )
    def test_that_some_names_take_long_is_not(self, page: dict[float, int]) -> None:
        service = service_after_a_calm_hour()
        service.passes(5.0, Second(member_seconds={took: count / 5.0 for took, count in page.items()}))
        assert service.passes(600.0, CALM) == []
        assert service.board.active() == []

    def test_that_two_names_of_a_page_are_broken_is_not(self) -> None:
        service = service_after_a_calm_hour()
        assert service.passes(5.0, Second(member_seconds={0.05: 3.6}, member_failures=0.4)) == []
        assert service.passes(600.0, CALM) == []

    def test_of_a_few_questions_nothing_is_said(self) -> None:
        assert begun(service_after_a_calm_hour(), 600.0, Second(member_failures=0.3)) == {}

    def test_what_is_slow_every_day_is_usual(self) -> None:
        service = MadeUpService(*SERVICE, learning=True)
        slow = Second(member_seconds={0.5: 1.0})
        service.passes(24 * HOUR, slow)
        assert begun(service, 600.0, Second(member_seconds={1.0: 1.0})) == {}


class TestBounds:
    def bound(self, fill: float, name: str = "connections") -> Second:
        return Second(CALM.requests, bounds=(Bound(name, "places for connections", fill, "connections.max_total"),))

    def test_a_full_one_is_told_with_the_key_that_moves_it(self) -> None:
        service = service_after_a_calm_hour()
        told = service.passes(20.0, self.bound(1.0))
        [event] = told
        assert (event.kind, event.subject, event.words) == (
            AlertKind.BOUND_FULL, "connections", "100 % of the places for connections are taken",
        )  # fmt: skip
        assert event.remedy.startswith("connections.max_total moves it")

    def test_one_that_is_full_for_a_moment_is_not(self) -> None:
        service = service_after_a_calm_hour()
        for _ in range(20):
            assert service.passes(5.0, self.bound(1.0)) == []
            assert service.passes(5.0, self.bound(0.3)) == []

    def test_it_ends_well_below_where_it_began(self) -> None:
        service = service_after_a_calm_hour()
        service.passes(20.0, self.bound(1.0))
        assert service.passes(HOUR, self.bound(0.8)) == []
        [event] = service.passes(120.0, self.bound(0.4))
        assert not event.has_begun

    def test_each_has_an_alert_of_its_own(self) -> None:
        service = service_after_a_calm_hour()
        both = Second(bounds=(*self.bound(1.0).bounds, *self.bound(0.99, "misses").bounds))
        assert {event.subject for event in service.passes(20.0, both)} == {"connections", "misses"}


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("upstreams", AlertKind.UPSTREAM),
        ("path", AlertKind.WAY_OUT),
        ("certificate", AlertKind.CERTIFICATE),
        ("disk", AlertKind.DISK),
    ],
)
def test_what_others_have_found_out_is_passed_on_with_their_words(where: str, kind: AlertKind) -> None:
    service = service_after_a_calm_hour()
    trouble = Trouble("ns0", "something is wrong", "do something")
    [event] = service.passes(5.0, Second(**{where: (trouble,)}))  # type: ignore[arg-type]
    assert (event.kind, event.subject, event.words, event.remedy) == (kind, "ns0", "something is wrong", "do something")
    [event] = service.passes(300.0, CALM)
    assert not event.has_begun


def test_what_somebody_else_logs_is_not_logged_twice() -> None:
    logged = {detector.kind: detector.is_logged for detector in SERVICE}
    assert [kind for kind, is_logged in logged.items() if not is_logged] == [AlertKind.UPSTREAM, AlertKind.WAY_OUT]
