"""The cache under the whole service: back before anybody is served, saved at the end, and the upstreams spared."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from dohproxy import persistence
from dohproxy.cache import Cache
from dohproxy.cache.snapshot import MAGIC, read_snapshot
from dohproxy.config import CacheConfig
from dohproxy.jobs.cache_file import CacheFile
from dohproxy.upstream.resolvers import Resolvers
from tests.frontends.client import get
from tests.frontends.served import until
from tests.test_serving import Running, run

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
NAMES = [f"{number}.example.net" for number in range(5)]


pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.fixture
def slow_beginnings(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Grows each time that the upstreams are told to begin slowly."""
    told: list[bool] = []
    monkeypatch.setattr(Resolvers, "begin_slowly", lambda _: told.append(True))
    return told


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the snapshot belongs."""
    return tmp_path / "cache.snapshot"


async def _ask_all(service: Running) -> None:
    for name in NAMES:
        client = await service.connect()
        assert (await client.ask(get(name))).message().answer
        client.cut()


async def _ask_nothing(service: Running) -> None:
    assert service.addresses


def test_the_next_run_answers_what_this_one_has_learnt_and_asks_nobody(
    loop_factory: LoopFactory, path: Path, slow_beginnings: list[bool]
) -> None:
    async def learn(service: Running) -> None:
        await _ask_all(service)
        assert service.upstream.asked == len(NAMES)

    async def know(service: Running) -> None:
        await _ask_all(service)
        assert service.upstream.asked == 0

    rules = CacheConfig(snapshot_file=path)
    run(loop_factory, learn, cache=rules)
    assert (len(list(read_snapshot(path.read_bytes()))), len(slow_beginnings)) == (len(NAMES), 1)
    run(loop_factory, know, cache=rules)
    assert len(slow_beginnings) == 1


def test_without_a_file_in_the_configuration_nothing_is_written(
    loop_factory: LoopFactory, tmp_path: Path, slow_beginnings: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(loop_factory, _ask_all)
    assert list(tmp_path.iterdir()) == []
    assert slow_beginnings


@pytest.mark.parametrize(
    "content", [None, b"", MAGIC + bytes(100), "too old"], ids=["absent", "empty", "damaged", "too old"]
)
def test_without_a_warm_cache_the_upstreams_are_asked_slowly(
    loop_factory: LoopFactory,
    path: Path,
    content: bytes | str | None,
    slow_beginnings: list[bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules = CacheConfig(snapshot_file=path)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        monkeypatch.setattr(persistence, "CacheFile", _in_the_year(2001))
        run(loop_factory, _ask_all, cache=rules)
        monkeypatch.setattr(persistence, "CacheFile", _in_the_year(2030))
        slow_beginnings.clear()
    run(loop_factory, _ask_nothing, cache=rules)
    assert len(slow_beginnings) == 1
    # The next run finds what this one has learnt: nothing, and that in good order.
    assert list(read_snapshot(path.read_bytes())) == []


def _in_the_year(year: int) -> Callable[[Path, Cache, Callable[[], float]], CacheFile]:
    return lambda path, cache, clock: CacheFile(path, cache, clock, lambda: (year - 1970) * 365.2425 * 86_400)


def test_it_is_saved_while_it_serves(loop_factory: LoopFactory, path: Path) -> None:
    async def scenario(service: Running) -> None:
        await _ask_all(service)
        await until(lambda: _saved(path) == len(NAMES), "a snapshot of all names")

    run(loop_factory, scenario, cache=CacheConfig(snapshot_file=path, snapshot_seconds=0.01))


def _saved(path: Path) -> int:
    return len(list(read_snapshot(path.read_bytes()))) if path.exists() else 0


def test_a_disk_that_takes_nothing_ends_nothing(loop_factory: LoopFactory, tmp_path: Path) -> None:
    rules = CacheConfig(snapshot_file=tmp_path / "absent" / "cache.snapshot", snapshot_seconds=0.01)

    async def scenario(service: Running) -> None:
        await _ask_all(service)
        await asyncio.sleep(0.05)
        await _ask_all(service)

    run(loop_factory, scenario, cache=rules)
    assert list(tmp_path.iterdir()) == []
