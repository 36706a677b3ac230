"""Connecting as a client does, to frontends that are there and to what is not."""

import asyncio
import socket
from dataclasses import replace
from ipaddress import ip_address
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
from dohproxy.tools.doctor.client_view import NOBODY, Met
from dohproxy.tools.doctor.connecting import Place, meet_all, own_addresses, places_of
from tests.e2e.processes import free_port
from tests.frontends.served import Certificate, Setting, open_frontend
from tests.tools.test_healthcheck import BEHIND_PROXY, PATIENT

UPSTREAM = UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53))
ALL_IPV4 = ListenAddress("tcp", host="0.0.0.0", port=443)  # noqa: S104 - bound by nobody
ALL_IPV6 = ListenAddress("tcp", host="::", port=443)


def _config(setting: Setting, address: object) -> Config:
    listen = replace(setting.listen, port=address[1]) if isinstance(address, tuple) else setting.listen
    tls = None if setting.certificate is None else TlsConfig(setting.certificate.file, setting.certificate.key)
    return Config((UPSTREAM,), ServerConfig((listen,)), tls, clients=setting.clients)


async def _meet(setting: Setting, ca_file: Path | None = None, host: str = "localhost") -> Met:
    async with open_frontend(setting) as frontend:
        config = _config(setting, frontend.listener.listening.getsockname())
        [met] = await asyncio.to_thread(
            meet_all, list(places_of(config.server.listen, [], None)), config, host, ca_file
        )
        return met


@pytest.mark.parametrize("clients", [ClientsConfig(), BEHIND_PROXY], ids=["direct", "PROXY protocol"])
@pytest.mark.parametrize("kind", ["127.0.0.1", "::1", "unix"])
async def test_a_client_that_trusts_its_authority(
    certificate: Certificate, tmp_path: Path, clients: ClientsConfig, kind: str
) -> None:
    unix = ListenAddress("unix", path=str(tmp_path / "h1.sock"))
    listen = unix if kind == "unix" else ListenAddress("tcp", host=kind, port=0)
    met = await _meet(Setting(PATIENT, clients, listen=listen, certificate=certificate), certificate.file)
    assert (met.trouble, met.status, met.media) == ("", 200, "application/dns-message")
    assert met.tls is not None
    assert (met.tls.refusal, met.tls.version, met.tls.protocol) == ("", "TLSv1.3", "h2")
    [server] = met.tls.chain.certificates
    assert "localhost" in server.names


async def test_a_client_that_does_not_sees_the_certificate_all_the_same(certificate: Certificate) -> None:
    met = await _meet(Setting(PATIENT, certificate=certificate))
    assert met.tls is not None
    assert "self-signed certificate" in met.tls.refusal
    assert met.tls.chain.server.is_self_signed
    assert met.status == 200


async def test_a_certificate_of_another_name_is_refused_by_that(certificate: Certificate) -> None:
    met = await _meet(Setting(PATIENT, certificate=certificate), certificate.file, "doh.example.net")
    assert met.tls is not None
    assert "doh.example.net" in met.tls.refusal


async def test_in_the_clear() -> None:
    met = await _meet(Setting(PATIENT))
    assert (met.tls, met.status) == (None, 200)


def test_where_nobody_listens() -> None:
    listen = ListenAddress("tcp", host="127.0.0.1", port=free_port())
    [met] = meet_all([Place("there", listen)], Config((UPSTREAM,), ServerConfig((listen,))), "localhost", None)
    assert met == Met("there", trouble=NOBODY)


def test_what_speaks_no_tls_is_told_for_that() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listen = ListenAddress("tcp", host="127.0.0.1", port=listening.getsockname()[1])

        def answer() -> None:
            with listening.accept()[0] as connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                connection.recv(1_000)

        import threading

        thread = threading.Thread(target=answer)
        thread.start()
        place = Place("there", listen, is_own=False)
        [met] = meet_all([place], Config((UPSTREAM,), ServerConfig((listen,))), "localhost", None)
        thread.join(10)
    assert met.trouble.startswith("does not speak TLS as a client does")


async def test_at_a_front_proxys_address_tls_is_spoken_whatever_is_spoken_behind(certificate: Certificate) -> None:
    setting = Setting(PATIENT, certificate=certificate)
    async with open_frontend(setting) as frontend:
        at = ListenAddress("tcp", host="127.0.0.1", port=frontend.port)
        config = Config((UPSTREAM,), ServerConfig((ListenAddress("tcp", host="127.0.0.1", port=0),)))
        places = list(places_of(config.server.listen, [], at))
        [met] = await asyncio.to_thread(meet_all, places, config, "localhost", certificate.file)
    assert (met.place, met.status) == (str(at), 200)
    assert met.tls is not None


def test_all_addresses_are_looked_at_over_loopback_and_at_ones_own() -> None:
    own = [ip_address("9.9.9.9"), ip_address("2620:fe::9")]
    named = [place.name for place in places_of([ALL_IPV4, ALL_IPV6], own, None)]
    assert named == ["127.0.0.1:443", "9.9.9.9:443", "[::1]:443", "[2620:fe::9]:443"]


def test_an_address_of_its_own_is_looked_at_as_it_stands() -> None:
    one = ListenAddress("tcp", host="192.0.2.1", port=443)
    assert list(places_of([one, ListenAddress("tcp", host="::1", port=0)], [], None)) == [Place("192.0.2.1:443", one)]


def test_addresses_of_this_machine_are_none_that_others_cannot_reach() -> None:
    for address in own_addresses():
        assert not address.is_loopback
        assert not address.is_link_local
