"""What adds up among nodes, and what does not."""

from dohproxy.observability.detectors.reading import Bound, Reading
from dohproxy.outcomes import Reason
from dohproxy.policy.visitors import VisitorStatistics
from dohproxy.sharing.roster import MOST_COUNTERS
from dohproxy.sharing.shared_readings import counters_of, widened

OURS = Reading(
    at=5.0,
    requests={Reason.CLIENT_LIMIT: 3, Reason.FORWARDED: 2},
    failed=1,
    stub_requests=4,
    stub_probes=5,
    accepted=6,
    closed={"banned": 7},
    newcomers=8.0,
    networks=9.0,
    domain_refusals=10,
    budget_refusals=11,
    bounds=(Bound("tables", "slots", 0.5),),
)
VISITORS = VisitorStatistics(hour=90.0, day=100.0, newcomers=80.0)


def test_counters_add_up_and_networks_are_those_that_were_counted_together() -> None:
    both = widened(OURS, counters_of(OURS), VISITORS)
    assert both == Reading(
        at=5.0,
        requests={Reason.CLIENT_LIMIT: 6, Reason.FORWARDED: 4},
        failed=2,
        stub_requests=8,
        stub_probes=10,
        accepted=12,
        closed={"banned": 14},
        newcomers=80.0,
        networks=90.0,
        domain_refusals=20,
        budget_refusals=11,
        bounds=OURS.bounds,
    )


def test_nothing_of_others_changes_nothing_but_the_networks() -> None:
    alone = widened(OURS, {}, VISITORS)
    assert (alone.requests, alone.failed, alone.networks) == (OURS.requests, OURS.failed, 90.0)


def test_what_a_later_release_counts_is_left_out_and_what_only_others_have_is_added() -> None:
    found = widened(
        OURS, {"requests.nonsense": 1, "weather": 2, "closed.handshake": 3, "requests.service_limit": 4}, VISITORS
    )
    assert found.closed == {"banned": 7, "handshake": 3}
    assert found.requests == {**OURS.requests, Reason.SERVICE_LIMIT: 4}


def test_what_is_zero_is_not_told_and_all_together_is_no_more_than_a_report_may_have() -> None:
    assert counters_of(Reading(at=0.0)) == {}
    every = Reading(at=0.0, requests=dict.fromkeys(Reason, 1), closed={f"{number}": 1 for number in range(40)})
    assert len(counters_of(every)) < MOST_COUNTERS
