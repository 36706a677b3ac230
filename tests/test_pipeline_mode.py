"""The walk while strangers are held: members alone, no stubs of public lists, older answers."""

from dataclasses import replace

import pytest

from dohproxy.config import CacheConfig
from dohproxy.doh.exchange import HttpResponse
from dohproxy.exits import Miss
from dohproxy.outcomes import Client, Frontend, Purpose, Reason
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query
from tests.fakes.walk import CLIENT, MEMBER, Limits, Walk, address_of, ask_for, client_of, post

NAME = "www.example.net"
EXEMPT = client_of(b"\xc0\x00\x04\x01", (21, 22), (23, 24), exempt=True)
STUB = replace(post(ask_for(NAME)), list_stub=True)


def answers_for(ttl: int) -> Walk:
    """A walk whose answers are fresh for so long."""

    def script(query: Query) -> Answer:
        return address_of(query, ttl=ttl)

    return Walk(script=script, rules=CacheConfig(jitter_percent=0, minimum_ttl_seconds=60))


def members_only(walk: Walk) -> None:
    walk.pipeline.restrict(members_only=True, stubs_away=False, spare_strangers=False)


class TestMembersAlone:
    async def test_a_stranger_gets_403_and_costs_nobody_anything(self) -> None:
        walk = Walk()
        members_only(walk)
        response = await walk.send(post(b"\xff" * 40), CLIENT)
        assert (response.status, response.body, walk.reason) == (403, b"", Reason.MEMBERS_ONLY)
        assert dict(response.fields)["cache-control"] == "no-store"
        assert walk.resolver.asked == []

    @pytest.mark.parametrize("client", [MEMBER, EXEMPT], ids=["a member", "an exempt network"])
    async def test_who_belongs_here_is_served(self, client: Client) -> None:
        walk = Walk()
        members_only(walk)
        assert (await walk.send(post(ask_for(NAME)), client)).status == 200

    async def test_it_holds_for_a_request_that_was_answered_a_hundred_times(self) -> None:
        walk = answers_for(300)
        parsed = walk.service.read(post(ask_for(NAME)), Frontend.HTTP1)
        first = walk.repeat(parsed)
        assert isinstance(first, Miss)
        walk.resolve(first)
        for _ in range(100):
            assert isinstance(walk.repeat(parsed), HttpResponse)
        members_only(walk)
        refused, served = walk.repeat(parsed, CLIENT), walk.repeat(parsed, MEMBER)
        assert isinstance(refused, HttpResponse)
        assert isinstance(served, HttpResponse)
        assert (refused.status, served.status) == (403, 200)
        walk.pipeline.restrict(members_only=False, stubs_away=False, spare_strangers=False)
        again = walk.repeat(parsed, CLIENT)
        assert isinstance(again, HttpResponse)
        assert again.status == 200

    async def test_who_does_not_stop_is_limited_all_the_same(self) -> None:
        walk = Walk(Limits(requests=3))
        members_only(walk)
        statuses = [(await walk.send(post(ask_for(NAME)), CLIENT)).status for _ in range(5)]
        assert statuses == [403, 403, 403, 429, 429]


class TestStubsOfLists:
    async def test_they_are_turned_away_and_their_connection_closed(self) -> None:
        walk = Walk()
        walk.pipeline.restrict(members_only=False, stubs_away=True, spare_strangers=False)
        response = await walk.send(STUB, CLIENT)
        assert (response.status, response.close, walk.reason) == (403, True, Reason.LIST_STUB)

    async def test_a_member_may_use_one(self) -> None:
        walk = Walk()
        walk.pipeline.restrict(members_only=False, stubs_away=True, spare_strangers=False)
        assert (await walk.send(STUB, MEMBER)).status == 200

    async def test_everybody_else_is_served(self) -> None:
        walk = Walk()
        walk.pipeline.restrict(members_only=False, stubs_away=True, spare_strangers=False)
        assert (await walk.send(post(ask_for(NAME)), CLIENT)).status == 200


class TestStrangersSpared:
    @pytest.fixture
    async def walk(self) -> Walk:
        """An answer that was good for a minute, two minutes ago."""
        walk = answers_for(60)
        await walk.send(post(ask_for(NAME)), MEMBER)
        walk.clock.pass_by(120.0)
        walk.pipeline.restrict(members_only=False, stubs_away=False, spare_strangers=True)
        walk.resolver.asked.clear()
        return walk

    async def test_a_stranger_gets_what_is_old_and_nothing_is_asked(self, walk: Walk) -> None:
        assert (await walk.send(post(ask_for(NAME)), CLIENT)).status == 200
        assert walk.reason is Reason.STALE
        assert (walk.resolver.asked, walk.resolver.refreshed) == ([], [])

    async def test_a_member_gets_what_is_fresh(self, walk: Walk) -> None:
        await walk.send(post(ask_for(NAME)), MEMBER)
        assert walk.reason is Reason.FORWARDED
        assert len(walk.resolver.asked) == 1

    async def test_beyond_half_an_hour_a_stranger_is_asked_for(self, walk: Walk) -> None:
        walk.clock.pass_by(1_800.0)
        await walk.send(post(ask_for(NAME)), CLIENT)
        assert len(walk.resolver.asked) == 1

    async def test_what_nobody_has_asked_is_asked_for(self, walk: Walk) -> None:
        await walk.send(post(ask_for("other.example.net")), CLIENT)
        assert len(walk.resolver.asked) == 1

    async def test_when_it_is_over_a_stranger_gets_what_is_fresh(self, walk: Walk) -> None:
        walk.pipeline.restrict(members_only=False, stubs_away=False, spare_strangers=False)
        await walk.send(post(ask_for(NAME)), CLIENT)
        assert walk.reason is Reason.FORWARDED

    async def test_a_popular_answer_is_renewed_for_members_alone(self) -> None:
        walk = answers_for(100)
        for _ in range(5):
            await walk.send(post(ask_for(NAME)), MEMBER)
        walk.pipeline.restrict(members_only=False, stubs_away=False, spare_strangers=True)
        walk.clock.pass_by(95.0)
        await walk.send(post(ask_for(NAME)), CLIENT)
        assert walk.resolver.refreshed == []
        await walk.send(post(ask_for(NAME)), MEMBER)
        assert [purpose for _, purpose in walk.resolver.refreshed] == [Purpose.PREFETCH]


class TestBooksOfMembers:
    async def test_what_becomes_of_their_misses_is_entered(self) -> None:
        walk = Walk(Limits(requests=3))
        await walk.send(post(ask_for(NAME)), MEMBER)
        await walk.send(post(ask_for(NAME)), MEMBER)
        await walk.send(post(ask_for("a.example.net")), CLIENT)
        for _ in range(3):
            await walk.send(post(ask_for("b.example.net")), MEMBER)
        figures = walk.pipeline.members.statistics()
        # Two were answered by an upstream, two from the cache; of these nothing is entered. Two were over the limit.
        assert (figures.questions, figures.failures, sum(figures.seconds)) == (4, 2, 2)
