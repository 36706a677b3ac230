"""The file of hours: added to whole or not at all, bounded, and read whoever has written it."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dohproxy.jobs import hour_file
from dohproxy.jobs.hour_book import MOST_BYTES
from dohproxy.jobs.hour_file import MOST_ROWS, UnreadableHours, add_hours, copy_hours, read_hours
from dohproxy.observability.hour_sums import COLUMNS, HOUR_SECONDS, WORST
from tests.cli.running import PROJECT

HOUR = 1_800_000_000 // HOUR_SECONDS * HOUR_SECONDS
ALWAYS = 1e12


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "hours.sqlite"


def test_what_is_added_is_read_and_added_to(path: Path) -> None:
    add_hours(path, {HOUR: {"requests": 5, "busiest_requests": 5, "busiest_at": 7, "networks_day": 9}})
    add_hours(path, {
        HOUR: {"requests": 2, "busiest_requests": 2, "busiest_at": 8, "networks_day": 4, "certificate_ends": 3},
        HOUR + HOUR_SECONDS: {"requests": 1},
    })  # fmt: skip
    first, second = read_hours(path, 0, ALWAYS)
    assert {name: number for name, number in first.items() if number} == {
        "hour": HOUR, "requests": 7, "busiest_requests": 5, "busiest_at": 7, "networks_day": 9, "certificate_ends": 3
    }  # fmt: skip
    assert second["requests"] == 1
    add_hours(path, {HOUR: {"busiest_requests": 6, "busiest_at": 9, "certificate_ends": 0}})
    [row] = read_hours(path, HOUR, HOUR + 1)
    assert (row["busiest_requests"], row["busiest_at"], row["certificate_ends"]) == (6, 9, 3)


def test_only_the_hours_of_a_span_are_read(path: Path) -> None:
    add_hours(path, {HOUR + number * HOUR_SECONDS: {"requests": number} for number in range(5)})
    rows = read_hours(path, HOUR + HOUR_SECONDS, HOUR + 3 * HOUR_SECONDS)
    assert [row["requests"] for row in rows] == [1, 2]


def test_it_is_for_its_user_alone(path: Path) -> None:
    old = os.umask(0)
    try:
        add_hours(path, {HOUR: {}})
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        add_hours(path, {HOUR: {}})
    assert not (tmp_path / "elsewhere").exists()


def test_four_hundred_days_of_a_service_that_is_much_asked_fit(path: Path) -> None:
    # Every outcome, dialect and kind of send an association's service has seen in one hour, in thousands.
    busy = {name: 3_000 + number for number, name in enumerate(list(COLUMNS)[::3])}
    busy |= dict.fromkeys((*WORST.values(), "certificate_ends"), 1800000000)
    add_hours(path, {HOUR + number * HOUR_SECONDS: busy for number in range(MOST_ROWS)})
    assert len(read_hours(path, 0, ALWAYS)) == MOST_ROWS
    assert path.stat().st_size < MOST_BYTES
    add_hours(path, {HOUR + MOST_ROWS * HOUR_SECONDS: busy})
    rows = read_hours(path, 0, ALWAYS)
    assert (len(rows), rows[0]["hour"]) == (MOST_ROWS, HOUR + HOUR_SECONDS)


def test_where_rows_are_larger_than_any_the_oldest_make_room(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hour_file, "MOST_BYTES", 64 * 4_096)
    huge = dict.fromkeys((*COLUMNS, *WORST, *WORST.values()), 2**48)
    add_hours(path, {HOUR + number * HOUR_SECONDS: huge for number in range(120)})
    for number in range(150, 220):
        add_hours(path, {HOUR + number * HOUR_SECONDS: huge})
        assert path.stat().st_size <= 64 * 4_096
    rows = read_hours(path, 0, ALWAYS)
    assert 100 < len(rows) < 220
    assert rows[-1]["hour"] == HOUR + 219 * HOUR_SECONDS


def test_an_older_file_gets_the_new_columns(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE hours (hour INTEGER PRIMARY KEY, requests INTEGER NOT NULL DEFAULT 0, gone INTEGER)"
        )
        database.execute("INSERT INTO hours VALUES (?, 7, 8)", (HOUR,))
        database.execute("PRAGMA user_version = 1")
    database.close()
    assert read_hours(path, 0, ALWAYS) == [{"hour": HOUR, "requests": 7}]
    add_hours(path, {HOUR: {"requests": 1, "failed": 2}})
    [row] = read_hours(path, 0, ALWAYS)
    assert (row["requests"], row["failed"]) == (8, 2)


def test_a_newer_format_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 2")
    database.close()
    before = path.read_bytes()
    with pytest.raises(UnreadableHours, match="has the format 2"):
        read_hours(path, 0, ALWAYS)
    with pytest.raises(UnreadableHours, match="has the format 2"):
        add_hours(path, {HOUR: {}})
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"no database" * 1_000, b"SQLite format 3\x00" + bytes(4_080)])
def test_what_is_no_such_file_is_told(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises((UnreadableHours, OSError)):
        read_hours(path, 0, ALWAYS)


def test_an_empty_file_holds_no_hours_and_no_file_is_no_file(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_hours(path, 0, ALWAYS)
    path.touch()
    with pytest.raises(UnreadableHours, match="holds no hours yet"):
        read_hours(path, 0, ALWAYS)


def test_what_is_no_number_is_none(path: Path) -> None:
    add_hours(path, {HOUR: {"requests": 1}})
    with sqlite3.connect(path) as database:
        database.execute("UPDATE hours SET requests = 'many <b>', failed = 2.5")
    database.close()
    [row] = read_hours(path, 0, ALWAYS)
    assert "requests" not in row
    assert "failed" not in row


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from dohproxy.jobs.hour_file import add_hours
number = 0
print("ready", flush=True)
while True:
    number += 1
    add_hours(Path(sys.argv[1]), {3600: {"requests": 1, "failed": 1}, 7200: {"requests": 1, "failed": 1}})
"""


@pytest.mark.parametrize("attempt", range(8))
def test_a_process_that_is_killed_in_the_middle_leaves_whole_rows(path: Path, attempt: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, str(path)], stdout=subprocess.PIPE, cwd=PROJECT)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        deadline = time.monotonic() + 10
        while (not path.exists() or path.stat().st_size == 0) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.013 * (attempt + 1))
        process.send_signal(signal.SIGKILL)
    first, second = read_hours(path, 0, ALWAYS)
    assert first["requests"] == first["failed"] == second["requests"] == second["failed"] > 0
    add_hours(path, {3600: {"requests": 1}})
    assert read_hours(path, 0, ALWAYS)[0]["requests"] == first["requests"] + 1


def test_what_was_half_written_is_undone_by_who_reads(path: Path) -> None:
    # A journal that is still there is the sign of a transaction that did not end.
    add_hours(path, {HOUR: {"requests": 1}})
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA cache_size = 1")
    writer.execute("BEGIN IMMEDIATE")
    for number in range(2_000):
        writer.execute("INSERT INTO hours (hour, requests) VALUES (?, 5)", (number,))
    half_written, journal = path.read_bytes(), path.with_name(f"{path.name}-journal").read_bytes()
    writer.close()
    path.write_bytes(half_written)
    path.with_name(f"{path.name}-journal").write_bytes(journal)
    assert [row["requests"] for row in read_hours(path, 0, ALWAYS)] == [1]


def test_a_copy_is_of_one_moment_though_somebody_is_writing(tmp_path: Path) -> None:
    path, copied = tmp_path / "hours.sqlite", tmp_path / "copy.sqlite"
    add_hours(path, {0: {"requests": 7}})
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE hours SET requests = 8")
        copied.write_bytes(copy_hours(path))
        writer.execute("ROLLBACK")
    assert [row["requests"] for row in read_hours(copied, 0, 1)] == [7]
