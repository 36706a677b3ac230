"""What is told of an upstream after one query: facts in their words, and every kind of trouble in a sentence."""

from dataclasses import replace

import pytest

from dohproxy.config import UpstreamConfig
from dohproxy.config.additions import Addition
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.tools.observation import Observation, TlsSeen, Trouble
from dohproxy.tools.upstream_probe import probe_query
from dohproxy.tools.upstream_report import ERROR_NAMES, Report, has_signatures, render, report
from dohproxy.wire.answer import UpstreamReply, parse_answer, parse_reply
from tests.wire import messages as m

NOW = 1_800_000_000.0
DAY = 86_400.0
COOKIE = b"ourself!"
UDP = UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53))
TCP = UpstreamConfig("ns0", UpstreamAddress("tcp", "192.0.2.53", 53))
TLS = UpstreamConfig("ns0", UpstreamAddress("tls", "192.0.2.53", 853, "ns0.example.net"))
ROOT = probe_query(m.ROOT)
COM = probe_query(m.name("com"))
NET = probe_query(m.name("example.net"))
NS = m.record(m.NS, m.name("a.root"), owner=m.ROOT)
SIGNATURE = m.record(46, b"\x00\x02" + bytes(18), owner=m.ROOT)
CERTIFICATE = TlsSeen("TLSv1.3", ("ns0.example.net", "192.0.2.53"), NOW + 61 * DAY)


def _reply(*records: bytes, flags: int = m.QR | m.RA, options: bytes = b"", rcode: int = 0) -> UpstreamReply:
    additional = (m.opt(options, rcode=rcode),)
    wire = m.answer(*records, additional=additional, asked=ROOT.question, flags=flags | rcode & 15)
    return parse_reply(wire, ROOT)


GOOD = Observation(UDP, ROOT, answer_seconds=0.0114, reply=_reply(NS, SIGNATURE, flags=m.QR | m.AD), cookie=COOKIE)
OVER_TCP = replace(GOOD, upstream=TCP, connect_seconds=0.0231, cookie=b"")
OVER_TLS = replace(OVER_TCP, upstream=TLS, tls=CERTIFICATE)


def _facts(seen: Observation) -> dict[str, str]:
    return dict(report(seen, NOW).facts)


def _warning(seen: Observation) -> str:
    [warning] = report(seen, NOW).warnings
    return warning


@pytest.mark.parametrize("seen", [GOOD, OVER_TCP, OVER_TLS], ids=["udp", "tcp", "tls"])
def test_a_good_upstream_is_well(seen: Observation) -> None:
    assert report(seen, NOW).is_well


FACTS = {
    "UDP": (GOOD, "protocol", "UDP"),
    "TCP": (OVER_TCP, "protocol", "TCP"),
    "a verified certificate": (
        OVER_TLS,
        "protocol",
        "TLSv1.3, certificate verified for ns0.example.net, valid for 61 more days",
    ),
    "one verified for the address": (
        replace(OVER_TLS, upstream=replace(TLS, url=UpstreamAddress("tls", "192.0.2.53", 853))),
        "protocol",
        "TLSv1.3, certificate verified for 192.0.2.53, valid for 61 more days",
    ),
    "one whose dates cannot be read": (
        replace(OVER_TLS, tls=replace(CERTIFICATE, not_after=None)),
        "protocol",
        "TLSv1.3, certificate verified for ns0.example.net",
    ),
    "one verified by its key too": (
        replace(OVER_TLS, upstream=replace(TLS, pins=("pin",))),
        "protocol",
        "TLSv1.3, certificate verified for ns0.example.net, and its key, valid for 61 more days",
    ),
    "one verified by its key alone": (
        replace(OVER_TLS, upstream=replace(TLS, url=UpstreamAddress("tls", "192.0.2.53", 853), pins=("pin",))),
        "protocol",
        "TLSv1.3, key verified by its pin, valid for 61 more days",
    ),
    "its key": (
        replace(OVER_TLS, tls=replace(CERTIFICATE, pin="7HIpactk=")),
        "key",
        "7HIpactk= (as upstream.pins has it)",
    ),
    "a handshake that failed": (Observation(TLS, ROOT, Trouble.TLS_ALERT), "protocol", "TLS"),
    "a certificate that was refused": (
        Observation(TLS, ROOT, Trouble.CERTIFICATE, tls=CERTIFICATE),
        "protocol",
        "TLSv1.3",
    ),
    "one latency": (GOOD, "latency", "answer 11.4 ms"),
    "two latencies": (OVER_TCP, "latency", "connection 23.1 ms, answer 11.4 ms"),
    "an answer": (GOOD, "answer", "NOERROR, 2 record(s)"),
    "an answer with an error that has a name": (
        replace(GOOD, reply=_reply(options=m.option(m.EXTENDED_ERROR, b"\0\x12"), rcode=5)),
        "answer",
        "REFUSED, EDE 18 Prohibited, 0 record(s)",
    ),
    "an error without the question": (
        replace(GOOD, reply=parse_reply(m.message(m.QR | 5, []), ROOT), repeats_question=False),
        "answer",
        "REFUSED, 0 record(s), in a header alone: it has not read the question",
    ),
    "an answer with an error that has none": (
        replace(GOOD, reply=_reply(options=m.option(m.EXTENDED_ERROR, b"\x10\0"), rcode=2)),
        "answer",
        "SERVFAIL, EDE 4096, 0 record(s)",
    ),
    "an rcode without a name": (replace(GOOD, reply=_reply(rcode=9)), "answer", "rcode 9, 0 record(s)"),
    "a cut answer": (
        replace(GOOD, reply=_reply(flags=m.QR | m.TC)),
        "answer",
        "cut (TC), to be asked again over TCP",
    ),
    "an answer cut without a word": (
        replace(GOOD, reply=_reply(flags=m.QR | m.TC), says_when_it_cuts=False),
        "answer",
        "cut (without TC), to be asked again over TCP",
    ),
    "an answer to come": (
        replace(GOOD, reply=_reply(rcode=23)),
        "answer",
        "BADCOOKIE: it wants its own cookie first, with which the service would ask again",
    ),
    "validation that is not believed": (
        GOOD,
        "DNSSEC",
        "validated (AD), signatures present; clients are not told of it without validates = true",
    ),
    "validation that is": (
        replace(GOOD, upstream=replace(UDP, validates=True)),
        "DNSSEC",
        "validated (AD), signatures present",
    ),
    "no validation": (replace(GOOD, reply=_reply(NS)), "DNSSEC", "not validated (no AD), no signatures"),
    "the size it takes": (GOOD, "EDNS", "takes 1232 bytes over UDP"),
    "no EDNS": (
        replace(GOOD, reply=replace(_reply(NS), edns=None)),
        "EDNS",
        "none: answers over 512 bytes need TCP, and no DNSSEC",
    ),
    "no padding": (GOOD, "padding", "none"),
    "no EDNS, so no padding": (replace(GOOD, reply=replace(_reply(NS), edns=None)), "padding", "none"),
    "padding": (
        replace(OVER_TLS, reply=_reply(NS, options=m.option(m.PADDING, bytes(301)))),
        "padding",
        "301 bytes",
    ),
    "no cookies": (GOOD, "cookies", "none"),
    "cookies": (
        replace(GOOD, reply=_reply(NS, options=m.option(m.COOKIE, COOKIE + bytes(16)))),
        "cookies",
        "returned",
    ),
    "half a cookie": (
        replace(GOOD, reply=_reply(NS, options=m.option(m.COOKIE, COOKIE))),
        "cookies",
        "ours returned, without one of its own",
    ),
    "another's cookie": (
        replace(GOOD, reply=_reply(NS, options=m.option(m.COOKIE, bytes(24)))),
        "cookies",
        "another's instead of ours, as from a cache that does not know cookies: they will not be used",
    ),
    "cookies over TLS": (OVER_TLS, "cookies", "not used over TLS"),
    "the case of the root": (GOOD, "case", "not shown by a name without letters; --name com. would show it"),
    "a case that comes back": (replace(GOOD, query=COM, repeats_case=True), "case", "preserved"),
    "a case that does not": (replace(GOOD, query=COM), "case", "changed: it will not be varied"),
    "cookies that are left out": (replace(GOOD, added=frozenset({Addition.EDNS}), cookie=b""), "cookies", "left out"),
    "a case that is left out": (replace(GOOD, added=frozenset({Addition.EDNS})), "case", "left out"),
    "the case over TCP": (OVER_TCP, "case", "not varied over TCP"),
}


@pytest.mark.parametrize(("seen", "label", "text"), FACTS.values(), ids=FACTS)
def test_what_is_so_is_told(seen: Observation, label: str, text: str) -> None:
    assert _facts(seen)[label] == text


@pytest.mark.parametrize("reply", [_reply(rcode=23), _reply(flags=m.QR | m.TC)], ids=["BADCOOKIE", "TC"])
def test_of_an_answer_that_is_to_come_nothing_is_said_about_validation(reply: UpstreamReply) -> None:
    assert "DNSSEC" not in _facts(replace(GOOD, reply=reply))


def test_without_a_reply_only_the_way_is_told() -> None:
    assert set(_facts(Observation(UDP, ROOT, Trouble.SILENT))) == {"protocol"}
    assert set(_facts(Observation(TCP, ROOT, Trouble.SILENT, connect_seconds=0.1))) == {"protocol", "latency"}


@pytest.mark.parametrize("trouble", list(Trouble), ids=lambda trouble: str(trouble.name))
def test_every_trouble_is_a_warning_in_words(trouble: Trouble) -> None:
    warning = _warning(Observation(TLS, ROOT, trouble, "as the system says it"))
    assert "as the system says it" in warning
    assert len(warning.split()) > 3
    assert not warning.endswith(".")


WARNINGS = {
    "silence": (Observation(UDP, ROOT, Trouble.SILENT), "as it does with a banned address"),
    "no detail, no brackets": (Observation(UDP, ROOT, Trouble.NOBODY), "nobody listens there: the port is closed"),
    "a refusal": (replace(GOOD, reply=_reply(rcode=5)), "not among its clients, or it was banned"),
    "a refusal with a reason": (
        replace(GOOD, reply=_reply(options=m.option(m.EXTENDED_ERROR, b"\0\x0f"), rcode=5)),
        "EDE 15 Blocked",
    ),
    "a cut answer over UDP": (replace(GOOD, reply=_reply(flags=m.QR | m.TC)), "costs a second query"),
    "a cut answer over TCP": (replace(OVER_TCP, reply=_reply(flags=m.QR | m.TC)), "even where everything fits"),
    "a failure": (replace(GOOD, reply=_reply(rcode=2)), "cannot find the answer itself (SERVFAIL"),
    "a format error": (replace(GOOD, reply=_reply(rcode=1)), "nor one without EDNS"),
    "not implemented": (replace(GOOD, reply=_reply(rcode=4)), "nor one without EDNS"),
    "a bad version": (replace(GOOD, reply=_reply(rcode=16)), "too old for EDNS"),
    "no root": (replace(GOOD, reply=_reply(rcode=3)), "no resolver should give (NXDOMAIN"),
    "no com": (replace(GOOD, query=COM, reply=_reply(rcode=3)), "no resolver should give (NXDOMAIN"),
    "com without name servers": (replace(GOOD, query=COM, reply=_reply()), "the name servers of com"),
    "what it cannot stand": (
        replace(GOOD, not_stood=((Addition.COOKIE, "silence"),)),
        "cannot stand DNS cookies (silence) and answers without: the service finds out and leaves it out;"
        ' leave_out = ["cookie"] spares it trials',
    ),
    "a strange rcode": (replace(GOOD, reply=_reply(rcode=9)), "no resolver should give (rcode 9"),
    "a root without name servers": (replace(GOOD, reply=_reply()), "no resolver of the public DNS"),
    "a validator that does not": (
        replace(GOOD, upstream=replace(UDP, validates=True), reply=_reply(NS)),
        "although validates = true",
    ),
    "a certificate": (
        Observation(TLS, ROOT, Trouble.CERTIFICATE, "Hostname mismatch", tls=replace(CERTIFICATE, names=("a", "b"))),
        "Hostname mismatch; ns0.example.net was expected, it is for a, b, valid until 2027-03-17 08:00 UTC",
    ),
    "a certificate with many names": (
        Observation(TLS, ROOT, Trouble.CERTIFICATE, tls=replace(CERTIFICATE, names=tuple("abcdefg"))),
        "it is for a, b, c, d and 3 more, valid",
    ),
    "a certificate without any": (
        Observation(TLS, ROOT, Trouble.CERTIFICATE, tls=replace(CERTIFICATE, names=())),
        "it is for no name, valid",
    ),
}


@pytest.mark.parametrize(("seen", "words"), WARNINGS.values(), ids=WARNINGS)
def test_what_is_wrong_is_told(seen: Observation, words: str) -> None:
    assert words in _warning(seen)
    assert not report(seen, NOW).is_well


def test_a_referral_is_told() -> None:
    wire = m.answer(authority=(m.record(m.NS, m.name("ns.com"), owner=m.name("com")),), asked=COM.question)
    assert "refers to other servers" in _warning(replace(GOOD, query=COM, reply=parse_reply(wire, COM)))


WELL = {
    "a name that does not exist": (3, b""),
    "a name without name servers": (0, b""),
    "a first query without a server's cookie": (23, m.option(m.COOKIE, COOKIE + bytes(16))),
}


@pytest.mark.parametrize(("rcode", "options"), WELL.values(), ids=WELL)
def test_what_may_well_be_is_no_warning(rcode: int, options: bytes) -> None:
    assert report(replace(GOOD, query=NET, reply=_reply(options=options, rcode=rcode)), NOW).warnings == ()


@pytest.mark.parametrize(("records", "expected"), [((NS,), False), ((NS, SIGNATURE), True)], ids=["without", "with"])
def test_signatures_are_found(records: tuple[bytes, ...], *, expected: bool) -> None:
    assert has_signatures(parse_answer(m.answer(*records, asked=ROOT.question), ROOT)) is expected


def test_the_errors_are_in_the_order_of_the_registry() -> None:
    assert [ERROR_NAMES[code] for code in (0, 3, 6, 15, 18, 22, 24)] == [
        *("Other Error", "Stale Answer", "DNSSEC Bogus", "Blocked", "Prohibited"),
        *("No Reachable Authority", "Invalid Data"),
    ]


def test_the_text_has_a_block_for_each_and_a_line_for_all() -> None:
    good, bad = Report("ns0  udp://192.0.2.53", (("protocol", "UDP"),), ()), Report("ns1", (), ("is gone",))
    assert render([good, bad]) == (
        "ns0  udp://192.0.2.53\n  protocol  UDP\n\nns1\n  WARNING   is gone.\n\n2 upstream(s), 1 with warnings"
    )
    assert render([good]).endswith("\n\n1 upstream(s), all well")


def test_nothing_is_told_of_what_an_error_without_the_question_cannot_show() -> None:
    seen = replace(GOOD, reply=parse_reply(m.message(m.QR | 1, []), ROOT), repeats_question=False)
    assert set(_facts(seen)) == {"protocol", "latency", "answer"}
    assert _warning(seen).startswith("does not understand the query (FORMERR")


def test_an_answer_cut_without_a_word_is_warned_of() -> None:
    seen = replace(GOOD, reply=_reply(flags=m.QR | m.TC), says_when_it_cuts=False)
    assert _warning(seen).startswith("cuts an answer and does not say so")
