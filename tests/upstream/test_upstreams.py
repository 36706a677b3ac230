"""What the walk asks of the upstreams: the resolver gives it, and so does any other class with these methods."""

from dohproxy.outcomes import Reason
from dohproxy.upstream.resolver import Resolver
from dohproxy.upstream.upstreams import Upstreams
from tests.fakes.resolver import FakeResolver
from tests.fakes.walk import Walk, ask_for, post


def test_the_resolver_names_it_as_its_base_so_that_compiled_calls_need_no_look_up() -> None:
    assert Upstreams in Resolver.__mro__


async def test_a_class_that_derives_from_nothing_of_ours_does_as_well() -> None:
    assert FakeResolver.__mro__ == (FakeResolver, object)
    walk = Walk()
    await walk.send(post(ask_for("www.example.net")))
    await walk.send(post(ask_for("www.example.net")))
    assert [outcome.reason for outcome in walk.outcomes] == [Reason.FORWARDED, Reason.CACHED]
    assert len(walk.resolver.asked) == 1
