"""The book of hours: looked at each minute, written every few, and in nobody's way."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dohproxy.jobs import hour_book
from dohproxy.jobs.hour_book import MOST_HOURS_WAITING, WRITE_SECONDS, HourBook
from dohproxy.jobs.hour_file import read_hours
from dohproxy.observability.hour_sums import HOUR_SECONDS, Counters, Sums
from tests.fakes.clock import FakeClock
from tests.frontends.served import until
from tests.loops import pytest_asyncio_loop_factories as pytest_asyncio_loop_factories

WALL = 1_800_000_000.0
ALWAYS = 1e12


class Book:
    """A book over made-up counters and clocks."""

    def __init__(self, path: Path) -> None:
        self.clock, self.path = FakeClock(), path
        self.requests = 1_000
        self.started = self.clock()
        self.wall_offset = 0.0
        self.book = HourBook(path, self._read, self.clock, self._wall)

    def _wall(self) -> float:
        return WALL + self.wall_offset + self.clock() - self.started

    def _read(self, _: float) -> Counters:
        return Counters({"requests": self.requests}, 3, 4, 0, 0, {})

    async def minutes(self, count: int, requests: int = 60) -> None:
        for _ in range(count):
            self.clock.pass_by(60.0)
            self.requests += requests
            await self.book.poll()

    def rows(self) -> list[dict[str, int]]:
        return read_hours(self.path, 0, ALWAYS)


async def test_what_was_counted_before_the_start_is_not_counted_again(tmp_path: Path) -> None:
    book = Book(tmp_path / "hours.sqlite")
    await book.minutes(6)
    [row] = book.rows()
    assert (row["hour"], row["starts"], row["requests"], row["seconds"]) == (int(WALL), 1, 360, 360)
    assert row["busiest_requests"] == 60
    assert book.book.statistics().written_at == WALL + 360


async def test_it_is_written_every_few_minutes_and_not_every_minute(tmp_path: Path) -> None:
    book = Book(tmp_path / "hours.sqlite")
    await book.minutes(1)
    await book.minutes(int(WRITE_SECONDS // 60) - 1)
    assert [row["requests"] for row in book.rows()] == [60]
    await book.minutes(1)
    assert [row["requests"] for row in book.rows()] == [60 + WRITE_SECONDS]


async def test_services_that_end_after_a_minute_leave_their_starts_behind(tmp_path: Path) -> None:
    for _ in range(3):
        await Book(tmp_path / "hours.sqlite").minutes(1)
    assert [(row["starts"], row["requests"]) for row in Book(tmp_path / "hours.sqlite").rows()] == [(3, 3 * 60)]


async def test_each_minute_goes_to_its_hour(tmp_path: Path) -> None:
    book = Book(tmp_path / "hours.sqlite")
    await book.minutes(90, requests=10)
    await book.book.save_last()
    assert [(row["hour"] - int(WALL), row["requests"]) for row in book.rows()] == [(0, 590), (HOUR_SECONDS, 310)]


async def test_the_end_writes_what_is_left(tmp_path: Path) -> None:
    book = Book(tmp_path / "hours.sqlite")
    book.requests += 7
    await book.book.save_last()
    assert [row["requests"] for row in book.rows()] == [7]


async def test_a_disk_that_takes_nothing_is_told_once_and_loses_nothing(tmp_path: Path) -> None:
    book = Book(tmp_path / "absent" / "hours.sqlite")
    with capture_logs() as logs:
        await book.minutes(15)
    assert [line["event"] for line in logs] == ["the hours for the report are not kept"]
    assert book.book.statistics().failures == 3
    (tmp_path / "absent").mkdir()
    await book.minutes(6)
    assert [row["requests"] for row in book.rows()] == [21 * 60]


class Disk:
    """One that takes nothing until it is let."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lets = threading.Event()
        self.begun = threading.Event()
        real = hour_book._write

        def write(path: Path, hours: dict[int, Sums]) -> int:
            self.begun.set()
            self.lets.wait()
            return real(path, hours)

        monkeypatch.setattr(hour_book, "_write", write)


async def test_a_write_that_was_given_up_loses_nothing_and_writes_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    book = Book(tmp_path / "hours.sqlite")
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(book.minutes(1))
        await until(disk.begun.is_set, "the write")
        writing.cancel()
    book.requests += 7
    disk.lets.set()
    await book.book.save_last()
    assert [row["requests"] for row in book.rows()] == [60 + 7]


def test_a_disk_that_takes_nothing_does_not_hold_up_the_end_of_the_process(tmp_path: Path) -> None:
    text = f"""
import asyncio, pathlib, threading
from dohproxy.jobs import hour_book
from dohproxy.observability.hour_sums import Counters

hour_book.CLOSE_SECONDS = 0.1
hour_book._write = lambda *_: threading.Event().wait()
book = hour_book.HourBook(pathlib.Path({str(tmp_path)!r}), lambda _: Counters({{}}, 0, 0, 0, 0, {{}}), lambda: 0.0)
asyncio.run(book.save_last())
"""
    run = subprocess.run([sys.executable, "-c", text], timeout=30, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "the last hour is not kept" in run.stdout + run.stderr


async def test_what_waits_is_bounded(tmp_path: Path) -> None:
    book = Book(tmp_path / "absent" / "hours.sqlite")
    for _ in range(MOST_HOURS_WAITING + 10):
        book.wall_offset += HOUR_SECONDS
        await book.minutes(1)
    (tmp_path / "absent").mkdir()
    await book.book.save_last()
    assert len(book.rows()) == MOST_HOURS_WAITING


async def test_a_bug_in_writing_is_told_and_keeps_nobody_from_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Path, __: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(hour_book, "_write", broken)
    book = Book(tmp_path / "hours.sqlite")
    with capture_logs() as logs:
        await book.minutes(5)
        await book.book.save_last()
    assert [line["why"] for line in logs] == ["ZeroDivisionError: a bug"]
