"""The simulated upstream's answers, read by dnspython."""

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from bench.ban.answers import NEGATIVE_TTL, TTLS, Question, Zones, answer, failure, read_question, truncated


def question(name: str, rdtype: str = "A", *, use_edns: bool = True) -> tuple[dns.message.Message, Question]:
    """Return a query and what the simulator reads in it."""
    query = dns.message.make_query(name, rdtype, use_edns=0 if use_edns else False)
    found = read_question(query.to_wire())
    assert found is not None
    return query, found


def reply(name: str, rdtype: str = "A", zones: Zones = Zones()) -> dns.message.Message:  # noqa: B008
    """Return the answer, which must belong to the query."""
    query, found = question(name, rdtype)
    response = dns.message.from_wire(answer(found, zones))
    assert query.is_response(response)
    return response


def test_a_name_has_the_same_address_each_time_whatever_its_case() -> None:
    first, second = reply("www.Example.net"), reply("WWW.example.NET")
    assert first.answer[0][0].to_text().startswith("127.")
    assert [record.to_text() for record in first.answer[0]] == [record.to_text() for record in second.answer[0]]


def test_different_names_have_different_addresses() -> None:
    assert len({reply(f"www{number}.example.net").answer[0][0].to_text() for number in range(50)}) == 50


@pytest.mark.parametrize(("rdtype", "share"), [("AAAA", 1 / 3), ("HTTPS", 1 / 8)])
def test_some_names_have_the_newer_types_and_the_others_say_so_with_an_soa(rdtype: str, share: float) -> None:
    replies = [reply(f"host{number}.example.net", rdtype) for number in range(400)]
    assert sum(bool(one.answer) for one in replies) / len(replies) == pytest.approx(share, abs=0.08)
    negative = next(one for one in replies if not one.answer)
    assert negative.rcode() == dns.rcode.NOERROR
    assert negative.authority[0].name.to_text() == "example.net."
    assert negative.authority[0][0].minimum == NEGATIVE_TTL


def test_ttls_are_as_varied_as_they_are_said_to_be() -> None:
    assert {reply(f"host{number}.example.net").answer[0].ttl for number in range(200)} == set(TTLS)


def test_a_ttl_can_be_chosen() -> None:
    assert reply("www.example.net", zones=Zones(ttl_seconds=7)).answer[0].ttl == 7


def test_the_root_has_name_servers() -> None:
    assert reply(".", "NS").answer[0][0].to_text() == "a.root-servers.net."


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("abcdefgh.test.dnscrypt", "."),
        ("absent1.www.example.net", "example.net."),
        ("x8f2.victim.example.net", "victim.example.net."),
    ],
    ids=["below a domain that the root does not know", "by its first label", "in a zone that is empty"],
)
def test_a_name_does_not_exist(name: str, owner: str) -> None:
    response = reply(name, zones=Zones(empty=("victim.example.net",)))
    assert response.rcode() == dns.rcode.NXDOMAIN
    [soa] = response.authority
    assert (soa.rdtype, soa.name.to_text()) == (dns.rdatatype.SOA, owner)


def test_the_apex_of_an_empty_zone_exists() -> None:
    assert reply("victim.example.net", zones=Zones(empty=("victim.example.net",))).rcode() == dns.rcode.NOERROR


def test_failures_explain_themselves_to_who_can_read_it() -> None:
    query, found = question("www.example.net")
    response = dns.message.from_wire(failure(found, 5, 18))
    assert query.is_response(response)
    assert response.rcode() == dns.rcode.REFUSED
    assert [option.code for option in response.options if isinstance(option, dns.edns.EDEOption)] == [18]


def test_no_opt_goes_to_who_sent_none() -> None:
    _, found = question("www.example.net", use_edns=False)
    assert dns.message.from_wire(failure(found, 5, 18)).edns == -1


def test_a_cut_answer_is_empty() -> None:
    _, found = question("www.example.net")
    response = dns.message.from_wire(truncated(found))
    assert response.flags & dns.flags.TC
    assert response.answer == []


@pytest.mark.parametrize(
    "wire",
    [b"", bytes(17), bytes.fromhex("000081000001000000000000" + "0000010001"), bytes(4) + b"\x00\x01" + b"\x3f" * 20],
    ids=["nothing", "no question", "a reply", "a name without end"],
)
def test_what_is_no_query_is_none(wire: bytes) -> None:
    assert read_question(wire) is None
