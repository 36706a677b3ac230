"""Members by URLs of their own under the whole service: commands, the file, and where the token does not stand."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dohproxy.builders import clock
from dohproxy.config import (
    AdminConfig,
    ClientsConfig,
    Config,
    ConfigError,
    LogConfig,
    MetricsConfig,
    ServerConfig,
    TlsConfig,
)
from dohproxy.jobs.member_file import read_members, write_members
from dohproxy.member_token import digest_of
from dohproxy.observability.logs import RateLimit
from dohproxy.policy.members import Members
from dohproxy.serving import serve
from dohproxy.tls.throwaway import write_throwaway_certificate
from tests.e2e.processes import free_port
from tests.fakes.upstream import FakeUpstream
from tests.frontends.client import PATH, RawClient
from tests.frontends.issuer import ROOT, issue
from tests.frontends.test_client_resolver_members import Ask, http1_asker
from tests.test_serving import ANYWHERE, NAME, Running, run

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.fixture
def sections(tmp_path: Path) -> dict[str, Any]:
    """The configuration of a service that takes commands and has a file for members."""
    return {
        "clients": ClientsConfig(member_file=tmp_path / "members.json"),
        "admin": AdminConfig(tmp_path / "admin.sock"),
    }


async def _command(sections: Mapping[str, Any], command: str, **arguments: str) -> dict[str, Any]:
    connector = aiohttp.UnixConnector(str(sections["admin"].socket))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(f"http://localhost/v1/{command}", json=arguments) as answer,
    ):
        said: dict[str, Any] = await answer.json()
        return said | {"status": answer.status}


async def _add(sections: Mapping[str, Any], name: str, **arguments: str) -> str:
    """Add a member; return the path that he is given."""
    said = await _command(sections, "member/add", name=name, **arguments)
    assert said["status"] == 200, said
    url: str = said["url"]
    return url.removeprefix("https://localhost")


async def _asker(service: Running) -> tuple[RawClient, Ask]:
    client = await service.connect()
    return client, http1_asker(client)


async def _becomes(ask: Ask, path: str, status: int) -> float:
    """Wait until a path is answered so; return how many seconds that took."""
    begun = time.monotonic()
    while (await ask(path, NAME)).status != status:
        assert time.monotonic() - begun < 5, "not in time"
        await asyncio.sleep(0.02)
    return time.monotonic() - begun


def test_a_member_is_added_and_revoked_while_it_runs(loop_factory: LoopFactory, sections: dict[str, Any]) -> None:
    async def scenario(service: Running) -> None:
        path = await _add(sections, "alice")
        client, ask = await _asker(service)
        assert (await ask(path, NAME)).status == 200
        assert (await _command(sections, "member/list"))["members"][0]["name"] == "alice"
        assert (await _command(sections, "member/revoke", name="alice"))["status"] == 200
        # On the very connection on which it was valid, at once.
        assert (await ask(path, NAME)).status == 404
        assert (await ask(PATH, NAME)).status == 200
        client.cut()

    run(loop_factory, scenario, **sections)


def test_a_file_that_is_changed_by_hand_acts_within_seconds_on_open_connections(
    loop_factory: LoopFactory, sections: dict[str, Any]
) -> None:
    file = sections["clients"].member_file

    async def scenario(service: Running) -> None:
        path = await _add(sections, "alice")
        client, ask = await _asker(service)
        assert (await ask(path, NAME)).status == 200
        members = read_members(file)
        write_members(file, Members())
        assert await _becomes(ask, path, 404) < 2.5
        assert isinstance(members, Members)
        write_members(file, members)
        assert await _becomes(ask, path, 200) < 2.5
        # What is no list changes nothing, and is told where somebody looks.
        file.write_text("{", encoding="utf-8")
        refused = False
        for _ in range(300):
            refused = "the file of members is refused" in (await _command(sections, "status"))["sentence"]
            if refused:
                break
            await asyncio.sleep(0.01)
        assert refused
        assert (await ask(path, NAME)).status == 200
        client.cut()

    run(loop_factory, scenario, **sections)


def test_the_next_run_knows_the_members_of_this_one(loop_factory: LoopFactory, sections: dict[str, Any]) -> None:
    given: list[str] = []

    async def add(_: Running) -> None:
        given.append(await _add(sections, "alice", expires="1h"))

    async def ask_as_one(service: Running) -> None:
        client, ask = await _asker(service)
        assert (await ask(given[0], NAME)).status == 200
        client.cut()

    run(loop_factory, add, **sections)
    run(loop_factory, ask_as_one, **sections)


@pytest.mark.parametrize("written_as", ["text", "json"])
def test_a_token_stands_in_no_log_no_figure_no_explanation_and_no_file(
    loop_factory: LoopFactory,
    sections: dict[str, Any],
    written_as: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listen = replace(ANYWHERE, port=free_port())
    given: list[str] = []
    told: list[str] = []

    async def scenario(service: Running) -> None:
        path = await _add(sections, "alice")
        given.append(path.rpartition("/")[2])
        client, ask = await _asker(service)
        for place in (path, path, path + "A", path + "?dns=*"):
            await ask(place, NAME)
        client.cut()
        # Broken requests too, and a bug that quotes what it choked on.
        for spoilt in (f"GET {path} HTTP/9\r\n\r\n", f"GET http://[{path} HTTP/1.1\r\n\r\n", f"{path}\r\n\r\n"):
            client = await service.connect()
            await client.send(spoilt.encode())
            await client.rest()
            client.cut()
        monkeypatch.setattr("dohproxy.frontends.service.read_request", _choke)
        client, ask = await _asker(service)
        assert (await ask(path + "?x", NAME)).status == 500
        client.cut()
        monkeypatch.undo()
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{listen.port}/metrics") as page:
            told.append(await page.text())
        for command, arguments in (
            ("status", {}),
            ("explain", {"name": NAME, "client": "127.0.0.1"}),
            ("config/show", {}),
            ("member/list", {}),
            ("member/revoke", {"name": "alice"}),
        ):
            told.append(str(await _command(sections, command, **arguments)))

    server = ServerConfig((ANYWHERE,), state_directory=tmp_path)
    metrics = MetricsConfig(listen)
    run(
        loop_factory,
        scenario,
        log=LogConfig(level="debug", format=written_as),
        server=server,
        metrics=metrics,
        **sections,
    )
    written = capsys.readouterr()
    logged = written.err + written.out
    assert "a request met a bug" in logged
    assert "member add" in logged
    (token,) = given
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    for secret in (token, digest_of(token).hex()):
        assert [text for text in (logged, *told) if secret in text] == []
    assert token.encode() not in files


def _choke(request: Any, _: object) -> None:
    raise KeyError(f"{request!r}")


def test_the_address_of_a_member_is_known_for_his_next_connection_and_forgotten_with_his_token(
    loop_factory: LoopFactory, sections: dict[str, Any]
) -> None:
    async def scenario(service: Running) -> None:
        path = await _add(sections, "alice")
        client, ask = await _asker(service)
        assert (await ask(path, NAME)).status == 200
        client.cut()

        async def figures() -> Any:
            return (await _command(sections, "status"))["figures"]

        assert (await figures())["dohproxy_member_networks"] == 1
        next_one, _ = await _asker(service)

        async def members() -> Any:
            return (await figures())["dohproxy_slots_held"]["connections"]["member"]

        begun = time.monotonic()
        while await members() != 1:
            assert time.monotonic() - begun < 5, "not in time"
            await asyncio.sleep(0.01)
        await _command(sections, "member/revoke", name="alice")
        assert (await figures())["dohproxy_member_networks"] == 0
        next_one.cut()

    run(loop_factory, scenario, **sections)


async def test_authorities_of_members_that_cannot_be_used_end_the_start(tmp_path: Path) -> None:
    certificate, key = write_throwaway_certificate(tmp_path, "localhost")
    for content in (b"no certificate", b"\xff", b""):
        (tmp_path / "members.pem").write_bytes(content)
        config = Config(
            (FakeUpstream().config(),),
            ServerConfig((ANYWHERE,)),
            tls=TlsConfig(certificate, key),
            clients=ClientsConfig(member_ca_file=tmp_path / "members.pem"),
        )
        with pytest.raises(ConfigError, match=r"clients\.member_ca_file"):
            await serve(config, lambda _: None, RateLimit(10.0, clock))


def test_who_shows_a_certificate_is_a_member(loop_factory: LoopFactory, tmp_path: Path) -> None:
    certificate, key = write_throwaway_certificate(tmp_path, "localhost")
    authorities, shown = tmp_path / "members.pem", tmp_path / "alice.pem"
    alice = issue(ROOT, ("alice",))
    authorities.write_bytes(ROOT.pem)
    shown.write_bytes(alice.pem + alice.key_pem)
    context = ssl.create_default_context(cafile=str(certificate))
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(shown)

    async def scenario(service: Running) -> None:
        host, _, port = service.addresses[0].rpartition(":")
        client = await RawClient.connect((host, int(port)), context=context)
        assert (await http1_asker(client)(PATH, NAME)).status == 200
        status = await _command({"admin": admin}, "status")
        assert status["figures"]["dohproxy_slots_held"]["connections"]["member"] == 1
        assert status["figures"]["dohproxy_member_networks"] == 1
        client.cut()

    admin = AdminConfig(tmp_path / "admin.sock")
    clients = ClientsConfig(member_ca_file=authorities)
    run(loop_factory, scenario, tls=TlsConfig(certificate, key), clients=clients, admin=admin)
