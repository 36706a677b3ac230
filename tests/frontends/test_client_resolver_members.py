"""Members by their tokens, over both protocols: who is let in first, whose limits hold, and what ends with a token."""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from dohproxy.config import BansConfig, ClientsConfig, LimitsConfig
from dohproxy.frontends.connections import Closing
from dohproxy.member_token import TOKEN_BYTES, digest_of, token_of
from dohproxy.policy.standing import Standing
from tests.frontends import http2_client
from tests.frontends.client import MEDIA_TYPE, PATH, RawClient, Response, query
from tests.frontends.http2_client import Http2Client
from tests.frontends.served import NO_LIMITS, RunningFrontend, Setting, open_frontend
from tests.frontends.test_listener_limits import header
from tests.http2.client import data, headers

ALICE, BOB = (token_of(bytes([number]) * TOKEN_BYTES) for number in (1, 2))
WRONG = ALICE[:-1] + ("A" if ALICE[-1] != "A" else "B")
"""A token that differs from a valid one in its last character."""
BEHIND_A_PROXY = ClientsConfig(address_from="proxy-protocol", trusted_proxies=(ip_network("127.0.0.0/8"),))
SETTING = Setting(clients=BEHIND_A_PROXY)
NAME = "www.example.net"

Ask = Callable[[str, str], Awaitable[Response]]
"""Asks for a name at a path, on one connection."""


def use(frontend: RunningFrontend, *tokens: str) -> None:
    """Let these tokens be valid, as the watch over the file does."""
    frontend.server.adopt_tokens(frozenset(map(digest_of, tokens)))


def _encoded(name: str) -> str:
    return base64.urlsafe_b64encode(query(name)).rstrip(b"=").decode()


async def _http1(frontend: RunningFrontend, address: str, *, post: bool) -> Ask:
    client = await frontend.connect(before=header(address))
    return http1_asker(client, post=post)


def http1_asker(client: RawClient, *, post: bool = False) -> Ask:
    """Return what asks on a connection."""

    async def ask(path: str, name: str = NAME) -> Response:
        if not post:
            return await client.ask(f"GET {path}?dns={_encoded(name)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        body = query(name)
        fields = f"Host: localhost\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
        return await client.ask(f"POST {path} HTTP/1.1\r\n{fields}".encode() + body)

    return ask


async def _http2(frontend: RunningFrontend, address: str, *, post: bool) -> Ask:
    client = await Http2Client.connect(frontend, before=header(address))
    next_id = iter(range(1, 1_000, 2))

    async def ask(path: str, name: str = NAME) -> Response:
        stream_id = next(next_id)
        if post:
            fields = tuple((key, path if key == ":path" else text) for key, text in http2_client.POST_FIELDS)
            await client.send(headers(stream_id, fields, end=False) + data(stream_id, query(name), end=True))
        else:
            await client.send(headers(stream_id, http2_client.get_fields(name, path=path)))
        return await client.response(stream_id)

    return ask


WAYS: dict[str, tuple[Any, bool]] = {
    f"{protocol.__name__.removeprefix('_')} {'POST' if post else 'GET'}": (protocol, post)
    for protocol in (_http1, _http2)
    for post in (False, True)
}


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def connect(request: pytest.FixtureRequest) -> Callable[..., Awaitable[Ask]]:
    """Return what connects by each protocol and asks by each method."""
    protocol, post = request.param

    async def connected(frontend: RunningFrontend, address: str = "192.0.2.1") -> Ask:
        ask: Ask = await protocol(frontend, address, post=post)
        return ask

    return connected


Connect = Callable[..., Awaitable[Ask]]


async def test_a_request_with_a_valid_token_is_a_members_and_others_on_its_connection_are_not(connect: Connect) -> None:
    async with open_frontend(SETTING) as frontend:
        use(frontend, ALICE)
        ask = await connect(frontend)
        for path in (f"{PATH}/{ALICE}", PATH, f"{PATH}/{ALICE}", f"{PATH}/{ALICE}"):
            assert (await ask(path, NAME)).message().answer
        assert [client.member for client in frontend.asked_limits] == [True, False, True, True]


async def test_all_wrong_tokens_are_answered_alike_and_count_as_wrong_paths_do(connect: Connect) -> None:
    async with open_frontend(SETTING) as frontend:
        use(frontend, ALICE)
        ask = await connect(frontend)
        said = [await ask(path, NAME) for path in (f"{PATH}/{WRONG}", f"{PATH}/{BOB}", f"{PATH}/{ALICE[:-1]}x")]
        assert (await ask("/elsewhere", NAME)).status == 404
        assert said[0].status == 404
        assert {(one.status, tuple(sorted(_undated(one).items())), one.body) for one in said} == {
            (404, tuple(sorted(_undated(said[0]).items())), b"")
        }
        assert said[0].fields["cache-control"] == "no-store"
        assert frontend.reasons == ["UNKNOWN_TOKEN"] * 3 + ["WRONG_PATH"]
        assert frontend.asked_limits == []
        assert frontend.core.request_limiter.statistics(frontend.clock()).requests.charged == 4


def _undated(response: Response) -> dict[str, str]:
    return {name: text for name, text in response.fields.items() if name != "date"}


async def test_without_tokens_every_token_is_a_wrong_path(connect: Connect) -> None:
    async with open_frontend(SETTING) as frontend:
        ask = await connect(frontend)
        assert (await ask(f"{PATH}/{ALICE}", NAME)).status == 404
        assert frontend.reasons == ["WRONG_PATH"]


async def test_while_the_list_of_members_is_damaged_nobody_is_blamed_and_afterwards_their_paths_work_at_once(
    connect: Connect,
) -> None:
    async with open_frontend(replace(SETTING, bans=BansConfig(points=10))) as frontend:
        use(frontend)
        ask = await connect(frontend)
        for _ in range(100):
            refused = await ask(f"{PATH}/{ALICE}", NAME)
            assert (refused.status, refused.fields["cache-control"]) == (404, "no-store")
        use(frontend, ALICE)
        assert (await ask(f"{PATH}/{ALICE}", NAME)).status == 200
        assert list(frontend.core.bans.by_rule()) == []


async def test_a_token_that_is_revoked_is_wrong_from_then_on_on_open_connections_too(connect: Connect) -> None:
    async with open_frontend(SETTING) as frontend:
        use(frontend, ALICE, BOB)
        ask = await connect(frontend)
        for _ in range(3):
            assert (await ask(f"{PATH}/{ALICE}", NAME)).status == 200
        use(frontend, BOB)
        assert (await ask(f"{PATH}/{ALICE}", NAME)).status == 404
        assert (await ask(f"{PATH}/{BOB}", NAME)).status == 200


async def test_no_shared_cache_may_keep_what_was_said_at_a_members_url(connect: Connect) -> None:
    async with open_frontend(SETTING) as frontend:
        use(frontend, ALICE)
        ask = await connect(frontend)
        for _ in range(3):  # asked upstream, from the cache, and said again
            answer = await ask(f"{PATH}/{ALICE}", NAME)
            assert answer.fields["cache-control"].startswith("private, max-age=")
            assert all(ALICE not in text for text in answer.fields.values())
            assert (await ask(PATH, NAME)).fields["cache-control"].startswith("max-age=")
        refused = await ask(f"{PATH}/{ALICE}?dns=A", NAME)
        assert refused.status == 400
        assert (refused.fields["cache-control"], refused.fields["referrer-policy"]) == ("no-store", "no-referrer")
        assert all(ALICE not in text for text in refused.fields.values())


async def test_a_neighbour_at_the_same_address_cannot_use_up_what_a_member_may_have(connect: Connect) -> None:
    limits: LimitsConfig = replace(NO_LIMITS, requests_per_second=0.001, requests_burst=4)
    async with open_frontend(replace(SETTING, limits=limits)) as frontend:
        use(frontend, ALICE)
        neighbour, member = await connect(frontend), await connect(frontend)
        assert [(await neighbour(PATH, NAME)).status for _ in range(5)] == [200] * 4 + [429]
        # He is known by his first request, though his address is over its limit, and has a limit of his own.
        assert [(await member(f"{PATH}/{ALICE}", NAME)).status for _ in range(5)] == [200] * 4 + [429]
        assert (await member(f"{PATH}/{WRONG}", NAME)).status == 429


async def test_one_url_has_one_clients_limits_wherever_it_is_used(connect: Connect) -> None:
    limits: LimitsConfig = replace(NO_LIMITS, requests_per_second=0.001, requests_burst=4)
    async with open_frontend(replace(SETTING, limits=limits)) as frontend:
        use(frontend, ALICE)
        places = [await connect(frontend, f"198.51.{number}.7") for number in range(5)]
        assert [(await ask(f"{PATH}/{ALICE}", NAME)).status for ask in places] == [200] * 4 + [429]


async def test_a_connection_on_which_a_token_came_is_a_members_until_that_is_revoked(connect: Connect) -> None:
    async with open_frontend(replace(SETTING, gated=True)) as frontend:
        use(frontend, ALICE)
        ask = await connect(frontend)

        def members() -> int:
            return frontend.register.slots.statistics().by_standing[Standing.MEMBER]

        assert (await ask(f"{PATH}/{WRONG}", NAME)).status == 404
        assert members() == 0
        assert (await ask(f"{PATH}/{ALICE}", NAME)).status == 200
        assert members() == 1
        use(frontend)
        assert members() == 0


async def test_a_full_house_makes_room_for_who_has_shown_a_token_lately(connect: Connect) -> None:
    setting = replace(SETTING, gated=True).with_connections(max_total=3, idle_seconds=60)
    async with open_frontend(setting) as frontend:
        use(frontend, ALICE)
        member = await connect(frontend, "198.51.100.7")
        assert (await member(f"{PATH}/{ALICE}", NAME)).status == 200
        strangers = [await connect(frontend, f"192.0.{number}.1") for number in range(2)]
        assert [(await ask(PATH, NAME)).status for ask in strangers] == [200, 200]
        # Nobody else gets in: all hold a slot of use to them.
        with pytest.raises((OSError, EOFError, AssertionError)):
            await (await connect(frontend, "192.0.9.1"))(PATH, NAME)
        again = await connect(frontend, "198.51.100.7")
        assert (await again(f"{PATH}/{ALICE}", NAME)).status == 200
        assert frontend.closed[Closing.MADE_ROOM] == 1
        # When the token is revoked its address is anybody's.
        use(frontend)
        with pytest.raises((OSError, EOFError, AssertionError)):
            await (await connect(frontend, "198.51.100.7"))(PATH, NAME)


async def test_many_tokens_that_are_wrong_are_stopped_by_the_limit_of_who_tries_them(connect: Connect) -> None:
    limits: LimitsConfig = replace(NO_LIMITS, requests_per_second=0.001, requests_burst=4)
    async with open_frontend(replace(SETTING, limits=limits)) as frontend:
        use(frontend, ALICE)
        ask = await connect(frontend)
        tried = [token_of(number.to_bytes(TOKEN_BYTES)) for number in range(8)]
        assert [(await ask(f"{PATH}/{token}", NAME)).status for token in tried] == [404] * 4 + [429] * 4


async def test_while_members_alone_are_served_a_token_is_and_its_address_without_it_is_not(connect: Connect) -> None:
    async with open_frontend(SETTING) as frontend:
        use(frontend, ALICE)
        frontend.core.pipeline.restrict(members_only=True, stubs_away=False, spare_strangers=False)
        ask = await connect(frontend)
        paths = (f"{PATH}/{ALICE}", PATH, f"{PATH}/{WRONG}", f"{PATH}/{ALICE}", PATH)
        assert [(await ask(path, NAME)).status for path in paths] == [200, 403, 404, 200, 403]
        use(frontend)
        assert (await ask(f"{PATH}/{ALICE}", NAME)).status == 404
