"""Readings for the hours: from the owners' own figures, into the closed set of sums."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from dohproxy.config import ConnectionsConfig
from dohproxy.frontends.connections import Closing, Connections
from dohproxy.jobs.alert_readings import Owners
from dohproxy.jobs.hour_readings import HourOwners, count_requests, read_counters
from dohproxy.observability.detectors.board import ActiveAlert
from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.observability.hour_sums import COLUMNS
from dohproxy.observability.tallies import Tallies
from dohproxy.outcomes import OUTCOMES, Frontend, Outcome, Reason
from dohproxy.policy.bans import BanStatistics
from dohproxy.policy.limits import Width
from dohproxy.policy.rule_switches import Rule, RuleStatistics
from dohproxy.upstream.results import SendStatus
from dohproxy.wire.numbers import Rcode
from tests.fakes.statistics import resolver_of, well
from tests.jobs.test_alert_readings import owners

NOW = 1_000.0
BANS = BanStatistics(
    by_rule=3, max_by_rule=10, by_command=2, max_by_command=10, made={Width.CLIENT: 4, Width.NETWORK: 1}, displaced=0,
    in_shadow=6,
)  # fmt: skip
RULES = [RuleStatistics(Rule.BANS, "shadow", 6, 6, 0.0), RuleStatistics(Rule.CLIENT_LIMIT, "shadow", 4, 4, 0.0)]


def _owners(alerting: Owners, alerts: Sequence[ActiveAlert] = ()) -> HourOwners:
    return HourOwners(alerting, lambda: BANS, lambda: RULES, lambda: alerts, lambda: 1_900_000_000.5)


def test_every_owner_is_read() -> None:
    upstream = replace(well(), sends={SendStatus.ANSWERED: 10, SendStatus.TIMEOUT: 2}, halvings=3, probes=4)
    connections = Connections(ConnectionsConfig())
    connections.count(Closing.CLIENT_RATE)
    connections.count(Closing.MADE_ROOM)
    connections.count(Closing.IDLE)
    alert = ActiveAlert(AlertKind.UPSTREAM, "ns0", "words", "remedy", since=70.0)
    alerting = owners(resolver=resolver_of(upstream, replace(upstream, name="ns1")), connections=connections)
    found = read_counters(_owners(alerting, [alert]), NOW)
    counted = {name: number for name, number in found.counted.items() if number}
    assert counted == {
        "sends_answered": 20,
        "sends_timeout": 4,
        "throttlings": 6,
        "upstream_probes": 8,
        "new_networks": 7,
        "connections_refused": 1,
        "made_room": 1,
        "bans_begun": 5,
        "shadow_bans": 6,
        "shadow_client_limit": 4,
    }
    assert (found.networks_hour, found.networks_day, found.bans) == (40, 60, 3)
    assert found.certificate_ends == 1_900_000_000
    assert found.alerts == {("upstream", "ns0"): 70.0}
    assert set(found.counted) <= set(COLUMNS)


@pytest.mark.parametrize("reason", Reason)
def test_a_request_is_counted_by_outcome_dialect_and_time(reason: Reason) -> None:
    tallies = Tallies()
    outcome = Outcome(reason, Frontend.HTTP2, "POST", "post-body-hash", answered_rcode=Rcode.NOERROR)
    tallies.tally(outcome)(0.3)
    tallies.tally(replace(outcome, shadow=True))(9.0)
    tallies.tally(replace(outcome, answered_rcode=Rcode.SERVFAIL))(0.00001)
    found = count_requests(tallies.all())
    label = OUTCOMES[reason].label
    assert found["requests"] == found[f"outcome_{label}"] == found["dialect_post_body_hash"] == 3
    assert found["shadow_dialects"] == 1
    assert found["failed"] == (3 if reason is Reason.SERVICE_LIMIT else 1)
    assert (found["latency_0"], found["latency_9"], found["latency_13"]) == (1, 1, 1)
    assert set(found) <= set(COLUMNS)
