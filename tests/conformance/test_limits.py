"""The limits as clients meet them: a client over its own, the service over its own.

And what spares the upstream: failures are remembered, and stale answers given.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network

import dns.rcode

from dohproxy.config import LimitsConfig, ResolverConfig
from tests.conformance.conftest import Connect, StartServer
from tests.conformance.exchange import ACCEPT, CONTENT_TYPE, Client, Request, Response, assert_refused, get, post
from tests.conformance.queries import query
from tests.conformance.setups import FEW_IN_ALL, FEW_MISSES, FEW_REQUESTS, ORDINARY, with_sections
from tests.fakes.conformance import TTL, RunningServer, Setup, resolve_over_stream
from tests.fakes.limits import AMPLE

MEMBER = query("www.example.com")


def _of(name: str, rdtype: str = "A") -> Request:
    return get(query(name, rdtype), ACCEPT)


@contextlib.contextmanager
def _started(start: StartServer, connect: Connect, setup: Setup) -> Iterator[tuple[RunningServer, Client]]:
    with start(setup) as server:
        yield server, connect(server)


def _ask_for_what_is_stale(server: RunningServer, client: Client) -> Response:
    """Of a name whose time is over, and of which the upstream has nothing better to say."""
    wire = query("servfail.example")
    server.learn(
        wire, resolve_over_stream(query("www12345.example"))[0].replace(b"\x08www12345", b"\x08servfail"), age=TTL + 600
    )
    return client.exchange(get(wire))


def test_a_client_over_its_limit_is_told_when_to_return_and_asks_the_upstream_nothing(
    start: StartServer, connect: Connect
) -> None:
    with _started(start, connect, FEW_REQUESTS) as (server, client):
        for number in range(2):
            assert client.exchange(_of(f"q{number}.example")).status == 200
        asked = server.upstream.asked
        for number in range(5):
            response = client.exchange(_of(f"late{number}.example"))
            assert_refused(response, 429)
            retry = response.field("retry-after")
            assert retry is not None
            assert 1 <= int(retry) <= 10
        assert server.upstream.asked == asked


def test_what_is_refused_before_the_limit_counts_against_it_all_the_same(start: StartServer, connect: Connect) -> None:
    with _started(start, connect, FEW_REQUESTS) as (_, client):
        for _ in range(2):
            assert client.exchange(get(MEMBER, path="/wrong")).status == 404
        assert client.exchange(get(MEMBER)).status == 429


def test_a_query_with_a_fault_counts_once_against_the_limit(start: StartServer, connect: Connect) -> None:
    setup = with_sections(limits=replace(AMPLE, requests_per_second=0.1, requests_burst=4))
    with _started(start, connect, setup) as (_, client):
        statuses = [client.exchange(post(bytes(16), CONTENT_TYPE)).status for _ in range(6)]
    assert statuses == [400, 400, 400, 400, 429, 429]


def test_a_refusal_of_http_does_not_wait_for_the_limit(start: StartServer, connect: Connect) -> None:
    with _started(start, connect, FEW_REQUESTS) as (_, client):
        statuses = [client.exchange(get(MEMBER, path="/wrong")).status for _ in range(4)]
    assert statuses == [404] * 4


def test_while_the_service_is_over_its_limit_hits_go_on(start: StartServer, connect: Connect) -> None:
    with _started(start, connect, FEW_IN_ALL) as (server, client):
        server.learn(MEMBER, resolve_over_stream(MEMBER)[0], age=0)
        statuses = []
        for number in range(6):
            statuses.append(client.exchange(_of(f"q{number}.all.example")).status)
            assert client.exchange(get(MEMBER)).message().answer
            assert client.exchange(_of("localhost")).message().answer
    assert statuses.count(503) >= 4


def test_over_the_miss_limit_a_client_still_gets_what_is_known(start: StartServer, connect: Connect) -> None:
    with _started(start, connect, FEW_MISSES) as (server, client):
        assert client.exchange(_of("first.example")).message().answer
        asked = server.upstream.asked
        second = client.exchange(_of("second.example")).message()
        assert second.rcode() == dns.rcode.REFUSED
        assert client.exchange(_of("first.example")).message().answer
        assert client.exchange(_of("localhost")).message().answer
        response = _ask_for_what_is_stale(server, client)
        assert response.message().answer
        assert response.max_age == 30
        assert server.upstream.asked == asked


def test_a_failure_is_remembered_and_not_asked_again(start: StartServer, connect: Connect) -> None:
    with _started(start, connect, Setup()) as (server, client):
        asked = []
        for _ in range(5):
            assert client.exchange(_of("servfail.again.example")).message().rcode() == dns.rcode.SERVFAIL
            asked.append(server.upstream.asked)
        # Once, and once more without what this upstream has not shown to stand: it has never been asked before.
        assert asked == [2] * 5


def test_at_most_three_sends_go_out_for_one_question(start: StartServer, connect: Connect) -> None:
    with _started(start, connect, with_sections(resolver=ResolverConfig(deadline_seconds=1, attempt_seconds=0.1))) as (
        server,
        client,
    ):
        assert client.exchange(_of("silent.sends.example")).message().rcode() == dns.rcode.SERVFAIL
        assert server.upstream.asked <= 3


def test_a_stale_answer_has_the_ttl_of_rfc_8767_and_says_that_it_is_old(start: StartServer, connect: Connect) -> None:
    with _started(start, connect, ORDINARY) as (server, client):
        response = _ask_for_what_is_stale(server, client)
        message = response.message()
        assert [rrset.ttl for rrset in message.answer] == [30]
        assert response.max_age == 30


def test_the_limits_are_kept_for_the_client_whatever_it_says_of_itself(start: StartServer, connect: Connect) -> None:
    with _started(start, connect, FEW_REQUESTS) as (server, _):
        statuses = []
        for number in range(4):
            forwarded = ("X-Forwarded-For", f"192.0.2.{number}")
            statuses.append(connect(server).exchange(get(MEMBER, forwarded, ("User-Agent", str(number)))).status)
    assert statuses == [200, 200, 429, 429]


def test_no_exempt_client_is_over_its_limit(start: StartServer, connect: Connect) -> None:
    networks = LimitsConfig(requests_per_second=0.1, requests_burst=1, misses_per_second=0.1, misses_burst=1)
    setup = with_sections(limits=replace(networks, exempt_networks=(ip_network("127.0.0.0/8"),)))
    with _started(start, connect, setup) as (_, client):
        for number in range(5):
            assert client.exchange(_of(f"exempt{number}.example")).message().answer
