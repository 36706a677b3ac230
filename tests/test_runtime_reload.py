"""Another configuration, while the service runs: it holds at once and on open connections, and nothing is lost."""

import asyncio
import contextlib
import math
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dohproxy.builders import clock
from dohproxy.config import ConfigError
from dohproxy.config.files import load
from dohproxy.jobs.certificate_watch import CertificateWatch
from dohproxy.jobs.member_file import write_members
from dohproxy.member_token import TOKEN_BYTES, digest_of, token_of
from dohproxy.policy.members import Member, Members
from dohproxy.policy.prefixes import parse_prefix
from dohproxy.runtime import Runtime
from dohproxy.tls.policy import bare_context
from dohproxy.tls.throwaway import write_throwaway_certificate
from dohproxy.tools.healthcheck import check_health
from tests.fakes.upstream import ANSWER, FakeUpstream
from tests.frontends.client import RawClient, get
from tests.frontends.dot_client import DotClient, query
from tests.frontends.served import until

NAME = "www.example.net"
UNLIMITED = '[limits]\nexempt_networks = ["127.0.0.0/8"]\n'


@dataclass(slots=True)
class Service:
    """A runtime that serves, its file, and what it asks."""

    runtime: Runtime
    file: Path
    upstream: FakeUpstream
    listening: socket.socket
    clients: list[RawClient] = field(default_factory=list)

    async def connect(self) -> RawClient:
        """Return a client that is connected."""
        client = await RawClient.connect(self.listening.getsockname())
        self.clients.append(client)
        return client

    async def adopt(self, text: str) -> tuple[str, ...]:
        """Write the file anew and read it; return the keys that changed."""
        self.file.write_text(text)
        return (await self.runtime.reload()).changed


def upstream_section(upstream: FakeUpstream, *, name: str = "first", keys: str = "", transport: str = "udp") -> str:
    """Return an [[upstream]] that leads to a fake one."""
    url = upstream.config(transport).url
    return f'[[upstream]]\nname = "{name}"\nurl = "{url}"\npreset = "own"\n{keys}'


@asynccontextmanager
async def serving(file: Path, upstream: FakeUpstream, rest: str = "", **keys: str) -> AsyncIterator[Service]:
    """Serve by a file with one listener on a free port, one upstream, and what else is given."""
    with contextlib.ExitStack() as sockets:
        async with upstream.running(), asyncio.timeout(30):
            write(file, text_for(upstream, rest, **keys))
            config = load(file)
            tls = certificate = None
            if config.tls is not None:
                tls = bare_context()
                certificate = CertificateWatch(config.tls, config.server.host, tls)
            announced: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                runtime = Runtime(config, tasks, sockets, file=file, certificate=certificate, tls=tls)
                running = tasks.create_task(runtime.run(runtime.listen(), announced.set_result, stop))
                await announced
                [listener] = runtime.listeners.by_place.values()
                service = Service(runtime, file, upstream, listener.listening)
                yield service
                for client in service.clients:
                    client.cut()
                stop.set()
                await running


def write(file: Path, text: str) -> None:
    """Write the configuration."""
    file.write_text(text)


def text_for(upstream: FakeUpstream, rest: str = "", *, server: str = "", keys: str = "", listen: str = "") -> str:
    """Return the text of a configuration."""
    listen = listen or '["127.0.0.1:0"]'
    return f"[server]\nlisten = {listen}\n{server}\n{upstream_section(upstream, keys=keys)}\n{rest}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the configuration lies."""
    return tmp_path / "dohproxy.toml"


async def test_a_limit_holds_on_an_open_connection_from_the_next_request_on(file: Path) -> None:
    upstream = FakeUpstream()
    async with serving(file, upstream) as service:
        client = await service.connect()
        assert [(await client.ask(get(NAME))).status for _ in range(20)] == [200] * 20
        changed = await service.adopt(text_for(upstream, "[limits]\nrequests_per_second = 0.1\nrequests_burst = 2\n"))
        assert {"limits.requests_burst", "limits.requests_per_second"} <= set(changed)
        statuses = [(await client.ask(get(NAME))).status for _ in range(4)]
        assert statuses[2:] == [429, 429]


async def test_whoever_has_used_up_a_limit_is_not_given_it_anew(file: Path) -> None:
    upstream = FakeUpstream()
    small = "[limits]\nrequests_per_second = 0.1\nrequests_burst = 5\n"
    async with serving(file, upstream, small) as service:
        client = await service.connect()
        assert [(await client.ask(get(NAME))).status for _ in range(6)] == [*[200] * 5, 429]
        await service.adopt(text_for(upstream, small + "waiting_misses = 200\n"))
        assert (await client.ask(get(NAME))).status == 429
        await service.adopt(text_for(upstream, "[limits]\nrequests_per_second = 0.2\nrequests_burst = 5\n"))
        assert (await client.ask(get(NAME))).status == 429


async def test_who_becomes_exempt_is_so_on_the_connection_it_has(file: Path) -> None:
    upstream = FakeUpstream()
    small = "[limits]\nrequests_per_second = 0.1\nrequests_burst = 1\n"
    async with serving(file, upstream, small) as service:
        client = await service.connect()
        assert [(await client.ask(get(NAME))).status for _ in range(2)] == [200, 429]
        await service.adopt(text_for(upstream, small + 'exempt_networks = ["127.0.0.0/8"]\n'))
        assert [(await client.ask(get(NAME))).status for _ in range(3)] == [200] * 3


async def test_another_path_holds_for_a_request_that_was_answered_a_hundred_times(file: Path) -> None:
    upstream = FakeUpstream()
    async with serving(file, upstream, UNLIMITED) as service:
        client = await service.connect()
        assert {(await client.ask(get(NAME))).status for _ in range(100)} == {200}
        await service.adopt(text_for(upstream, UNLIMITED, server='path = "/other"\n'))
        assert (await client.ask(get(NAME))).status == 404
        other = await service.connect()
        assert (await other.ask(get(NAME, path="/other"))).status == 200
        assert service.runtime.health_answers()


async def test_what_is_cached_stays_cached(file: Path) -> None:
    upstream = FakeUpstream()
    async with serving(file, upstream, UNLIMITED) as service:
        client = await service.connect()
        await client.ask(get(NAME))
        await service.adopt(text_for(upstream, UNLIMITED + "[cache]\nminimum_ttl_seconds = 120\n"))
        assert (await client.ask(get(NAME))).message().answer
        assert upstream.asked == 1


async def test_an_upstream_that_stays_keeps_what_it_was_asked_and_a_new_one_begins_slowly(file: Path) -> None:
    upstream, other = FakeUpstream(), FakeUpstream()
    keys = "queries_per_second = 0.1\nburst = 40\n"
    async with serving(file, upstream, UNLIMITED, keys=keys) as service, other.running():
        client = await service.connect()
        service.runtime.core.budgets.begin_reload(clock())
        for number in range(8):
            await client.ask(get(f"n{number}.example.net"))
        [before] = service.runtime.core.resolver.statistics(clock()).upstreams
        keys = "queries_per_second = 0.1\nburst = 30\n"
        both = text_for(upstream, UNLIMITED, keys=keys) + upstream_section(other, name="second")
        await service.adopt(both)
        first, second = service.runtime.core.resolver.statistics(clock()).upstreams
        assert first.sends == before.sends
        assert first.budget_left <= before.budget_left
        assert first.burst == 30
        assert second.budget_share < 1.0


async def test_what_is_under_way_with_an_upstream_that_goes_is_answered(file: Path) -> None:
    upstream, other = FakeUpstream((ANSWER.after(0.4),)), FakeUpstream()
    async with serving(file, upstream, UNLIMITED) as service, other.running():
        client = await service.connect()
        await client.send(get(NAME))
        await upstream.wait_asked()
        await service.adopt(text_for(other, UNLIMITED))
        assert (await client.response()).message().answer
        await client.ask(get("another.example.net"))
        assert (upstream.asked, other.asked) == (1, 1)


async def test_a_bad_file_changes_nothing_and_is_told(file: Path) -> None:
    upstream = FakeUpstream()
    async with serving(file, upstream, UNLIMITED) as service:
        config = service.runtime.config
        for wrong in ("[limits]\nno_such_key = 1\n", '[names]\npublic_suffix_file = "nowhere"\n', "[server\n"):
            with pytest.raises(ConfigError):
                await service.adopt(text_for(upstream, wrong))
        statistics = service.runtime.reloads.statistics()
        assert (statistics.refused, statistics.last_succeeded, statistics.taken) == (3, False, 0)
        assert service.runtime.config is config
        client = await service.connect()
        assert (await client.ask(get(NAME))).status == 200


async def test_an_address_that_cannot_be_had_leaves_those_there_are(file: Path) -> None:
    upstream = FakeUpstream()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with serving(file, upstream, UNLIMITED) as service:
            listen = f'["127.0.0.1:0", "127.0.0.2:0", "127.0.0.1:{taken.getsockname()[1]}"]'
            with pytest.raises(ConfigError, match=r"server\.listen"):
                await service.adopt(text_for(upstream, UNLIMITED, listen=listen))
            assert len(service.runtime.listeners.by_place) == 1
            assert (await (await service.connect()).ask(get(NAME))).status == 200


async def test_listeners_come_and_go_and_connections_stay(file: Path, tmp_path: Path) -> None:
    upstream = FakeUpstream()
    async with serving(file, upstream, UNLIMITED) as service:
        client = await service.connect()
        assert (await client.ask(get(NAME))).status == 200
        path = tmp_path / "doh.sock"
        await service.adopt(text_for(upstream, UNLIMITED, listen=f'["unix:{path}"]'))
        assert (await client.ask(get(NAME))).status == 200
        other = await RawClient.connect(str(path))
        service.clients.append(other)
        assert (await other.ask(get(NAME))).status == 200
        with pytest.raises(OSError, match=r"."):
            await RawClient.connect(service.listening.getsockname())
        # The health check asks where the new file says, and is told how the service is.
        assert await asyncio.to_thread(check_health, load(file))


async def test_an_address_goes_from_one_protocol_to_the_other_and_back_and_connections_stay(
    file: Path, tmp_path: Path
) -> None:
    upstream = FakeUpstream()
    one, other = tmp_path / "one.sock", tmp_path / "other.sock"
    over_http = f'["unix:{one}"]'
    over_tls = f'{UNLIMITED}[dot]\nlisten = ["unix:{one}"]\n'
    async with serving(file, upstream, UNLIMITED, listen=over_http) as service:
        first = await service.connect()
        assert (await first.ask(get(NAME))).status == 200
        with pytest.raises(ConfigError, match=r"server\.listen"):
            await service.adopt(text_for(upstream, over_tls, listen='["unix:/nowhere/at/all.sock"]'))
        assert (await (await service.connect()).ask(get(NAME))).status == 200
        await service.adopt(text_for(upstream, over_tls, listen=f'["unix:{other}"]'))
        assert (await first.ask(get(NAME))).status == 200
        second = DotClient(await service.connect())
        assert (await second.ask(query(NAME))).answer
        await service.adopt(text_for(upstream, UNLIMITED, listen=over_http))
        assert (await second.ask(query(NAME))).answer
        assert (await (await service.connect()).ask(get(NAME))).status == 200
        assert (await first.ask(get(NAME))).status == 200
        assert not other.exists()


async def test_what_has_to_wait_for_a_restart_is_named_and_stays(file: Path) -> None:
    upstream = FakeUpstream()
    rest = UNLIMITED + "table_slots = 2048\nwaiting_misses = 7\n[cache]\nmax_megabytes = 8\n"
    async with serving(file, upstream, UNLIMITED) as service:
        service.file.write_text(text_for(upstream, rest))
        changes = await service.runtime.reload()
        assert changes.waiting == ("cache.max_megabytes", "limits.table_slots")
        assert changes.changed == ("limits.waiting_misses",)
        assert service.runtime.config.limits.table_slots == 131_072
        assert service.runtime.config.limits.waiting_misses == 7
        assert service.runtime.reloads.statistics().waiting == changes.waiting


async def test_another_certificate_is_shown_from_the_next_handshake_on(file: Path, tmp_path: Path) -> None:
    upstream = FakeUpstream()
    places = [tmp_path / "old", tmp_path / "new"]
    for place in places:
        place.mkdir()
    old, new = (write_throwaway_certificate(place, "localhost") for place in places)

    def rest(pair: tuple[Path, Path]) -> str:
        return f'{UNLIMITED}[tls]\ncertificate = "{pair[0]}"\nkey = "{pair[1]}"\n'

    async with serving(file, upstream, rest(old), server='host = "localhost"\n') as service:
        shown = service.runtime.certificate_digest()
        with pytest.raises(ConfigError, match=r"tls\.key .* is not the key of"):
            await service.adopt(text_for(upstream, rest((old[0], new[1])), server='host = "localhost"\n'))
        assert service.runtime.certificate_digest() == shown
        await service.adopt(text_for(upstream, rest(new), server='host = "localhost"\n'))
        assert service.runtime.certificate_digest() != shown


async def test_without_a_file_there_is_nothing_to_read_again(file: Path) -> None:
    async with serving(file, FakeUpstream(), UNLIMITED) as service:
        service.runtime.file = None
        with pytest.raises(ConfigError, match="--config"):
            await service.runtime.reload()


async def test_requests_without_end_lose_none_over_many_reloads(file: Path) -> None:
    upstream = FakeUpstream()
    async with serving(file, upstream, UNLIMITED) as service:
        clients = [await service.connect() for _ in range(6)]

        async def ask(client: RawClient, number: int) -> list[int]:
            return [(await client.ask(get(f"n{number}-{turn % 7}.example.net"))).status for turn in range(20)]

        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(ask(client, number)) for number, client in enumerate(clients)]
            for turn in range(10):
                keys = f"burst = {40 + turn}\nidle_seconds = {10 + turn % 2}\n"
                await service.adopt(text_for(upstream, UNLIMITED, keys=keys))
                await asyncio.sleep(0)
        assert [task.result() for task in asking] == [[200] * 20] * 6
        await until(lambda: service.runtime.finishing == 0, "the end of every resolver that was replaced")


async def test_a_sighup_reads_the_file_again_and_other_signals_end_nothing(file: Path) -> None:
    upstream = FakeUpstream()
    async with serving(file, upstream, UNLIMITED) as service:
        service.runtime.heed_signals(asyncio.Event())
        write(file, text_for(upstream, UNLIMITED + "waiting_misses = 9\n"))
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
            os.kill(os.getpid(), number)
        await until(lambda: service.runtime.config.limits.waiting_misses == 9, "the reload")
        assert (await (await service.connect()).ask(get(NAME))).status == 200
        write(file, "nonsense")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: service.runtime.reloads.statistics().refused == 1, "the refusal")


async def test_a_file_of_members_and_a_ban_log_come_and_go_with_a_reload(file: Path, tmp_path: Path) -> None:
    upstream = FakeUpstream()
    token, members, log = token_of(bytes(TOKEN_BYTES)), tmp_path / "members.json", tmp_path / "bans.log"
    write_members(members, Members((Member("alice", digest_of(token), 1.0, math.inf),)))
    with_both = f'[clients]\nmember_file = "{members}"\n[bans]\nlog_file = "{log}"\n'
    async with serving(file, upstream) as service:
        client = await service.connect()

        async def status() -> int:
            return (await client.ask(get(NAME, path=f"/dns-query/{token}"))).status

        assert (await status(), service.runtime.member_book()) == (404, None)
        changed = await service.adopt(text_for(upstream, with_both))
        assert set(changed) == {"clients.member_file", "bans.log_file"}
        assert (await status(), service.runtime.member_book() is None) == (200, False)
        service.runtime.bans().ban(parse_prefix("198.51.100.7"), 60.0, "", clock(), spares=True)
        await until(log.exists, "a line in the ban log")
        figures = (await service.runtime.snapshot())["figures"]
        assert (figures["dohproxy_members"], "dohproxy_ban_log_lines_total" in figures) == (1, True)
        assert set(await service.adopt(text_for(upstream))) == {"clients.member_file", "bans.log_file"}
        assert await status() == 404
        assert "dohproxy_members" not in (await service.runtime.snapshot())["figures"]


async def test_a_file_of_members_that_is_none_is_refused_as_a_whole(file: Path, tmp_path: Path) -> None:
    upstream = FakeUpstream()
    (tmp_path / "members.json").write_text("{")
    async with serving(file, upstream) as service:
        with pytest.raises(ConfigError, match=r"clients\.member_file"):
            await service.adopt(text_for(upstream, f'[clients]\nmember_file = "{tmp_path / "members.json"}"\n'))
        assert service.runtime.config.clients.member_file is None
