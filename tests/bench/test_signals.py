"""Every way of saying no, as it looks over each transport."""

import dns.message
import dns.rcode
import pytest

from bench.ban.answers import Question, read_question
from bench.ban.signals import TROUBLED_ZONE, Act, Signal, meet_connection, meet_query


def asked(name: str = "www.example.net", rdtype: str = "A") -> Question:
    """Return a question."""
    question = read_question(dns.message.make_query(name, rdtype, use_edns=0).to_wire())
    assert question is not None
    return question


def rcode(met: bytes | Act | None) -> str:
    """Return the rcode of what was said, with the number of its extended error."""
    assert isinstance(met, bytes)
    message = dns.message.from_wire(met)
    return " ".join([dns.rcode.to_text(message.rcode()), *(str(error.code) for error in message.extended_errors())])


OVER_UDP_AND_STREAMS = {
    Signal.SILENCE: (Act.DROP, Act.DROP),
    Signal.UDP_SILENCE: (Act.DROP, None),
    Signal.RESET: (Act.DROP, Act.CLOSE),
    Signal.HANDSHAKE_HANGS: (Act.DROP, Act.DROP),
    Signal.CLOSING: (None, Act.CLOSE),
}


@pytest.mark.parametrize(("signal", "expected"), OVER_UDP_AND_STREAMS.items(), ids=OVER_UDP_AND_STREAMS)
def test_without_words(signal: Signal, expected: tuple[Act | None, Act | None]) -> None:
    met = tuple(meet_query(signal, asked(), over_stream=over_stream) for over_stream in (False, True))
    assert met == expected


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (Signal.REFUSED, "REFUSED"),
        (Signal.PROHIBITED, "REFUSED 18"),
        (Signal.FORMERR, "FORMERR"),
        (Signal.NOTIMP, "NOTIMP"),
    ],
)
@pytest.mark.parametrize("over_stream", [False, True], ids=["over UDP", "over a stream"])
def test_with_an_rcode_for_everything(signal: Signal, expected: str, *, over_stream: bool) -> None:
    assert rcode(meet_query(signal, asked(), over_stream=over_stream)) == expected


def test_truncation_is_for_udp_alone() -> None:
    cut = meet_query(Signal.TRUNCATION, asked(), over_stream=False)
    assert isinstance(cut, bytes)
    assert cut[2] & 0x02
    assert meet_query(Signal.TRUNCATION, asked(), over_stream=True) is None


@pytest.mark.parametrize(("signal", "expected"), [(Signal.REFUSED_TYPES, "REFUSED"), (Signal.NOTIMP_TYPES, "NOTIMP")])
def test_some_types_only(signal: Signal, expected: str) -> None:
    assert rcode(meet_query(signal, asked(rdtype="TXT"), over_stream=False)) == expected
    assert meet_query(signal, asked(), over_stream=False) is None


def test_one_zone_only() -> None:
    assert rcode(meet_query(Signal.SERVFAIL_ZONE, asked(f"www.{TROUBLED_ZONE}"), over_stream=False)) == "SERVFAIL"
    assert meet_query(Signal.SERVFAIL_ZONE, asked(), over_stream=False) is None


def test_about_half_of_unrelated_domains() -> None:
    names = [f"www.site{number}.example" if number % 2 else f"www.site{number}.net" for number in range(400)]
    met = [meet_query(Signal.SERVFAIL_MANY, asked(name), over_stream=False) for name in names]
    assert sum(one is not None for one in met[::2]) == pytest.approx(100, abs=25)


def test_a_content_upstream_answers() -> None:
    assert meet_query(None, asked(), over_stream=False) is None
    assert not meet_connection(None).resets


def test_a_firewall_meets_connections() -> None:
    assert meet_connection(Signal.RESET).resets
    assert meet_connection(Signal.HANDSHAKE_HANGS).hangs


def test_every_signal_does_something() -> None:
    questions = [asked(), asked(rdtype="TXT"), asked(f"a.{TROUBLED_ZONE}"), *(asked(f"a{n}.net") for n in range(9))]
    quiet = [
        signal
        for signal in Signal
        if not any(meet_query(signal, one, over_stream=stream) for one in questions for stream in (False, True))
    ]
    assert quiet == []
