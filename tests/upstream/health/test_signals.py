"""Each sign of a throttle fires, and each thing that only looks like it does not."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import cycle, islice

import dns.name
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dohproxy.upstream.health.signals import (
    HARMLESS,
    RUN,
    RUN_ZONES,
    SMALL_ANSWER_BYTES,
    TROUBLE_SHARE,
    TROUBLE_ZONES,
    WINDOW,
    WINDOW_SECONDS,
    ReplyClass,
    ReplyWindow,
    SendResult,
    Signal,
    classify,
    zone_of,
)
from dohproxy.upstream.results import SendStatus, Unproven
from dohproxy.wire.answer import TRUNCATED, Answer, Kind
from dohproxy.wire.numbers import ExtendedError, Rcode

NOW = 1_000.0
BLOCKED = 15
"""The EDE code of RFC 8914 section 4.16: the operator's choice."""

GOOD = replace(TRUNCATED, kind=Kind.POSITIVE, rcode=Rcode.NOERROR, truncated=False, counts=(1, 0, 0))
NXDOMAIN = replace(GOOD, kind=Kind.NXDOMAIN, rcode=Rcode.NXDOMAIN)
SERVFAIL = replace(GOOD, kind=Kind.FAILURE, rcode=Rcode.SERVFAIL)
REFUSED = replace(SERVFAIL, rcode=Rcode.REFUSED)
PROHIBITED = replace(REFUSED, errors=(ExtendedError.PROHIBITED,))
BLOCKED_NAME = replace(REFUSED, errors=(BLOCKED,))
FORMERR = replace(SERVFAIL, rcode=Rcode.FORMERR)
NOTIMP = replace(SERVFAIL, rcode=Rcode.NOTIMP)
REFERRAL = replace(GOOD, kind=Kind.REFERRAL)
SMALL = replace(GOOD, records=bytes(SMALL_ANSWER_BYTES))
LARGE = replace(GOOD, records=bytes(SMALL_ANSWER_BYTES + 1))

Seen = tuple[Answer | SendStatus, bytes]


def _ending(
    outcome: Answer | Unproven | SendStatus,
    zone: bytes = b"zone",
    *,
    over_stream: bool = False,
    after_cut: bool = False,
    now: float = NOW,
) -> SendResult:
    if isinstance(outcome, SendStatus):
        return SendResult(outcome, zone, over_stream, now - 0.02, now)
    if isinstance(outcome, Unproven):
        return SendResult(SendStatus.UNPROVEN, zone, over_stream, now - 0.02, now, outcome.answer)
    result = SendStatus.FAILED if outcome.kind in (Kind.FAILURE, Kind.REFERRAL) else SendStatus.ANSWERED
    return SendResult(result, zone, over_stream, now - 0.02, now, outcome, after_cut)


def _zones(count: int) -> Iterator[bytes]:
    """So many zones, over and over."""
    return cycle([b"zone%d" % number for number in range(count)])


def _of(outcomes: Iterable[Answer | SendStatus], zones: int) -> list[Seen]:
    return list(zip(outcomes, _zones(zones), strict=False))


def _in_turn(*outcomes: Answer | SendStatus, times: int, zones: int) -> list[Seen]:
    """These outcomes one after the other, over and over; each is seen for all the zones."""
    return [(outcome, b"zone%d" % (round_ % zones)) for round_ in range(times) for outcome in outcomes]


def _evidence(seen: Iterable[Seen], *, over_stream: bool = False, after_cut: bool = False) -> ReplyWindow:
    evidence = ReplyWindow()
    for outcome, zone in seen:
        evidence.learn(_ending(outcome, zone, over_stream=over_stream, after_cut=after_cut))
    return evidence


def _suspicion(seen: Iterable[Seen], *, over_stream: bool = False, after_cut: bool = False) -> Signal | None:
    return _evidence(seen, over_stream=over_stream, after_cut=after_cut).suspicion(NOW)


class TestWhatFires:
    @pytest.mark.parametrize(
        ("seen", "signal"),
        [
            pytest.param(_of([REFUSED] * RUN, 4), Signal.REFUSED, id="every name is refused"),
            pytest.param(
                [*_of([GOOD] * 80, 20), *_of([REFUSED] * RUN, 4)], Signal.REFUSED, id="every name is, from now on"
            ),
            pytest.param(_of([PROHIBITED] * RUN, 4), Signal.PROHIBITED, id="every name is prohibited"),
            pytest.param(
                _in_turn(REFUSED, PROHIBITED, times=RUN // 2, zones=4),
                Signal.REFUSED,
                id="every name is refused, sometimes with a word of explanation",
            ),
            pytest.param(
                _in_turn(REFUSED, SendStatus.TIMEOUT, times=RUN, zones=4),
                Signal.REFUSED,
                id="every name is refused if anything is said at all",
            ),
            pytest.param(_of([FORMERR] * RUN, 4), Signal.PROTOCOL, id="every query is malformed, they say"),
            pytest.param(_of([NOTIMP] * RUN, 4), Signal.PROTOCOL, id="no query is implemented"),
            pytest.param(_of([SendStatus.UNUSABLE] * RUN, 4), Signal.PROTOCOL, id="no reply can be read"),
            pytest.param(
                _in_turn(FORMERR, SendStatus.UNUSABLE, times=RUN // 2, zones=4), Signal.PROTOCOL, id="one or the other"
            ),
            pytest.param(
                _in_turn(SERVFAIL, GOOD, GOOD, GOOD, times=TROUBLE_ZONES, zones=TROUBLE_ZONES),
                Signal.SERVFAIL,
                id="a quarter of many zones fails",
            ),
            pytest.param(
                _of([SERVFAIL] * TROUBLE_ZONES, TROUBLE_ZONES), Signal.SERVFAIL, id="whatever was asked at night fails"
            ),
            pytest.param(
                _in_turn(SendStatus.TIMEOUT, GOOD, GOOD, GOOD, times=TROUBLE_ZONES, zones=TROUBLE_ZONES),
                Signal.UDP_SILENT,
                id="a quarter of all packets is dropped",
            ),
        ],
    )
    def test_it_is_suspected_that(self, seen: list[Seen], signal: Signal) -> None:
        assert _suspicion(seen) is signal

    def test_small_answers_that_were_cut_are_an_amplification_limit(self) -> None:
        assert _suspicion(_of([SMALL] * RUN, 4), over_stream=True, after_cut=True) is Signal.TRUNCATED

    def test_cuts_that_nothing_follows_for_lack_of_budget_are_one_too(self) -> None:
        evidence = ReplyWindow()
        for number in range(RUN):
            evidence.learn(_ending(SendStatus.TRUNCATED, b"zone%d" % number))
        assert evidence.suspicion(NOW) is Signal.TRUNCATED

    def test_large_answers_that_were_cut_are_none(self) -> None:
        evidence = ReplyWindow()
        for number in range(2 * RUN):
            zone = b"zone%d" % number
            evidence.learn(_ending(SendStatus.TRUNCATED, zone))
            evidence.learn(_ending(LARGE, zone, over_stream=True, after_cut=True))
        assert evidence.suspicion(NOW) is None

    def test_small_answers_behind_cuts_are_one(self) -> None:
        evidence = ReplyWindow()
        for zone in islice(_zones(4), RUN):
            evidence.learn(_ending(SendStatus.TRUNCATED, zone))
            evidence.learn(_ending(SMALL, zone, over_stream=True, after_cut=True))
        assert evidence.suspicion(NOW) is Signal.TRUNCATED

    def test_a_share_is_enough_exactly_at_the_fifth(self) -> None:
        wrong = _of([SERVFAIL] * 20, TROUBLE_ZONES)
        enough = _of([GOOD] * 80, 8)
        assert len(wrong) == TROUBLE_SHARE * WINDOW
        assert _suspicion([*wrong, *enough]) is Signal.SERVFAIL
        assert _suspicion([*wrong[1:], *enough, (GOOD, b"zone")]) is None


class TestWhatOnlyLooksLikeIt:
    @pytest.mark.parametrize(
        ("seen", "signal"),
        [
            pytest.param(
                _of([SERVFAIL] * 60, RUN_ZONES - 1),
                Signal.SERVFAIL_ZONE,
                id="one client and the broken names of a site",
            ),
            pytest.param(
                _in_turn(SERVFAIL, GOOD, times=50, zones=TROUBLE_ZONES - 1),
                None,
                id="nine broken zones, asked again and again",
            ),
            pytest.param(
                _in_turn(SERVFAIL, *[GOOD] * 9, times=TROUBLE_ZONES, zones=TROUBLE_ZONES),
                None,
                id="a tenth of all zones, as on any day",
            ),
            pytest.param(
                _in_turn(BLOCKED_NAME, GOOD, times=50, zones=50), Signal.REFUSED_SOME, id="names that are blocked"
            ),
            pytest.param(_of([REFUSED] * 60, RUN_ZONES - 1), Signal.REFUSED_SOME, id="the blocked names of one page"),
            pytest.param(
                [*_of([REFUSED] * (RUN - 1), 7), (GOOD, b"zone"), *_of([REFUSED] * (RUN - 1), 7)],
                Signal.REFUSED_SOME,
                id="refusals with a single answer among them",
            ),
            pytest.param(
                _in_turn(NOTIMP, GOOD, times=50, zones=50), Signal.REFUSED_SOME, id="a type that is not served"
            ),
            pytest.param(
                _in_turn(PROHIBITED, GOOD, times=50, zones=50), Signal.REFUSED_SOME, id="a type that is prohibited"
            ),
            pytest.param(
                _in_turn(REFUSED, FORMERR, times=RUN, zones=8), Signal.REFUSED_SOME, id="now this and now that"
            ),
            pytest.param(_of([NXDOMAIN] * 100, 100), None, id="names that do not exist"),
            pytest.param(
                _in_turn(SendStatus.TIMEOUT, GOOD, times=50, zones=TROUBLE_ZONES - 1), None, id="nine slow zones"
            ),
            pytest.param(
                _in_turn(SendStatus.TIMEOUT, *[GOOD] * 9, times=TROUBLE_ZONES, zones=TROUBLE_ZONES),
                None,
                id="a tenth of all packets, as on a bad line",
            ),
            pytest.param(_of([REFERRAL] * 20, 20), None, id="referrals"),
            pytest.param([], None, id="nothing at all"),
        ],
    )
    def test_no_more_is_suspected_than(self, seen: list[Seen], signal: Signal | None) -> None:
        assert _suspicion(seen) is signal
        assert signal is None or signal in HARMLESS

    @pytest.mark.parametrize(
        ("answer", "over_stream", "after_cut"),
        [
            pytest.param(LARGE, True, True, id="large answers that are cut"),
            pytest.param(SMALL, True, False, id="small answers over TLS as always"),
            pytest.param(SMALL, False, True, id="small answers over UDP where TCP brought nothing"),
        ],
    )
    def test_no_amplification_limit_is_suspected_for(
        self, answer: Answer, *, over_stream: bool, after_cut: bool
    ) -> None:
        assert _suspicion(_of([answer] * 50, 10), over_stream=over_stream, after_cut=after_cut) is None

    def test_a_large_answer_among_the_small_ones_clears_it_up(self) -> None:
        seen = [*_of([SMALL] * (RUN - 1), 7), (LARGE, b"zone"), *_of([SMALL] * (RUN - 1), 7)]
        assert _suspicion(seen, over_stream=True, after_cut=True) is None

    @pytest.mark.parametrize(
        "result",
        [SendStatus.LOST, SendStatus.UNSENT, SendStatus.ABANDONED, SendStatus.UNREACHABLE, SendStatus.NO_ROUTE],
        ids=str,
    )
    def test_what_is_no_reply_is_judged_elsewhere(self, result: SendStatus) -> None:
        assert _suspicion(_of([result] * 100, 50)) is None

    def test_one_short_of_a_run_is_no_run(self) -> None:
        assert _suspicion(_of([REFUSED] * (RUN - 1), RUN - 1)) is Signal.REFUSED_SOME


class TestTime:
    def test_what_was_long_ago_says_nothing_about_now(self) -> None:
        evidence = _evidence(_of([REFUSED] * RUN, 4))
        assert evidence.suspicion(NOW + WINDOW_SECONDS) is Signal.REFUSED
        assert evidence.suspicion(NOW + WINDOW_SECONDS + 0.1) is None

    def test_of_very_many_the_last_hundred_count(self) -> None:
        assert _suspicion([*_of([SERVFAIL] * 500, 50), *_of([GOOD] * WINDOW, 50)]) is None

    def test_what_has_been_forgotten_does_not_count_again(self) -> None:
        evidence = _evidence(_of([REFUSED] * RUN, 4))
        evidence.clear()
        assert evidence.suspicion(NOW) is None
        evidence.learn(_ending(REFUSED))
        assert evidence.suspicion(NOW) is None


@pytest.mark.parametrize(
    ("ending", "word"),
    [
        pytest.param(_ending(GOOD), ReplyClass.GOOD, id="an answer"),
        pytest.param(_ending(NXDOMAIN), ReplyClass.GOOD, id="no such name"),
        pytest.param(_ending(SERVFAIL), ReplyClass.SERVFAIL, id="a failure"),
        pytest.param(_ending(REFUSED), ReplyClass.REFUSED, id="a refusal"),
        pytest.param(_ending(BLOCKED_NAME), ReplyClass.REFUSED, id="a refusal that says why"),
        pytest.param(_ending(PROHIBITED), ReplyClass.PROHIBITED, id="a refusal that says prohibited"),
        pytest.param(_ending(FORMERR), ReplyClass.PROTOCOL, id="malformed"),
        pytest.param(_ending(NOTIMP), ReplyClass.PROTOCOL, id="not implemented"),
        pytest.param(_ending(SendStatus.UNUSABLE), ReplyClass.PROTOCOL, id="garbage"),
        pytest.param(_ending(REFERRAL), None, id="a referral"),
        pytest.param(_ending(Unproven(REFUSED)), ReplyClass.REFUSED, id="a refusal without proof"),
        pytest.param(_ending(SendStatus.UNPROVEN), None, id="anything else without proof"),
        pytest.param(_ending(SendStatus.TIMEOUT), ReplyClass.SILENCE, id="silence"),
        pytest.param(_ending(SendStatus.TRUNCATED), ReplyClass.CUT, id="a cut"),
        pytest.param(_ending(SMALL, over_stream=True, after_cut=True), ReplyClass.CUT, id="small after a cut"),
        pytest.param(_ending(LARGE, over_stream=True, after_cut=True), ReplyClass.GOOD, id="large after a cut"),
    ],
)
def test_a_reply_amounts_to(ending: SendResult, word: ReplyClass | None) -> None:
    assert classify(ending) is word


@pytest.mark.parametrize(
    ("qname", "zone"),
    [
        pytest.param("www.example.org.", "example.org.", id="a host"),
        pytest.param("a.b.c.example.org.", "example.org.", id="deep below"),
        pytest.param("example.org.", "example.org.", id="the zone itself"),
        pytest.param("org.", "org.", id="a top-level domain"),
        pytest.param(".", ".", id="the root"),
        pytest.param("7.2.0.192.in-addr.arpa.", "in-addr.arpa.", id="an address, so that a scan of them is one zone"),
    ],
)
def test_the_zone_is_the_last_two_labels(qname: str, zone: str) -> None:
    assert zone_of(_wire(dns.name.from_text(qname))) == _wire(dns.name.from_text(zone))


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=20), max_size=8))
def test_the_zone_of_any_name_is_its_end(labels: list[bytes]) -> None:
    assert zone_of(_wire(dns.name.Name([*labels, b""]))) == _wire(dns.name.Name([*labels[-2:], b""]))


def _wire(name: dns.name.Name) -> bytes:
    wire = name.to_wire()
    assert wire is not None
    return wire


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([GOOD, SERVFAIL, REFUSED, PROHIBITED, FORMERR, SendStatus.TIMEOUT, SendStatus.UNUSABLE]),
            st.integers(0, RUN_ZONES - 2).map(lambda number: b"zone%d" % number),
        ),
        max_size=120,
    )
)
def test_whoever_has_three_zones_makes_nothing_suspect(seen: list[Seen]) -> None:
    assert _suspicion(seen) in (None, *HARMLESS)
