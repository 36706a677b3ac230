"""What is said in DNS terms to who gets no answer, for every reason there is."""

import dns.message
import dns.rcode
import pytest

from dohproxy.dot.refusal import refuse_message, refuse_query
from dohproxy.outcomes import OUTCOMES, Reason
from dohproxy.wire.query import parse_query
from tests.e2e.answers import ede_codes

QUERY = dns.message.make_query("www.example.net", "A", use_edns=0, id=7).to_wire()
OLD_QUERY = dns.message.make_query("www.example.net", "A", use_edns=False, id=7).to_wire()
WITH_RCODE = [reason for reason, row in OUTCOMES.items() if row.is_refusal and row.rcode is not None]


@pytest.mark.parametrize("reason", WITH_RCODE, ids=lambda reason: OUTCOMES[reason].label)
def test_a_refusal_has_the_rcode_and_the_errors_of_the_table(reason: Reason) -> None:
    wire = refuse_message(QUERY, reason)
    assert wire is not None
    assert wire == refuse_query(parse_query(QUERY), reason)
    said = dns.message.from_wire(wire)
    row = OUTCOMES[reason]
    assert said.id == 7
    assert int(said.rcode()) == row.rcode
    assert ede_codes(said) == list(row.errors)
    assert said.question == dns.message.from_wire(QUERY).question


@pytest.mark.parametrize("reason", [r for r, row in OUTCOMES.items() if row.closes], ids=lambda r: OUTCOMES[r].label)
def test_where_there_is_nothing_to_say_nothing_is_said(reason: Reason) -> None:
    assert refuse_message(QUERY, reason) is None
    assert refuse_query(parse_query(QUERY), reason) is None


def test_who_has_no_edns_gets_none_back() -> None:
    wire = refuse_message(OLD_QUERY, Reason.CLIENT_LIMIT)
    assert wire is not None
    said = dns.message.from_wire(wire)
    assert (said.edns, said.rcode()) == (-1, dns.rcode.REFUSED)


def test_what_is_no_query_gets_a_header_if_it_has_one_and_a_response_gets_none() -> None:
    broken = QUERY[:-1]
    wire = refuse_message(broken, Reason.CLIENT_LIMIT)
    assert wire is not None
    assert dns.message.from_wire(wire).rcode() == dns.rcode.REFUSED
    assert refuse_message(QUERY[:11], Reason.CLIENT_LIMIT) is None
    response = QUERY[:2] + bytes([QUERY[2] | 0x80]) + QUERY[3:]
    assert refuse_message(response, Reason.CLIENT_LIMIT) is None
