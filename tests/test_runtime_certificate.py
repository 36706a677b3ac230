"""A renewed certificate under the whole service: seen by new clients, felt by nobody, told in the metrics."""

import asyncio
import contextlib
import logging
import math
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop

from dohproxy.config import ListenAddress, MetricsConfig, TlsConfig
from dohproxy.frontends import opener
from dohproxy.frontends.listening import open_listener
from tests.frontends.client import RawClient, get
from tests.frontends.issuer import DAY, INTERMEDIATE, NOW, ROOT, Files, Issued, issue
from tests.frontends.served import QUICK
from tests.test_serving import Running, run

SOON_SECONDS = 0.02
MOST_TRIES = 500
NOT_AFTER = "dohproxy_certificate_not_after_seconds"


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root, asyncio_logger = logging.getLogger(), logging.getLogger("asyncio")
    before = root.handlers, root.level, asyncio_logger.level
    yield
    root.handlers, root.level = before[0], before[1]
    asyncio_logger.setLevel(before[2])


async def _connect(running: Running) -> RawClient:
    host, _, port = running.addresses[0].rpartition(":")
    client = await RawClient.connect((host, int(port)), context=ssl.create_default_context(cadata=ROOT.pem.decode()))
    running.clients.append(client)
    return client


async def _shown(running: Running) -> bytes:
    client = await _connect(running)
    shown: bytes = client._writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    client.cut()
    return shown


async def _until_shown(running: Running, renewed: Issued) -> None:
    expected = ssl.PEM_cert_to_DER_cert(renewed.pem.decode())
    for _ in range(MOST_TRIES):
        if await _shown(running) == expected:
            break
        await asyncio.sleep(SOON_SECONDS)
    assert await _shown(running) == expected


async def _metrics(path: str) -> dict[str, float]:
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session,
        session.get("http://metrics/metrics") as response,
    ):
        lines = [line for line in (await response.text()).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_renewed_certificate_is_served_and_told(
    tmp_path: Path, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    files = Files(tmp_path / "fullchain.pem", tmp_path / "privkey.pem")
    files.write(issue(INTERMEDIATE))
    renewed = issue(INTERMEDIATE, days=(-1, 90))
    metrics = ListenAddress("unix", path=str(tmp_path / "metrics.sock"))

    async def scenario(running: Running) -> None:
        old = await _connect(running)
        assert (await _metrics(metrics.path))[NOT_AFTER] == NOW + 60 * DAY
        files.write(renewed)
        await _until_shown(running, renewed)
        assert (await old.ask(get())).status == 200
        figures = await _metrics(metrics.path)
        assert figures[NOT_AFTER] == NOW + 90 * DAY
        assert figures['dohproxy_certificate_reloads_total{result="loaded"}'] == 1
        assert figures["dohproxy_certificate_last_reload_success"] == 1

    run(
        loop_factory,
        scenario,
        tls=TlsConfig(files.certificate, files.key, SOON_SECONDS),
        metrics=MetricsConfig(metrics),
    )


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_what_is_written_while_the_service_starts_is_a_renewal_and_no_reason_to_stop(
    tmp_path: Path, loop_factory: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Files(tmp_path / "fullchain.pem", tmp_path / "privkey.pem")
    first, renewed = issue(INTERMEDIATE), issue(INTERMEDIATE, days=(-1, 90))
    files.write(first)

    def open_while_half_of_a_renewal_is_written(address: ListenAddress, **options: Any) -> socket.socket:
        files.certificate.write_bytes(renewed.pem)  # Its key is yet to come.
        return open_listener(address, **options)

    monkeypatch.setattr(opener, "open_listener", open_while_half_of_a_renewal_is_written)

    async def scenario(running: Running) -> None:
        assert await _shown(running) == ssl.PEM_cert_to_DER_cert(first.pem.decode())
        files.write(renewed)
        await _until_shown(running, renewed)

    run(loop_factory, scenario, tls=TlsConfig(files.certificate, files.key, SOON_SECONDS))


@pytest.mark.parametrize(
    ("percent", "is_held"), [(1, True), (100, False)], ids=["dear handshakes", "handshakes that can be afforded"]
)
def test_strangers_get_as_many_handshakes_as_may_be_paid_for(tmp_path: Path, percent: float, is_held: bool) -> None:
    files = Files(tmp_path / "fullchain.pem", tmp_path / "privkey.pem")
    files.write(issue(INTERMEDIATE))
    metrics = ListenAddress("unix", path=str(tmp_path / "metrics.sock"))

    async def scenario(running: Running) -> None:
        await _connect(running)
        # Each connection is forgotten after some 30 ms, and to read the figures may take a few of these.
        host, _, port = running.addresses[0].rpartition(":")
        with contextlib.ExitStack() as crowd:
            for _ in range(20):
                one = crowd.enter_context(socket.create_connection((host, int(port))))
                one.sendall(b"\x16")  # Who says nothing is kept by the kernel.
                await asyncio.sleep(0)
            figures = await _metrics(metrics.path)
        price = figures["dohproxy_handshake_cpu_seconds"]
        held_to = figures["dohproxy_max_new_stranger_connections_per_second"]
        assert held_to == (pytest.approx(percent / 100 / price) if is_held else math.inf)
        assert (figures["dohproxy_new_stranger_connections_fill"] > 0) == is_held

    run(
        asyncio.new_event_loop,
        scenario,
        tls=TlsConfig(files.certificate, files.key),
        metrics=MetricsConfig(metrics),
        connections=replace(
            QUICK, new_per_second=1_000 if is_held else 1, new_burst=1_000, stranger_handshake_percent=percent
        ),
    )


def test_without_tls_there_are_no_figures_of_a_certificate(tmp_path: Path) -> None:
    metrics = ListenAddress("unix", path=str(tmp_path / "metrics.sock"))

    async def scenario(_: Running) -> None:
        assert not [name for name in await _metrics(metrics.path) if "certificate" in name.partition("{")[0]]

    run(asyncio.new_event_loop, scenario, metrics=MetricsConfig(metrics))
