"""A public list: told within a minute of the change, with the likely cause; over when the crowd has gone."""

import pytest

from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.observability.detectors.listed import make_listed
from dohproxy.observability.detectors.normal import LEARNING_SECONDS
from dohproxy.outcomes import Reason
from tests.observability.detectors.readings import CALM, MadeUpService, Second

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
ORDINARY = Second(CALM.requests, accepted=0.05, newcomers=10 / DAY, networks=40.0)
"""Ten networks a day that were not here the day before."""
MEMBERS_A_SECOND = 0.7


def stubs(networks_per_minute: float, in_the_hour: float = 40.0) -> Second:
    """A list's stubs, each with two requests beside those of the members."""
    rate = networks_per_minute / 60
    return Second(
        {Reason.CACHED: MEMBERS_A_SECOND + 2 * rate},
        stub_requests=2 * rate,
        stub_probes=2 * rate,
        newcomers=rate,
        networks=in_the_hour,
    )


def known(new_networks_per_minute: float = 12.0, ordinary: Second = ORDINARY) -> MadeUpService:
    """A service that has been running for a day."""
    service = MadeUpService(make_listed(new_networks_per_minute))
    assert service.passes(DAY, ordinary) == []
    return service


def test_the_flood_of_2019_is_told_within_its_first_minute() -> None:
    service = known()
    # 5,000 networks, spread over the four hours between two looks of a stub.
    [event] = service.passes(MINUTE, stubs(5_000 / 240))
    assert (event.kind, event.has_begun, event.at - service.now <= 0.0) == (AlertKind.LISTED, True, True)
    assert "this service is probably on a public list" in event.words


def test_what_is_said_has_the_figures() -> None:
    service = known()
    service.passes(11 * MINUTE, stubs(410.0))
    [alert] = service.board.active()
    assert alert.words == (
        "4,100 networks never seen before asked in the last 10 minutes; 95 % of all requests are dnscrypt-proxy's"
        " health probe or in its dialect: this service is probably on a public list"
    )
    assert "docs/listed.md" in alert.remedy


def test_a_crowd_without_the_stubs_of_a_list_is_told_otherwise() -> None:
    service = known()
    visitors = Second({Reason.CACHED: 5.0}, newcomers=0.5, networks=40.0)
    [event] = service.passes(MINUTE, visitors)
    assert "more people than usual have found this service, or a flood comes from many networks" in event.words


def test_a_list_that_stubs_read_one_after_the_other_within_days_is_told_within_ten_minutes() -> None:
    # 20,000 addresses of 15,000 networks, whose stubs read their list every 72 hours.
    service = known()
    [event] = service.passes(11 * MINUTE, stubs(15_000 / (72 * 60)))
    assert event.has_begun


def test_one_that_brings_fewer_is_told_by_the_crowd_of_an_hour() -> None:
    service = known()
    assert service.passes(HOUR, stubs(1.0, in_the_hour=100.0)) == []
    [event] = service.passes(HOUR, stubs(1.0, in_the_hour=320.0))
    assert event.has_begun


def test_as_long_as_the_crowd_comes_back_it_is_not_over() -> None:
    service = known()
    service.passes(HOUR, stubs(20.0, in_the_hour=1_250.0))
    # All of them are known now, and come every four hours.
    again = Second(stubs(20.0).requests, newcomers=0.0, networks=1_250.0)
    assert service.passes(DAY, again) == []
    [event] = service.passes(2 * HOUR, ORDINARY)
    assert (event.kind, event.has_begun) == (AlertKind.LISTED, False)


def test_a_crowd_that_stays_for_months_is_the_usual_one_in_the_end() -> None:
    service = known()
    service.passes(HOUR, stubs(20.0, in_the_hour=1_250.0))
    told = service.passes(30 * DAY, Second(ORDINARY.requests, newcomers=0.001, networks=1_250.0))
    assert [event.has_begun for event in told] == [False]


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(Second(newcomers=5 / 60, networks=60.0), id="five people at once who have read about it"),
        pytest.param(Second({Reason.CACHED: 500.0}, newcomers=0.0, networks=40.0), id="a flood from one network"),
        pytest.param(Second(newcomers=0.02, networks=90.0), id="twice as many networks as yesterday"),
    ],
)
def test_what_is_no_list_is_none(what: Second) -> None:
    service = known()
    assert service.passes(2 * MINUTE, what) == []


def test_what_a_public_service_has_every_day_is_usual() -> None:
    public = Second({Reason.CACHED: 50.0}, newcomers=0.25, networks=4_000.0)
    service = MadeUpService(make_listed(12.0))
    service.passes(12 * DAY, public)
    service.events.clear()
    assert service.passes(DAY, public) == []
    assert service.passes(HOUR, Second({Reason.CACHED: 100.0}, newcomers=0.75, networks=8_000.0)) == []


def test_to_a_process_without_memory_everybody_is_new_and_nothing_is_said() -> None:
    service = MadeUpService(make_listed(12.0), learning=True)
    assert service.passes(LEARNING_SECONDS - 10, stubs(100.0, in_the_hour=1_000.0)) == []
    # Those had all come by then.
    assert service.passes(DAY, Second({Reason.CACHED: 10.0}, networks=1_000.0)) == []


def test_the_rate_from_which_on_is_the_operators() -> None:
    assert known(5.0).passes(MINUTE, stubs(8.0)) != []
    assert known(200.0).passes(MINUTE, stubs(100.0)) == []
