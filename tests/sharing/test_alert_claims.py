"""Which node sends a message."""

from typing import Any, cast

from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.sharing.alert_claims import COMMON, AlertClaims, Claim
from dohproxy.sharing.keys import Keys
from tests.fakes.memory_store import Link, MemoryStore

KEYS = Keys("test", bytes(32))


def node(store: MemoryStore, name: str) -> tuple[Link, AlertClaims]:
    """Return one node's way to the store, and its claims."""
    link = Link(store)
    return link, AlertClaims(cast(Any, link), KEYS, name * 16)


def message(kind: AlertKind = AlertKind.LISTED, event: str = "begin", subject: str = "") -> dict[str, Any]:
    """Return a message."""
    return {"alert": kind.value, "event": event, "subject": subject}


async def test_who_claims_first_sends_and_the_others_wait_until_it_is_sent() -> None:
    store = MemoryStore()
    (_, a), (_, b) = node(store, "a"), node(store, "b")
    assert await a.claim(message(), 10.0) is Claim.OURS
    assert await b.claim(message(), 10.0) is Claim.LATER
    assert await a.claim(message(), 10.0) is Claim.OURS
    await a.conclude(message(), is_sent=True)
    assert await b.claim(message(), 10.0) is Claim.SENT


async def test_another_sends_what_the_first_could_not_or_has_died_over() -> None:
    store = MemoryStore()
    (_, a), (link, b) = node(store, "a"), node(store, "b")
    await a.claim(message(), 10.0)
    await a.conclude(message(), is_sent=False)
    assert await b.claim(message(), 10.0) is Claim.OURS
    assert link.commands[-1][-2:] == ("PX", 15_000), "a claim ends by itself"


async def test_an_end_makes_a_beginning_news_again_and_the_other_way_round() -> None:
    store = MemoryStore()
    (_, a), (_, b) = node(store, "a"), node(store, "b")
    for event, opposite in (("begin", "end"), ("end", "begin"), ("begin", "end")):
        assert await a.claim(message(event=event), 1.0) is Claim.OURS
        await a.conclude(message(event=event), is_sent=True)
        assert await b.claim(message(event=event), 1.0) is Claim.SENT
        del opposite


async def test_each_thing_has_a_claim_of_its_own() -> None:
    store = MemoryStore()
    (_, a), (_, b) = node(store, "a"), node(store, "b")
    await a.claim(message(AlertKind.UPSTREAM, subject="ns0"), 1.0)
    assert await b.claim(message(AlertKind.UPSTREAM, subject="ns1"), 1.0) is Claim.OURS
    assert await b.claim(message(AlertKind.LISTED, subject="ns0"), 1.0) is Claim.OURS


async def test_what_is_one_nodes_own_affair_it_tells_itself_and_without_the_store_all_do() -> None:
    store = MemoryStore()
    (first, a), (second, b) = node(store, "a"), node(store, "b")
    for kind in AlertKind:
        if kind not in COMMON:
            assert await a.claim(message(kind), 1.0) is await b.claim(message(kind), 1.0) is Claim.OURS
            await a.conclude(message(kind), is_sent=True)
    assert store.values == {}
    first.is_up = second.is_up = False
    assert await a.claim(message(), 1.0) is await b.claim(message(), 1.0) is Claim.OURS
