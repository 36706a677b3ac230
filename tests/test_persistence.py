"""What a restart must not forget under the whole service: budgets, verdicts, seniority, what upstreams cannot stand."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from dohproxy.builders import clock
from dohproxy.config import ClientsConfig, Config, LogConfig, ServerConfig, UpstreamAddress, UpstreamConfig
from dohproxy.config.additions import Addition
from dohproxy.core import Core
from dohproxy.jobs.state_codec import decode
from dohproxy.jobs.state_key import StateKey, open_key
from dohproxy.observability.left_out import all_words
from dohproxy.policy.members import Member, Members, encode
from dohproxy.runtime import Runtime
from dohproxy.saved import Interruption
from dohproxy.upstream.health.breaker import BAN, BreakerState
from tests.fakes.restarts import written
from tests.frontends.client import get
from tests.test_serving import ANYWHERE, CLIENT, NAME, Running, run

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


pytestmark = pytest.mark.usefixtures("restored_logging")


def _in(directory: Path) -> ServerConfig:
    return ServerConfig((ANYWHERE,), state_directory=directory)


async def _ask(service: Running) -> None:
    client = await service.connect()
    assert (await client.ask(get(NAME))).message().answer
    client.cut()


async def _ask_nothing(service: Running) -> None:
    assert service.addresses


def test_the_next_run_goes_on_with_what_this_one_has_spent_and_learnt(
    loop_factory: LoopFactory, tmp_path: Path, runtimes: list[Runtime]
) -> None:
    # The same in both runs; whether somebody is there does not matter here.
    address = UpstreamAddress("udp", "127.0.0.1", 9)
    config = UpstreamConfig("one", address, queries_per_second=0.1, burst=20, in_flight=30)
    marked: list[float] = []

    async def spend(_: Running) -> None:
        health = runtimes[-1].core._general._upstreams[0].health
        while health.budget.take(clock()):
            pass
        health.budget.halve(clock())
        health.breaker.ban(clock())
        marked.append(clock())

    async def look(_: Running) -> None:
        health = runtimes[-1].core._general._upstreams[0].health
        passed = clock() - marked[0]
        assert health.budget.left(clock()) <= passed * 0.1 + 0.01
        assert 0.45 < health.budget.aimd._halved.share(clock()) < 0.6
        assert (health.breaker.cause, health.breaker.state(clock())) == (BAN, BreakerState.OPEN)

    run(loop_factory, spend, upstreams=(config,), server=_in(tmp_path))
    run(loop_factory, look, upstreams=(config,), server=_in(tmp_path))
    assert len(runtimes) == 2


def test_clients_are_known_by_the_same_hashes_in_the_next_run(
    loop_factory: LoopFactory, tmp_path: Path, runtimes: list[Runtime]
) -> None:
    address = bytes((198, 51, 100, 77))
    run(loop_factory, _ask_nothing, server=_in(tmp_path))
    run(loop_factory, _ask_nothing, server=_in(tmp_path))
    run(loop_factory, _ask_nothing)
    first, second, without = (one.server.identities.client(address).hashes for one in runtimes)
    assert first == second != without


def test_what_is_announced_is_told_by_the_next_run_too(
    loop_factory: LoopFactory, tmp_path: Path, runtimes: list[Runtime]
) -> None:
    async def announce(_: Running) -> None:
        now = time.time()
        assert runtimes[-1].announcements.announce("Maintenance tonight.", now + 3_600, now) is not None

    async def look(_: Running) -> None:
        assert [one.text for one in runtimes[-1].announcements.current(time.time())] == ["Maintenance tonight."]

    run(loop_factory, announce, server=_in(tmp_path))
    run(loop_factory, look, server=_in(tmp_path))


def test_an_address_whence_a_members_token_came_is_known_to_the_next_run_and_not_in_the_clear(
    loop_factory: LoopFactory, tmp_path: Path, runtimes: list[Runtime]
) -> None:
    token, gone = b"m" * 32, b"n" * 32
    addresses = (bytes((198, 51, 100, 77)), bytes((198, 51, 100, 78)))
    members = tmp_path / "members.json"
    clients = ClientsConfig(member_file=members)

    def write_members(*digests: bytes) -> None:
        members.write_bytes(encode(Members(Member(f"m{digest[0]}", digest, 0.0) for digest in digests)))
        members.chmod(0o600)

    async def come(_: Running) -> None:
        server = runtimes[-1].server
        assert server.core.service.rules.tokens == {token, gone}
        for address, digest in zip(addresses, (token, gone), strict=True):
            client = server.identities.look_at(address)
            assert server.client_resolver.member_networks.note(client, digest, clock())

    async def look(_: Running) -> None:
        server = runtimes[-1].server
        known = server.client_resolver.member_networks.knows
        assert [known(server.identities.look_at(address), clock()) for address in addresses] == [True, False]

    state = tmp_path / "kept"
    state.mkdir(mode=0o700)
    write_members(token, gone)
    run(loop_factory, come, server=_in(state), clients=clients)
    content = json.dumps(decode((state / "state").read_bytes(), open_key(state)).values)
    for address in addresses:
        assert str(ip_address(address)) not in content
        assert str(int(ip_address(address))) not in content
    write_members(token)
    run(loop_factory, look, server=_in(state), clients=clients)


def test_no_name_and_no_address_is_in_the_files(loop_factory: LoopFactory, tmp_path: Path) -> None:
    ports: list[int] = []

    async def scenario(service: Running) -> None:
        await _ask(service)
        ports.append(service.upstream.config().url.port)

    run(loop_factory, scenario, server=_in(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hours.sqlite", "key", "state"]
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    state = decode((tmp_path / "state").read_bytes(), open_key(tmp_path))
    # A slot has two moments and 16 bits of a keyed hash, and no room for an address.
    [slot] = [slot for piece in state.tables["seniority"].pieces for slot in memoryview(piece).cast("Q") if slot]
    assert slot & 0xFF_FFFF == slot >> 24 & 0xFF_FFFF
    content = json.dumps(state.values).encode() + (tmp_path / "hours.sqlite").read_bytes()
    for word in (NAME, "secret", "example", "127.0.0.1", "udp://", CLIENT, f":{ports[0]}"):
        assert word.encode() not in content
    assert str(int(ip_address("127.0.0.1"))).encode() not in content
    assert open_key(tmp_path).clients not in (tmp_path / "state").read_bytes()


def test_without_a_directory_in_the_configuration_nothing_is_written(
    loop_factory: LoopFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(loop_factory, _ask)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spoil", ["key", "state", "directory"])
def test_nothing_keeps_it_from_starting(
    loop_factory: LoopFactory, tmp_path: Path, spoil: str, capfd: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "kept"
    if spoil != "directory":
        directory.mkdir()
        run(loop_factory, _ask_nothing, server=_in(directory))
        (directory / spoil).chmod(0o644)
    capfd.readouterr()
    run(loop_factory, _ask, server=_in(directory), log=LogConfig("info"))
    said = capfd.readouterr()
    told = said.out + said.err
    assert "Traceback" not in told
    if spoil == "state":
        assert "the state is left unread" in told
    else:
        assert "nothing of the last run is known, and nothing is kept for the next" in told
    assert (directory / "state.unread").exists() is (spoil == "state")


UPSTREAM = UpstreamConfig("one", UpstreamAddress("udp", "192.0.2.1", 53), group="home")
KEY = StateKey(bytes(32))


async def test_what_an_upstream_cannot_stand_goes_from_core_to_core() -> None:
    async with asyncio.TaskGroup() as tasks:
        config = Config((UPSTREAM,))
        before, again = Core(config, tasks), Core(config, tasks)
        learnt = before._general._upstreams[0]
        trial = learnt.over_udp.begin_trial()
        trial.not_stood[Addition.COOKIE] = "silence"
        learnt.over_udp._keep(trial, clock())
        for _ in range(3):
            learnt.udp.defences.casing.echo_support.shown(clock())
        saved = written(await before.export(KEY.seal, clock()))
        assert not any(word in str(saved) for word in ("192.0.2.1", "home", "udp:"))
        # One budget and one upstream.
        assert again.restore(saved, KEY.seal, Interruption(clock())) == 2
        [left_out] = again._general._upstreams[0].over_udp.left_out
        assert left_out.addition is Addition.COOKIE
        assert all_words(again.resolver.statistics(clock())) == all_words(before.resolver.statistics(clock())) != ()
        assert again.resolver.statistics(clock()).upstreams[0].defences.checks_case
        await before.close()
        await again.close()


async def test_another_upstream_begins_anew() -> None:
    async with asyncio.TaskGroup() as tasks:
        before = Core(Config((UPSTREAM,)), tasks)
        other = Core(Config((replace(UPSTREAM, url=UpstreamAddress("udp", "192.0.2.2", 53), group=""),)), tasks)
        assert other.restore(written(await before.export(KEY.seal, clock())), KEY.seal, Interruption(clock())) == 0
        await before.close()
        await other.close()


async def test_unfit_values_of_one_upstream_do_no_harm_to_it() -> None:
    async with asyncio.TaskGroup() as tasks:
        before, again = Core(Config((UPSTREAM,)), tasks), Core(Config((UPSTREAM,)), tasks)
        saved = written(await before.export(KEY.seal, clock()))
        for one in saved["upstreams"].values():
            one["health"]["probe_pause"] = "long"
        assert again.restore(saved, KEY.seal, Interruption(clock())) == 1
        assert again._general._upstreams[0].health.is_usable(clock())
        await before.close()
        await again.close()


async def test_one_that_was_left_alone_by_hand_stays_so_until_it_is_resumed() -> None:
    async with asyncio.TaskGroup() as tasks:
        two = Config((UPSTREAM, replace(UPSTREAM, name="two", url=UpstreamAddress("udp", "192.0.2.2", 53))))
        before, again = Core(two, tasks), Core(two, tasks)
        before.resolver.pause("two")
        [since] = before.resolver.paused(clock()).values()
        saved = written(await before.export(KEY.seal, clock()))
        assert "two" not in str(saved)
        again.restore(saved, KEY.seal, Interruption(clock() - 100.0))
        [(name, known)] = again.resolver.paused(clock()).items()
        assert name == "two"
        assert known == pytest.approx(since - 100.0, abs=30.0)
        # The other one has had all questions before, so it goes on as it was.
        assert again.resolver.statistics(clock()).upstreams[0].budget_share == 1.0
        again.resolver.resume("two")
        last = Core(two, tasks)
        last.restore(written(await again.export(KEY.seal, clock())), KEY.seal, Interruption(clock()))
        assert last.resolver.paused(clock()) == {}
        for core in (before, again, last):
            await core.close()


async def test_it_is_known_by_its_name_and_forgotten_with_it() -> None:
    async with asyncio.TaskGroup() as tasks:
        before = Core(Config((UPSTREAM,)), tasks)
        before.resolver.pause("one")
        saved = written(await before.export(KEY.seal, clock()))
        moved = Core(Config((replace(UPSTREAM, url=UpstreamAddress("udp", "192.0.2.9", 53)),)), tasks)
        moved.restore(saved, KEY.seal, Interruption(clock()))
        assert list(moved.resolver.paused(clock())) == ["one"]
        other = Core(Config((replace(UPSTREAM, name="other"),)), tasks)
        other.restore(saved, KEY.seal, Interruption(clock()))
        assert other.resolver.paused(clock()) == {}
        assert (await other.export(KEY.seal, clock()))["pauses"] == {}
        for core in (before, moved, other):
            await core.close()


@pytest.mark.parametrize("unfit", ["long", [], -1e12, True], ids=str)
async def test_a_pause_that_cannot_be_read_is_none(unfit: object) -> None:
    async with asyncio.TaskGroup() as tasks:
        before, again = Core(Config((UPSTREAM,)), tasks), Core(Config((UPSTREAM,)), tasks)
        before.resolver.pause("one")
        saved = written(await before.export(KEY.seal, clock()))
        saved["pauses"] = dict.fromkeys(saved["pauses"], unfit)
        assert again.restore(saved, KEY.seal, Interruption(clock())) == 2
        assert again.resolver.paused(clock()) == {}
        del saved["pauses"]  # As an earlier release has left it.
        assert again.restore(saved, KEY.seal, Interruption(clock())) == 2
        await before.close()
        await again.close()
