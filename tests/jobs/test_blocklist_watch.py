"""The blocklists' files while the service runs: what is taken, what is refused, and what is told of it."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import structlog

from dohproxy.config import BlocklistConfig, ConfigError
from dohproxy.jobs import blocklist_watch
from dohproxy.jobs.blocklist_watch import BlocklistWatch
from dohproxy.policy.blocklists.formats import Format
from dohproxy.policy.blocklists.lists import Blocklists
from dohproxy.wire.name import from_text

NOW = 1_800_000_000.0
Log = list[structlog.typing.EventDict]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A list of two names."""
    path = tmp_path / "list"
    lay(path, "one.example\ntwo.example\n")
    return path


@pytest.fixture
def log() -> Iterator[Log]:
    """What is logged."""
    with structlog.testing.capture_logs() as lines:
        yield lines


def lay(path: Path, content: str) -> None:
    """Put a file in place of another, as a download does."""
    new = path.with_name("new")
    new.write_text(content)
    new.replace(path)


def replace_by(path: Path, content: str | None) -> None:
    """Take a file away, or put another in its place."""
    path.unlink()
    if content is not None:
        path.write_text(content)


class Watched:
    """A watch over lists, and the walk's side of them."""

    def __init__(self, *configs: BlocklistConfig) -> None:
        self.blocklists = Blocklists()
        self.changes = 0
        self.watch = BlocklistWatch(configs, self.blocklists, self._changed, NOW)

    def _changed(self) -> None:
        self.changes += 1

    def withholds(self, *names: str) -> list[bool]:
        return [self.blocklists.find(from_text(name)) is not None for name in names]

    async def reload(self, *configs: BlocklistConfig) -> None:
        self.watch.adopt(await self.watch.prepare(configs, NOW), NOW)


async def test_names_of_the_configuration_hold_at_once_and_those_of_files_once_they_are_read(file: Path) -> None:
    watched = Watched(BlocklistConfig("a", file=file, names=("own.example",)))
    assert watched.withholds("own.example", "one.example") == [True, False]
    assert watched.watch.statistics(NOW)[0].problem == "is not read yet"
    await watched.watch.poll(NOW)
    assert watched.withholds("own.example", "one.example") == [True, True]
    assert watched.changes == 1
    (told,) = watched.watch.statistics(NOW)
    assert (told.problem, told.names, told.loaded_at, told.format) == ("", 3, NOW, "names")


async def test_a_file_is_read_again_when_it_changes_and_only_then(file: Path) -> None:
    watched = Watched(BlocklistConfig("a", file=file))
    await watched.watch.poll(NOW)
    await watched.watch.poll(NOW + 10)
    assert watched.changes == 1
    lay(file, "three.example\n")
    await watched.watch.poll(NOW + 20)
    assert watched.changes == 2
    assert watched.withholds("one.example", "three.example") == [False, True]


@pytest.mark.parametrize("content", [None, "<html>404</html>\n"], ids=["away", "no list"])
async def test_a_file_that_cannot_be_used_keeps_what_it_held(content: str | None, file: Path, log: Log) -> None:
    watched = Watched(BlocklistConfig("a", file=file))
    await watched.watch.poll(NOW)
    replace_by(file, content)
    for _ in range(2):
        await watched.watch.poll(NOW)
    assert watched.withholds("one.example") == [True]
    (told,) = watched.watch.statistics(NOW)
    assert told.problem
    (warning,) = [line for line in log if line["log_level"] == "warning"]
    assert (warning["event"], warning["blocklist"]) == ("a blocklist is refused, what it held before holds", "a")
    lay(file, "two.example\n")
    await watched.watch.poll(NOW)
    assert watched.watch.statistics(NOW)[0].problem == ""
    assert watched.withholds("one.example", "two.example") == [False, True]


async def test_a_bad_line_is_told_with_its_number_and_the_rest_holds(file: Path, log: Log) -> None:
    lay(file, "one.example\nno name\ntwo.example\n")
    watched = Watched(BlocklistConfig("a", file=file))
    await watched.watch.poll(NOW)
    assert watched.withholds("one.example", "two.example") == [True, True]
    (warning,) = [line for line in log if line["log_level"] == "warning"]
    assert (warning["lines"], warning["first"]) == (1, ["line 2 has no name"])
    assert watched.watch.statistics(NOW)[0].faults == ('line 2 has no name: "no name"',)


@pytest.mark.parametrize("line", ["two words", "||x..y^", "192.0.2.300/24", "address=x", "\xff", "$ORIGIN", "x KEY y"])
@pytest.mark.parametrize("written_as", Format)
async def test_no_name_and_no_address_of_a_list_is_in_the_log(
    file: Path, log: Log, line: str, written_as: Format
) -> None:
    for content in (line, f"{line}\none.example\n0.0.0.0 two.example\n"):
        lay(file, content)
        await Watched(BlocklistConfig("a", file=file, format=written_as.value)).watch.poll(NOW)
    assert line not in str(log)


async def test_hits_go_on_when_a_list_is_read_again_or_the_configuration_is(file: Path) -> None:
    config = BlocklistConfig("a", file=file)
    watched = Watched(config)
    await watched.watch.poll(NOW)
    found = watched.blocklists.find(from_text("one.example"))
    assert found is not None
    found.count()
    lay(file, "three.example\n")
    await watched.watch.poll(NOW)
    await watched.reload(replace(config, action="nxdomain"))
    assert watched.watch.statistics(NOW)[0].hits == 1


async def test_another_configuration_holds_at_once_and_reads_only_what_is_new(file: Path, tmp_path: Path) -> None:
    watched = Watched(BlocklistConfig("a", file=file))
    await watched.watch.poll(NOW)
    before = watched.blocklists.lists[0].loaded
    lay(other := tmp_path / "other", "other.example\n")
    await watched.reload(BlocklistConfig("a", file=file, reason="harm"), BlocklistConfig("b", file=other))
    assert watched.withholds("one.example", "other.example") == [True, True]
    assert watched.blocklists.lists[0].loaded is before
    await watched.reload()
    assert watched.withholds("one.example", "other.example") == [False, False]


async def test_a_configuration_with_a_file_that_cannot_be_read_changes_nothing(file: Path) -> None:
    watched = Watched(BlocklistConfig("a", file=file))
    await watched.watch.poll(NOW)
    with pytest.raises(ConfigError, match=r"blocklist #2\.file"):
        await watched.reload(BlocklistConfig("a", file=file), BlocklistConfig("b", file=file / "nothing"))
    assert watched.withholds("one.example") == [True]


async def test_a_list_that_is_over_is_let_go_and_told_as_over() -> None:
    watched = Watched(BlocklistConfig("a", names=("one.example",), ends=date(2027, 5, 31)))
    end = 1_811_808_000.0
    watched.watch.tick(end - 1)
    assert (watched.changes, watched.withholds("one.example")) == (0, [True])
    watched.watch.tick(end)
    assert (watched.changes, watched.withholds("one.example")) == (1, [False])
    (told,) = watched.watch.statistics(end)
    assert (told.is_over, told.ends) == (True, "2027-05-31")


async def test_two_looks_at_once_read_a_file_once(file: Path, log: Log) -> None:
    watched = Watched(BlocklistConfig("a", file=file))
    await asyncio.gather(watched.watch.begin(NOW, asyncio.Event()), watched.watch.poll(NOW))
    assert watched.changes == 1
    assert [line["event"] for line in log] == ["a blocklist is in use"]


async def test_a_look_that_was_broken_off_is_made_again(file: Path) -> None:
    watched = Watched(BlocklistConfig("a", file=file))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.0):
            await watched.watch.poll(NOW)
    assert watched.withholds("one.example") == [False]
    await watched.watch.poll(NOW)
    assert watched.withholds("one.example") == [True]


async def test_a_bug_at_the_first_look_ends_nothing(file: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(BlocklistConfig("a", file=file))

    async def meet_a_bug(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(blocklist_watch, "load_list", meet_a_bug)
        loaded = asyncio.Event()
        await watched.watch.begin(NOW, loaded)
    assert loaded.is_set()
    assert "met a bug" in log[0]["event"]
    await watched.watch.poll(NOW)
    assert watched.withholds("one.example") == [True]


async def test_what_is_read_for_a_configuration_that_is_gone_is_not_put_in_force(file: Path) -> None:
    watched = Watched(BlocklistConfig("a", file=file))
    async with asyncio.TaskGroup() as tasks:
        polling = tasks.create_task(watched.watch.poll(NOW))
        await asyncio.sleep(0)  # It is waiting for the disk now.
        assert not polling.done()
        watched.watch.adopt(await watched.watch.prepare((), NOW), NOW)
    assert watched.withholds("one.example") == [False]
    assert watched.changes == 0


async def test_lists_whose_first_look_a_reload_overtakes_are_read_at_the_next_one(file: Path, tmp_path: Path) -> None:
    lay(other := tmp_path / "other", "other.example\n")
    configs = (BlocklistConfig("a", file=file), BlocklistConfig("b", file=other))
    watched = Watched(*configs)
    # The first list is being read, the second waits for its turn, and the same lists are taken from another file.
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watched.watch.poll(NOW))
        await asyncio.sleep(0)
        await watched.reload(*configs)
    assert watched.withholds("one.example", "other.example") == [False, False]
    await watched.watch.poll(NOW + 10)
    assert watched.withholds("one.example", "other.example") == [True, True]
    assert [one.problem for one in watched.watch.statistics(NOW)] == ["", ""]
