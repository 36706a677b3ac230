"""The service's side of the kernel drop, with what dohproxy-nft decides at the other end and nobody in nft's place."""

import asyncio
import contextlib
import gc
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from dohproxy.config import BansConfig, ClientsConfig, Config, LimitsConfig, ListenAddress, ServerConfig
from dohproxy.jobs import kernel_bans
from dohproxy.jobs.kernel_bans import KernelBans, ports_of, spared_networks
from dohproxy.nft.drops import Drops
from dohproxy.nft.protocol import (
    MOST_LINE,
    VERSION,
    Command,
    Done,
    Failed,
    Hello,
    Look,
    Malformed,
    Network,
    Recall,
    Recalled,
    read_command,
    write_hello,
    write_recalled,
    write_reply,
)
from dohproxy.outcomes import Client
from dohproxy.policy.ban_state import export_bans, restore_bans
from dohproxy.policy.bans import Bans
from dohproxy.policy.identity import Identities
from dohproxy.policy.kernel_drops import LeftOut, SparedNetworks
from dohproxy.policy.member_networks import MemberNetworks
from dohproxy.policy.prefixes import Prefix, parse_prefix
from dohproxy.saved import Interruption
from tests.fakes.steps import result_of
from tests.fakes.upstream import FakeUpstream
from tests.frontends.served import until
from tests.loops import pytest_asyncio_loop_factories as pytest_asyncio_loop_factories
from tests.nft.conftest import Running

IDENTITIES = Identities(bytes(32))


def client(text: str) -> Client:
    return IDENTITIES.look_at(ip_address(text).packed)


class Kernel:
    """dohproxy-nft without nft."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.drops = Drops([443], (), 60_000)
        self.version = VERSION
        self.fails_at: Callable[[Command], bool] = lambda _: False
        self.heard: list[Command] = []
        self.scripts: list[str] = []
        self.packets = 5
        self.connections = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, self.path, limit=MOST_LINE)
        try:
            yield
        finally:
            server.close()
            for writer in self._writers:
                writer.close()
            await server.wait_closed()

    _writers: tuple[asyncio.StreamWriter, ...] = ()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers += (writer,)
        self.connections += 1
        self.drops.begin()
        hello = self.drops.hello
        writer.write(write_hello(Hello(self.version, hello.ports, hello.most)))
        while line := await reader.readline():
            command = read_command(line)
            self.heard.append(command)
            if isinstance(command, Recall):
                networks = tuple(self.drops.networks(time.monotonic()))
                writer.write(write_recalled(Recalled(networks)) * bool(networks) + write_recalled(Recalled(())))
            try:
                step = self.drops.take(command, time.monotonic())
            except Malformed as error:
                writer.write(write_reply(Failed(f"what was sent {error}")))
                break
            if self.fails_at(command):
                writer.write(write_reply(Failed("nft has failed: no")))
                break
            if step is not None:
                self.scripts.append(step.script)
                packets = self.packets if isinstance(command, Look) else 0
                writer.write(write_reply(Done(step.done.held, step.done.refused, packets)))
        writer.close()

    def cut(self) -> None:
        for writer in self._writers:
            writer.close()

    @property
    def dropped(self) -> set[str]:
        return {f"{ip_address(network.packed)}/{network.bits}" for network in self.drops.networks(time.monotonic())}


PUBLIC = ServerConfig(listen=(ListenAddress("tcp", "192.0.2.250", 443),))


class Service:
    """Bans, and the job."""

    def __init__(self, path: Path, **sections: object) -> None:
        self.config = Config((FakeUpstream().config(),), **{"server": PUBLIC, **sections})  # type: ignore[arg-type]
        self.bans = Bans(BansConfig(), IDENTITIES.prefix_hashes)
        self.members = MemberNetworks(3_600.0)
        self.job = KernelBans(path, lambda: self.config, self.bans, self.members, time.monotonic)

    def ban(self, text: str, seconds: float = 600.0) -> None:
        self.bans.ban(parse_prefix(text), seconds, "", time.monotonic(), spares=True)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self._sessions())
            yield
            task.cancel()

    async def _sessions(self) -> None:
        while True:
            await asyncio.sleep(min(0.05, self.job.pause()))
            await self.job.session()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_bans, "COMPARE_SECONDS", 0.02)
    monkeypatch.setattr(kernel_bans, "LOOK_SECONDS", 0.1)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path / "socket")


async def test_bans_are_told_as_they_come_and_go(kernel: Kernel) -> None:
    service = Service(kernel.path)
    service.bans.ban_by_rule(client("192.0.2.7"), 0, "wrong_path", time.monotonic())
    async with kernel.running(), service.running():
        await until(lambda: kernel.dropped == {"192.0.2.7/32"}, "the snapshot")
        service.ban("198.51.100.0/24")
        await until(lambda: "198.51.100.0/24" in kernel.dropped, "a ban by command")
        service.bans.unban(parse_prefix("192.0.2.7"), 600.0, time.monotonic())
        await until(lambda: kernel.dropped == {"198.51.100.0/24"}, "its end")
        await until(lambda: service.job.statistics().networks == 1, "the account of it")
        statistics = service.job.statistics()
        assert (statistics.is_connected, statistics.told >= 2, statistics.refused) == (True, True, 0)
        assert (statistics.failures, statistics.max_networks) == (0, 60_000)
    assert not service.job.statistics().is_connected
    assert service.job.statistics().networks == 0


async def test_members_exempt_networks_front_proxies_and_who_is_let_in_are_spared(kernel: Kernel) -> None:
    service = Service(
        kernel.path,
        clients=ClientsConfig(
            trusted_proxies=(ip_network("192.0.2.1/32"), "unix"),
            member_networks=(ip_network("192.0.2.16/28"),),
        ),
        limits=LimitsConfig(exempt_networks=(ip_network("::ffff:192.0.2.64/122"),)),
    )
    service.ban("192.0.2.0/24")
    service.ban("192.0.2.17")
    service.bans.unban(parse_prefix("192.0.2.200"), 600.0, time.monotonic())
    async with kernel.running(), service.running():
        await until(lambda: "192.0.2.0/24" in kernel.dropped, "the snapshot")
        assert kernel.dropped == {"192.0.2.0/24"}
        [script] = kernel.scripts[:1]
        assert "192.0.2.1/32, 192.0.2.16/28, 192.0.2.64/26, 192.0.2.200/32" in script
        # Another configuration, and another command, hold from the next look on.
        service.config = replace(service.config, clients=ClientsConfig(member_networks=(ip_network("192.0.2.0/24"),)))
        await until(lambda: kernel.dropped == set(), "the members' network")
    assert service.job.statistics().left_out[LeftOut.SPARED] == 2


@pytest.mark.parametrize(
    "behind",
    [
        {"clients": ClientsConfig(address_from="x-forwarded-for", trusted_proxies=(ip_network("127.0.0.0/8"),))},
        {"server": ServerConfig(listen=(ListenAddress("tcp", "127.0.0.1", 8053),))},
    ],
    ids=["clients come by a front proxy", "nobody comes from another machine"],
)
async def test_who_is_banned_is_not_shut_out_of_what_else_is_behind_a_front_proxy(
    kernel: Kernel, behind: dict[str, Any]
) -> None:
    service = Service(kernel.path, **behind)
    direct = Service(kernel.path).config
    service.ban("198.51.100.0/24")
    service.bans.ban_by_rule(client("192.0.2.7"), 0, "wrong_path", time.monotonic())
    async with kernel.running(), service.running():
        await until(lambda: bool(kernel.scripts), "the snapshot")
        assert kernel.dropped == set()
        # How clients come may change with any reload.
        proxied, service.config = service.config, direct
        await until(lambda: len(kernel.dropped) == 2, "bans")
        service.config = proxied
        await until(lambda: kernel.dropped == set(), "their end")


async def test_an_address_whence_a_token_came_is_released(kernel: Kernel) -> None:
    service = Service(kernel.path)
    now = time.monotonic()
    service.bans.ban_by_rule(client("192.0.2.7"), 0, "wrong_path", now)
    service.bans.ban_by_rule(client("192.0.2.7"), 1, "wrong_path", now)
    async with kernel.running(), service.running():
        await until(lambda: len(kernel.dropped) == 2, "the snapshot")
        service.members.note(client("192.0.2.7"), bytes(32), now)
        await until(lambda: kernel.dropped == set(), "the member")


async def test_what_is_spared_is_put_in_order_only_when_it_is_another(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []

    class Counted(SparedNetworks):
        def __init__(self, networks: Iterable[Prefix]) -> None:
            super().__init__(networks)
            made.append(self)

    monkeypatch.setattr(kernel_bans, "SparedNetworks", Counted)
    service = Service(kernel.path, limits=LimitsConfig(exempt_networks=(ip_network("192.0.2.64/26"),)))
    async with kernel.running(), service.running():
        for number in range(1, 4):  # Each of them is told at a look of its own.
            service.ban(f"198.51.100.{number}")
            await until(lambda number=number: len(kernel.dropped) == number, "a ban")  # type: ignore[misc]
        assert len(made) == 2  # None at first, then the exempt network.
        service.bans.unban(parse_prefix("192.0.2.200"), 600.0, time.monotonic())
        await until(lambda: len(made) == 3, "what is let in")


async def test_after_either_side_was_started_anew_both_agree(kernel: Kernel) -> None:
    service = Service(kernel.path)
    service.ban("192.0.2.0/24")
    async with service.running():
        async with kernel.running():
            await until(lambda: service.job.statistics().is_connected, "the helper")
        service.ban("198.51.100.0/24")
        await until(lambda: service.job.statistics().failures >= 2, "what cannot be reached")
        anew = Kernel(kernel.path)
        async with anew.running():
            await until(lambda: anew.dropped == {"192.0.2.0/24", "198.51.100.0/24"}, "the new helper")
            kernel = anew
            async with Service(kernel.path).running():
                await until(lambda: anew.connections >= 2, "the other service")
                await until(lambda: len(anew.scripts) >= 2, "its snapshot")


async def test_after_a_restart_the_kernel_still_knows_whom_bans_are_about(kernel: Kernel) -> None:
    before, after = Service(kernel.path), Service(kernel.path)
    now = time.monotonic()
    before.bans.ban_by_rule(client("192.0.2.7"), 0, "wrong_path", now)
    before.ban("198.51.100.0/24")
    before.ban("203.0.113.7", seconds=0.5)
    async with kernel.running():
        async with before.running():
            await until(lambda: len(kernel.dropped) == 3, "the snapshot")
        exported = result_of(export_bans(before.bans, now))[0]
        assert "192.0.2.7" not in str(exported)
        await until(lambda: len(kernel.dropped) == 2, "the end of the shortest")
        restore_bans(after.bans, {"bans": exported}, Interruption(now), now)
        after.ban("203.0.113.0/24")
        async with after.running():
            await until(lambda: after.job.statistics().is_connected, "the second service")
            assert kernel.dropped == {"192.0.2.7/32", "198.51.100.0/24", "203.0.113.0/24"}
        assert after.job.statistics().left_out[LeftOut.NAMELESS] == 0
        assert sum(isinstance(command, Recall) for command in kernel.heard) == 1


async def test_a_helper_that_recalls_without_end_is_left(tmp_path: Path) -> None:
    many = write_recalled(Recalled(tuple(Network(number.to_bytes(4), 32) for number in range(500))))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(write_hello(Hello(VERSION, (443,), 9)))
        with contextlib.suppress(OSError):
            while not reader.at_eof():
                writer.write(many)
                await writer.drain()
        writer.close()

    path = tmp_path / "socket"
    async with await asyncio.start_unix_server(serve, path):
        service = Service(path)
        service.ban("192.0.2.7")
        restored = Service(path)
        now = time.monotonic()
        restore_bans(restored.bans, {"bans": result_of(export_bans(service.bans, now))[0]}, Interruption(now), now)
        await restored.job.session()
    assert restored.job.statistics().failures == 1


async def test_after_a_failure_of_nft_everything_is_sent_again(kernel: Kernel) -> None:
    service = Service(kernel.path)
    service.ban("192.0.2.0/24")
    async with kernel.running(), service.running():
        await until(lambda: kernel.dropped == {"192.0.2.0/24"}, "the snapshot")
        failures = iter((True,))
        kernel.fails_at = lambda _: next(failures, False)
        service.ban("198.51.100.0/24")
        await until(lambda: kernel.connections == 2, "the next connection")
        await until(lambda: kernel.dropped == {"192.0.2.0/24", "198.51.100.0/24"}, "all of it")
        assert service.job.statistics().failures == 1


async def test_dropped_packets_are_counted_and_go_on_from_where_they_were(kernel: Kernel) -> None:
    service = Service(kernel.path)
    async with kernel.running(), service.running():
        await until(lambda: service.job.statistics().packets == 5, "the first look")
        kernel.packets = 8
        await until(lambda: service.job.statistics().packets == 8, "more of them")
        kernel.packets = 2  # The table was made anew.
        await until(lambda: service.job.statistics().packets == 10, "those since then")


async def test_a_helper_that_is_not_there_is_told_of_once_and_tried_again_ever_later(
    kernel: Kernel, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(kernel.path)
    pauses = []
    for _ in range(8):
        pauses.append(service.job.pause())
        await service.job.session()
    assert pauses == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert service.job.statistics().failures == 8


@pytest.mark.parametrize(
    "greeting",
    [b"SSH-2.0\n", b"x" * (2 * MOST_LINE), b"", b'{"dohproxy-nft":2,"ports":[443],"most":9}\n'],
    ids=["another program", "a line without end", "nothing", "another version"],
)
async def test_whoever_else_sits_there_is_left(tmp_path: Path, greeting: bytes) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    path = tmp_path / "socket"
    async with await asyncio.start_unix_server(serve, path):
        service = Service(path)
        await service.job.session()
    assert service.job.statistics().failures == 1
    assert service.job.pause() == 1.0


async def test_one_that_does_not_answer_is_left(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_bans, "REPLY_SECONDS", 0.1)
    held = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(write_hello(Hello(VERSION, (443,), 9)))
        await held.wait()
        writer.close()

    async with await asyncio.start_unix_server(serve, kernel.path):
        service = Service(kernel.path)
        async with asyncio.timeout(10):
            await service.job.session()
        held.set()
    assert service.job.statistics().failures == 1


async def test_ten_thousand_bans_are_told_in_slices_between_which_everybody_has_a_turn(tmp_path: Path) -> None:
    running = Running(tmp_path, os.getuid(), most=20_000)
    try:
        service = Service(running.path)
        now, most = time.monotonic(), 10_000
        for number in range(most):
            service.bans.ban_by_rule(client(str(ip_address((198 << 24) + number))), 0, "wrong_path", now)
        longest = 0.0
        # What the collector does with all that the tests have made is not what is measured here.
        gc.disable()
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(service.job.session())
            while not service.job.statistics().is_connected:
                began = time.thread_time()
                await asyncio.sleep(0)
                longest = max(longest, time.thread_time() - began)
            task.cancel()
    finally:
        gc.enable()
        running.stop()
    assert len(running.drops) == most
    # A slice is a millisecond. All of it at once takes some 100, and this machine may be slow.
    assert longest < 0.03


def test_what_is_spared_and_where_clients_come_in() -> None:
    config = Config(
        (FakeUpstream().config(),),
        server=ServerConfig(
            listen=(
                ListenAddress("tcp", "192.0.2.1", 443),
                ListenAddress("tcp", "127.0.0.1", 8053),
                ListenAddress("unix", path="/run/h1"),
            )
        ),
        limits=LimitsConfig(exempt_networks=(ip_network("192.0.2.0/24"),)),
    )
    assert ports_of(config) == {443}
    assert spared_networks(config) == (ip_network("192.0.2.0/24"),)
