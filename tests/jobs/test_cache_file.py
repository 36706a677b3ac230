"""The cache's file over a real disk: whole at any moment, loaded in slices, and never the end of anything."""

import asyncio
import errno
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.typing import EventDict

from dohproxy.cache import Cache, Freshness
from dohproxy.cache.snapshot import MOST_ENTRIES, read_snapshot
from dohproxy.config import CacheConfig
from dohproxy.jobs import cache_file, saved_file
from dohproxy.jobs.atomic_file import AtomicFile
from dohproxy.jobs.cache_file import CacheFile, CacheFileStatistics
from dohproxy.jobs.job_figures import CACHE_FILE_FIGURES
from dohproxy.jobs.turns import SLICE_SECONDS
from fuzz.snapshot_invariants import seal
from tests.cache.answers import ask, positive
from tests.fakes.clock import FakeClock, TickingClock
from tests.fakes.samples import samples_of
from tests.frontends.served import until

RULES = CacheConfig(max_megabytes=4)
WALL = 1_800_000_000.0
ENTRIES = 500


@dataclass(slots=True)
class Life:
    """One run of the service: its cache and its clocks."""

    path: Path
    cache: Cache = field(default_factory=lambda: Cache(RULES))
    clock: FakeClock = field(default_factory=FakeClock)
    wall_clock: FakeClock = field(default_factory=lambda: FakeClock(WALL))

    def file(self) -> CacheFile:
        return CacheFile(self.path, self.cache, self.clock, self.wall_clock)

    def learn(self, count: int = ENTRIES) -> None:
        for number in range(count):
            query = ask(f"{number}.example.net")
            self.cache.store(query.key, positive(query), self.clock())

    def knows(self, number: int) -> Freshness:
        return self.cache.lookup(ask(f"{number}.example.net").key, self.clock(), 0.0)[1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the snapshot belongs."""
    return tmp_path / "cache.snapshot"


async def save(path: Path, count: int = ENTRIES) -> bytes:
    """Save a cache of so many entries; return the file's content."""
    life = Life(path)
    life.learn(count)
    await life.file().save()
    return content(path)


def content(path: Path) -> bytes:
    return path.read_bytes()


def identity(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, stat.S_IMODE(found.st_mode)


def put(path: Path, written: bytes) -> None:
    path.write_bytes(written)


def names(directory: Path) -> set[str]:
    return {found.name for found in directory.iterdir()}


def told(lines: list[EventDict]) -> list[tuple[str, str]]:
    return [(line["log_level"], line["event"]) for line in lines]


# --- From one run to the next ---


async def test_what_one_run_saved_the_next_one_knows(path: Path) -> None:
    first = Life(path)
    first.learn()
    file = first.file()
    first.clock.pass_by(50)
    first.wall_clock.pass_by(50)
    await file.save()
    assert file.statistics() == CacheFileStatistics(0, 0, WALL + 50, ENTRIES, MOST_ENTRIES, 0)
    second = Life(path, clock=FakeClock(7.0), wall_clock=FakeClock(WALL + 100))
    back = second.file()
    with structlog.testing.capture_logs() as lines:
        assert await back.load()
    assert told(lines) == [("info", "the cache is back")]
    assert (lines[0]["restored"], lines[0]["left_out"]) == (ENTRIES, 0)
    assert back.statistics() == CacheFileStatistics(ENTRIES, 0, 0.0, 0, MOST_ENTRIES, 0)
    assert {second.knows(number) for number in range(ENTRIES)} == {Freshness.FRESH}
    second.clock.pass_by(200)
    assert second.knows(0) is Freshness.STALE


async def test_too_old_a_file_is_loaded_and_warms_nothing(path: Path) -> None:
    await save(path)
    later = Life(path, wall_clock=FakeClock(WALL + 1_000_000))
    file = later.file()
    assert not await file.load()
    assert (file.statistics().restored, file.statistics().left_out) == (0, ENTRIES)
    assert names(path.parent) == {path.name}


async def test_the_file_is_for_this_user_alone_and_nothing_lies_beside_it(path: Path) -> None:
    await save(path)
    await save(path)
    assert identity(path)[2] == 0o600
    assert names(path.parent) == {path.name}


# --- Files that are no good ---


async def test_no_file_is_no_trouble(path: Path) -> None:
    with structlog.testing.capture_logs() as lines:
        assert not await Life(path).file().load()
    assert told(lines) == [("info", "there is no cache snapshot of an earlier run, the cache begins empty")]


def cut_short(path: Path) -> None:
    put(path, content(path)[:-1])


def one_bit_wrong(path: Path) -> None:
    wrong = bytearray(content(path))
    wrong[len(wrong) // 2] ^= 1
    put(path, bytes(wrong))


def of_tomorrow(path: Path) -> None:
    put(path, seal(b"", 0, version=2))


def empty(path: Path) -> None:
    put(path, b"")


def foreign(path: Path) -> None:
    put(path, b"#!/bin/sh\n")


def writable_by_all(path: Path) -> None:
    path.chmod(0o666)


def endless(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(1 << 40)


BAD: list[tuple[Callable[[Path], None], str]] = [
    (cut_short, "is damaged or cut short: its checksum is wrong"),
    (one_bit_wrong, "is damaged or cut short: its checksum is wrong"),
    (of_tomorrow, "is a snapshot of version 2, and this program reads version 1"),
    (empty, "is empty"),
    (foreign, "is not a cache snapshot"),
    (writable_by_all, "can be written by other users, so it may say anything"),
    (endless, "is longer than 67108864 bytes, so hardly a snapshot"),
]


@pytest.mark.parametrize(("spoil", "fault"), BAD, ids=lambda value: getattr(value, "__name__", ""))
async def test_a_file_that_is_no_good_is_set_aside(path: Path, spoil: Callable[[Path], None], fault: str) -> None:
    await save(path)
    spoil(path)
    state = identity(path)
    life = Life(path)
    with structlog.testing.capture_logs() as lines:
        assert not await life.file().load()
    assert told(lines) == [("warning", "the cache snapshot is left unread, the cache begins empty")]
    assert lines[0]["why"] == f"{path} {fault}"
    aside = path.with_name("cache.snapshot.unread")
    assert lines[0]["kept_as"] == str(aside)
    assert identity(aside) == state
    assert names(path.parent) == {aside.name}
    assert life.cache.statistics().positive_entries == 0


async def test_only_one_file_is_set_aside(path: Path) -> None:
    for written in (b"first", b"second"):
        put(path, written)
        await Life(path).file().load()
    assert names(path.parent) == {"cache.snapshot.unread"}
    assert content(path.with_name("cache.snapshot.unread")) == b"second"


async def test_a_file_that_cannot_be_set_aside_is_told_and_replaced_by_the_next(path: Path) -> None:
    put(path, b"nonsense")
    (path.parent / "cache.snapshot.unread").mkdir()
    life = Life(path)
    file = life.file()
    with structlog.testing.capture_logs() as lines:
        assert not await file.load()
    assert lines[0]["kept_as"] == "nothing (Is a directory)"
    life.learn()
    await file.save()
    assert await Life(path).file().load()


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "Permission denied"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError(), "OSError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_file_that_cannot_be_read_stays_where_it_is(
    path: Path, error: OSError, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await save(path)

    def refuse(_path: Path, _most: int) -> bytes:
        raise error

    monkeypatch.setattr(cache_file, "read_own_file", refuse)
    with structlog.testing.capture_logs() as lines:
        assert not await Life(path).file().load()
    assert told(lines) == [("warning", "the cache snapshot cannot be read, the cache begins empty")]
    assert (lines[0]["why"], lines[0]["file"]) == (why, str(path))
    assert (content(path), names(path.parent)) == (before, {path.name})


async def test_a_disk_that_does_not_answer_keeps_nothing_from_starting(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()

    def hang(_path: Path, _most: int) -> bytes:
        answers.wait(10)
        return b""

    monkeypatch.setattr(cache_file, "read_own_file", hang)
    monkeypatch.setattr(cache_file, "LOAD_SECONDS", 0.05)
    with structlog.testing.capture_logs() as lines:
        assert not await Life(path).file().load()
    answers.set()
    assert [line["why"] for line in lines] == ["it takes too long"]


async def test_a_bug_in_loading_is_told_and_not_met_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await save(path)

    def choke(_data: bytes) -> None:
        raise KeyError

    monkeypatch.setattr(cache_file, "read_snapshot", choke)
    with structlog.testing.capture_logs() as lines:
        assert not await Life(path).file().load()
    assert told(lines) == [
        ("error", "the cache snapshot met a bug"),
        ("warning", "the cache snapshot is left unread, the cache begins empty"),
    ]
    assert names(path.parent) == {"cache.snapshot.unread"}


# --- Saving that fails ---


class Failing:
    """Lets one call of a method of Replacement fail, as a disk would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, method: str, error: Exception) -> None:
        self._original = getattr(AtomicFile, method)
        self._error: Exception | None = error

        def fail(replacement: AtomicFile, *args: Any) -> object:
            error, self._error = self._error, None
            if error is not None:
                raise error
            return self._original(replacement, *args)

        monkeypatch.setattr(AtomicFile, method, fail)


@pytest.mark.parametrize("method", ["open", "write", "commit"])
@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), PermissionError(errno.EACCES, "Permission denied")],
    ids=["disk full", "permission denied"],
)
async def test_a_save_that_fails_is_told_and_counted_and_the_file_stays(
    path: Path, method: str, error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await save(path, 1)
    life = Life(path)
    life.learn()
    file = life.file()
    Failing(monkeypatch, method, error)
    with structlog.testing.capture_logs() as lines:
        await file.save()
    await thread_is_idle(file)
    assert told(lines) == [("warning", "the cache snapshot is not saved, the file before stays")]
    assert (lines[0]["why"], lines[0]["file"]) == (error.strerror, str(path))
    assert (content(path), names(path.parent)) == (before, {path.name})
    assert (file.statistics().save_failures, file.statistics().saved_at) == (1, 0.0)
    await file.save()
    assert (file.statistics().save_failures, file.statistics().saved) == (1, ENTRIES)
    assert content(path) != before


async def thread_is_idle(file: CacheFile) -> None:
    await file._file.in_thread(lambda: None)


async def test_a_directory_that_is_gone_is_no_end_of_anything(path: Path) -> None:
    file = Life(path.parent / "gone" / path.name).file()
    for _ in range(2):
        await file.save()
    assert file.statistics().save_failures == 2


async def test_a_bug_in_saving_is_told_and_counted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life(path)
    life.learn()
    file = life.file()
    Failing(monkeypatch, "write", KeyError("www.example.net"))
    with structlog.testing.capture_logs() as lines:
        await file.save()
    await thread_is_idle(file)
    assert told(lines) == [("error", "saving the cache snapshot met a bug")]
    assert (file.statistics().save_failures, names(path.parent)) == (1, set())


@pytest.mark.parametrize("method", ["open", "write", "commit"])
async def test_a_save_cut_off_by_the_end_does_not_meet_the_last_one(
    path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(path)
    life.learn()
    file = life.file()
    reached, go = threading.Event(), threading.Event()
    original = getattr(AtomicFile, method)

    def wait_and_do(replacement: AtomicFile, *args: Any) -> object:
        reached.set()
        go.wait(10)
        return original(replacement, *args)

    monkeypatch.setattr(AtomicFile, method, wait_and_do)
    async with asyncio.TaskGroup() as tasks:
        saving = tasks.create_task(file.save())
        await asyncio.to_thread(reached.wait, 10)
        # Not waited for, as at the end of the service; its thread is still at work.
        saving.cancel()
        tasks.create_task(file.save_last())
        go.set()
    assert saving.cancelled()
    assert (file.statistics().saved, file.statistics().save_failures) == (ENTRIES, 0)
    assert len(list(read_snapshot(content(path)))) == ENTRIES
    await until(lambda: names(path.parent) == {path.name}, "the end of what lay beside")


# --- The loop goes on ---


async def turns_of_others(action: asyncio.Task[Any]) -> int:
    turns = 0
    while not action.done():
        turns += 1
        await asyncio.sleep(0)
    return turns


async def test_others_have_their_turns_while_it_is_saved_and_loaded(path: Path) -> None:
    life = Life(path)
    life.learn()
    # Each look at what has been spent costs a tenth of a slice, and there is one for each entry.
    slices, look_seconds = ENTRIES // 10, SLICE_SECONDS / 10
    async with asyncio.TaskGroup() as tasks:
        file = CacheFile(path, life.cache, life.clock, life.wall_clock, TickingClock(look_seconds))
        # Between two slices the thread writes, which is some turns of others.
        assert await turns_of_others(tasks.create_task(file.save())) >= slices - 5
        back = CacheFile(path, Cache(RULES), life.clock, life.wall_clock, TickingClock(look_seconds))
        assert await turns_of_others(tasks.create_task(back.load())) >= slices - 5
    assert back.statistics().restored == ENTRIES


async def test_a_start_waits_no_longer_than_it_may_and_has_the_most_used(path: Path) -> None:
    await save(path)
    life = Life(path)
    file = CacheFile(path, life.cache, TickingClock(cache_file.LOAD_SECONDS / 10), life.wall_clock)
    await file.load()
    restored = file.statistics().restored
    assert 0 < restored < ENTRIES
    assert all(life.knows(number) is Freshness.FRESH for number in range(ENTRIES - restored, ENTRIES))


# --- Again and again, and at the end ---


async def test_it_is_saved_again_and_again_whatever_happens(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life(path)
    life.learn(1)
    file = life.file()
    Failing(monkeypatch, "commit", OSError(errno.ENOSPC, "No space left on device"))
    async with asyncio.TaskGroup() as tasks:
        saving = tasks.create_task(file.save_forever(0.005))
        await until(lambda: file.statistics().saved == 1, "a save after the one that failed")
        life.learn(2)
        await until(lambda: file.statistics().saved == 2, "a second save")
        saving.cancel()
    assert file.statistics().save_failures == 1


async def test_the_last_save_takes_no_longer_than_it_may(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await save(path, 1)
    answers = threading.Event()
    life = Life(path)
    life.learn()
    file = life.file()
    monkeypatch.setattr(saved_file, "LAST_SAVE_SECONDS", 0.05)
    monkeypatch.setattr(os, "fsync", lambda _: answers.wait(10))
    with structlog.testing.capture_logs() as lines:
        await file.save_last()
    assert content(path) == before
    answers.set()
    assert told(lines) == [("warning", "the cache snapshot is not saved, the file before stays")]
    assert lines[0]["why"] == "it takes more than 0.05 seconds"
    assert file.statistics().save_failures == 1


def test_the_figures_are_told() -> None:
    assert samples_of(CACHE_FILE_FIGURES, CacheFileStatistics(1, 2, 3.5, 4, 5, 6)) == {
        ("dohproxy_cache_snapshot_restored", ()): 1,
        ("dohproxy_cache_snapshot_left_out", ()): 2,
        ("dohproxy_cache_snapshot_saved_at_seconds", ()): 3.5,
        ("dohproxy_cache_snapshot_entries", ()): 4,
        ("dohproxy_cache_snapshot_max_entries", ()): 5,
        ("dohproxy_cache_snapshot_failures_total", ()): 6,
    }
