"""The state file over a real disk: whole at any moment, read in no time, and never the end of anything."""

import asyncio
import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.typing import EventDict

from dohproxy.jobs import state_file
from dohproxy.jobs.atomic_file import AtomicFile
from dohproxy.jobs.job_figures import STATE_FILE_FIGURES
from dohproxy.jobs.state_codec import MOST_BYTES, MOST_SLOTS, SavedState, decode, encode
from dohproxy.jobs.state_file import NOT_KEPT, SAVE_SECONDS, STEP_SLOTS, Kept, StateFile
from dohproxy.jobs.state_key import KEY_BYTES, StateKey, open_key
from dohproxy.jobs.turns import SLICE_SECONDS
from dohproxy.policy.seniority import Seniority
from dohproxy.saved import Interruption, Saved
from tests.fakes.clock import FakeClock, TickingClock
from tests.fakes.samples import samples_of

WALL = 1_800_000_000.0
HOUR = 3_600.0
SLOTS = 20_000
FRIEND = ((1 << 40 | 17_000, 18_000),)


@dataclass(slots=True)
class Life:
    """One run of the service: what it knows, and its clocks."""

    path: Path
    clock: FakeClock = field(default_factory=FakeClock)
    wall_clock: FakeClock = field(default_factory=lambda: FakeClock(WALL))
    seniority: Seniority = field(default_factory=lambda: Seniority(memoryview(bytearray(SLOTS * 8))))
    values: Saved = field(default_factory=lambda: {"spent": 7})
    restored: list[tuple[Saved, Interruption]] = field(default_factory=list)

    def file(self, key: StateKey | None = None) -> StateFile:
        kept = Kept(self._export, self._restore, {"seniority": self.seniority})
        return StateFile(self.path.parent, key or open_key(self.path.parent), kept, self.clock, self.wall_clock)

    async def _export(self, *_: object) -> Saved:
        return self.values

    def _restore(self, values: Saved, _: Callable[[str], str], interruption: Interruption) -> int:
        self.restored.append((values, interruption))
        return 3


class Huge:
    """A table that is too large, and has nothing to say."""

    slots = MOST_SLOTS + 1

    def clock(self, now: float) -> float:
        raise NotImplementedError

    def export(self, first: int, count: int, now: float) -> tuple[bytes, int]:
        raise NotImplementedError

    def restore(self, first: int, content: bytes) -> None:
        raise NotImplementedError

    def go_on(self, clock: float, saved_at: float) -> None:
        raise NotImplementedError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the state belongs."""
    return tmp_path / "state"


async def save(path: Path, *, is_last: bool = True) -> Life:
    """A run in which somebody has been here for 16 hours, and its save."""
    life = Life(path)
    life.seniority.meet(FRIEND, life.clock())
    life.clock.pass_by(16 * HOUR + 64)
    assert life.seniority.meet(FRIEND, life.clock()) == 5
    await life.file().save(is_last=is_last)
    return life


def content(path: Path) -> bytes:
    return path.read_bytes()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def put(path: Path, written: bytes, bits: int = 0o600) -> None:
    path.write_bytes(written)
    path.chmod(bits)


class TestLoading:
    async def test_the_next_run_goes_on_with_what_this_one_knew(self, path: Path) -> None:
        before = await save(path)
        again = Life(path, FakeClock(5.0), FakeClock(WALL + 20.0))
        file = again.file()
        await file.load()
        assert again.restored == [(before.values, Interruption(-15.0))]
        assert again.seniority.meet(FRIEND, again.clock()) == 5
        assert again.seniority.meet(((2 << 40 | 17_001, 18_001),), again.clock()) == 0
        assert (file.statistics().restored, file.statistics().restored_slots) == (3, 1)

    async def test_a_long_pause_counts_by_the_wall_clock(self, path: Path) -> None:
        await save(path)
        again = Life(path, FakeClock(5.0), FakeClock(WALL + 17 * HOUR))
        await again.file().load()
        assert again.seniority.meet(FRIEND, again.clock()) == 6
        later = Life(path, FakeClock(5.0), FakeClock(WALL + 9 * 24 * HOUR))
        await later.file().load()
        assert later.seniority.meet(FRIEND, later.clock()) == 0

    async def test_a_wall_clock_that_was_put_back_is_no_time_at_all(self, path: Path) -> None:
        await save(path)
        again = Life(path, FakeClock(5.0), FakeClock(WALL - HOUR))
        await again.file().load()
        assert again.restored[0][1] == Interruption(5.0)
        assert again.seniority.meet(FRIEND, again.clock()) == 5

    @pytest.mark.parametrize(("pause", "unknown_until"), [(2.0, 1_000.0), (100.0, 1_000.0 - 100.0 + SAVE_SECONDS)])
    async def test_what_was_not_saved_at_the_end_is_not_exact(
        self, path: Path, pause: float, unknown_until: float
    ) -> None:
        await save(path, is_last=False)
        again = Life(path, wall_clock=FakeClock(WALL + pause))
        await again.file().load()
        assert again.restored[0][1] == Interruption(1_000.0 - pause, unknown_until)

    async def test_a_table_of_another_size_begins_anew_and_the_rest_does_not(self, path: Path) -> None:
        await save(path)
        again = Life(path, seniority=Seniority(memoryview(bytearray(1_024 * 8))))
        with structlog.testing.capture_logs() as log:
            await again.file().load()
        assert len(again.restored) == 1
        assert again.seniority.fill(again.clock()) == 0.0
        assert any("limits.table_slots has changed" in line["event"] for line in log)

    async def test_without_a_file_everything_begins_anew(self, path: Path) -> None:
        again = Life(path)
        with structlog.testing.capture_logs() as log:
            await again.file().load()
        assert again.restored == []
        assert [line["log_level"] for line in log] == ["info"]

    @pytest.mark.parametrize(
        ("spoil", "why"),
        [
            (lambda path: put(path, content(path)[:-5]), "is damaged or cut short"),
            (lambda path: put(path, content(path)[:30]), "is cut short"),
            (lambda path: put(path, b""), "is cut short"),
            (lambda path: put(path, b"\x00" * 5_000), "is no state file"),
            (lambda path: put(path, content(path)[:16] + b"\x09" + content(path)[17:]), "is of version 9"),
            (lambda path: put(path, content(path), 0o644), "can be read by other users"),
            (lambda path: put(path, content(path), 0o660), "can be written by other users"),
            (lambda path: (path.parent / "key").unlink(), "was written under another key"),
        ],
        ids=["damaged", "truncated", "empty", "foreign", "future", "world-readable", "writable", "other key"],
    )
    async def test_what_is_no_good_is_left_unread_and_put_aside(
        self, path: Path, spoil: Callable[[Path], Any], why: str
    ) -> None:
        await save(path)
        spoil(path)
        spoilt = content(path)
        again = Life(path)
        with structlog.testing.capture_logs() as log:
            await again.file().load()
        assert again.restored == []
        assert again.seniority.meet(FRIEND, again.clock()) == 0
        [line] = log
        assert why in line["why"]
        assert "exc_info" not in line
        assert content(path.with_name("state.unread")) == spoilt
        await again.file().save()
        assert decode(content(path), open_key(path.parent)).values == again.values

    async def test_somebody_else_s_is_left_unread(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        await save(path)
        key = open_key(path.parent)
        monkeypatch.setattr(os, "fstat", _owned_by(4_712))
        again = Life(path)
        with structlog.testing.capture_logs() as log:
            await again.file(key).load()
        assert again.restored == []
        assert "can be written by other users" in log[0]["why"]

    async def test_a_bug_ends_nothing(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        await save(path)
        monkeypatch.setattr(Life, "_restore", lambda *_: 1 / 0)
        with structlog.testing.capture_logs() as log:
            await Life(path).file().load()
        assert [line["log_level"] for line in log] == ["error", "warning"]

    async def test_a_disk_that_hangs_is_not_waited_for(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        await save(path)
        monkeypatch.setattr(state_file, "LOAD_SECONDS", 0.01)
        monkeypatch.setattr(state_file, "_read", lambda *_: time.sleep(0.2))
        again = Life(path)
        with structlog.testing.capture_logs() as log:
            await again.file().load()
        assert log[0]["why"] == "it takes too long"


def _owned_by(uid: int) -> Callable[[int], os.stat_result]:
    fstat = os.fstat

    def other(descriptor: int) -> os.stat_result:
        found = list(fstat(descriptor))
        found[4] = uid
        return os.stat_result(found)

    return other


class TestSaving:
    async def test_it_is_whole_private_and_counted(self, path: Path) -> None:
        life = Life(path)
        file = life.file()
        await file.save()
        assert mode(path) == 0o600
        found = file.statistics()
        assert (found.saved_at, found.saved_bytes, found.save_failures) == (WALL, len(content(path)), 0)

    async def test_only_the_last_save_says_so(self, path: Path) -> None:
        life = Life(path)
        file, key = life.file(), open_key(path.parent)
        await file.save()
        assert not decode(content(path), key).is_last
        await file.save_last()
        assert decode(content(path), key).is_last

    async def test_the_first_save_is_at_once_and_takes_the_exact_one_s_place(self, path: Path) -> None:
        file, key = Life(path).file(), open_key(path.parent)
        await file.save(is_last=True)
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(file.save_forever())
            while decode(content(path), key).is_last:  # noqa: ASYNC110  # nobody to tell us
                await asyncio.sleep(0.005)
            task.cancel()

    async def test_a_save_that_fails_is_told_and_counted_and_the_file_stays(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = await save(path)
        written = content(path)

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(AtomicFile, "write", full)
        file = before.file()
        with structlog.testing.capture_logs() as log:
            await file.save()
        assert log == [_failure(path, "No space left on device")]
        assert file.statistics().save_failures == 1
        assert content(path) == written

    async def test_more_than_may_be_is_not_written(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        life = Life(path, values={"much": "x" * 1_100_000})
        file = life.file()
        with structlog.testing.capture_logs() as log:
            await file.save()
        assert log == [_failure(path, f"it would be longer than {MOST_BYTES} bytes")]
        with pytest.raises(FileNotFoundError):
            content(path)

    async def test_of_a_table_beyond_the_bound_nothing_is_kept(self, path: Path) -> None:
        life = Life(path)
        kept = Kept(life._export, life._restore, {"huge": Huge(), "seniority": life.seniority})
        await StateFile(path.parent, open_key(path.parent), kept, life.clock, life.wall_clock).save()
        assert list(decode(content(path), open_key(path.parent)).tables) == ["seniority"]

    async def test_a_bug_ends_nothing(self, path: Path) -> None:
        life = Life(path, values={"nan": float("nan")})
        file = life.file()
        with structlog.testing.capture_logs() as log:
            await file.save()
        assert [line["log_level"] for line in log] == ["error"]
        assert file.statistics().save_failures == 1

    async def test_a_full_table_is_saved_in_slices(self, path: Path) -> None:
        slots = 131_072
        buffer = bytearray(os.urandom(slots * 8))
        table = memoryview(buffer).cast("Q")
        for place in range(slots):
            table[place] = table[place] & 0xFFFF << 48 | 100 << 24 | 150
        life = Life(path, FakeClock(150 * 64.0), seniority=Seniority(memoryview(buffer)))
        kept = Kept(life._export, life._restore, {"seniority": life.seniority})
        # Each step costs a slice.
        spent = TickingClock(SLICE_SECONDS)
        file = StateFile(path.parent, open_key(path.parent), kept, life.clock, life.wall_clock, spent)
        life.seniority.go_on(150 * 64.0, life.clock())
        turns = 0
        async with asyncio.TaskGroup() as tasks:
            saving = tasks.create_task(file.save())
            while not saving.done():
                await asyncio.sleep(0)
                turns += 1
        assert turns >= slots // STEP_SLOTS
        assert decode(content(path), open_key(path.parent)).tables["seniority"].used == slots


def _failure(path: Path, why: str) -> EventDict:
    return {
        "event": "the state is not saved, the file before stays",
        "file": str(path),
        "why": why,
        "log_level": "warning",
    }


async def test_the_figures_are_shown(path: Path) -> None:
    await save(path)
    again = Life(path)
    file = again.file()
    await file.load()
    await file.save()
    expected: dict[tuple[str, tuple[str, ...]], float] = {
        ("dohproxy_state_restored", ()): 3,
        ("dohproxy_state_restored_slots", ()): 1,
        ("dohproxy_state_saved_at_seconds", ()): WALL,
        ("dohproxy_state_bytes", ()): len(content(path)),
        ("dohproxy_state_max_bytes", ()): MOST_BYTES,
        ("dohproxy_state_failures_total", ()): 0,
    }
    assert samples_of(STATE_FILE_FIGURES, file.statistics()) == expected
    assert samples_of(STATE_FILE_FIGURES, NOT_KEPT)["dohproxy_state_failures_total", ()] == 1


def test_a_key_that_is_not_ours_reads_nothing() -> None:
    written = encode(SavedState(WALL, True, {}, {}), StateKey(bytes(KEY_BYTES)))
    assert decode(written, StateKey(bytes(KEY_BYTES))).values == {}
