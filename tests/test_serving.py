"""The whole process in one event loop: what listens, what is told, what is written, and how it ends."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from importlib import resources
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import dns.rcode
import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from dohproxy.builders import build_request_limiter, clock
from dohproxy.config import (
    AdminConfig,
    ClientsConfig,
    Config,
    ConfigError,
    LimitsConfig,
    ListenAddress,
    LogConfig,
    MetricsConfig,
    NamesConfig,
    ServerConfig,
    TlsConfig,
    UpstreamAddress,
    UpstreamConfig,
)
from dohproxy.core import Core
from dohproxy.doh.request import RequestRules
from dohproxy.frontends import listening, opener
from dohproxy.observability.logs import configure_logs
from dohproxy.policy.identity import Identities
from dohproxy.serving import serve
from dohproxy.tls.throwaway import write_throwaway_certificate
from dohproxy.wire.answer import parse_answer
from tests.e2e.processes import free_port
from tests.fakes.dialects import POST_FIELD
from tests.fakes.upstream import ANSWER, SILENCE, FakeUpstream, make_query
from tests.fakes.walk import address_of
from tests.frontends.client import RawClient, get, post, post_head
from tests.frontends.served import NO_LIMITS, QUICK, open_sockets, until
from tests.wire import messages as m

ANYWHERE = ListenAddress("tcp", host="127.0.0.1", port=0)
CLIENT = "198.51.100.77"
NAME = "secret.example.net"
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


pytestmark = pytest.mark.usefixtures("restored_logging")


@dataclass(slots=True)
class Running:
    """A service that runs: where, and what it asks."""

    addresses: tuple[str, ...]
    upstream: FakeUpstream
    stopped: asyncio.Task[None]
    clients: list[RawClient] = field(default_factory=list)

    async def connect(self, number: int = 0) -> RawClient:
        """Return a client of one of its listeners."""
        client = await RawClient.connect(_socket_address(self.addresses[number]))
        self.clients.append(client)
        return client


def _socket_address(announced: str) -> Any:
    if announced.startswith("unix:"):
        return announced.removeprefix("unix:")
    host, _, port = announced.rpartition(":")
    return (host.strip("[]"), int(port), 0, 0) if host.startswith("[") else (host, int(port))


def run(
    loop_factory: LoopFactory,
    scenario: Callable[[Running], Awaitable[None]],
    upstream: FakeUpstream | None = None,
    **sections: Any,
) -> None:
    """Start a service, play a scenario, stop it with SIGTERM unless that happened, and see that nothing is left."""
    fake = upstream if upstream is not None else FakeUpstream()

    async def main() -> None:
        before = open_sockets()
        async with fake.running():
            config = Config(
                **{
                    "upstreams": (fake.config(),),
                    "server": ServerConfig((ANYWHERE,)),
                    "connections": QUICK,
                    "limits": NO_LIMITS,
                    **sections,
                }
            )
            announced: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()
            limit = configure_logs(config.log, clock)
            async with asyncio.TaskGroup() as tasks, asyncio.timeout(30):
                stopped = tasks.create_task(serve(config, announced.set_result, limit))
                first: list[asyncio.Future[Any]] = [stopped, announced]
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
                if announced.done():
                    running = Running(announced.result(), fake, stopped)
                    await scenario(running)
                    for client in running.clients:
                        client.cut()
                    if not stopped.done():
                        os.kill(os.getpid(), signal.SIGTERM)
                await stopped
        await until(lambda: open_sockets() <= before, "the end of every socket")
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


# --- Listening ---


def test_every_listener_is_served_and_announced_as_bound(loop_factory: LoopFactory, tmp_path: Path) -> None:
    listen = (ANYWHERE, ListenAddress("tcp", host="::1", port=0), ListenAddress("unix", path=str(tmp_path / "h1.sock")))

    async def scenario(service: Running) -> None:
        assert [re.sub(r":\d+$", ":port", address) for address in service.addresses] == [
            "127.0.0.1:port",
            "[::1]:port",
            f"unix:{tmp_path}/h1.sock",
        ]
        for number in range(3):
            client = await service.connect(number)
            assert (await client.ask(get("www.example.net"))).message().answer
            client.cut()
        assert service.upstream.asked == 1

    run(loop_factory, scenario, server=ServerConfig(listen))


@pytest.mark.parametrize(
    "configured", [(), ("metrics",), ("admin",), ("metrics", "admin"), ("admin", "console")], ids=str
)
def test_only_what_is_configured_listens(
    loop_factory: LoopFactory, configured: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    open_listener = listening.open_listener

    def remember(address: ListenAddress, *, key: str = "server.listen") -> socket.socket:
        opened.append(key)
        return open_listener(address, key=key)

    async def scenario(service: Running) -> None:
        assert opened == [
            "server.listen",
            *({"metrics": "metrics.listen", "admin": "admin.socket", "console": "admin.listen"}[c] for c in configured),
        ]

    monkeypatch.setattr(opener, "open_listener", remember)
    sections: dict[str, Any] = {"metrics": MetricsConfig(ANYWHERE), "admin": AdminConfig(tmp_path / "admin.sock")}
    if "console" in configured:
        sections["admin"] = AdminConfig(tmp_path / "admin.sock", listen=ANYWHERE)
    run(loop_factory, scenario, **{name: sections[name] for name in configured if name in sections})


def test_a_busy_port_ends_it_before_anything_is_served(loop_factory: LoopFactory) -> None:
    async def scenario(service: Running) -> None:
        raise AssertionError("it was served")

    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = replace(ANYWHERE, port=taken.getsockname()[1])
        with pytest.raises(ExceptionGroup) as caught:
            run(loop_factory, scenario, server=ServerConfig((ANYWHERE, busy)))
    assert caught.group_contains(ConfigError, match="in use")


# --- The end ---


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_lets_requests_under_way_finish(loop_factory: LoopFactory, number: signal.Signals) -> None:
    async def scenario(service: Running) -> None:
        busy, idle = await service.connect(), await service.connect()
        assert (await idle.ask(get())).status == 200
        await busy.send(get("www.example.net"))
        await until(lambda: service.upstream.asked == 1, "the query")
        os.kill(os.getpid(), number)
        assert await idle.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            await service.connect()
        response = await busy.response()
        assert (response.message().answer != [], response.closes) == (True, True)
        await service.stopped

    run(loop_factory, scenario, FakeUpstream(udp=(ANSWER.after(0.4),)))


def test_what_does_not_finish_is_cut_after_the_drain(loop_factory: LoopFactory) -> None:
    async def scenario(service: Running) -> None:
        client = await service.connect()
        await client.send(get("www.example.net"))
        await until(lambda: service.upstream.asked >= 1, "the query")
        os.kill(os.getpid(), signal.SIGTERM)
        await service.stopped
        assert await client.rest() == b""

    run(loop_factory, scenario, FakeUpstream(udp=(SILENCE,)), connections=replace(QUICK, drain_seconds=0.2))


def test_a_handshake_that_never_ends_does_not_outlast_the_drain(loop_factory: LoopFactory, tmp_path: Path) -> None:
    tls = TlsConfig(*write_throwaway_certificate(tmp_path, "localhost"))

    async def scenario(service: Running) -> None:
        client = await service.connect()
        await client.send(b"\x16\x03\x01")
        await asyncio.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)
        await service.stopped
        assert await client.rest() == b""

    run(loop_factory, scenario, tls=tls, connections=replace(QUICK, drain_seconds=0.2, handshake_seconds=60.0))


# --- What is told ---

PAIRS = [
    ("dohproxy_connections", "dohproxy_max_connections"),
    ("dohproxy_cache_bytes", "dohproxy_cache_max_bytes"),
    ("dohproxy_miss_slots_taken", "dohproxy_miss_slots"),
    ("dohproxy_upstream_in_flight", "dohproxy_upstream_max_in_flight"),
    ("dohproxy_upstream_budget_left", "dohproxy_upstream_budget_burst"),
    ("dohproxy_upstream_connections", "dohproxy_upstream_max_connections"),
    ("dohproxy_fetches", "dohproxy_max_fetches"),
    ("dohproxy_budgets_gone", "dohproxy_max_budgets_gone"),
    ("dohproxy_request_cache_bytes", "dohproxy_max_request_cache_bytes"),
    ("dohproxy_known_paths", "dohproxy_max_known_paths"),
]
SHARES = ["dohproxy_service_limit_fill", "dohproxy_limit_table_fill"]

NAMES = ['quo"te.example.net', "back\\slash.example.net", "new\nline.example.net", "bücher.example.net", NAME]


def _query(name: str) -> bytes:
    labels = [label.encode() for label in name.split(".")]
    qname = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return b"\0\0\1\0\0\1\0\0\0\0\0\0" + qname + b"\0\1\0\1"


HOSTILE = [
    b"\x16\x03\x01" + NAME.encode() + b"\r\n\r\n",
    b"GET /" + NAME.encode() + b" HTTP/1.1\r\nHost: " + NAME.encode() + b"\r\n\r\n",
    b"FOO /" + NAME.encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PURGE /" + NAME.encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    get(NAME, "Host: again\r\n"),
    get(NAME, f"X-{NAME}: a\x00b\r\n"),
    get(NAME, "".join(f"X-{number}: a\r\n" for number in range(99))),
    post_head("Transfer-Encoding: chunked\r\n") + b"zz" + NAME.encode() + b"\r\n",
    post_head("Content-Length: 20\r\n") + NAME.encode() + b"..",
    get(path=f"/{NAME}"),
    get(NAME, "Cookie: a=\xff\r\n"),
]


async def _molest(service: Running) -> None:
    fields = f"X-Forwarded-For: {CLIENT}\r\n"
    for name in NAMES:
        client = await service.connect()
        body = _query(name)
        await client.ask(post_head(f"Content-Length: {len(body)}\r\n{fields}") + body)
        client.cut()
    for sent in HOSTILE:
        client = await service.connect()
        client.write(sent.replace(b"\r\n", b"\r\n" + fields.encode(), 1))
        with contextlib.suppress(TimeoutError, EOFError):
            async with asyncio.timeout(2):
                await client.response()
        client.reset()
    client = await service.connect()
    client.write(get(f"slow.{NAME}", fields) * 3)
    client.reset()


async def _families(address: ListenAddress) -> dict[str, Metric]:
    url = f"http://{address.host}:{address.port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as page:
        assert page.status == 200
        text = await page.text()
    assert [secret for secret in (NAME, CLIENT, "127.0.0.1", "example") if secret in text] == []
    return {family.name: family for family in text_string_to_metric_families(text)}


BEHIND_PROXY = ClientsConfig("x-forwarded-for", (ip_network("127.0.0.0/8"),))


def test_metrics_parse_after_hostile_traffic_and_hold_bounds_beside_fills(loop_factory: LoopFactory) -> None:
    metrics = replace(ANYWHERE, port=free_port())

    async def scenario(service: Running) -> None:
        await _molest(service)
        families = await _families(metrics)
        for fill, bound in PAIRS:
            bounds = {tuple(sample.labels.items()): sample.value for sample in families[bound].samples}
            fills = {tuple(sample.labels.items()): sample.value for sample in families[fill].samples}
            assert fills.keys() == bounds.keys()
            assert all(0 <= fills[labels] <= bounds[labels] for labels in fills), fill
        for share in SHARES:
            assert all(0 <= sample.value <= 1 for sample in families[share].samples)
        requests = sum(sample.value for sample in families["dohproxy_requests"].samples)
        assert requests >= len(NAMES) + len(HOSTILE)
        values = {
            (sample.name, value)
            for family in families.values()
            for sample in family.samples
            for value in sample.labels.values()
        }
        assert all(re.fullmatch(r"[A-Za-z0-9_.+-]{1,40}", value) for _, value in values), values
        methods = {sample.labels["method"] for sample in families["dohproxy_requests"].samples}
        assert methods <= {"GET", "POST", "other"}
        assert "process_resident_memory_bytes" in families

    run(loop_factory, scenario, metrics=MetricsConfig(metrics), clients=BEHIND_PROXY)


@pytest.mark.parametrize("written_as", ["text", "json"])
def test_no_address_and_no_name_is_written_at_any_level(
    loop_factory: LoopFactory, written_as: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = replace(ANYWHERE, port=free_port())

    async def scenario(service: Running) -> None:
        await _molest(service)
        # the management server meets the network too
        client = await RawClient.connect((metrics.host, metrics.port))
        await client.send(b"\x00" + NAME.encode() + b"\r\n\r\n")
        await client.rest()
        client.cut()
        # and a bug that quotes what it choked on
        client = await service.connect()
        assert (await client.ask(post(NAME, POST_FIELD))).status == 500
        client.cut()

    class Choking(dict[str, str]):
        def get(self, key: str, default: Any = None) -> Any:
            raise KeyError(f"{CLIENT} {NAME} {key}")

    monkeypatch.setattr("dohproxy.core.request_rules", lambda _: RequestRules("/dns-query", 1_024, Choking()))
    sections: dict[str, Any] = {"clients": BEHIND_PROXY, "metrics": MetricsConfig(metrics)}
    run(loop_factory, scenario, log=LogConfig(level="debug", format=written_as), **sections)
    written = capsys.readouterr()
    assert "a request met a bug" in written.err
    assert "stopping" in written.err
    for secret in (NAME, "secret", CLIENT, "127.0.0.1", "example.net"):
        assert secret not in written.err + written.out


def _choke(request: Any, _: object) -> None:
    raise KeyError(f"{CLIENT} {NAME} {request!r}")


def test_a_bug_in_a_callback_is_logged_and_ends_nothing(
    loop_factory: LoopFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario(service: Running) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(_choke, None, None)
        loop.call_exception_handler({"message": f"lost {CLIENT}", "exception": ConnectionResetError(NAME)})
        await asyncio.sleep(0.01)
        client = await service.connect()
        assert (await client.ask(get())).status == 200
        client.cut()

    run(loop_factory, scenario)
    written = capsys.readouterr().err
    assert written.count("a callback met a bug") == 1
    assert "KeyError" in written
    assert [secret for secret in (NAME, CLIENT) if secret in written] == []


def test_the_volunteer_on_duty_reads_figures_and_no_names(loop_factory: LoopFactory, tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"

    async def scenario(service: Running) -> None:
        await _molest(service)
        connector = aiohttp.UnixConnector(str(path))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get("http://localhost/status") as page,
        ):
            text = await page.text()
        status = json.loads(text)
        assert set(status) == {
            *("alerts", "blocklists", "by_hand", "figures", "left_out", "log", "mode", "nodes", "reload", "rules"),
            "upstreams",
        }
        assert status["upstreams"][0]["name"] == "fake"
        assert [secret for secret in (NAME, CLIENT, "example") if secret in text] == []
        assert path.stat().st_mode & 0o007 == 0

    run(loop_factory, scenario, admin=AdminConfig(path), clients=BEHIND_PROXY)


def test_a_service_that_a_bug_ends_has_ended(loop_factory: LoopFactory, tmp_path: Path) -> None:
    """Where a loop still holds a listener when its socket is closed, this waits for ever."""
    path = tmp_path / "admin.sock"

    async def scenario(_: Running) -> None:
        connector = aiohttp.UnixConnector(str(path))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get("http://localhost/status") as page,
        ):
            await page.read()
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        run(loop_factory, scenario, admin=AdminConfig(path))


# --- Names ---


def test_a_new_list_of_public_suffixes_is_taken_while_it_runs(loop_factory: LoopFactory, tmp_path: Path) -> None:
    path = tmp_path / "public_suffix_list.dat"
    installed = resources.files("publicsuffixlist").joinpath("public_suffix_list.dat").read_text(encoding="utf-8")
    path.write_text(installed, encoding="utf-8")

    async def scenario(service: Running) -> None:
        client = await service.connect()
        assert (await client.ask(get("printer.lan"))).message().rcode() == dns.rcode.NXDOMAIN
        assert service.upstream.asked == 0
        path.write_text(installed.replace("// ===END ICANN", "lan\n// ===END ICANN"), encoding="utf-8")
        for _ in range(500):
            if (await client.ask(get("printer.lan"))).message().rcode() == dns.rcode.NOERROR:
                break
            await asyncio.sleep(0.01)
        assert service.upstream.asked == 1

    run(loop_factory, scenario, names=NamesConfig(public_suffix_file=path, reload_seconds=0.02))


# --- Parts ---


async def test_what_is_learnt_together_ends_apart() -> None:
    async with asyncio.TaskGroup() as tasks:
        core = Core(Config(upstreams=(FakeUpstream().config(),)), tasks)
        queries = [make_query(f"{number}.example.net.") for number in range(30)]
        entries = [core.cache.store(query.key, address_of(query, ttl=3_600), 0.0) for query in queries]
        await core.resolver.close()
    assert len({entry.lifetime for entry in entries if entry is not None}) > 1


async def test_the_list_installed_with_the_program_keeps_top_level_domains_from_being_denied() -> None:
    query, other = make_query("zz.museum."), make_query("www.museum.")
    root = m.record(m.SOA, m.ROOT + m.ROOT + bytes(16) + b"\x00\x01\x51\x80", owner=m.ROOT)
    wire = m.answer(authority=(root,), asked=query.question, flags=m.QR | m.RA | 3)
    async with asyncio.TaskGroup() as tasks:
        core = Core(Config(upstreams=(FakeUpstream().config(),)), tasks)
        core.cache.store(query.key, parse_answer(wire, query), 0.0)
        await core.resolver.close()
    assert core.cache.lookup(other.key, 1.0, 0.0)[0] is None
    assert core.cache.lookup(query.key, 1.0, 0.0)[0] is not None


def test_the_limits_are_those_configured() -> None:
    limits = LimitsConfig(requests_per_second=0.1, requests_burst=3, misses_burst=1, waiting_misses=2, table_slots=1024)
    request_limiter = build_request_limiter(limits, [UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53))])
    client = Identities(bytes(32)).client(bytes((192, 0, 2, 1)))
    assert [request_limiter.admit_request(client, 50.0) == 0 for _ in range(5)] == [True] * 3 + [False] * 2
    assert [request_limiter.admit_miss(client, 50.0) == 0 for _ in range(2)] == [True, False]
    assert [request_limiter.take_slot(client, 50.0) is not None for _ in range(3)] == [True, True, False]
