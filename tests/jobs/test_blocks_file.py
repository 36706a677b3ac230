"""What was said of names by hand, from one process to the next."""

import json
import math
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.jobs.blocks_file import (
    MOST_BYTES,
    NAME,
    STEP_ENTRIES,
    HandBlocks,
    UnreadableBlocks,
    decode,
    encode,
    name_of,
)
from dohproxy.policy.blocklists.by_hand import MOST_ENTRIES, HandEntry
from dohproxy.policy.blocklists.lists import Blocklists
from dohproxy.wire.name import from_text
from tests.fakes.steps import result_of

NOW = 1_800_000_000.0
BLOCK = HandEntry(from_text("bad.example"), True, True, NOW + 3_600.0, "it spreads malwäre")
ALLOW = HandEntry(from_text("good.example"), False, False, math.inf)
Log = list[structlog.typing.EventDict]


@pytest.fixture
def log() -> Iterator[Log]:
    """What is logged."""
    with structlog.testing.capture_logs() as lines:
        yield lines


def written(entries: list[HandEntry]) -> bytes:
    return result_of(encode(entries))[0]


class Process:
    """One life of the service."""

    def __init__(self, directory: Path | None) -> None:
        self.changes = 0
        self.blocklists = Blocklists()
        self.blocks = HandBlocks(directory, self.blocklists, self._changed)

    def _changed(self) -> None:
        self.changes += 1


async def test_the_next_process_goes_on_with_what_was_said(tmp_path: Path) -> None:
    first = Process(tmp_path)
    assert await first.blocks.put(BLOCK, NOW)
    assert await first.blocks.put(ALLOW, NOW)
    assert first.changes == 2
    second = Process(tmp_path)
    second.blocks.load(NOW)
    assert set(second.blocks.entries) == {BLOCK, ALLOW}
    assert second.blocklists.is_active
    assert await second.blocks.remove(BLOCK.name, NOW)
    third = Process(tmp_path)
    third.blocks.load(NOW)
    assert list(third.blocks.entries) == [ALLOW]


async def test_what_ended_meanwhile_has_ended_and_is_soon_out_of_the_file(tmp_path: Path) -> None:
    first = Process(tmp_path)
    await first.blocks.put(BLOCK, NOW)
    second = Process(tmp_path)
    second.blocks.load(BLOCK.until)
    assert not second.blocklists.is_active
    await second.blocks.keep()
    assert json.loads((tmp_path / NAME).read_text()) == []


async def test_the_file_is_for_this_user_alone(tmp_path: Path) -> None:
    await Process(tmp_path).blocks.put(BLOCK, NOW)
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


async def test_nothing_is_written_where_nothing_has_changed_or_nothing_is_kept(tmp_path: Path) -> None:
    kept, not_kept = Process(tmp_path), Process(None)
    kept.blocks.load(NOW)
    await kept.blocks.keep()
    assert await not_kept.blocks.put(BLOCK, NOW)
    not_kept.blocks.load(NOW)
    assert not not_kept.blocks.is_kept
    assert not_kept.blocklists.is_active
    assert not (tmp_path / NAME).exists()


async def test_what_cannot_be_saved_holds_all_the_same_is_told_once_and_tried_again(tmp_path: Path, log: Log) -> None:
    directory = tmp_path / "away"
    process = Process(directory)
    assert await process.blocks.put(BLOCK, NOW)
    assert process.blocklists.is_active
    for _ in range(3):
        await process.blocks.keep()
    assert process.blocks.problem
    assert len([line for line in log if line["log_level"] == "error"]) == 1
    directory.mkdir()
    await process.blocks.keep()
    assert process.blocks.problem == ""
    assert (directory / NAME).exists()


@pytest.mark.parametrize("how", ["no JSON", "open to others"])
async def test_a_file_that_is_no_good_is_put_aside_and_told(how: str, tmp_path: Path, log: Log) -> None:
    file = tmp_path / NAME
    file.write_bytes(b"{" if how == "no JSON" else written([BLOCK]))
    file.chmod(0o600 if how == "no JSON" else 0o666)
    process = Process(tmp_path)
    process.blocks.load(NOW)
    assert len(process.blocks.entries) == 0
    assert (tmp_path / f"{NAME}.unread").exists()
    assert "the blocks by hand are left unread" in log[0]["event"]


async def test_there_is_no_room_for_more_than_there_is(tmp_path: Path) -> None:
    process = Process(None)
    for number in range(MOST_ENTRIES):
        process.blocks.entries.put(HandEntry(from_text(f"n{number}.example"), True, False, math.inf))
    assert not await process.blocks.put(BLOCK, NOW)
    assert not await process.blocks.remove(from_text("other.example"), NOW)
    assert process.changes == 0


def test_others_have_a_turn_while_many_are_written() -> None:
    entries = [HandEntry(from_text(f"n{number}.example"), True, False, math.inf) for number in range(MOST_ENTRIES)]
    content, steps = result_of(encode(entries))
    assert decode(content) == entries
    assert steps >= MOST_ENTRIES // STEP_ENTRIES


def test_the_longest_entries_fit_into_the_file() -> None:
    name = from_text(".".join(["x" * 49] * 5))
    longest = HandEntry(name, True, True, 1_811_808_000.123456, "ä" * 80)
    assert len(written([longest])) * MOST_ENTRIES < MOST_BYTES


NAMES = st.from_regex(r"[a-z0-9_]{1,20}(\.[a-z0-9]{1,20}){0,4}", fullmatch=True)
ENTRIES = st.builds(
    HandEntry,
    NAMES.map(from_text),
    st.booleans(),
    st.booleans(),
    st.floats(0, 1e11) | st.just(math.inf),
    st.text(st.characters(categories=("L", "N")), min_size=1, max_size=40),
)


@given(st.lists(ENTRIES, max_size=5))
def test_what_is_written_is_read_back(entries: list[HandEntry]) -> None:
    assert decode(written(entries)) == entries


def test_a_name_stands_there_as_it_is_typed() -> None:
    assert name_of(BLOCK) == "bad.example"
    assert json.loads(written([BLOCK]))[0]["name"] == "bad.example"


@pytest.mark.parametrize(
    "content",
    [
        {}, [1], [{}], [["name"]],
        [{"name": "a b", "is": "blocked", "below": True, "until": None, "text": "x"}],
        [{"name": "a.example", "is": "spared", "below": True, "until": None, "text": "x"}],
        [{"name": "a.example", "is": "blocked", "below": 1, "until": None, "text": "x"}],
        [{"name": "a.example", "is": "blocked", "below": True, "until": True, "text": "x"}],
        [{"name": "a.example", "is": "blocked", "below": True, "until": -1, "text": "x"}],
        [{"name": "a.example", "is": "blocked", "below": True, "until": "soon", "text": "x"}],
        [{"name": "a.example", "is": "blocked", "below": True, "until": None, "text": "x\ny"}],
        [{"name": "a.example", "is": "blocked", "below": True, "until": None, "text": None}],
        [{"name": 5, "is": "blocked", "below": True, "until": None, "text": "x"}],
        [{}] * (MOST_ENTRIES + 1),
    ],
    ids=lambda content: str(content)[:60],
)  # fmt: skip
def test_what_was_not_written_here_is_not_read(content: Any) -> None:
    with pytest.raises(UnreadableBlocks):
        decode(json.dumps(content).encode())


def test_nesting_without_end_and_length_without_end_are_not_read() -> None:
    for content in (b"[" * 100_000, b" " * (MOST_BYTES + 1), b"\xff"):
        with pytest.raises(UnreadableBlocks):
            decode(content)


async def test_what_another_node_has_said_holds_at_once_and_is_written_with_the_next_look(tmp_path: Path) -> None:
    here = Process(tmp_path)
    here.blocks.entries.put(BLOCK)
    here.blocks.changed_elsewhere(NOW)
    assert (here.changes, here.blocklists.is_active, (tmp_path / NAME).exists()) == (1, True, False)
    await here.blocks.keep()
    assert decode((tmp_path / NAME).read_bytes()) == [BLOCK]
