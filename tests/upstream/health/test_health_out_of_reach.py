"""Silence, closed frontends and missing ways: when nobody is asked, what is told, and how it ends."""

from collections.abc import Sequence

import pytest

from dohproxy.upstream.budget.aimd import RECOVERY_SECONDS
from dohproxy.upstream.health.health import DOUBT_SECONDS, QUICK_PROBES
from dohproxy.upstream.health.signals import ConnectFailure, Signal
from dohproxy.upstream.results import SendStatus
from tests.fakes.guest import GOOD, REFUSED, SERVFAIL, SILENCES, Guest, Outcome, described, ending_of


class TestSilence:
    def _fall_silent(self, guest: Guest) -> None:
        guest.fall_silent()
        assert guest.signal() is Signal.SILENT
        assert guest.openings == [guest.now]

    def test_silence_that_tcp_answers_is_a_throttle_and_nobody_is_sent_to_tcp(self) -> None:
        guest = Guest()
        self._fall_silent(guest)
        assert guest.probe_over_stream(GOOD)
        assert guest.signal() is Signal.UDP_SILENT
        assert guest.share() == 0.5
        assert not guest.upstream.is_usable(guest.now)
        assert not guest.upstream.is_usable(guest.now, over_stream=True)

    def test_it_may_be_asked_again_when_udp_answers(self) -> None:
        guest = Guest()
        self._fall_silent(guest)
        guest.probe_over_stream(GOOD)
        guest.probe(GOOD, after=1.0)
        assert guest.upstream.is_usable(guest.now)
        assert guest.signal() is Signal.UDP_SILENT
        # Half of what was asked before, and of that a quarter to begin with.
        assert 0.125 <= guest.share() < 0.13
        guest.now += RECOVERY_SECONDS / 2
        assert guest.signal() is None

    @pytest.mark.parametrize(
        "outcome", [SendStatus.TIMEOUT, SendStatus.UNREACHABLE, SendStatus.LOST, REFUSED, SERVFAIL], ids=described
    )
    def test_silence_that_tcp_does_not_answer_either_is_no_throttle(self, outcome: Outcome) -> None:
        guest = Guest()
        self._fall_silent(guest)
        assert guest.probe_over_stream(outcome)
        assert guest.signal() is Signal.SILENT
        assert guest.share() == 1.0
        assert guest.upstream.budget.in_flight == 0

    def test_tcp_is_tried_once_for_each_silence(self) -> None:
        guest = Guest()
        guest.ask_many(SendStatus.TIMEOUT, times=SILENCES)
        tried = []
        for _ in range(5):
            guest.probe(SendStatus.TIMEOUT, after=guest.seconds_to_probe())
            tried.append(guest.probe_over_stream(SendStatus.TIMEOUT))
        assert tried == [False, True, False, False, False]
        guest.probe(GOOD, after=guest.seconds_to_probe())
        guest.now += DOUBT_SECONDS
        guest.fall_silent()
        assert guest.probe_over_stream(SendStatus.TIMEOUT)

    def test_packets_dropped_among_answers_are_tried_over_tcp_too(self) -> None:
        guest = Guest()
        guest.suspect(Signal.UDP_SILENT)
        guest.probe(SendStatus.TIMEOUT, seconds=1.5)
        assert not guest.probe_over_stream(GOOD)
        guest.ask(GOOD)
        guest.probe(SendStatus.TIMEOUT, seconds=1.5)
        assert guest.probe_over_stream(GOOD)
        assert guest.signal() is Signal.UDP_SILENT
        assert guest.share() == 0.5
        assert guest.upstream.is_usable(guest.now)

    def test_tcp_is_not_tried_where_no_connection_may_be_opened(self) -> None:
        guest = Guest()
        self._fall_silent(guest)
        for _ in range(5):
            guest.upstream.connections.failed(guest.now + 2.0, nobody_listens=False)
        assert not guest.probe_over_stream(GOOD)

    def test_an_upstream_that_is_always_asked_over_tls_has_no_other_way(self) -> None:
        guest = Guest(over_stream=True)
        self._fall_silent(guest)
        assert not guest.probe_over_stream(GOOD)


class TestDoubt:
    """Names whose servers are silent are easily had: what clients meet says little, what a probe meets decides."""

    @pytest.mark.parametrize("over_stream", [False, True], ids=["UDP", "TLS"])
    def test_who_answers_the_probe_is_well_whatever_number_of_questions_met_silence(self, *, over_stream: bool) -> None:
        guest = Guest(over_stream=over_stream)
        for _ in range(20):
            guest.now += 0.1
            guest.ask_many(SendStatus.TIMEOUT, times=5 * SILENCES, zones=1)
            assert guest.upstream.is_usable(guest.now)
            guest.probe(GOOD, after=guest.seconds_to_probe())
        assert (guest.share(), guest.signal(), guest.openings) == (1.0, None, [])
        assert guest.upstream.probes == 20
        assert guest.upstream.budget.aimd.halvings == 0

    def test_one_lost_probe_decides_nothing(self) -> None:
        guest = Guest()
        guest.ask_many(SendStatus.TIMEOUT, times=SILENCES)
        guest.probe(SendStatus.TIMEOUT, seconds=1.5)
        assert not guest.probe_over_stream(GOOD)
        guest.probe(GOOD)
        assert guest.upstream.is_usable(guest.now)
        assert (guest.share(), guest.signal(), guest.openings) == (1.0, None, [])

    def test_nobody_is_sent_from_the_probe_to_its_answer(self) -> None:
        guest = Guest()
        guest.ask_many(SendStatus.TIMEOUT, times=SILENCES)
        usable = [guest.upstream.is_usable(guest.now)]
        guest.upstream.begin_probe(guest.now)
        usable.append(guest.upstream.is_usable(guest.now))
        guest.upstream.end_probe(ending_of(SendStatus.TIMEOUT, b"", guest.now, guest.now + 1.5))
        usable.append(guest.upstream.is_usable(guest.now + 1.5))
        guest.probe(GOOD, after=1.5)
        usable.append(guest.upstream.is_usable(guest.now))
        assert usable == [True, False, False, True]

    def test_nor_for_ever_where_no_second_probe_can_be_sent(self) -> None:
        guest = Guest()
        guest.ask_many(SendStatus.TIMEOUT, times=SILENCES)
        guest.probe(SendStatus.TIMEOUT, seconds=1.5)
        assert guest.upstream.is_usable(guest.now + DOUBT_SECONDS)

    def test_the_probe_is_asked_for_at_once_and_so_is_the_second(self) -> None:
        guest = Guest()
        asked_for: list[int] = []
        guest.upstream.when_in_doubt = lambda: asked_for.append(guest.upstream.probes)
        guest.ask_many(SendStatus.TIMEOUT, times=2 * SILENCES)
        assert asked_for == [0]
        guest.probe(SendStatus.TIMEOUT)
        assert asked_for == [0, 1]
        guest.probe(SendStatus.TIMEOUT)
        assert asked_for == [0, 1]

    def test_who_makes_it_doubtful_on_purpose_costs_ever_fewer_probes(self) -> None:
        guest = Guest()
        pauses = []
        for _ in range(QUICK_PROBES + 4):
            guest.now += 0.5
            guest.ask_many(SendStatus.TIMEOUT, times=SILENCES)
            pauses.append(guest.seconds_to_probe())
            guest.probe(GOOD, after=pauses[-1], seconds=0.0)
        assert pauses == [0.0] * QUICK_PROBES + [DOUBT_SECONDS - 0.5] * 4
        assert DOUBT_SECONDS == 12.0

    def test_one_that_has_just_answered_and_dies_is_probed_at_once(self) -> None:
        guest = Guest()
        guest.probe(GOOD)
        guest.now += 0.1
        guest.ask_many(SendStatus.TIMEOUT, times=SILENCES)
        assert guest.upstream.may_probe(guest.now)

    def test_a_word_to_anybody_ends_it(self) -> None:
        guest = Guest()
        guest.ask_many(SendStatus.TIMEOUT, times=SILENCES)
        guest.ask(GOOD)
        guest.now += 0.1
        guest.ask_many(SendStatus.TIMEOUT, times=SILENCES - 1, zones=1)
        assert not guest.upstream.may_probe(guest.now)

    @pytest.mark.parametrize(
        ("outcome", "signal"),
        [
            pytest.param(SendStatus.UNREACHABLE, Signal.UNREACHABLE, id="nobody listens"),
            pytest.param(SendStatus.NO_ROUTE, Signal.NO_ROUTE, id="no way there"),
            pytest.param(REFUSED, Signal.REFUSED, id="a ban"),
        ],
    )
    def test_the_probe_may_find_something_else(self, outcome: Outcome, signal: Signal) -> None:
        guest = Guest()
        guest.ask_many(SendStatus.TIMEOUT, times=SILENCES)
        guest.probe(outcome)
        assert guest.signal() is signal
        assert guest.openings == [guest.now]
        assert guest.share() == 1.0

    @pytest.mark.parametrize("outcome", [SendStatus.LOST, SendStatus.UNSENT], ids=described)
    def test_a_probe_that_says_nothing_is_repeated_by_and_by(self, outcome: SendStatus) -> None:
        guest = Guest()
        guest.ask_many(SendStatus.TIMEOUT, times=SILENCES)
        for _ in range(QUICK_PROBES):
            guest.probe(outcome, seconds=0.0)
        assert guest.upstream.is_usable(guest.now)
        assert guest.seconds_to_probe() == DOUBT_SECONDS


class TestReach:
    @pytest.mark.parametrize(
        ("outcomes", "signal"),
        [
            pytest.param([SendStatus.UNREACHABLE] * 3, Signal.UNREACHABLE, id="nobody listens"),
            pytest.param([SendStatus.NO_ROUTE] * 3, Signal.NO_ROUTE, id="no way there"),
        ],
    )
    def test_the_reason_why_nobody_is_asked_is_told(self, outcomes: Sequence[SendStatus], signal: Signal) -> None:
        guest = Guest()
        for outcome in outcomes:
            guest.ask(outcome)
        assert guest.signal() is signal
        assert guest.openings == [guest.now]

    def test_over_tls_a_closed_port_is_told_from_an_absent_host(self) -> None:
        guest = Guest(over_stream=True)
        guest.ask_many(SendStatus.UNREACHABLE, times=3)
        guest.upstream.connections.failed(guest.now, nobody_listens=True)
        assert guest.signal() is Signal.UNREACHABLE
        guest.upstream.connections.failed(guest.now, nobody_listens=False)
        assert guest.signal() is Signal.CONNECT

    def test_over_tls_a_certificate_that_is_refused_is_told_with_its_reason(self) -> None:
        guest = Guest(over_stream=True)
        guest.ask_many(SendStatus.UNTRUSTED, times=3)
        assert guest.openings == [guest.now]
        connections = guest.upstream.connections
        for words in ("certificate has expired", "Hostname mismatch"):
            connections.failed(guest.now, nobody_listens=False, refusal=ConnectFailure(Signal.CERTIFICATE, words))
            finding = guest.upstream.finding(guest.now)
            assert finding is not None
            assert (finding.signal, finding.since, finding.words) == (Signal.CERTIFICATE, 0.0, words)
            guest.now += 1.0

    def test_over_tls_a_missing_route_is_no_closed_port(self) -> None:
        guest = Guest(over_stream=True)
        guest.ask_many(SendStatus.NO_ROUTE, times=3)
        guest.upstream.connections.failed(guest.now, nobody_listens=False)
        assert guest.signal() is Signal.NO_ROUTE

    @pytest.mark.parametrize("result", [SendStatus.UNREACHABLE, SendStatus.NO_ROUTE], ids=described)
    def test_tcp_beside_udp_that_works_opens_no_breaker(self, result: SendStatus) -> None:
        guest = Guest()
        guest.ask_many(result, times=50, over_stream=True)
        assert guest.upstream.is_usable(guest.now)
        assert not guest.upstream.has_no_route
        assert guest.signal() is None

    def test_connections_that_are_turned_away_are_told_while_udp_works(self) -> None:
        guest = Guest()
        for _ in range(3):
            guest.upstream.connections.failed(guest.now, nobody_listens=False)
        assert guest.signal() is Signal.CONNECT
        assert guest.upstream.is_usable(guest.now)
        assert not guest.upstream.is_usable(guest.now, over_stream=True)

    @pytest.mark.parametrize(
        "outcome",
        [GOOD, SERVFAIL, SendStatus.TRUNCATED, SendStatus.UNUSABLE, SendStatus.TIMEOUT, SendStatus.UNREACHABLE],
        ids=described,
    )
    def test_what_goes_out_has_a_way_there(self, outcome: Outcome) -> None:
        guest = Guest()
        guest.ask(SendStatus.NO_ROUTE)
        assert guest.upstream.has_no_route
        guest.ask(outcome)
        assert not guest.upstream.has_no_route

    def test_a_restart_is_over_within_seconds(self) -> None:
        guest = Guest()
        guest.ask_many(SendStatus.UNREACHABLE, times=3)
        guest.probe(SendStatus.UNREACHABLE, after=1.0)
        guest.probe(GOOD, after=2.0)
        assert guest.upstream.is_usable(guest.now)
        assert guest.signal() is None

    def test_over_tls_no_probe_is_begun_that_could_not_be_sent(self) -> None:
        guest = Guest(over_stream=True)
        guest.ask_many(SendStatus.UNREACHABLE, times=3)
        for _ in range(5):
            guest.upstream.connections.failed(guest.now, nobody_listens=True)
        assert guest.seconds_to_probe() == 8.0

    @pytest.mark.parametrize("outcome", [SendStatus.LOST, SendStatus.UNSENT], ids=described)
    def test_a_probe_that_says_nothing_is_not_repeated_at_once(self, outcome: SendStatus) -> None:
        guest = Guest()
        guest.ask_many(SendStatus.UNREACHABLE, times=3)
        guest.probe(outcome, after=1.0, seconds=0.0)
        assert guest.seconds_to_probe() == 2.0

    def test_a_restart_after_which_replies_prove_less_is_over_too(self) -> None:
        """Only other names than the probe's can end the echo that the replies lack (see `echo_support`)."""
        guest = Guest()
        guest.ask_many(SendStatus.UNREACHABLE, times=3)
        guest.probe(SendStatus.UNPROVEN, after=1.0)
        assert guest.upstream.is_usable(guest.now)

    def test_a_ban_after_a_restart_is_no_second_loss_to_the_others(self) -> None:
        guest = Guest()
        guest.ask_many(SendStatus.UNREACHABLE, times=3)
        guest.probe(REFUSED, after=1.0)
        assert guest.signal() is Signal.REFUSED
        assert guest.openings == [0.0]


class TestComingBack:
    def test_after_a_silence_half_is_asked_and_that_by_and_by(self) -> None:
        guest = Guest()
        guest.fall_silent()
        guest.probe(GOOD, after=1.0)
        assert guest.upstream.is_usable(guest.now)
        assert 0.125 <= guest.share() < 0.13

    def test_after_a_restart_nothing_is_held_back(self) -> None:
        guest = Guest()
        guest.ask_many(SendStatus.UNREACHABLE, times=3)
        guest.probe(GOOD, after=1.0)
        assert guest.share() == 1.0
