"""The question that is nobody's, and what comes of it."""

from dataclasses import replace

import dns.flags
import dns.message
import dns.rdatatype
import pytest

from dohproxy.upstream.health.signals import SMALL_ANSWER_BYTES, ReplyClass, SendResult, classify, zone_of
from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.root_question import PROBE, apex_question, probe_ending
from dohproxy.upstream.spoofing.case import TELLING_LETTERS
from dohproxy.wire.answer import TRUNCATED, Answer, Kind, parse_answer
from dohproxy.wire.name import from_text, letters_in
from dohproxy.wire.numbers import UDP_PAYLOAD_BYTES, Rcode
from dohproxy.wire.upstream_query import write_upstream_query
from tests.fakes.guest import GOOD, PROHIBITED, REFUSED, SERVFAIL


def _reply() -> bytes:
    """What resolvers say to it: an address, and where they are generous all servers of its zone and theirs."""
    query = dns.message.from_wire(write_upstream_query(PROBE, 4711, padded=False))
    reply = dns.message.make_response(query, recursion_available=True)
    servers = [f"{letter}.root-servers.net." for letter in "abcdefghijklm"]
    reply.answer.append(dns.rrset.from_text(servers[0], 518_400, "IN", "A", "192.0.2.4"))
    reply.authority.append(dns.rrset.from_text_list("root-servers.net.", 518_400, "IN", "NS", servers))
    for number, name in enumerate(servers):
        reply.additional.append(dns.rrset.from_text(name, 518_400, "IN", "AAAA", f"2001:db8::{number}"))
    return reply.to_wire()


def test_it_asks_for_a_server_of_the_root_and_says_nothing_of_anybody() -> None:
    message = dns.message.from_wire(write_upstream_query(PROBE, 4711, padded=False))
    (question,) = message.question
    assert (question.name.to_text(), question.rdtype) == ("a.root-servers.net.", dns.rdatatype.A)
    assert message.flags & dns.flags.RD
    assert (message.edns, message.payload, message.options) == (0, UDP_PAYLOAD_BYTES, ())
    assert not message.ednsflags & dns.flags.DO


def test_its_name_shows_what_an_upstream_makes_of_mixed_case() -> None:
    assert letters_in(PROBE.qname) >= TELLING_LETTERS


def test_who_knows_one_domain_is_asked_for_its_soa() -> None:
    asked = apex_question(from_text("10.in-addr.arpa"))
    message = dns.message.from_wire(write_upstream_query(asked, 4711, padded=False))
    (question,) = message.question
    assert (question.name.to_text(), question.rdtype) == ("10.in-addr.arpa.", dns.rdatatype.SOA)
    assert message.flags & dns.flags.RD


def test_its_answer_fits_into_a_datagram_so_a_cut_one_is_a_sign() -> None:
    wire = _reply()
    answer = parse_answer(wire, PROBE)
    assert answer.kind is Kind.POSITIVE
    assert len(wire) <= UDP_PAYLOAD_BYTES
    assert len(answer.records) <= SMALL_ANSWER_BYTES


@pytest.mark.parametrize(
    ("outcome", "over_stream", "result", "word"),
    [
        pytest.param(GOOD, False, SendStatus.ANSWERED, ReplyClass.GOOD, id="an answer"),
        pytest.param(GOOD, True, SendStatus.ANSWERED, ReplyClass.GOOD, id="an answer over TCP"),
        pytest.param(SERVFAIL, False, SendStatus.FAILED, ReplyClass.SERVFAIL, id="a failure"),
        pytest.param(REFUSED, False, SendStatus.FAILED, ReplyClass.REFUSED, id="a refusal"),
        pytest.param(PROHIBITED, True, SendStatus.FAILED, ReplyClass.PROHIBITED, id="a refusal with its reason"),
        pytest.param(
            replace(SERVFAIL, rcode=Rcode.BADVERS), False, SendStatus.UNUSABLE, ReplyClass.PROTOCOL, id="BADVERS"
        ),
        pytest.param(replace(SERVFAIL, rcode=Rcode.BADCOOKIE), False, SendStatus.BAD_COOKIE, None, id="BADCOOKIE"),
        pytest.param(TRUNCATED, False, SendStatus.TRUNCATED, ReplyClass.CUT, id="a cut"),
        pytest.param(TRUNCATED, True, SendStatus.UNUSABLE, ReplyClass.PROTOCOL, id="a cut over TCP"),
        pytest.param(SendStatus.TIMEOUT, False, SendStatus.TIMEOUT, ReplyClass.SILENCE, id="silence"),
        pytest.param(SendStatus.UNREACHABLE, True, SendStatus.UNREACHABLE, None, id="a closed port"),
        pytest.param(SendStatus.ABANDONED, False, SendStatus.ABANDONED, None, id="our own end"),
    ],
)
def test_what_it_brings_is_told_in_the_words_of_health(
    outcome: Answer | SendStatus, result: SendStatus, word: ReplyClass | None, *, over_stream: bool
) -> None:
    ending = probe_ending(outcome, over_stream=over_stream, sent_at=1.0, now=2.5)
    answer = outcome if isinstance(outcome, Answer) else None
    assert ending == SendResult(result, zone_of(PROBE.qname), over_stream, 1.0, 2.5, answer)
    assert classify(ending) is word
