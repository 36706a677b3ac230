"""The health check against services that are well, ill and dead, over every kind of listener."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from dohproxy.config import (
    ClientsConfig,
    Config,
    ListenAddress,
    ServerConfig,
    TlsConfig,
    UpstreamAddress,
    UpstreamConfig,
)
from dohproxy.tools import healthcheck
from dohproxy.tools.healthcheck import Unhealthy, check_health
from tests.frontends.served import LOOPBACK, NO_LIMITS, QUICK, Certificate, RunningFrontend, Setting, open_frontend

UPSTREAM = UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53))
BEHIND_PROXY = ClientsConfig("proxy-protocol", (ip_network("127.0.0.0/8"), ip_network("::1/128"), "unix"))
PATIENT = replace(QUICK, handshake_seconds=5.0, header_seconds=5.0)
"""The check runs in a thread, which may have to wait for a processor."""
BEHIND_ANOTHER = ClientsConfig("proxy-protocol", (ip_network("192.0.2.0/24"),))


def _config(setting: Setting, address: object, host: str = "localhost") -> Config:
    listen = replace(setting.listen, port=address[1]) if isinstance(address, tuple) else setting.listen
    tls = None if setting.certificate is None else TlsConfig(setting.certificate.file, setting.certificate.key)
    return Config((UPSTREAM,), ServerConfig((listen,), host=host), tls, clients=setting.clients)


async def _check(frontend: RunningFrontend, host: str = "localhost") -> None:
    config = _config(frontend.setting, frontend.listener.listening.getsockname(), host)
    await asyncio.to_thread(check_health, config)


@pytest.mark.parametrize("kind", ["127.0.0.1", "::1", "unix"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "clients", [ClientsConfig(), BEHIND_PROXY, BEHIND_ANOTHER], ids=["direct", "proxy", "another proxy"]
)
async def test_a_service_that_is_well(
    certificate: Certificate, tmp_path: Path, kind: str, tls: bool, clients: ClientsConfig
) -> None:
    unix = ListenAddress("unix", path=str(tmp_path / "h1.sock"))
    listen = unix if kind == "unix" else ListenAddress("tcp", host=kind, port=0)
    setting = Setting(PATIENT, clients, listen=listen, certificate=certificate if tls else None)
    async with open_frontend(setting) as frontend:
        await _check(frontend)
        assert frontend.reasons == ["LOCAL"]
        await asyncio.sleep(0)


@pytest.mark.parametrize("host", ["doh.example.net", "192.0.2.1", "2001:db8::abcd"])
async def test_every_kind_of_public_name(certificate: Certificate, host: str) -> None:
    async with open_frontend(Setting(PATIENT, certificate=certificate)) as frontend:
        await _check(frontend, host)


async def test_all_addresses_are_asked_over_loopback() -> None:
    async with open_frontend() as frontend:
        config = _config(frontend.setting, frontend.listener.listening.getsockname())
        everywhere = ListenAddress("tcp", host="0.0.0.0", port=frontend.port)  # noqa: S104 - only asked
        await asyncio.to_thread(check_health, replace(config, server=ServerConfig((everywhere,))))


async def test_a_service_that_answers_429_is_not_well() -> None:
    limits = replace(NO_LIMITS, requests_per_second=0.1, requests_burst=1)
    async with open_frontend(Setting(limits=limits)) as frontend:
        await _check(frontend)
        with pytest.raises(Unhealthy, match="answers with HTTP status 429"):
            await _check(frontend)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/dns-message\r\ncontent-length: "
ILL = {
    "something else": (b"SSH-2.0-OpenSSH\r\n", "no answer"),
    "nothing": (b"", "no answer"),
    "an error": (b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n", "HTTP status 500"),
    "a page": (b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi", "something else"),
    "a short message": (HEAD + b"12\r\n\r\n" + bytes(12), "something else"),
    "SERVFAIL": (HEAD + b"13\r\n\r\n\x00\x00\x81\x82" + bytes(9), "something else"),
    "half a response": (HEAD + b"100\r\n\r\n\x00", "no answer"),
}


@contextmanager
def _service_that_says(words: bytes) -> Iterator[int]:
    """Answer one connection with the same bytes whatever it asks."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(words)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(("words", "told"), ILL.values(), ids=ILL)
def test_a_service_that_is_ill(words: bytes, told: str) -> None:
    with _service_that_says(words) as port, pytest.raises(Unhealthy, match=told):
        check_health(_config(Setting(), ("127.0.0.1", port)))


def test_a_service_that_is_dead(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(Unhealthy, match=rf"no answer from 127\.0\.0\.1:{port}: .*refused"):
        check_health(_config(Setting(), ("127.0.0.1", port)))
    with pytest.raises(Unhealthy, match=r"no answer from unix:.*No such file"):
        check_health(_config(Setting(listen=ListenAddress("unix", path=str(tmp_path / "none.sock"))), None))


def test_a_service_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthcheck, "TIMEOUT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as hanging, pytest.raises(Unhealthy, match="timed out"):
        check_health(_config(Setting(listen=LOOPBACK), hanging.getsockname()))
