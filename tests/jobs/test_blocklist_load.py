"""Reading one blocklist from the disk: what it holds, why not, and that nobody waits for it."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from dohproxy.config import BlocklistConfig
from dohproxy.jobs import blocklist_load
from dohproxy.jobs.blocklist_load import Unloadable, load_inline, load_list
from dohproxy.policy.blocklists.formats import Format
from dohproxy.policy.blocklists.name_set import BELOW, BOTH, EXACT, hash_name
from dohproxy.policy.blocklists.reading import LoadedNames
from dohproxy.wire.name import from_text

STALL_SECONDS = 0.02
"""Of processor time that loading may take between two turns of others."""


async def load(config: BlocklistConfig) -> LoadedNames:
    return await load_list(config)


def kind_of(loaded: LoadedNames, name: str) -> int:
    return loaded.names.kind(hash_name(from_text(name)))


async def test_names_of_the_configuration_and_of_the_file_are_one_list(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("0.0.0.0 one.example\n")
    loaded = await load(BlocklistConfig("a", file=file, names=("two.example", "*.three.example")))
    assert [kind_of(loaded, f"{name}.example") for name in ("one", "two", "three")] == [EXACT, EXACT, BELOW]
    assert loaded.written is Format.HOSTS


async def test_names_mean_all_below_them_where_the_operator_says_so(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("one.example\n")
    loaded = await load(BlocklistConfig("a", file=file, names=("two.example",), below=True))
    assert [kind_of(loaded, f"{name}.example") for name in ("one", "two")] == [BOTH, BOTH]


async def test_a_format_that_is_named_is_not_guessed(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("0.0.0.0 one.example\n" * 10 + "address=/two.example/\n")
    loaded = await load(BlocklistConfig("a", file=file, format="dnsmasq"))
    assert (loaded.names.names, loaded.bad_lines) == (1, 10)


def test_names_of_the_configuration_need_no_file() -> None:
    loaded = load_inline(BlocklistConfig("a", file=Path("/nowhere"), names=("one.example",)))
    assert (loaded.names.names, loaded.written) == (1, None)


async def test_what_is_no_list_is_refused_with_its_first_line(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("<html>\n<p>404 not found\n")
    with pytest.raises(Unloadable, match="holds nothing that can be used: line 1 "):
        await load(BlocklistConfig("a", file=file))


async def test_an_empty_list_is_a_list(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("# nothing today\n")
    assert (await load(BlocklistConfig("a", file=file))).names.names == 0


@pytest.mark.parametrize("kind", ["absent", "a directory", "a named pipe"])
async def test_a_file_that_cannot_be_read_says_why_and_keeps_nobody_waiting(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "list"
    if kind == "a directory":
        file.mkdir()
    elif kind == "a named pipe":
        os.mkfifo(file)
    async with asyncio.timeout(5):
        with pytest.raises(Unloadable, match=r"cannot be read \("):
            await load(BlocklistConfig("a", file=file))


async def test_a_file_longer_than_any_list_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocklist_load, "MOST_FILE_BYTES", 100)
    file = tmp_path / "list"
    file.write_text("one.example\n" * 10)
    with pytest.raises(Unloadable, match="longer than 100 bytes"):
        await load(BlocklistConfig("a", file=file))


async def test_others_have_their_turn_while_a_long_list_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_bytes(b"".join(b"||n%d.example%d.net^\n" % (number, number) for number in range(100_000)))
    longest, turns, is_over = 0.0, 0, False

    async def take_turns() -> None:
        nonlocal longest, turns
        # The processor's time of this thread: what others on the machine take is not of loading.
        before = time.thread_time()
        while not is_over:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, turns, before = max(longest, now - before), turns + 1, now

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(take_turns())
        loaded = await load(BlocklistConfig("a", file=file))
        is_over = True
    assert loaded.names.names == 100_000
    assert turns > 100
    assert longest < STALL_SECONDS
