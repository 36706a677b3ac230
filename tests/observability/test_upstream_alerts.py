"""What the volunteer on duty is told: in words, with a time, once when it begins and once when it ends."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dohproxy.observability.exposition import family_of
from dohproxy.observability.figures import Reading
from dohproxy.observability.upstream_alerts import (
    ALERT_FIGURE,
    PATH,
    PATH_FIGURE,
    REMEDIES,
    WORDS,
    UpstreamWatch,
    alerts,
)
from dohproxy.upstream.health.health import HealthIssue
from dohproxy.upstream.health.signals import HARMLESS, Signal
from dohproxy.upstream.statistics import ResolverStatistics, UpstreamStatistics
from tests.fakes.statistics import resolver_of, well

NOW = 5_000.0
WALL = datetime(2026, 3, 1, 3, 0, 0, tzinfo=UTC).timestamp()

Log = list[tuple[str, str]]


def _upstream(name: str, signal: Signal | None = None, since: float = NOW) -> UpstreamStatistics:
    return replace(well(name), finding=None if signal is None else HealthIssue(signal, since))


WELL = resolver_of(_upstream("ns0"), _upstream("ns1"))
BANNED = resolver_of(_upstream("ns0", Signal.REFUSED), _upstream("ns1"))
GONE = resolver_of(_upstream("ns0", Signal.SILENT), _upstream("ns1", Signal.SILENT), path_gone_since=NOW)


class TestWords:
    @pytest.mark.parametrize("signal", list(Signal), ids=str)
    def test_every_signal_has_words_that_follow_a_name(self, signal: Signal) -> None:
        (alert,) = alerts(resolver_of(_upstream("ns0", signal)), NOW, WALL)
        assert alert.words == f"upstream ns0 {WORDS[signal]}, since 2026-03-01 03:00:00 UTC"
        assert alert.signal == signal.value
        assert WORDS[signal][0].islower()

    @pytest.mark.parametrize("signal", sorted(set(Signal) - HARMLESS), ids=str)
    def test_whatever_we_do_about_it_is_said(self, signal: Signal) -> None:
        has_remedy = signal not in (Signal.SILENT, Signal.UNREACHABLE, Signal.NO_ROUTE)
        assert (signal in REMEDIES) is has_remedy

    def test_why_a_certificate_is_refused_is_said(self) -> None:
        finding = HealthIssue(Signal.CERTIFICATE, NOW, "certificate has expired")
        [alert] = alerts(resolver_of(replace(_upstream("ns0"), finding=finding)), NOW, WALL)
        assert alert.what == "upstream ns0 has a certificate that is refused: certificate has expired"

    def test_an_upstream_that_is_well_is_not_spoken_of(self) -> None:
        assert alerts(WELL, NOW, WALL) == ()

    def test_each_upstream_has_its_own(self) -> None:
        both = resolver_of(_upstream("ns0", Signal.REFUSED), _upstream("ns1"), _upstream("ns2", Signal.CUT))
        assert [alert.upstream for alert in alerts(both, NOW, WALL)] == ["ns0", "ns2"]

    def test_the_time_is_when_it_began_and_not_when_it_is_asked_for(self) -> None:
        (alert,) = alerts(resolver_of(_upstream("ns0", Signal.SILENT, NOW - 3_600.0)), NOW, WALL)
        assert alert.since == WALL - 3_600.0
        assert alert.words.endswith("since 2026-03-01 02:00:00 UTC")

    @pytest.mark.parametrize("signal", list(Signal), ids=str)
    def test_what_is_no_trouble_is_told_apart(self, signal: Signal) -> None:
        (alert,) = alerts(resolver_of(_upstream("ns0", signal)), NOW, WALL)
        assert alert.is_harmless is (signal in HARMLESS)
        assert ("nothing is wrong" in alert.words) is (signal in (Signal.REFUSED_SOME, Signal.SERVFAIL_ZONE))

    @pytest.mark.parametrize("signal", sorted(HARMLESS), ids=str)
    def test_what_a_client_could_cause_accuses_nobody_of_a_throttle_or_a_ban(self, signal: Signal) -> None:
        assert not any(word in WORDS[signal] for word in ("throttl", "banned", "is down"))

    def test_where_the_way_out_is_gone_nobody_is_accused(self) -> None:
        (alert,) = alerts(GONE, NOW + 60.0, WALL + 60.0)
        assert (alert.upstream, alert.signal, alert.since) == ("", PATH, WALL)
        assert "our way out" in alert.words
        assert "ns0" not in alert.words


class TestFigure:
    def test_trouble_is_one_and_what_is_harmless_is_none(self) -> None:
        resolver = resolver_of(
            _upstream("ns0", Signal.REFUSED), _upstream("ns1", Signal.REFUSED_SOME), _upstream("ns2")
        )
        assert ALERT_FIGURE.values(resolver) == {
            ("ns0", "refused", f"upstream ns0 {WORDS[Signal.REFUSED]}"): 1.0,
            ("ns1", "refused_some", f"upstream ns1 {WORDS[Signal.REFUSED_SOME]}"): 0.0,
        }

    def test_one_trouble_is_one_series_whenever_it_is_looked_at(self) -> None:
        begun = [resolver_of(_upstream("ns0", Signal.REFUSED, NOW - earlier)) for earlier in (0.0, 0.4996, 0.5, 60.0)]
        assert len({labels for resolver in begun for labels in ALERT_FIGURE.values(resolver)}) == 1

    @pytest.mark.parametrize(("resolver", "value"), [(WELL, 0.0), (GONE, 1.0)], ids=["there", "gone"])
    def test_the_way_out_has_a_figure_of_its_own(self, resolver: ResolverStatistics, value: float) -> None:
        assert PATH_FIGURE.values(resolver) == {(): value}


def _logged(*looks: ResolverStatistics) -> Log:
    """What is logged by a look at each, a second apart: (event, who or what)."""
    watch = UpstreamWatch()
    with capture_logs() as logs:
        for seconds, resolver in enumerate(looks):
            watch.poll(resolver, NOW + seconds, WALL + seconds)
    return [(entry["event"], entry.get("says", entry.get("upstream"))) for entry in logs]


def _trouble(name: str, signal: Signal) -> tuple[str, str]:
    return "upstream trouble", f"upstream {name} {WORDS[signal]}, since 2026-03-01 03:00:00 UTC"


class TestLog:
    def test_while_all_is_well_nothing_is_logged(self) -> None:
        assert _logged(WELL, WELL, WELL) == []

    def test_a_beginning_and_an_end_are_logged_once_each(self) -> None:
        assert _logged(WELL, BANNED, BANNED, BANNED, WELL, WELL) == [
            _trouble("ns0", Signal.REFUSED),
            ("upstream is well again", "ns0"),
        ]

    def test_another_trouble_of_the_same_upstream_is_logged_and_no_end_between_them(self) -> None:
        silent = resolver_of(_upstream("ns0", Signal.SILENT), _upstream("ns1"))
        throttled = resolver_of(_upstream("ns0", Signal.UDP_SILENT), _upstream("ns1"))
        assert _logged(silent, throttled, WELL) == [
            _trouble("ns0", Signal.SILENT),
            _trouble("ns0", Signal.UDP_SILENT),
            ("upstream is well again", "ns0"),
        ]

    def test_what_is_harmless_wakes_nobody(self) -> None:
        harmless = resolver_of(_upstream("ns0", Signal.REFUSED_SOME), _upstream("ns1", Signal.SERVFAIL_ZONE))
        assert _logged(WELL, harmless, WELL) == []

    def test_trouble_that_has_become_harmless_has_ended(self) -> None:
        harmless = resolver_of(_upstream("ns0", Signal.REFUSED_SOME), _upstream("ns1"))
        assert _logged(BANNED, harmless)[1:] == [("upstream is well again", "ns0")]

    def test_what_is_done_about_it_is_logged_with_it(self) -> None:
        with capture_logs() as logs:
            UpstreamWatch().poll(BANNED, NOW, WALL)
        assert logs[0]["remedy"] == REMEDIES[Signal.REFUSED]
        assert logs[0]["log_level"] == "warning"

    def test_where_the_way_out_is_gone_that_is_all_that_is_said(self) -> None:
        said = _logged(WELL, GONE, GONE, WELL)
        assert [event for event, _ in said] == ["upstream trouble", "upstreams are within reach again"]
        assert "our way out" in said[0][1]

    def test_nobody_is_called_well_because_nobody_can_be_reached(self) -> None:
        first_gone = resolver_of(_upstream("ns0", Signal.SILENT), _upstream("ns1"))
        said = _logged(first_gone, GONE, WELL)
        assert [event for event, _ in said] == [
            "upstream trouble",
            "upstream trouble",
            "upstreams are within reach again",
            "upstream is well again",
        ]
        assert said[-1] == ("upstream is well again", "ns0")

    def test_a_trouble_that_outlasts_the_missing_way_is_not_told_twice(self) -> None:
        first_gone = resolver_of(_upstream("ns0", Signal.SILENT), _upstream("ns1"))
        said = _logged(first_gone, GONE, first_gone, WELL)
        assert [event for event, _ in said] == [
            "upstream trouble",
            "upstream trouble",
            "upstreams are within reach again",
            "upstream is well again",
        ]


def test_the_alert_that_the_manual_shows_is_the_one_that_is_given() -> None:
    reading = Reading(ALERT_FIGURE, ALERT_FIGURE.values(resolver_of(_upstream("ns0", Signal.UDP_SILENT))))
    [sample] = family_of(reading).samples
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
    manual = Path(__file__).parents[2] / "docs" / "upstreams.md"
    assert f"{sample.name}{{{labels}}} {sample.value:g}" in manual.read_text(encoding="utf-8").splitlines()
