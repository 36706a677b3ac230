"""Before TLS costs anything: who opens too many connections, or too fast, gets none, and harms nobody who is in."""

import contextlib
from dataclasses import replace
from ipaddress import ip_network

import pytest

from dohproxy.config import BansConfig, ClientsConfig, RulesConfig
from dohproxy.frontends.connections import Closing
from dohproxy.policy.rule_switches import Rule
from tests.frontends.client import RawClient, get
from tests.frontends.served import Certificate, RunningFrontend, Setting, open_frontend

BEHIND_A_PROXY = ClientsConfig(address_from="proxy-protocol", trusted_proxies=(ip_network("127.0.0.0/8"),))
GATED = Setting(gated=True, clients=BEHIND_A_PROXY)
WITH_MEMBERS = Setting(
    gated=True, clients=replace(BEHIND_A_PROXY, member_networks=(ip_network("198.51.100.0/24"),))
).with_connections(idle_seconds=60)
MEMBER = "198.51.100.7"


def header(address: str) -> bytes:
    """What a trusted proxy says before a connection of the client at this address."""
    return f"PROXY TCP4 {address} 127.0.0.1 1 2\r\n".encode()


async def visit(frontend: RunningFrontend, address: str) -> tuple[RawClient, bool]:
    """Open a connection for a client; return it, and whether it was let in."""
    client = await frontend.connect(before=header(address))
    try:
        return client, (await client.ask(get())).status == 200
    except (OSError, EOFError):
        return client, False


async def test_a_client_with_too_many_connections_gets_no_more_and_others_do() -> None:
    async with open_frontend(GATED.with_connections(max_per_client=2, max_per_network=3)) as frontend:
        let_in = [(await visit(frontend, "192.0.2.1"))[1] for _ in range(4)]
        assert let_in == [True, True, False, False]
        assert (await visit(frontend, "192.0.2.9"))[1]
        assert not (await visit(frontend, "192.0.2.8"))[1]
        assert (await visit(frontend, "198.51.100.1"))[1]
        assert frontend.closed == {Closing.TOO_MANY_PER_CLIENT: 3}


async def test_a_connection_that_closes_makes_room_for_the_next() -> None:
    async with open_frontend(GATED.with_connections(max_per_client=1)) as frontend:
        for _ in range(5):
            client, is_in = await visit(frontend, "192.0.2.1")
            assert is_in
            client.cut()
            await frontend.until(lambda: frontend.register.slots_taken == 0, "its place free")


async def test_a_client_that_opens_too_fast_is_stopped_before_the_handshake(certificate: Certificate) -> None:
    setting = Setting(gated=True, certificate=certificate)
    async with open_frontend(
        setting.with_connections(new_burst_per_client=3, new_per_second_per_client=0.01)
    ) as frontend:
        inside = [await frontend.connect() for _ in range(3)]
        with pytest.raises((OSError, EOFError)):
            await (await frontend.connect()).ask(get())
        await frontend.until(lambda: frontend.closed == {Closing.CLIENT_RATE: 1}, "the refusal")
        assert [(await client.ask(get())).status for client in inside] == [200] * 3


async def test_everybody_together_opens_no_more_than_the_total() -> None:
    async with open_frontend(GATED.with_connections(new_burst=4, new_per_second=1)) as frontend:
        let_in = [(await visit(frontend, f"192.0.{number}.1"))[1] for number in range(6)]
        assert let_in[:3] == [True] * 3
        assert not all(let_in)
        assert set(frontend.closed) == {Closing.TOTAL_RATE}


async def test_a_flood_of_handshakes_leaves_room_for_those_who_are_in(certificate: Certificate) -> None:
    setting = Setting(gated=True, certificate=certificate)
    async with open_frontend(setting.with_connections(max_handshakes=2, handshake_seconds=1)) as frontend:
        inside = await frontend.connect()
        assert (await inside.ask(get())).status == 200
        stalled = [await frontend.connect(tls=False) for _ in range(20)]
        await frontend.until(lambda: frontend.closed.get(Closing.TOO_MANY_HANDSHAKES) == 18, "the others closed")
        assert (await inside.ask(get())).status == 200
        for client in stalled:
            client.cut()
        await frontend.until(lambda: frontend.register.slots_taken == 1, "their places free")
        assert (await (await frontend.connect()).ask(get())).status == 200


async def test_a_front_proxy_that_names_its_clients_is_not_counted_as_one_of_them() -> None:
    clients = ClientsConfig(address_from="x-forwarded-for", trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with open_frontend(Setting(gated=True, clients=clients).with_connections(max_per_client=1)) as frontend:
        proxies = [await frontend.connect() for _ in range(4)]
        assert [(await proxy.ask(get())).status for proxy in proxies] == [200] * 4


async def test_a_full_house_makes_room_for_a_member_and_for_nobody_else() -> None:
    async with open_frontend(WITH_MEMBERS.with_connections(max_total=4)) as frontend:
        strangers = [(await visit(frontend, f"192.0.{number}.1"))[1] for number in range(4)]
        assert strangers == [True] * 4
        assert not (await visit(frontend, "192.0.9.1"))[1]
        members = [(await visit(frontend, MEMBER))[1] for _ in range(3)]
        assert members == [True] * 3
        assert (frontend.closed[Closing.MADE_ROOM], frontend.closed[Closing.TOO_MANY]) == (3, 1)
        assert frontend.register.slots.taken == 4


async def test_one_network_that_holds_all_connections_makes_room_for_another() -> None:
    async with open_frontend(WITH_MEMBERS.with_connections(max_total=6)) as frontend:
        greedy = [await visit(frontend, f"192.0.2.{host}") for host in range(6)]
        assert all(is_in for _, is_in in greedy)
        assert [(await visit(frontend, f"192.0.{number}.1"))[1] for number in (3, 4)] == [True] * 2
        assert frontend.closed == {Closing.MADE_ROOM: 2}
        left = 0
        for client, _ in greedy:
            with contextlib.suppress(OSError, EOFError, RuntimeError):
                left += (await client.ask(get())).status == 200
        assert left == 4


async def test_handshakes_that_stall_make_room_for_those_of_others(certificate: Certificate) -> None:
    setting = replace(WITH_MEMBERS, certificate=certificate).with_connections(max_handshakes=4, handshake_seconds=30)
    async with open_frontend(setting) as frontend:
        for host in range(4):
            await frontend.connect(tls=False, before=header(f"192.0.2.{host}"))
        limiter = frontend.server.connection_limiter
        await frontend.until(lambda: limiter.handshakes.taken == 4, "all handshakes")
        for address in ("192.0.3.1", "192.0.4.1", MEMBER, MEMBER):
            assert (await visit(frontend, address))[1]
        assert frontend.closed[Closing.MADE_ROOM] >= 1
        assert Closing.TOO_MANY_HANDSHAKES not in frontend.closed


async def test_connections_that_do_not_say_whom_they_bring_are_bounded_and_take_no_slot() -> None:
    async with open_frontend(GATED.with_connections(max_handshakes=2, handshake_seconds=30)) as frontend:
        waiting = [await frontend.connect(before=b"PROXY TCP4") for _ in range(3)]
        await frontend.until(lambda: frontend.closed == {Closing.TOO_MANY_HANDSHAKES: 1}, "the third closed")
        assert frontend.register.slots.taken == 0
        for client in waiting:
            client.cut()
        await frontend.until(lambda: frontend.closed.get(Closing.PROXY_HEADER) == 2, "the others gone")
        assert (await visit(frontend, "192.0.2.1"))[1]


async def test_a_limit_that_is_only_tried_closes_nothing_and_blames_nobody() -> None:
    tried = RulesConfig(too_many_per_client="shadow")
    setting = replace(GATED, rules=tried, bans=BansConfig(points=10)).with_connections(max_per_client=2)
    async with open_frontend(setting) as frontend:
        assert [(await visit(frontend, "192.0.2.1"))[1] for _ in range(5)] == [True] * 5
        assert frontend.core.switches[Rule.TOO_MANY_PER_CLIENT].shadowed == 3
        assert frontend.closed == {}
        assert not any(frontend.core.penalties.statistics(frontend.clock()).points.values())
        config = replace(frontend.core.config, rules=RulesConfig())
        frontend.server.adopt(config)
        assert not (await visit(frontend, "192.0.2.1"))[1]
        assert frontend.closed == {Closing.TOO_MANY_PER_CLIENT: 1}
        frontend.server.adopt(replace(config, rules=RulesConfig(too_many_per_client="off")))
        assert (await visit(frontend, "192.0.2.1"))[1]
        assert frontend.core.switches[Rule.TOO_MANY_PER_CLIENT].shadowed == 3


async def test_a_rate_that_is_off_holds_nobody_until_a_reload_takes_it_up() -> None:
    setting = replace(GATED, rules=RulesConfig(client_rate="off")).with_connections(
        new_burst_per_client=2, new_per_second_per_client=0.01
    )
    async with open_frontend(setting) as frontend:
        assert [(await visit(frontend, "192.0.2.1"))[1] for _ in range(5)] == [True] * 5
        frontend.server.adopt(replace(frontend.core.config, rules=RulesConfig()))
        assert [(await visit(frontend, "192.0.2.1"))[1] for _ in range(3)] == [True, True, False]
