"""What is said in place of an answer, as a client reads it."""

import dns.edns
import dns.message
import dns.rcode
import pytest

from dohproxy.outcomes import Reason
from dohproxy.policy.blocklists.withheld import BLOCKED_TTL, Action, Ruling, answer_withheld
from dohproxy.wire.query import parse_query
from dohproxy.wire.reply import write_reply
from tests.fakes.walk import ask_for
from tests.wire import messages as m

HERE = (bytes([192, 0, 2, 80]), bytes([192, 0, 2, 81]), bytes.fromhex("20010db8000000000000000000000080"))
NAME = "www.ads.example.net"
POSITION = 4
"""Where in NAME "ads.example.net" begins."""


def say(
    action: Action, qtype: int = m.A, *, reason: Reason = Reason.BLOCKED, edns: bool = True
) -> tuple[dns.message.Message, int]:
    """What a client reads, and for how long it may be kept."""
    query = parse_query(ask_for(NAME, qtype, edns=edns))
    addresses = HERE if action == "address" else ()
    said = answer_withheld(query, Ruling(reason, action, "böse".encode(), addresses), POSITION)
    assert said.reason is reason
    return dns.message.from_wire(write_reply(query, said.content)), said.ttl


def error_of(message: dns.message.Message) -> tuple[int, str | None]:
    (error,) = [option for option in message.options if isinstance(option, dns.edns.EDEOption)]
    return int(error.code), error.text


def test_a_refusal_says_nothing_of_the_name_and_is_kept_by_nobody() -> None:
    message, ttl = say("refused")
    assert (message.rcode(), message.answer, message.authority, ttl) == (dns.rcode.REFUSED, [], [], 0)


@pytest.mark.parametrize(
    ("action", "rcode"), [("nxdomain", dns.rcode.NXDOMAIN), ("nodata", dns.rcode.NOERROR)], ids=["nxdomain", "nodata"]
)
def test_a_denial_has_an_soa_of_the_listed_name_and_is_kept_for_a_minute(action: Action, rcode: int) -> None:
    message, ttl = say(action)
    assert (message.rcode(), message.answer) == (rcode, [])
    (soa,) = message.authority
    assert (str(soa.name), soa.ttl, soa[0].minimum, ttl) == ("ads.example.net.", *3 * [BLOCKED_TTL])


@pytest.mark.parametrize(
    ("qtype", "addresses"),
    [(m.A, ["192.0.2.80", "192.0.2.81"]), (28, ["2001:db8::80"])],
    ids=["A", "AAAA"],
)
def test_an_address_is_that_of_the_asked_name(qtype: int, addresses: list[str]) -> None:
    message, ttl = say("address", qtype)
    (answer,) = message.answer
    assert (str(answer.name), answer.ttl, ttl) == (f"{NAME}.", BLOCKED_TTL, BLOCKED_TTL)
    assert [str(record) for record in answer] == addresses


def test_where_there_are_addresses_there_is_nothing_of_another_type() -> None:
    message, _ = say("address", 65)
    assert (message.rcode(), message.answer, len(message.authority)) == (dns.rcode.NOERROR, [], 1)


@pytest.mark.parametrize(
    ("reason", "code"),
    [(Reason.BLOCKED, 15), (Reason.CENSORED, 16), (Reason.HARMFUL, 15), (Reason.FILTERED, 17)],
    ids=["operator", "law", "harm", "requested"],
)
@pytest.mark.parametrize("action", ["refused", "nxdomain", "nodata", "address"])
def test_clients_with_edns_are_told_on_whose_account_and_why(action: Action, reason: Reason, code: int) -> None:
    assert error_of(say(action, reason=reason)[0]) == (code, "böse")


def test_clients_without_edns_get_an_answer_all_the_same() -> None:
    message, _ = say("nxdomain", edns=False)
    assert (message.rcode(), message.edns) == (dns.rcode.NXDOMAIN, -1)
