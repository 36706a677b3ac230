"""A banned client is closed before TLS, or gets 429 behind a front proxy; and what brings it about on connections."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network

import pytest

from dohproxy.config import BansConfig, ClientsConfig
from dohproxy.frontends.connections import Closing
from dohproxy.frontends.tls_transport import TlsTransport
from dohproxy.policy.penalties import Offence
from dohproxy.policy.prefixes import parse_prefix
from dohproxy.policy.standing import Standing
from dohproxy.tls.policy import offer_protocols
from tests.frontends.client import get
from tests.frontends.http2_client import Http2Client
from tests.frontends.served import HURRIED_SECONDS, Certificate, RunningFrontend, Setting, open_frontend
from tests.frontends.test_listener_limits import header
from tests.http2.client import HELLO, data

SELF = "127.0.0.1"
TRUSTED = (ip_network("127.0.0.0/8"),)
BY_HEADER = ClientsConfig(address_from="x-forwarded-for", trusted_proxies=TRUSTED)
BY_PROXY_PROTOCOL = ClientsConfig(address_from="proxy-protocol", trusted_proxies=TRUSTED)
FEW_POINTS = BansConfig(points=10, forgiven_per_second=0.001)


def ban(frontend: RunningFrontend, network: str, seconds: float = 600.0) -> None:
    frontend.core.bans.ban(parse_prefix(network), seconds, "", frontend.clock(), spares=True)


def points(frontend: RunningFrontend, offence: Offence) -> float:
    return frontend.core.penalties.statistics(frontend.clock()).points[offence]


async def is_closed(frontend: RunningFrontend, before: bytes = b"") -> bool:
    """Tell whether a new connection is closed before anything is said on it."""
    try:
        client = await frontend.connect(tls=False, before=before)
        return await client.rest() == b""
    except OSError:
        return True


@pytest.mark.parametrize("network", [SELF, "127.0.0.0/24", "127.0.0.0/9"], ids=["it", "its network", "a wide network"])
async def test_a_banned_client_is_closed_before_tls_and_before_it_takes_a_place(
    certificate: Certificate, network: str
) -> None:
    async with open_frontend(Setting(certificate=certificate)) as frontend:
        ban(frontend, network)
        assert await is_closed(frontend)
        with pytest.raises((OSError, EOFError, ssl.SSLError)):
            await frontend.connect()
        assert frontend.closed == {Closing.BANNED: 2}
        assert frontend.register.statistics().accepted == 0


async def test_when_the_ban_is_over_it_is_let_in_again(certificate: Certificate) -> None:
    async with open_frontend(Setting(certificate=certificate)) as frontend:
        ban(frontend, SELF, 0.3)
        assert await is_closed(frontend)
        await asyncio.sleep(0.3)
        assert (await (await frontend.connect()).ask(get())).status == 200


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
async def test_open_connections_end_too_whatever_is_under_way(certificate: Certificate, tls: bool) -> None:
    async with open_frontend(Setting(certificate=certificate if tls else None)) as frontend:
        asking, silent = await frontend.connect(), await frontend.connect()
        assert (await asking.ask(get())).status == 200
        assert (await silent.ask(get())).status == 200
        ban(frontend, SELF)
        for client in (asking, silent):
            with contextlib.suppress(OSError):
                assert await client.rest() == b""
        await frontend.until(lambda: frontend.register.slots_taken == 0, "both places")
        assert frontend.closed == {Closing.BANNED: 2}


async def test_a_request_that_comes_before_its_connection_is_cut_is_refused(certificate: Certificate) -> None:
    async with open_frontend(Setting(certificate=certificate)) as frontend:
        client = await frontend.connect()
        assert (await client.ask(get())).status == 200
        frontend.core.bans.when_banned = lambda _ban, _now: None
        ban(frontend, SELF, 90.0)
        refused = await client.ask(get())
        assert (refused.status, refused.fields["retry-after"]) == (429, "90")


async def test_a_client_that_is_banned_during_its_handshake_gets_no_frontend(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_frontend(Setting(certificate=certificate)) as frontend:
        is_first = True
        go_on = TlsTransport.go_on

        def ban_first(transport: TlsTransport) -> None:
            nonlocal is_first
            if is_first:
                is_first = False
                ban(frontend, SELF)
            go_on(transport)

        monkeypatch.setattr(TlsTransport, "go_on", ban_first)
        with pytest.raises((OSError, EOFError, ssl.SSLError)):
            await (await frontend.connect()).ask(get())
        await frontend.until(lambda: frontend.register.slots_taken == 0, "its place")


async def test_an_address_from_which_a_token_came_is_closed_by_a_command_and_by_no_rule() -> None:
    async with open_frontend(Setting(bans=FEW_POINTS)) as frontend:
        client = frontend.client_resolver.of_connection(ip_address(SELF).packed)
        frontend.core.bans.ban_by_rule(client, 0, "wrong_path", frontend.clock())
        assert await is_closed(frontend)
        frontend.client_resolver.member_networks.note(client, bytes(32), frontend.clock())
        assert (await (await frontend.connect()).ask(get())).status == 429
        ban(frontend, SELF)
        assert await is_closed(frontend)


async def test_behind_the_proxy_protocol_it_is_closed_after_the_header_and_others_go_on() -> None:
    async with open_frontend(Setting(clients=BY_PROXY_PROTOCOL)) as frontend:
        ban(frontend, "192.0.2.0/24")
        ban(frontend, SELF)
        assert await is_closed(frontend, before=header("192.0.2.7"))
        client = await frontend.connect(before=header("198.51.100.7"))
        assert (await client.ask(get())).status == 200
        local = await frontend.connect(before=b"PROXY UNKNOWN\r\n")  # The front proxy itself.
        assert (await local.ask(get())).status == 200
        assert frontend.closed == {Closing.BANNED: 1}


async def test_behind_a_front_proxy_it_gets_429_until_the_end_of_the_ban_and_others_are_answered() -> None:
    async with open_frontend(Setting(clients=BY_HEADER)) as frontend:
        ban(frontend, "192.0.2.0/24", 100.0)
        ban(frontend, "198.51.100.7", 100_000.0)
        ban(frontend, SELF)
        client = await frontend.connect()
        for _ in range(3):
            refused = await client.ask(get(fields="X-Forwarded-For: 192.0.2.7\r\n"))
            assert (refused.status, refused.fields["retry-after"], refused.body) == (429, "100", b"")
            assert not refused.closes
        refused = await client.ask(get(fields="X-Forwarded-For: 198.51.100.7\r\n"))
        assert (refused.status, refused.fields["retry-after"]) == (429, "300")
        assert (await client.ask(get(fields="X-Forwarded-For: 203.0.113.7\r\n"))).status == 200
        assert (await client.ask(get())).status == 200  # The front proxy itself.
        assert (await client.ask(get(fields="X-Forwarded-For: 192.0.2.9\r\n"))).status == 429


async def test_nobody_gets_the_front_proxy_banned() -> None:
    async with open_frontend(Setting(clients=BY_HEADER, bans=FEW_POINTS)) as frontend:
        for _ in range(30):
            client = await frontend.connect()
            await client.send(b"\x00\r\n\r\n")
            assert b"400" in await client.rest()
        for address in ("127.0.0.1", "unknown", "", "192.0.2.7"):
            client = await frontend.connect()
            for _ in range(30):
                await client.ask(get(path="/elsewhere", fields=f"X-Forwarded-For: {address}\r\n"))
        assert [str(ip_address(b.prefix.packed)) for _, b in frontend.core.bans.by_rule() if b.prefix] == ["192.0.2.7"]
        assert (await (await frontend.connect()).ask(get())).status == 200


async def test_malformed_requests_get_a_client_banned(certificate: Certificate) -> None:
    async with open_frontend(Setting(certificate=certificate, bans=FEW_POINTS)) as frontend:
        client = await frontend.connect()
        with contextlib.suppress(OSError, EOFError):
            for _ in range(100):
                await client.ask(get(path="/elsewhere"))
                await asyncio.sleep(0.01)
        assert await is_closed(frontend)


async def test_in_shadow_nothing_is_closed_and_it_is_counted(certificate: Certificate) -> None:
    shadow = BansConfig(mode="shadow", points=10)
    async with open_frontend(Setting(certificate=certificate, bans=shadow)) as frontend:
        client = await frontend.connect()
        for _ in range(30):
            assert (await client.ask(get(path="/elsewhere"))).status == 404
        assert (await client.ask(get())).status == 200
        assert (await (await frontend.connect()).ask(get())).status == 200
        assert frontend.closed == {}
        assert frontend.core.bans.statistics().in_shadow > 10


# --- What a connection costs ---


async def send_junk(frontend: RunningFrontend) -> None:
    client = await frontend.connect(tls=False)
    await client.send(b"GET / HTTP/1.1\r\n\r\n")
    await client.rest()


async def give_up_the_handshake(frontend: RunningFrontend) -> None:
    (await frontend.connect(tls=False, before=b"\x16\x03\x01\x02\x00")).cut()


async def stall_the_handshake(frontend: RunningFrontend) -> None:
    client = await frontend.connect(tls=False, before=b"\x16\x03\x01\x02\x00")
    await client.rest()


async def ask_nothing(frontend: RunningFrontend) -> None:
    client = await frontend.connect()
    await frontend.until(lambda: bool(frontend.register.everybody()), "its frontend")
    client.cut()


async def ask_nothing_over_http2(frontend: RunningFrontend) -> None:
    assert frontend.setting.certificate is not None
    context = frontend.setting.certificate.client_context("h2")
    client = await frontend.connect(context=context)
    await client.send(HELLO)
    await frontend.until(lambda: bool(frontend.register.everybody()), "its frontend")
    client.cut()


async def say_nothing_over_dot(frontend: RunningFrontend) -> None:
    # Until it is closed for that: who only holds a place owes as much as who gives it up.
    await (await frontend.connect(context=dot_context(frontend))).rest()


def dot_context(frontend: RunningFrontend) -> ssl.SSLContext:
    assert frontend.setting.certificate is not None
    assert frontend.tls is not None
    offer_protocols(frontend.tls, dot=True)
    return frontend.setting.certificate.client_context("dot")


async def break_http2(frontend: RunningFrontend) -> None:
    assert frontend.setting.certificate is not None
    client = await frontend.connect(context=frontend.setting.certificate.client_context("h2"))
    await client.send(HELLO + data(1, b"x", end=True))
    await client.rest()


@pytest.mark.parametrize(
    ("offend", "offence"),
    [
        (send_junk, Offence.HANDSHAKE),
        (give_up_the_handshake, Offence.HANDSHAKE),
        (stall_the_handshake, Offence.HANDSHAKE),
        (ask_nothing, Offence.NO_REQUEST),
        (ask_nothing_over_http2, Offence.NO_REQUEST),
        (say_nothing_over_dot, Offence.NO_REQUEST),
        (break_http2, Offence.HTTP2_FAULT),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
async def test_what_costs_points(
    certificate: Certificate, offend: Callable[[RunningFrontend], Awaitable[None]], offence: Offence
) -> None:
    async with open_frontend(
        Setting(certificate=certificate, bans=BansConfig()).with_connections(
            handshake_seconds=HURRIED_SECONDS, idle_seconds=HURRIED_SECONDS
        )
    ) as frontend:
        await offend(frontend)
        await frontend.until(lambda: points(frontend, offence) > 0, f"points for {offence}")
        others = [other for other in Offence if other is not offence and points(frontend, other)]
        assert others == []


@pytest.mark.parametrize("is_crowded", [True, False], ids=["crowded", "not crowded"])
async def test_who_had_less_time_as_there_were_so_many_is_not_blamed(
    certificate: Certificate, *, is_crowded: bool
) -> None:
    setting = Setting(gated=True, certificate=certificate, bans=BansConfig()).with_connections(
        max_handshakes=10, handshake_seconds=HURRIED_SECONDS
    )
    async with open_frontend(setting) as frontend:
        handshakes = frontend.server.connection_limiter.handshakes
        crowd = range(9 if is_crowded else 0)
        for one in crowd:
            assert handshakes.join(one, (one,), Standing.MEMBER, frontend.clock())[0]
        client = await frontend.connect(tls=False, before=b"\x16\x03\x01\x02\x00")
        await frontend.until(lambda: handshakes.taken == len(crowd) + 1, "its handshake")
        for one in crowd:
            handshakes.leave(one)
        await client.rest()
        await frontend.until(lambda: frontend.closed == {Closing.HANDSHAKE: 1}, "its end")
        assert (points(frontend, Offence.HANDSHAKE) > 0) is not is_crowded


async def test_who_asks_something_owes_nothing(certificate: Certificate) -> None:
    async with open_frontend(Setting(certificate=certificate, bans=BansConfig())) as frontend:
        await ask_nothing(frontend)
        await frontend.until(lambda: points(frontend, Offence.NO_REQUEST) > 0, "points")
        before = points(frontend, Offence.NO_REQUEST)
        client = await frontend.connect()
        assert (await client.ask(get())).status == 200
        client.cut()
        speaking = await Http2Client.connect(frontend)
        assert (await speaking.ask(1)).status == 200
        speaking.raw.cut()
        await frontend.until(lambda: frontend.register.slots_taken == 0, "both places")
        assert points(frontend, Offence.NO_REQUEST) == before


async def test_more_connections_than_one_client_may_have_cost_points(certificate: Certificate) -> None:
    setting = Setting(gated=True, certificate=certificate, bans=BansConfig())
    async with open_frontend(setting.with_connections(max_per_client=1)) as frontend:
        assert (await (await frontend.connect()).ask(get())).status == 200
        assert await is_closed(frontend)
        assert points(frontend, Offence.CONNECTION_LIMIT) == 0.02
