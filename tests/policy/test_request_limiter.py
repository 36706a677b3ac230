"""The limits as the walk meets them: the client's, the service's, and the places for misses."""

from dataclasses import replace

import pytest

from dohproxy.config import LimitsConfig, RulesConfig
from dohproxy.config.schema import RuleMode
from dohproxy.policy.rule_switches import Rule, RuleSwitches
from dohproxy.policy.standing import STRANGERS_LEAVE
from tests.fakes.walk import CLIENT, NEIGHBOUR, Limits, request_limiter

NOW = 10_000.0
EXEMPT = replace(CLIENT, exempt=True)


def test_a_client_has_its_burst_and_is_told_when_to_return() -> None:
    limits = request_limiter(Limits(requests=2))
    assert [limits.admit_request(CLIENT, NOW) for _ in range(3)] == [0.0, 0.0, 1.0]
    assert limits.admit_request(NEIGHBOUR, NOW) == 0.0
    assert limits.admit_request(CLIENT, NOW + 1.0) == 0.0


def test_requests_and_misses_are_counted_apart() -> None:
    limits = request_limiter(Limits(requests=1, misses=1))
    assert limits.admit_request(CLIENT, NOW) == 0.0
    assert [limits.admit_miss(CLIENT, NOW) for _ in range(2)] == [0.0, 1.0]
    statistics = limits.statistics(NOW)
    assert (statistics.requests.admitted, statistics.misses.admitted) == (1, 1)
    assert [statistics.requests.widths[0].limited, statistics.misses.widths[0].limited] == [0, 1]


def test_asking_whether_a_client_may_miss_costs_it_nothing() -> None:
    limits = request_limiter(Limits(misses=1))
    assert [limits.may_miss(CLIENT, NOW) for _ in range(3)] == [True] * 3
    limits.admit_miss(CLIENT, NOW)
    assert [limits.may_miss(CLIENT, NOW) for _ in range(3)] == [False] * 3
    assert [limits.may_miss(other, NOW) for other in (NEIGHBOUR, EXEMPT)] == [True, True]
    assert limits.statistics(NOW).misses.widths[0].limited == 0


def test_a_refused_request_uses_up_its_clients_limit() -> None:
    limits = request_limiter(Limits(requests=1))
    limits.charge_request(CLIENT, NOW)
    assert limits.admit_request(CLIENT, NOW) == 1.0
    assert limits.statistics(NOW).requests.charged == 1


def test_an_exempt_client_is_limited_only_with_all_others() -> None:
    limits = request_limiter(Limits(requests=1, misses=1, total=3, slots=1))
    assert [limits.admit_request(EXEMPT, NOW) for _ in range(5)] == [0.0] * 5
    assert [limits.admit_miss(EXEMPT, NOW) for _ in range(5)] == [0.0] * 5
    assert [limits.admit_to_service(NOW) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


def test_a_request_beyond_the_services_limit_does_not_lengthen_the_wait() -> None:
    limits = request_limiter(Limits(total=2))
    waits = [limits.admit_to_service(NOW) for _ in range(50)]
    assert waits == [0.0, 0.0, *[pytest.approx(1.0)] * 48]
    assert limits.admit_to_service(NOW + 1.0) == 0.0


def test_the_services_fill_is_reported() -> None:
    limits = request_limiter(Limits(total=4))
    assert limits.statistics(NOW).total_fill == 0.0
    for _ in range(3):
        limits.admit_to_service(NOW)
    assert limits.statistics(NOW).total_fill == pytest.approx(0.75)


def test_places_are_taken_up_to_their_number_and_come_back_once() -> None:
    limits = request_limiter(Limits(slots=2))
    first, second, third = (limits.take_slot(CLIENT, NOW) for _ in range(3))
    assert third is None
    assert limits.slots.taken == limits.statistics(NOW).slots.most == 2
    assert first is not None
    first.give_back()
    first.give_back()
    assert limits.slots.taken == 1
    assert limits.take_slot(CLIENT, NOW) is not None
    assert second is not None


def test_strangers_leave_a_part_of_the_services_limit_to_members_and_to_who_is_settled() -> None:
    limits = request_limiter(Limits(total=8))
    waits = [limits.admit_to_service(NOW, STRANGERS_LEAVE) for _ in range(8)]
    assert [not wait for wait in waits] == [True] * 6 + [False] * 2
    assert limits.judge_service(CLIENT, NOW, waits[-1]) == waits[-1] == limits.foresee_service(CLIENT, NOW)
    for instant in (NOW - 7_200, NOW):
        limits.note_answered(CLIENT, instant)
    assert limits.foresee_service(CLIENT, NOW) == 0.0
    assert limits.judge_service(CLIENT, NOW, waits[-1]) == 0.0
    assert [limits.admit_to_service(NOW) for _ in range(2)] == [0.0, 1.0]


@pytest.mark.parametrize(("mode", "waits", "shadowed"), [("enforce", 1.0, 0), ("shadow", 0.0, 1), ("off", 0.0, 0)])
def test_the_services_limit_has_a_miss_wait_only_if_it_is_enforced(mode: RuleMode, waits: float, shadowed: int) -> None:
    switches = RuleSwitches(RulesConfig(service_limit=mode))
    limits = request_limiter(Limits(total=1), switches)
    limits.admit_to_service(NOW)
    wait = limits.admit_to_service(NOW)
    assert (wait > 0.0) is (mode != "off")
    assert limits.judge_service(CLIENT, NOW, 1.0) == waits
    assert switches[Rule.SERVICE_LIMIT].shadowed == shadowed


def test_the_services_limit_is_taken_up_again_by_a_reload() -> None:
    switches = RuleSwitches(RulesConfig(service_limit="off"))
    limits = request_limiter(Limits(total=1), switches)
    assert [limits.admit_to_service(NOW) for _ in range(3)] == [0.0] * 3
    assert limits.statistics(NOW).total_fill == 0.0
    switches.adopt(RulesConfig(), NOW)
    limits.adopt(LimitsConfig(total_requests_per_second=1, total_requests_burst=1), (1.0, 1.0), NOW)
    assert [limits.admit_to_service(NOW) for _ in range(2)] == [0.0, 1.0]
