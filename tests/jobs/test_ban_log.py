"""One line a ban, whatever becomes of the file."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
import structlog

from dohproxy.jobs import ban_log
from dohproxy.jobs.ban_log import MOST_WAITING, BanLog, line_of
from dohproxy.policy.ban_table import Ban, BanSource
from dohproxy.policy.prefixes import parse_prefix
from tests.loops import pytest_asyncio_loop_factories as pytest_asyncio_loop_factories

NOW = 1_000.0


def a_ban(network: str = "192.0.2.7", reason: str = "client_limit", source: BanSource = BanSource.RULE) -> Ban:
    return Ban(NOW + 60, reason, 1, source, parse_prefix(network))


def test_the_line() -> None:
    assert line_of(a_ban(), NOW, 1_800_000_000.4) == (
        '2027-01-15T08:00:00+00:00 dohproxy ban 192.0.2.7 seconds=60 level=1 source=rule reason="client_limit"\n'
    )


@pytest.mark.parametrize("reason", ['say "no"', "a\nb", "ü\u2028", "dohproxy ban 10.0.0.1 seconds=60"])
def test_what_a_person_writes_stays_in_its_quotes(reason: str) -> None:
    line = line_of(a_ban(reason=reason, source=BanSource.COMMAND), NOW, 0.0)
    assert line.count("\n") == 1
    assert line.splitlines() == [line.rstrip("\n")]
    assert line.split(' reason="')[0].endswith("source=command")


async def test_lines_are_appended_and_a_rotated_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bans.log"
    log = BanLog(path)
    log.note(a_ban("192.0.2.7"), NOW)
    log.note(a_ban("2001:db8::1"), NOW)
    await log.poll()
    path.rename(tmp_path / "bans.log.1")
    log.note(a_ban("192.0.2.8"), NOW)
    await log.close()
    assert [line.split()[3] for line in (tmp_path / "bans.log.1").read_text().splitlines()] == [
        "192.0.2.7",
        "2001:db8::/64",
    ]
    assert path.read_text().split()[3] == "192.0.2.8"
    assert path.stat().st_mode & 0o777 == 0o640
    assert log.statistics() == ban_log.BanLogStatistics(lines=3, dropped=0, failures=0)


async def test_nothing_is_written_where_nobody_is_banned(tmp_path: Path) -> None:
    log = BanLog(tmp_path / "bans.log")
    await log.poll()
    await log.close()
    assert not (tmp_path / "bans.log").is_file()


async def test_a_file_that_cannot_be_written_is_told_once_and_the_next_good_moment_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = BanLog(tmp_path / "away" / "bans.log")
    for _ in range(2):
        log.note(a_ban(), NOW)
        await log.poll()
    assert [record.getMessage().count("not written down") for record in caplog.records] in ([1], [])
    assert log.statistics() == ban_log.BanLogStatistics(lines=0, dropped=2, failures=2)
    (tmp_path / "away").mkdir()
    log.note(a_ban(), NOW)
    await log.close()
    assert log.statistics().lines == 1


async def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    (tmp_path / "bans.log").symlink_to(tmp_path / "other")
    log = BanLog(tmp_path / "bans.log")
    log.note(a_ban(), NOW)
    await log.close()
    assert (tmp_path / "other").read_text() == ""
    assert log.statistics().failures == 1


@pytest.mark.parametrize("is_read", [True, False], ids=["with a reader", "without one"])
async def test_a_named_pipe_is_refused_and_keeps_nobody_waiting(tmp_path: Path, *, is_read: bool) -> None:
    path = tmp_path / "bans.log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if is_read else -1
    log = BanLog(path)
    log.note(a_ban(), NOW)
    async with asyncio.timeout(5):
        await log.close()
    assert log.statistics().failures == 1
    if is_read:
        assert os.read(reader, 100) == b""
        os.close(reader)


async def test_a_disk_that_hangs_does_not_hold_up_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()
    monkeypatch.setattr(ban_log, "LAST_WRITE_SECONDS", 0.05)
    monkeypatch.setattr(ban_log, "_append", lambda *_: may_end.wait())
    log = BanLog(tmp_path / "bans.log")
    log.note(a_ban(), NOW)
    with structlog.testing.capture_logs() as lines:
        await log.close()
    assert [line["event"] for line in lines] == ["the last bans are not written down"]
    may_end.set()


async def test_a_flood_of_bans_waits_in_so_many_lines(tmp_path: Path) -> None:
    log = BanLog(tmp_path / "bans.log")
    for _ in range(MOST_WAITING + 5):
        log.note(a_ban(), NOW)
    await log.close()
    await asyncio.sleep(0)
    assert log.statistics() == ban_log.BanLogStatistics(lines=MOST_WAITING, dropped=5, failures=0)


async def test_another_file_is_written_from_then_on_and_without_one_nothing_is(tmp_path: Path) -> None:
    log = BanLog(None)
    log.note(a_ban("192.0.2.1"), NOW)
    await log.poll()
    log.adopt(tmp_path / "one.log")
    log.note(a_ban("192.0.2.2"), NOW)
    await log.poll()
    log.note(a_ban("192.0.2.3"), NOW)
    log.adopt(tmp_path / "two.log")
    await log.poll()
    log.note(a_ban("192.0.2.4"), NOW)
    log.adopt(None)
    await log.close()
    assert [(tmp_path / f"{name}.log").read_text().split()[3] for name in ("one", "two")] == ["192.0.2.2", "192.0.2.3"]
    assert log.statistics().lines == 2


def test_a_ban_of_an_earlier_run_has_no_line(tmp_path: Path) -> None:
    log = BanLog(tmp_path / "bans.log")
    log.note(Ban(NOW + 60, "base64", 1, BanSource.RULE, None), NOW)
    assert not log._waiting
