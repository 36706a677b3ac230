"""Readings: put together from the owners' own figures, with every bound beside what fills it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dohproxy.builders import build_connection_limiter
from dohproxy.config import ConnectionsConfig, LimitsConfig
from dohproxy.frontends.connections import Closing, Connections
from dohproxy.jobs.alert_readings import (
    DISK_SECONDS,
    LEAST_FREE_BYTES,
    Owners,
    Readings,
    SavedFile,
    count_requests,
    free_bytes_beside,
    part,
)
from dohproxy.observability.detectors.reading import Bound
from dohproxy.observability.tallies import Tallies
from dohproxy.outcomes import Frontend, Outcome, Reason
from dohproxy.policy.member_books import MemberBooks
from dohproxy.policy.member_networks import MemberNetworks
from dohproxy.policy.probes import ProbeKind
from dohproxy.policy.standing import Standing
from dohproxy.policy.visitors import VisitorStatistics
from dohproxy.upstream.health.health import HealthIssue
from dohproxy.upstream.health.signals import Signal
from dohproxy.upstream.statistics import ResolverStatistics
from dohproxy.wire.numbers import Rcode
from tests.fakes.statistics import resolver_of, well
from tests.fakes.walk import NO_DOMAIN_LIMITS, Limits, names, request_limiter

NOW = 1_000.0


@dataclass(frozen=True, slots=True)
class Saved:
    """A file that is saved, or not."""

    saved_at: float = 0.0
    save_failures: int = 0


def owners(
    tallies: Tallies | None = None,
    resolver: ResolverStatistics | None = None,
    connections: Connections | None = None,
    limits: Limits | None = None,
    probes: Mapping[ProbeKind, int] | None = None,
    files: Callable[[], Mapping[Path, SavedFile]] = dict,
) -> Owners:
    """Real owners, of which a test has changed one."""
    register = connections or Connections(ConnectionsConfig())
    limiter = request_limiter(limits or Limits())
    rules = names(NO_DOMAIN_LIMITS)
    return Owners(
        tallies=(tallies or Tallies()).all,
        resolver=lambda _: resolver or resolver_of(well()),
        request_limiter=limiter.statistics,
        connection_limiter=build_connection_limiter(
            ConnectionsConfig(), LimitsConfig(), limiter.standings, MemberNetworks(0)
        ).statistics,
        connections=register.statistics,
        domains=rules.domains.statistics,
        probes=lambda: probes or {},
        visitors=lambda: VisitorStatistics(hour=40.0, day=60.0, newcomers=7.0),
        members=MemberBooks().statistics,
        files=files,
    )


def outcome(reason: Reason, dialect: str = "rfc-get", rcode: int | None = None) -> Outcome:
    return Outcome(reason, Frontend.HTTP2, "GET", dialect, answered_rcode=rcode)


class TestRequests:
    def test_they_are_counted_by_how_they_ended(self) -> None:
        counts = {
            outcome(Reason.CACHED, rcode=Rcode.NOERROR): 80,
            outcome(Reason.CACHED, "post-body-hash", rcode=Rcode.NXDOMAIN): 10,
            outcome(Reason.FAILURE_REMEMBERED, rcode=Rcode.SERVFAIL): 5,
            outcome(Reason.SERVICE_LIMIT): 3,
            outcome(Reason.CLIENT_LIMIT, "get-ct-empty"): 2,
        }
        tallies = Tallies()
        for ended, count in counts.items():
            for _ in range(count):
                tallies.tally(ended)(0.0)
        by_reason, failed, stubs = count_requests(tallies.all())
        assert by_reason[Reason.CACHED] == 90
        assert (sum(by_reason.values()), failed, stubs) == (100, 8, 12)

    def test_a_reading_has_what_the_metrics_have_counted(self) -> None:
        tallies = Tallies()
        for _ in range(3):
            tallies.tally(outcome(Reason.BUDGET_SPENT, rcode=Rcode.SERVFAIL))(0.1)
        reading = Readings(owners(tallies)).read(NOW)
        assert (reading.requests, reading.failed, reading.budget_refusals) == ({Reason.BUDGET_SPENT: 3}, 3, 3)
        assert (reading.at, reading.newcomers, reading.networks) == (NOW, 7.0, 40.0)

    def test_who_stands_in_line_in_vain_has_found_no_budget(self) -> None:
        turns = replace(resolver_of(well()).turns, evicted=4, refused=5, given_up=6)
        resolver = replace(resolver_of(well()), turns=turns)
        assert Readings(owners(resolver=resolver)).read(NOW).budget_refusals == 15

    def test_the_probes_of_stubs_are_those_of_dnscrypt_proxy(self) -> None:
        probes = {ProbeKind.DNSCRYPT_ROOT: 5, ProbeKind.DNSCRYPT_RANDOM: 4, ProbeKind.ANDROID_HTTPS: 100}
        assert Readings(owners(probes=probes)).read(NOW).stub_probes == 9

    def test_connections_are_counted_by_why_they_were_closed(self) -> None:
        register = Connections(ConnectionsConfig(max_total=1))
        for number in range(2):
            register.take_slot((number,), Standing.STRANGER, NOW)
        reading = Readings(owners(connections=register)).read(NOW)
        assert (reading.accepted, reading.closed) == (1, {Closing.TOO_MANY.value: 1})


class TestBounds:
    def fills(self, one: Owners) -> dict[str, float]:
        return {bound.name: bound.fill for bound in Readings(one).read(NOW).bounds}

    def test_of_a_service_that_nobody_asks_all_are_empty(self) -> None:
        fills = self.fills(owners())
        assert set(fills.values()) == {0.0}
        assert set(fills) == {
            "connections", "held_bytes", "handshakes", "new_connections", "stranger_connections", "misses",
            "service_rate", "turns", "fetches", "tables",
        }  # fmt: skip

    def test_a_full_one_is_full(self) -> None:
        register = Connections(ConnectionsConfig(max_total=2))
        slots = [register.take_slot((number,), Standing.STRANGER, NOW) for number in range(2)]
        turns = replace(resolver_of().turns, waiting=15, slots=15)
        resolver = replace(resolver_of(well()), fetches=20, most_fetches=40, turns=turns)
        fills = self.fills(owners(connections=register, resolver=resolver))
        assert (fills["connections"], fills["turns"], fills["fetches"]) == (1.0, 1.0, 0.5)
        assert None not in slots

    def test_others_can_add_theirs(self) -> None:
        one = owners()
        one.more_bounds.append(lambda: iter([Bound("blocks", "places for blocks", 0.25)]))
        assert self.fills(one)["blocks"] == 0.25

    def test_each_names_a_key_that_there_is_or_none(self) -> None:
        sections = {"connections": ConnectionsConfig(), "limits": LimitsConfig()}
        for bound in Readings(owners()).read(NOW).bounds:
            if bound.key:
                section, _, key = bound.key.partition(".")
                assert hasattr(sections[section], key)

    def test_what_may_hold_nothing_is_not_full(self) -> None:
        assert part(0, 0) == 0.0


class TestTroubles:
    def test_an_upstream_that_is_unwell_is_told_with_what_is_done_about_it(self) -> None:
        ill = replace(well("ns0"), finding=HealthIssue(Signal.REFUSED, NOW))
        [trouble] = Readings(owners(resolver=resolver_of(ill, well("ns1")))).read(NOW).upstreams
        assert trouble.subject == "ns0"
        assert trouble.words.startswith("upstream ns0 refuses every name")
        assert "write to its operators" in trouble.remedy

    @pytest.mark.parametrize(
        "upstream",
        [
            replace(well(), finding=HealthIssue(Signal.SERVFAIL_ZONE, NOW)),
            replace(well(), finding=HealthIssue(Signal.SILENT, NOW), paused_since=NOW),
        ],
        ids=["harmless", "paused by hand"],
    )
    def test_what_is_harmless_or_known_is_not(self, upstream: object) -> None:
        assert Readings(owners(resolver=resolver_of(upstream))).read(NOW).upstreams == ()  # type: ignore[arg-type]

    def test_where_nobody_can_be_reached_it_is_the_way_out_alone(self) -> None:
        ill = replace(well("ns0"), finding=HealthIssue(Signal.SILENT, NOW))
        reading = Readings(owners(resolver=resolver_of(ill, path_gone_since=NOW))).read(NOW)
        assert (reading.upstreams, len(reading.path)) == ((), 1)

    def test_what_is_wrong_with_the_certificate_is_one_thing_at_a_time(self) -> None:
        one = owners()
        one.certificate = lambda wall: ["expired on Monday", "is for another name"] if wall > 0 else []
        [trouble] = Readings(one).read(NOW).certificate
        assert trouble.words == "the certificate expired on Monday"


class TestDisk:
    FILE = Path("/var/lib/dohproxy/state")

    def read(self, files: list[Saved], free: int | None = 10 * LEAST_FREE_BYTES) -> list[tuple[str, ...]]:
        """Return what is told at each look of a minute, with the file as it is then."""
        now = iter(files)
        one = Readings(owners(files=lambda: {self.FILE: next(now)}), lambda _: free)
        looks = [one.read(NOW + number * DISK_SECONDS) for number in range(len(files))]
        return [tuple(trouble.words for trouble in look.disk) for look in looks]

    def test_a_save_that_fails_is_told_until_one_succeeds(self) -> None:
        said = f"the file {self.FILE} could not be saved; a restart finds an older one, or none"
        saves = [Saved(5.0, 0), Saved(5.0, 1), Saved(5.0, 1), Saved(6.0, 1), Saved(6.0, 1), Saved(6.0, 2)]
        assert self.read(saves) == [(), (said,), (said,), (), (), (said,)]

    def test_one_that_never_succeeded_is_told(self) -> None:
        assert [len(told) for told in self.read([Saved(0.0, 1)])] == [1]

    def test_little_room_is_told(self) -> None:
        assert self.read([Saved(5.0)], LEAST_FREE_BYTES // 2) == [(f"32 MiB are left on the disk of {self.FILE}",)]

    def test_room_that_cannot_be_told_is_no_trouble(self) -> None:
        assert self.read([Saved(5.0)], None) == [()]

    def test_it_is_looked_at_once_a_minute(self) -> None:
        asked = []
        one = Readings(owners(files=lambda: {self.FILE: Saved(time.time())}), lambda path: asked.append(path))
        for second in range(0, 120, 5):
            one.read(NOW + second)
        assert len(asked) == 2

    def test_the_room_on_a_real_disk_is_known(self, tmp_path: Path) -> None:
        free = free_bytes_beside(tmp_path / "state")
        assert free is not None
        assert free > 0
        assert free_bytes_beside(tmp_path / "absent" / "state") is None
