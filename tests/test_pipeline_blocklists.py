"""The walk past blocklists: what they stand above, what they stand below, and whom they concern."""

import math
from dataclasses import replace
from ipaddress import ip_network
from typing import Literal

import dns.edns
import dns.message
import dns.rcode
import pytest

from dohproxy.config import BlocklistConfig
from dohproxy.outcomes import NOBODY, Frontend, Reason
from dohproxy.parsed_request import REPEAT_SECONDS
from dohproxy.policy.blocklists.by_hand import HandEntry
from dohproxy.policy.blocklists.lists import Blocklist
from dohproxy.policy.blocklists.name_set import BOTH, set_of
from dohproxy.policy.blocklists.network_set import set_of_networks
from dohproxy.policy.blocklists.reading import LoadedNames
from dohproxy.wire.name import from_text
from tests.fakes.walk import CLIENT, NEIGHBOUR, Walk, ask_for, errors_in, post
from tests.wire import messages as m

pytestmark = pytest.mark.interpreted  # its resolver is derived from ours, which the compiled one allows nobody

NAME = "www.ads.example.net"
ADS = BlocklistConfig("ads", reason="harm", text="see https://example.net/blocks")
CLIENTS_NETWORK = ip_network("192.0.2.0/24")


def lists(*configs: BlocklistConfig, names: tuple[str, ...] = ("ads.example.net",)) -> list[Blocklist]:
    found = set_of([(from_text(name), BOTH) for name in names])
    return [Blocklist(config, LoadedNames(found, set_of([]), set_of_networks(*config.networks))) for config in configs]


def put(walk: Walk, *found: Blocklist) -> None:
    walk.names.blocklists.adopt(found, 0.0)
    walk.pipeline.rules_changed()


def last(walk: Walk) -> Reason:
    """Why the last request ended as it did."""
    return walk.reason


def text_in(reply: dns.message.Message) -> list[str | None]:
    return [option.text for option in reply.options if isinstance(option, dns.edns.EDEOption)]


async def test_a_listed_name_is_withheld_with_the_lists_words_and_nobody_is_asked() -> None:
    walk = Walk()
    put(walk, *lists(ADS))
    reply = await walk.ask(ask_for(NAME))
    assert (reply.rcode(), errors_in(reply), text_in(reply)) == (dns.rcode.REFUSED, [15], [ADS.text])
    assert last(walk) is Reason.HARMFUL
    assert walk.resolver.asked == []
    assert walk.slots_taken == 0


async def test_a_list_stands_above_the_cache_and_acts_on_what_was_answered_a_moment_ago() -> None:
    walk = Walk()
    parsed = walk.service.read(post(ask_for(NAME)), Frontend.HTTP1)
    walk.resolve(walk.repeat(parsed))  # type: ignore[arg-type]
    walk.repeat(walk.service.read(post(ask_for(NAME)), Frontend.HTTP1))
    assert last(walk) is Reason.CACHED
    put(walk, *lists(ADS))
    await walk.ask(ask_for(NAME))
    assert last(walk) is Reason.HARMFUL
    put(walk)
    await walk.ask(ask_for(NAME))
    assert last(walk) is Reason.CACHED


async def test_a_list_stands_below_what_never_leaves_the_machine() -> None:
    walk = Walk()
    put(walk, *lists(ADS, names=("localhost", "ads.example.net")))
    assert (await walk.ask(ask_for("localhost"))).answer
    assert last(walk) is Reason.LOCAL
    await walk.ask(ask_for(NAME, 255))
    assert last(walk) is Reason.MINIMAL_ANY


async def test_names_with_a_route_of_their_own_are_looked_up_too() -> None:
    walk = Walk(routed=("ads.example.net",))
    put(walk, *lists(ADS))
    await walk.ask(ask_for(NAME))
    assert last(walk) is Reason.HARMFUL
    assert walk.home.asked == []


async def test_each_request_is_a_hit_of_its_list_whether_it_is_read_again_or_not() -> None:
    walk = Walk()
    (ads,) = lists(ADS)
    put(walk, ads)
    parsed = walk.service.read(post(ask_for(NAME)), Frontend.HTTP1)
    for _ in range(100):
        walk.repeat(parsed)
    assert parsed.answered is not None
    walk.clock.now += 2 * REPEAT_SECONDS
    walk.repeat(parsed)
    assert ads.hits == 101
    assert [outcome.reason for outcome in walk.outcomes] == [Reason.HARMFUL] * 101


async def test_an_entry_by_hand_is_a_hit_of_those_by_hand() -> None:
    walk = Walk()
    walk.names.blocklists.by_hand.put(HandEntry(from_text(NAME), True, False, math.inf))
    walk.names.blocklists.changed_by_hand(0.0)
    walk.pipeline.rules_changed()
    reply = await walk.ask(ask_for(NAME))
    assert (reply.rcode(), last(walk)) == (dns.rcode.REFUSED, Reason.BLOCKED)
    assert walk.names.blocklists.by_hand.hits == 1


async def test_the_case_of_a_name_does_not_matter_and_comes_back_as_sent() -> None:
    walk = Walk()
    put(walk, *lists(replace(ADS, action="nxdomain")))
    reply = await walk.ask(ask_for("WWW.ads.EXAMPLE.net"))
    assert (reply.rcode(), str(reply.question[0].name)) == (dns.rcode.NXDOMAIN, "WWW.ads.EXAMPLE.net.")
    assert last(walk) is Reason.HARMFUL


async def test_a_client_of_a_listed_network_is_refused_whatever_it_asks_and_others_are_not() -> None:
    walk = Walk()
    (refusing,) = lists(replace(ADS, networks=(CLIENTS_NETWORK,)), names=())
    put(walk, refusing)
    for name in ("www.example.net", "localhost"):
        reply = await walk.ask(ask_for(name), CLIENT)
        assert (reply.rcode(), errors_in(reply), text_in(reply)) == (dns.rcode.REFUSED, [18], [ADS.text])
        assert last(walk) is Reason.PROHIBITED
    assert (await walk.ask(ask_for("www.example.net"), NEIGHBOUR)).answer
    assert refusing.hits == 2


@pytest.mark.parametrize("kind", ["member", "exempt"])
async def test_members_and_exempt_clients_of_a_listed_network_are_served(kind: Literal["member", "exempt"]) -> None:
    walk = Walk()
    (refusing,) = lists(replace(ADS, networks=(CLIENTS_NETWORK,)), names=())
    put(walk, refusing)
    named = replace(CLIENT, member=kind == "member", exempt=kind == "exempt")
    assert (await walk.ask(ask_for("www.example.net"), named)).answer
    assert refusing.hits == 0
    await walk.ask(ask_for("www.example.net"), CLIENT)
    assert last(walk) is Reason.PROHIBITED


async def test_what_one_client_is_refused_is_not_said_to_the_next_nor_the_other_way_round() -> None:
    walk = Walk()
    put(walk, *lists(replace(ADS, networks=(CLIENTS_NETWORK,)), names=()))
    parsed = walk.service.read(post(ask_for("localhost")), Frontend.HTTP1)
    for client, reason in ((CLIENT, Reason.PROHIBITED), (NEIGHBOUR, Reason.LOCAL)) * 3:
        walk.repeat(parsed, client)
        assert last(walk) is reason


async def test_a_client_of_a_listed_network_keeps_to_its_limit() -> None:
    walk = Walk()
    put(walk, *lists(replace(ADS, networks=(CLIENTS_NETWORK,)), names=()))
    walk.request_limiter.admit_request = lambda client, now: 3.0
    assert (await walk.send(post(ask_for("localhost")))).status == 429


async def test_what_a_client_of_a_listed_network_sends_is_read_as_that_of_others_is() -> None:
    walk = Walk()
    put(walk, *lists(replace(ADS, networks=(CLIENTS_NETWORK,)), names=()))
    await walk.send(post(m.query(m.question(), m.opt(), m.opt())))
    assert last(walk) is Reason.FORMAT_ERROR


async def test_somebody_without_an_address_is_of_no_network() -> None:
    walk = Walk()
    put(walk, *lists(replace(ADS, networks=(ip_network("0.0.0.0/0"), ip_network("::/0"))), names=()))
    await walk.ask(ask_for("localhost"), replace(NOBODY, address=b""))
    assert last(walk) is Reason.LOCAL


async def test_without_any_list_none_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    walk = Walk()
    asked: list[object] = []
    monkeypatch.setattr(type(walk.names.blocklists), "find", lambda *given: asked.append(given))
    monkeypatch.setattr(type(walk.names.blocklists), "refuses", lambda *given: asked.append(given))
    await walk.ask(ask_for(NAME))
    assert asked == []
