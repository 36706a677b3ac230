"""The plans of the incident: as many requests as there were, in the mix they were in, from where they came."""

from collections import Counter
from ipaddress import ip_address, ip_network

import pytest

from bench.callers import Asked
from bench.incident import members, strangers
from bench.incident.members import Browsing, browse, callers, networks
from bench.incident.strangers import DIALECTS, TAIL, Flood
from bench.incident.torture import Torture, random_names
from bench.names import Popularity
from dohproxy.doh.dialects import Dialect
from dohproxy.doh.exchange import HttpRequest
from dohproxy.doh.request import AcceptedRequest, RequestRules, read_request

POPULARITY = Popularity([f"site{number}.example" for number in range(1000)])
FLOOD = Flood(addresses=400, requests=11_300, day_seconds=864.0)
"""A fiftieth of the incident."""


@pytest.fixture(scope="module")
def plan() -> list[Asked]:
    """Every request of the flood."""
    return list(strangers.strangers(FLOOD, POPULARITY))


def test_there_are_as_many_requests_as_there_were(plan: list[Asked]) -> None:
    assert len(plan) == pytest.approx(FLOOD.requests, rel=0.02)


def test_they_come_from_all_addresses_and_many_networks(plan: list[Asked]) -> None:
    addresses = {asked.caller.address for asked in plan}
    assert len(addresses) == FLOOD.addresses
    assert len({address.rpartition(".")[0] for address in addresses}) == FLOOD.addresses // 4


def test_20000_addresses_are_20000_and_all_on_loopback() -> None:
    addresses = {strangers.address_of(number) for number in range(strangers.ADDRESSES)}
    assert len(addresses) == strangers.ADDRESSES
    assert all(ip_address(address) in ip_network("127.64.0.0/10") for address in addresses)


def test_they_come_in_order_within_the_day(plan: list[Asked]) -> None:
    dues = [asked.due for asked in plan]
    assert dues == sorted(dues)
    assert 0 <= dues[0] < dues[-1] < FLOOD.day_seconds


def test_the_mix_is_what_it_is_said_to_be(plan: list[Asked]) -> None:
    assert sum(dialect.share for dialect in DIALECTS) == pytest.approx(1)
    counts = Counter(asked.kind for asked in plan)
    assert counts[TAIL] / len(plan) == pytest.approx(FLOOD.tail_share, abs=0.003)
    rounds = {dialect.kind: counts[dialect.kind] / dialect.requests for dialect in DIALECTS}
    for dialect in DIALECTS:
        assert rounds[dialect.kind] / sum(rounds.values()) == pytest.approx(dialect.share, abs=0.05)


def test_a_flood_without_a_tail_is_probes_alone() -> None:
    plan = strangers.strangers(Flood(addresses=40, requests=1_000, tail_share=0.0), POPULARITY)
    assert {asked.kind for asked in plan} == {dialect.kind for dialect in DIALECTS}


def test_few_of_them_really_ask_and_they_ask_for_popular_names(plan: list[Asked]) -> None:
    asking = {asked.caller.address for asked in plan if asked.kind == TAIL}
    assert len(asking) == FLOOD.addresses * strangers.ASKING_SHARE


def test_a_replay_is_the_same_each_time(plan: list[Asked]) -> None:
    again = list(strangers.strangers(FLOOD, POPULARITY))
    assert [(asked.due, asked.request) for asked in again] == [(asked.due, asked.request) for asked in plan]


def test_each_kind_speaks_its_dialect(plan: list[Asked]) -> None:
    spoken = {(asked.kind, _dialect(asked.request)) for asked in plan}
    assert spoken == {
        ("probe, 2019", Dialect.POST_X_PAD),
        ("probe, 2019 by GET", Dialect.POST_X_PAD),
        ("probe, 2019 by GET", Dialect.GET_CT_EMPTY),
        ("probe, today", Dialect.POST_BODY_HASH),
        (TAIL, Dialect.POST_X_PAD),
    }


def test_the_constant_probe_is_the_one_that_was_recorded(plan: list[Asked]) -> None:
    request = next(asked.request for asked in plan if asked.kind == "probe, 2019")
    assert b"?body_hash=fc3f9e09b65a7ce1e47b02b2991f5934eccb5bca444ef8619f541537f636529a " in request
    assert b"X-Pad: " + 36 * b"X" + b"\r\n" in request
    assert request.endswith(bytes.fromhex("cafe0100000100000000000100000200010000291000000080000000"))


def _dialect(request: bytes) -> Dialect:
    head, _, body = request.partition(b"\r\n\r\n")
    method, target, _ = head.decode("ascii").split(" ", 2)
    fields = {line.partition(b": ")[0].lower(): line.partition(b": ")[2].decode() for line in head.split(b"\r\n")[1:]}
    http = HttpRequest(
        method, target, body, fields.get(b"accept"), fields.get(b"content-type"), None, b"x-pad" in fields
    )
    found = read_request(http, RequestRules("/dns-query", 1024))
    assert isinstance(found, AcceptedRequest)
    return found.dialect


def test_members_ask_for_pages_at_the_pace_of_people() -> None:
    browsing = Browsing(seconds=3_000.0)
    plan = list(browse(browsing, POPULARITY, callers(browsing.members)))
    pages = {(asked.caller.address, asked.due) for asked in plan}
    assert len(pages) == pytest.approx(browsing.members * browsing.seconds / browsing.think_seconds, rel=0.1)
    assert len(plan) / len(pages) == pytest.approx(21, rel=0.1)
    assert [asked.due for asked in plan] == sorted(asked.due for asked in plan)


def test_each_member_has_a_network_of_its_own_that_no_stranger_shares() -> None:
    own = [ip_network(network) for network in networks(60)]
    assert all(ip_address(members.address_of(number)) in own[number] for number in range(60))
    assert len(set(own)) == 60
    assert not any(network.overlaps(ip_network("127.64.0.0/10")) for network in own)


def test_members_come_back_to_the_same_sites_and_find_new_pages() -> None:
    people = callers(5)
    first, second = (
        {asked.request for asked in browse(Browsing(5, 6_000.0), POPULARITY, people, phase=phase)} for phase in (1, 2)
    )
    assert first != second
    assert len(first & second) > len(first) / 3


def test_no_two_random_names_are_the_same() -> None:
    plan = list(random_names(Torture(addresses=50, per_second=100, seconds=10)))
    assert len({asked.request for asked in plan}) == len(plan) == 1_000
    assert all(b"\x06victim\x07example\x03net\x00" in asked.request for asked in plan)
    assert 40 < len({asked.caller.address for asked in plan}) <= 50
    assert max(asked.due for asked in plan) < 10
