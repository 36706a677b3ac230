"""From suspicion to a probe, from the probe to a verdict, and what each verdict means."""

from itertools import pairwise

import pytest

from dohproxy.saved import UnfitState
from dohproxy.upstream.budget.aimd import HALVING_PAUSE_SECONDS, RECOVERY_SECONDS
from dohproxy.upstream.health.breaker import BAN, BreakerState
from dohproxy.upstream.health.health import LONGEST_PROBE_SECONDS, MOST_PROBES, PROBE_SECONDS, STANDBY_SECONDS
from dohproxy.upstream.health.signals import HARMLESS, RUN, WINDOW_SECONDS, Signal
from dohproxy.upstream.results import SendStatus
from dohproxy.wire.answer import Answer
from tests.fakes.guest import (
    GOOD,
    NOTIMP,
    PROHIBITED,
    REFUSED,
    SERVFAIL,
    UNPROVEN,
    Guest,
    Outcome,
    described,
    ending_of,
)
from tests.fakes.restarts import BOOTED, after, written
from tests.fakes.upstream_health import ending, health

SUSPICIONS = [
    Signal.REFUSED,
    Signal.PROHIBITED,
    Signal.PROTOCOL,
    Signal.SERVFAIL,
    Signal.UDP_SILENT,
    Signal.TRUNCATED,
]


class TestSuspicion:
    def test_nobody_is_probed_without_a_reason(self) -> None:
        guest = Guest()
        guest.ask_many(GOOD, times=50)
        assert not guest.upstream.may_probe(STANDBY_SECONDS - 1.0)

    @pytest.mark.parametrize("signal", SUSPICIONS, ids=described)
    def test_a_suspicion_alone_changes_nothing_but_asks_for_a_probe(self, signal: Signal) -> None:
        guest = Guest()
        guest.suspect(signal)
        assert guest.upstream.may_probe(guest.now)
        assert guest.upstream.is_usable(guest.now)
        assert guest.share() == 1.0
        assert guest.signal() in (None, *HARMLESS)

    @pytest.mark.parametrize("signal", SUSPICIONS, ids=described)
    def test_a_good_answer_to_the_probe_acquits(self, signal: Signal) -> None:
        guest = Guest()
        guest.suspect(signal)
        guest.probe(GOOD)
        assert not guest.upstream.may_probe(guest.now + STANDBY_SECONDS - 1.0)
        assert (guest.share(), guest.signal()) == (1.0, None)
        assert guest.upstream.is_usable(guest.now)
        assert guest.openings == []

    @pytest.mark.parametrize(
        ("outcome", "signal"),
        [(REFUSED, Signal.REFUSED_SOME), (SERVFAIL, Signal.SERVFAIL_ZONE)],
        ids=["a page of blocked names", "a broken zone"],
    )
    def test_what_is_harmless_is_told_and_costs_no_probe(self, outcome: Answer, signal: Signal) -> None:
        guest = Guest()
        guest.ask_many(outcome, times=50, zones=3)
        assert guest.signal() is signal
        assert not guest.upstream.may_probe(guest.now)

    @pytest.mark.parametrize(
        ("signal", "told"),
        [(Signal.UDP_SILENT, Signal.UNANSWERED), (Signal.SERVFAIL, Signal.SERVFAIL_SOME)],
        ids=["silence to many", "failures for many"],
    )
    @pytest.mark.parametrize("over_stream", [False, True], ids=["over UDP", "over a stream"])
    def test_what_clients_meet_with_is_told_although_probes_are_answered(
        self, signal: Signal, told: Signal, *, over_stream: bool
    ) -> None:
        guest = Guest(over_stream=over_stream)
        guest.suspect(signal)
        guest.probe(GOOD)
        guest.suspect(signal)
        assert not guest.upstream.may_probe(guest.now)
        assert guest.signal() is told
        assert (guest.share(), guest.openings) == (1.0, [])
        assert guest.upstream.is_usable(guest.now)
        assert not guest.upstream.is_troubled

    @pytest.mark.parametrize("signal", [Signal.REFUSED, Signal.PROHIBITED, Signal.PROTOCOL, Signal.TRUNCATED], ids=str)
    def test_nobody_is_accused_of_a_ban_before_a_probe_has_met_with_it(self, signal: Signal) -> None:
        guest = Guest()
        guest.suspect(signal)
        assert guest.signal() is None

    def test_one_who_keeps_an_upstream_suspect_costs_it_ever_fewer_probes(self) -> None:
        guest = Guest()
        probed_at = []
        for second in range(0, 2_400, 10):
            guest.now = float(second)
            guest.suspect(Signal.REFUSED)
            if guest.upstream.may_probe(guest.now):
                guest.probe(GOOD)
                probed_at.append(second)
        pauses = [later - earlier for earlier, later in pairwise(probed_at)]
        assert pauses == [30, 60, 120, 240, 480, LONGEST_PROBE_SECONDS, LONGEST_PROBE_SECONDS]

    def test_clients_who_take_each_query_as_it_comes_keep_no_probe_away(self) -> None:
        guest = Guest()
        guest.suspect(Signal.REFUSED)
        while guest.upstream.begin(guest.now):
            guest.upstream.budget.release()
        assert not guest.upstream.may_probe(guest.now)
        # At 100 a second: room for one, which is not for them.
        guest.now += 0.015
        assert not guest.upstream.begin(guest.now)
        guest.probe(REFUSED)
        assert guest.signal() is Signal.REFUSED

    def test_a_suspicion_that_has_gone_claims_nothing(self) -> None:
        guest = Guest()
        guest.suspect(Signal.REFUSED)
        while guest.upstream.begin(guest.now):
            guest.upstream.budget.release()
        assert not guest.upstream.may_probe(guest.now)
        guest.now += WINDOW_SECONDS + 1
        assert not guest.upstream.may_probe(guest.now)
        assert not guest.upstream.budget.is_claimed

    def test_a_probe_is_one_at_a_time(self) -> None:
        guest = Guest()
        guest.suspect(Signal.REFUSED)
        guest.upstream.begin_probe(guest.now)
        assert not guest.upstream.may_probe(guest.now + STANDBY_SECONDS - 1.0)

    @pytest.mark.parametrize(
        "outcome",
        [SendStatus.UNPROVEN, SendStatus.LOST, SendStatus.UNSENT, SendStatus.ABANDONED, SendStatus.UNREACHABLE],
        ids=described,
    )
    def test_a_probe_that_brings_nothing_leaves_the_suspicion(self, outcome: SendStatus) -> None:
        guest = Guest()
        guest.suspect(Signal.REFUSED)
        guest.probe(outcome, seconds=0.0)
        assert guest.upstream.is_usable(guest.now)
        assert guest.seconds_to_probe() == PROBE_SECONDS

    def test_a_probe_whose_connection_was_closed_is_asked_again_at_its_own_price(self) -> None:
        guest = Guest(over_stream=True)
        guest.suspect(Signal.REFUSED)
        guest.upstream.begin_probe(guest.now)
        left = guest.upstream.budget.left(guest.now)
        repeats = 0
        while guest.upstream.repeat_probe(guest.now):
            repeats += 1
        # The first one counts too.
        assert repeats == MOST_PROBES - 1
        assert guest.upstream.budget.left(guest.now) == left - repeats
        assert guest.upstream.budget.in_flight == 1
        assert guest.upstream.sends[SendStatus.LOST] == repeats

    def test_a_probe_without_an_answer_is_repeated_once(self) -> None:
        guest = Guest()
        guest.suspect(Signal.REFUSED)
        guest.probe(SendStatus.TIMEOUT, seconds=1.5)
        guest.probe(SendStatus.TIMEOUT, seconds=0.0)
        assert guest.upstream.is_usable(guest.now)
        assert guest.seconds_to_probe() == PROBE_SECONDS

    def test_a_suspicion_fades_with_what_it_rests_on(self) -> None:
        guest = Guest()
        guest.suspect(Signal.REFUSED)
        assert not guest.upstream.may_probe(guest.now + WINDOW_SECONDS + 1.0)


class TestStandby:
    """Who is never asked is not known to be well."""

    def test_an_upstream_is_probed_at_the_beginning_and_then_every_hour(self) -> None:
        guest = Guest()
        pauses = []
        for _ in range(4):
            pauses.append(guest.seconds_to_probe())
            guest.probe(GOOD, after=pauses[-1], seconds=0.0)
        assert pauses == [0.0, *[STANDBY_SECONDS] * 3]
        assert (guest.signal(), guest.share()) == (None, 1.0)

    def test_one_that_answers_clients_is_not(self) -> None:
        guest = Guest()
        for _ in range(10):
            guest.ask(GOOD)
            guest.now += STANDBY_SECONDS - 1.0
            assert not guest.upstream.may_probe(guest.now)

    @pytest.mark.parametrize(
        ("outcomes", "signal"),
        [
            pytest.param([SendStatus.TIMEOUT, SendStatus.TIMEOUT], Signal.SILENT, id="silent"),
            pytest.param([SendStatus.UNREACHABLE], Signal.UNREACHABLE, id="gone"),
            pytest.param([REFUSED], Signal.REFUSED, id="banning"),
        ],
    )
    def test_one_that_has_gone_is_told_before_it_is_needed(self, outcomes: list[Outcome], signal: Signal) -> None:
        guest = Guest()
        guest.probe(GOOD)
        guest.now += STANDBY_SECONDS
        for outcome in outcomes:
            assert guest.upstream.is_usable(guest.now)
            guest.probe(outcome)
        assert guest.signal() is signal
        assert not guest.upstream.is_usable(guest.now)

    def test_one_lost_probe_is_repeated_at_once(self) -> None:
        guest = Guest()
        guest.probe(SendStatus.TIMEOUT, seconds=1.5)
        guest.probe(GOOD)
        assert (guest.signal(), guest.openings) == (None, [])

    @pytest.mark.parametrize("outcome", [SendStatus.LOST, SendStatus.UNSENT], ids=described)
    def test_one_that_says_nothing_is_repeated_later(self, outcome: SendStatus) -> None:
        guest = Guest()
        guest.probe(outcome, seconds=0.0)
        assert guest.seconds_to_probe() == PROBE_SECONDS

    def test_it_comes_out_of_the_budget(self) -> None:
        guest = Guest()
        left = guest.upstream.budget.left(0.0)
        guest.probe(GOOD, seconds=0.0)
        assert guest.upstream.budget.left(0.0) == left - 1
        guest.now += STANDBY_SECONDS
        while guest.upstream.budget.take(guest.now):
            guest.upstream.budget.release()
        assert not guest.upstream.may_probe(guest.now)


class TestBans:
    @pytest.mark.parametrize(
        ("outcome", "signal"),
        [
            pytest.param(REFUSED, Signal.REFUSED, id="refused"),
            pytest.param(PROHIBITED, Signal.PROHIBITED, id="prohibited"),
            pytest.param(NOTIMP, Signal.PROTOCOL, id="not understood"),
            pytest.param(SendStatus.UNUSABLE, Signal.PROTOCOL, id="not to be understood"),
        ],
    )
    def test_who_refuses_what_is_nobody_s_has_banned_us(self, outcome: Outcome, signal: Signal) -> None:
        guest = Guest()
        guest.suspect(Signal.REFUSED)
        guest.probe(outcome)
        assert guest.signal() is signal
        assert guest.upstream.breaker.cause is BAN
        assert not guest.upstream.is_usable(guest.now)
        assert guest.openings == [guest.now]

    def test_it_is_left_alone_for_a_minute_and_then_longer_up_to_an_hour(self) -> None:
        guest = Guest()
        guest.suspect(Signal.REFUSED)
        guest.probe(REFUSED)
        pauses = []
        for outcome in (REFUSED, SendStatus.TIMEOUT, REFUSED, SendStatus.TIMEOUT, REFUSED, REFUSED, REFUSED, REFUSED):
            pauses.append(round(guest.seconds_to_probe()))
            guest.probe(outcome, after=pauses[-1])
        assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600]
        assert guest.signal() is Signal.REFUSED
        assert len(guest.openings) == 1

    @pytest.mark.parametrize(
        "late",
        [REFUSED, GOOD, SendStatus.TRUNCATED, SendStatus.TIMEOUT, SendStatus.UNREACHABLE, SendStatus.LOST],
        ids=described,
    )
    def test_what_was_in_flight_does_not_end_it(self, late: Outcome) -> None:
        guest = Guest()
        assert all(guest.upstream.begin(guest.now) for _ in range(20))
        guest.suspect(Signal.REFUSED)
        guest.probe(REFUSED)
        opened_at = guest.now
        for number in range(20):
            guest.now += 0.01
            guest.upstream.end(ending_of(late, b"late%d" % number, 0.0, guest.now))
        assert guest.upstream.breaker.state(guest.now) is BreakerState.OPEN
        assert guest.signal() is Signal.REFUSED
        assert guest.now + guest.seconds_to_probe() == pytest.approx(opened_at + 60.0, abs=0.1)

    def test_a_reply_to_a_client_while_the_probe_is_under_way_does_not_make_it_hang(self) -> None:
        guest = Guest()
        assert guest.upstream.begin(guest.now)
        guest.suspect(Signal.REFUSED)
        guest.probe(REFUSED)
        guest.now += 60.0
        guest.upstream.begin_probe(guest.now)
        guest.upstream.end(ending_of(REFUSED, b"late", 0.0, guest.now + 0.5))
        guest.upstream.end_probe(ending_of(SendStatus.TIMEOUT, b"", guest.now, guest.now + 1.5))
        guest.now += 1.5
        assert guest.seconds_to_probe() == pytest.approx(120.0, abs=0.1)

    @pytest.mark.parametrize(
        ("outcome", "signal"),
        [
            pytest.param(GOOD, None, id="a good answer"),
            pytest.param(SERVFAIL, Signal.SERVFAIL, id="a failure, which is trouble of another kind"),
            pytest.param(SendStatus.TRUNCATED, Signal.TRUNCATED, id="a cut, which is a throttle of another kind"),
        ],
    )
    def test_it_ends_by(self, outcome: Outcome, signal: Signal | None) -> None:
        guest = Guest()
        guest.suspect(Signal.PROHIBITED)
        guest.probe(PROHIBITED)
        guest.probe(outcome, after=60.0)
        assert guest.upstream.is_usable(guest.now)
        assert guest.signal() is signal

    def test_the_next_one_begins_with_a_minute_again(self) -> None:
        guest = Guest()
        for _ in range(2):
            guest.suspect(Signal.REFUSED)
            guest.probe(REFUSED)
            assert guest.seconds_to_probe() == pytest.approx(60.0, abs=0.1)
            guest.probe(GOOD, after=60.0)
            guest.now += PROBE_SECONDS


class TestWhatCouldBeForged:
    """A refusal over UDP that shows nothing which only the upstream can know."""

    def test_makes_a_probe_due_and_nothing_else(self) -> None:
        guest = Guest()
        guest.ask_many(UNPROVEN, times=RUN)
        assert guest.upstream.may_probe(guest.now)
        assert guest.upstream.is_usable(guest.now)
        assert (guest.signal(), guest.share()) == (None, 1.0)

    @pytest.mark.parametrize(
        ("over_tcp", "signal"),
        [
            pytest.param(REFUSED, Signal.REFUSED, id="the same"),
            pytest.param(PROHIBITED, Signal.PROHIBITED, id="the same and why"),
            pytest.param(NOTIMP, Signal.PROTOCOL, id="something else that is one"),
            pytest.param(SendStatus.UNREACHABLE, Signal.REFUSED, id="nothing, as nobody listens"),
            pytest.param(SendStatus.TIMEOUT, Signal.REFUSED, id="nothing, in time"),
        ],
    )
    def test_is_a_ban_if_the_probe_hears_it_and_tcp_says(self, over_tcp: Outcome, signal: Signal) -> None:
        guest = Guest()
        guest.ask_many(UNPROVEN, times=RUN)
        guest.probe(UNPROVEN)
        assert guest.upstream.is_usable(guest.now)
        assert guest.probe_over_stream(over_tcp)
        assert guest.signal() is signal
        assert not guest.upstream.is_usable(guest.now)

    def test_is_a_forger_s_if_tcp_answers_well(self) -> None:
        guest = Guest()
        guest.ask_many(UNPROVEN, times=RUN)
        guest.probe(UNPROVEN)
        assert guest.probe_over_stream(GOOD)
        assert (guest.signal(), guest.share()) == (None, 1.0)
        assert not guest.upstream.may_probe(guest.now + STANDBY_SECONDS - 1.0)

    @pytest.mark.parametrize("over_tcp", [SendStatus.ABANDONED, SendStatus.UNSENT], ids=described)
    def test_remains_to_be_found_out_if_tcp_could_not_be_asked(self, over_tcp: SendStatus) -> None:
        guest = Guest()
        guest.ask_many(UNPROVEN, times=RUN)
        guest.probe(UNPROVEN, seconds=0.0)
        assert guest.probe_over_stream(over_tcp)
        assert guest.upstream.is_usable(guest.now)
        assert guest.seconds_to_probe() == PROBE_SECONDS

    def test_is_enough_for_a_ban_to_go_on_and_not_for_its_end(self) -> None:
        guest = Guest()
        guest.suspect(Signal.REFUSED)
        guest.probe(REFUSED)
        guest.probe(UNPROVEN, after=60.0)
        assert guest.signal() is Signal.REFUSED
        assert guest.seconds_to_probe() == pytest.approx(120.0, abs=0.1)


class TestThrottles:
    @pytest.mark.parametrize(
        ("signal", "outcome"),
        [(Signal.TRUNCATED, SendStatus.TRUNCATED), (Signal.SERVFAIL, SERVFAIL)],
        ids=described,
    )
    def test_a_conviction_halves_the_budget_and_leaves_it_in_use(self, signal: Signal, outcome: Outcome) -> None:
        guest = Guest()
        guest.suspect(signal)
        guest.probe(outcome)
        assert guest.share() == 0.5
        assert guest.upstream.is_usable(guest.now)
        assert guest.signal() is signal
        assert guest.openings == []

    @pytest.mark.parametrize(
        ("suspected", "answered", "signal"),
        [
            pytest.param(Signal.SERVFAIL, SendStatus.TRUNCATED, Signal.TRUNCATED, id="a cut instead of failures"),
            pytest.param(Signal.TRUNCATED, REFUSED, Signal.REFUSED, id="a ban instead of cuts"),
            pytest.param(Signal.REFUSED, SERVFAIL, Signal.SERVFAIL, id="failures instead of a ban"),
        ],
    )
    def test_the_verdict_is_about_what_the_probe_has_shown(
        self, suspected: Signal, answered: Outcome, signal: Signal
    ) -> None:
        guest = Guest()
        guest.suspect(suspected)
        guest.probe(answered)
        assert guest.signal() is signal

    def test_in_trouble_others_are_preferred_until_it_has_answered_a_probe(self) -> None:
        guest = Guest()
        guest.suspect(Signal.SERVFAIL)
        guest.probe(SERVFAIL, seconds=0.0)
        assert guest.seconds_to_probe() == PROBE_SECONDS
        troubled = [guest.upstream.is_troubled]
        for outcome in (SERVFAIL, GOOD):
            guest.probe(outcome, after=PROBE_SECONDS)
            troubled.append(guest.upstream.is_troubled)
        assert troubled == [True, True, False]
        assert guest.signal() is None
        assert guest.share() < 1.0

    def test_one_half_for_each_probe_and_not_for_each_sign(self) -> None:
        guest = Guest()
        guest.suspect(Signal.TRUNCATED)
        guest.probe(SendStatus.TRUNCATED)
        for _ in range(int(PROBE_SECONDS / HALVING_PAUSE_SECONDS) - 1):
            guest.now += HALVING_PAUSE_SECONDS
            guest.suspect(Signal.TRUNCATED)
        assert guest.upstream.budget.aimd.halvings == 1

    def test_it_is_told_until_the_budget_has_recovered(self) -> None:
        guest = Guest()
        guest.suspect(Signal.TRUNCATED)
        guest.probe(SendStatus.TRUNCATED, seconds=0.0)
        guest.now = RECOVERY_SECONDS / 2 - 1
        assert guest.signal() is Signal.TRUNCATED
        guest.now += 1
        assert guest.signal() is None

    def test_cuts_that_a_client_can_make_cost_nothing(self) -> None:
        """Zones of one's own can have a large answer at one moment and a small one at the next, with a TTL of 0."""
        guest = Guest()
        for _ in range(20):
            guest.suspect(Signal.TRUNCATED)
            if guest.upstream.may_probe(guest.now):
                guest.probe(GOOD)
            guest.now += 10.0
        assert guest.share() == 1.0
        assert guest.upstream.probes <= 4


class TestWhatIsTold:
    def test_the_beginning_is_kept_while_the_reason_stays(self) -> None:
        guest = Guest()
        guest.now = 50.0
        guest.ask_many(SendStatus.UNREACHABLE, times=3)
        first = guest.upstream.finding(guest.now)
        assert first is not None
        assert (first.signal, first.since) == (Signal.UNREACHABLE, 50.0)
        assert guest.upstream.finding(99.0) is first

    def test_another_reason_begins_anew(self) -> None:
        guest = Guest()
        guest.fall_silent()
        guest.upstream.finding(0.0)
        guest.probe(REFUSED, after=5.0, seconds=0.0)
        finding = guest.upstream.finding(guest.now)
        assert finding is not None
        assert (finding.signal, finding.since) == (Signal.REFUSED, guest.now)

    def test_nothing_is_told_of_an_upstream_that_is_well(self) -> None:
        guest = Guest()
        guest.ask_many(GOOD, times=100)
        assert guest.upstream.finding(guest.now) is None


class TestAfterARestart:
    def test_who_has_banned_us_is_left_alone_and_the_reason_is_told(self) -> None:
        guest = Guest()
        guest.suspect(Signal.REFUSED)
        guest.probe(REFUSED)
        assert guest.upstream.breaker.cause is BAN
        again = health()
        again.restore(written(guest.upstream.export(guest.now)), after(1.0))
        found = again.finding(BOOTED)
        assert found is not None
        assert found.signal is Signal.REFUSED
        assert not again.is_usable(BOOTED)
        assert not again.may_probe(BOOTED)

    def test_no_more_probes_go_out_in_a_minute_than_without(self) -> None:
        before = health()
        for number in range(MOST_PROBES):
            before.begin_probe(100.0 + number)
            before.end_probe(ending(SendStatus.ANSWERED, sent_at=100.0 + number, now=100.0 + number))
        again = health()
        again.restore(written(before.export(110.0)), after(1.0))
        assert not again.may_probe(BOOTED)

    @pytest.mark.parametrize(
        "change", [{"convicted": "of murder"}, {"probe_pause": 0}, {"probed_at": [0] * 99}, {"breaker": None}], ids=str
    )
    def test_what_is_unfit_is_refused(self, change: dict[str, object]) -> None:
        with pytest.raises(UnfitState):
            health().restore(health().export(0.0) | change, after(0.0))
