"""The list of public suffixes while the service runs: what is taken, what is refused, and what is too old."""

import asyncio
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest
import structlog

from dohproxy.config import NamesConfig
from dohproxy.jobs.periodic import repeat
from dohproxy.jobs.reload import read_suffixes
from dohproxy.jobs.suffix_watch import (
    DAY_SECONDS,
    MAX_FILE_BYTES,
    ListRefusal,
    ListResult,
    SuffixWatch,
    installed_list,
    read_list,
)
from dohproxy.policy.names import NameRules
from dohproxy.policy.suffixes import PublicSuffixes, check_plausible
from dohproxy.wire.query import parse_query
from tests.fakes.walk import ask_for, names
from tests.frontends.served import until

PUBLISHED = installed_list().published
NOW = PUBLISHED + DAY_SECONDS
INSTALLED = resources.files("publicsuffixlist").joinpath("public_suffix_list.dat").read_text(encoding="utf-8")
DAY = datetime.fromtimestamp(PUBLISHED, UTC).date().isoformat()
WITH_DNSCRYPT = INSTALLED.replace("// ===END ICANN", "dnscrypt\n// ===END ICANN")
Log = list[structlog.typing.EventDict]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the configuration says that a list is; there is none yet."""
    return tmp_path / "public_suffix_list.dat"


@pytest.fixture
def log() -> Iterator[Log]:
    """What is logged."""
    with structlog.testing.capture_logs() as lines:
        yield lines


def lay(path: Path, content: str | bytes) -> None:
    """Put a file there, in place of whatever there is."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def watch(config: NamesConfig, now: float = NOW) -> tuple[SuffixWatch, NameRules]:
    rules = names(config)
    return SuffixWatch(config, rules, now), rules


def denies(rules: NameRules, name: str = "abcdefghijklmnop.test.dnscrypt") -> bool:
    return rules.undelegated.answer(parse_query(ask_for(name, 2))) is not None


# ---------------------------------------------------------------- reading


def test_the_installed_list_is_plausible_says_of_when_it_is_and_is_read_once() -> None:
    check_plausible(installed_list())
    assert installed_list().published > 1_700_000_000
    assert installed_list() is installed_list()


def test_a_list_is_read_whoever_ships_it(path: Path) -> None:
    lay(path, INSTALLED)
    found = read_list(path)
    assert isinstance(found, PublicSuffixes)
    assert found.published == PUBLISHED


def test_debian_s_list_is_read() -> None:
    debian = Path("/usr/share/publicsuffix/public_suffix_list.dat")
    if not debian.is_file():
        pytest.skip("there is none; on Debian: apt-get install publicsuffix")
    assert isinstance(read_list(debian), PublicSuffixes)


def test_a_list_that_does_not_say_of_when_it_is_is_as_old_as_its_file(path: Path) -> None:
    lay(path, INSTALLED.replace("// VERSION", "// version"))
    os.utime(path, (1_500_000_000, 1_500_000_000))
    found = read_list(path)
    assert isinstance(found, PublicSuffixes)
    assert found.published == 1_500_000_000


def _write(content: str | bytes) -> Callable[[Path], object]:
    return lambda path: lay(path, content)


def _gone(path: Path) -> None:
    path.unlink(missing_ok=True)


def _directory(path: Path) -> None:
    _gone(path)
    path.mkdir()


def _link_to(target: str) -> Callable[[Path], object]:
    def link(path: Path) -> None:
        _gone(path)
        path.symlink_to(target)

    return link


BAD = [
    pytest.param(_gone, ListResult.UNREADABLE, "cannot be read", id="no file"),
    pytest.param(_directory, ListResult.UNREADABLE, "cannot be read", id="a directory"),
    pytest.param(_link_to("public_suffix_list.dat"), ListResult.UNREADABLE, "cannot be read", id="a loop of links"),
    pytest.param(_link_to("/dev/zero"), ListResult.UNREADABLE, "Not a regular file", id="an endless device"),
    pytest.param(_write(b"#" * (MAX_FILE_BYTES + 1)), ListResult.UNUSABLE, "longer than", id="a long file"),
    pytest.param(_write(b""), ListResult.UNUSABLE, "both sections", id="an empty file"),
    pytest.param(_write(b"\xff\xfe"), ListResult.UNUSABLE, "not UTF-8", id="another encoding"),
    pytest.param(_write("<html>404</html>"), ListResult.UNUSABLE, "line 1", id="a page"),
    pytest.param(_write(INSTALLED[:200_000]), ListResult.UNUSABLE, "both sections", id="a download cut short"),
    pytest.param(
        _write(INSTALLED[: INSTALLED.index("\ncom.ac")] + INSTALLED[INSTALLED.index("// ===END ICANN") - 1 :]),
        ListResult.UNUSABLE,
        "rules, of which",
        id="an excerpt",
    ),
]
"""What may lie there that is no list, and how it is told."""


@pytest.mark.parametrize(("spoil", "result", "why"), BAD)
def test_what_is_no_list_is_refused(path: Path, spoil: Callable[[Path], object], result: ListResult, why: str) -> None:
    spoil(path)
    found = read_list(path)
    assert isinstance(found, ListRefusal)
    assert (found.result, why in found.sentence) == (result, True), found.sentence


# ---------------------------------------------------------------- in use


def test_without_a_file_the_installed_list_is_in_use() -> None:
    watched, rules = watch(NamesConfig())
    assert denies(rules)
    assert not denies(rules, "www.example.net")
    statistics = watched.statistics(NOW)
    assert (statistics.age_seconds, statistics.max_age_seconds) == (DAY_SECONDS, 180 * DAY_SECONDS)
    installed = installed_list()
    assert (statistics.rules, statistics.top_level_domains) == (installed.rules, installed.top_level_domains)
    assert (statistics.denies, statistics.last_succeeded) == (True, True)
    assert statistics.reloads == dict.fromkeys(ListResult, 0)


def test_with_a_file_it_takes_its_place_from_the_start(path: Path) -> None:
    lay(path, WITH_DNSCRYPT)
    watched, rules = watch(NamesConfig(public_suffix_file=path))
    assert not denies(rules)
    assert watched.statistics(NOW).reloads[ListResult.LOADED] == 1


async def test_a_file_that_changes_is_taken(path: Path, log: Log) -> None:
    lay(path, INSTALLED)
    watched, rules = watch(NamesConfig(public_suffix_file=path))
    lay(path, WITH_DNSCRYPT)
    await watched.poll(NOW)
    assert not denies(rules)
    assert denies(rules, "dnscrypt-test")
    told = ("a list of public suffixes is in use", DAY)
    assert [(line["event"], line["of"]) for line in log] == [told, told]


async def test_other_rules_for_which_the_file_was_not_read_hide_no_change_of_it(path: Path) -> None:
    lay(path, INSTALLED)
    config = NamesConfig(public_suffix_file=path)
    watched, _ = watch(config)
    lay(path, WITH_DNSCRYPT)
    watched.adopt(config, None, NOW)
    await watched.poll(NOW)
    assert watched.statistics(NOW).reloads[ListResult.LOADED] == 2


async def test_a_file_that_changes_between_its_reading_and_the_adoption_is_read_again(path: Path) -> None:
    lay(path, INSTALLED)
    config = NamesConfig(public_suffix_file=path)
    watched, rules = watch(config)
    read = await read_suffixes(config)
    lay(path, WITH_DNSCRYPT)
    watched.adopt(config, read, NOW)
    assert denies(rules)
    await watched.poll(NOW)
    assert not denies(rules)


async def test_a_file_that_was_read_for_its_adoption_is_not_read_again(path: Path) -> None:
    lay(path, INSTALLED)
    config = NamesConfig(public_suffix_file=path)
    watched, _ = watch(NamesConfig())
    watched.adopt(config, await read_suffixes(config), NOW)
    await watched.poll(NOW)
    assert watched.statistics(NOW).reloads[ListResult.LOADED] == 0


async def test_a_file_that_does_not_is_read_once(path: Path) -> None:
    lay(path, INSTALLED)
    watched, _ = watch(NamesConfig(public_suffix_file=path))
    for _ in range(3):
        await watched.poll(NOW)
    assert watched.statistics(NOW).reloads[ListResult.LOADED] == 1


@pytest.mark.parametrize(("spoil", "result", "why"), BAD)
async def test_a_bad_file_changes_nothing_is_told_once_and_the_next_good_one_is_taken(
    path: Path, log: Log, spoil: Callable[[Path], object], result: ListResult, why: str
) -> None:
    lay(path, INSTALLED)
    watched, rules = watch(NamesConfig(public_suffix_file=path))
    log.clear()
    spoil(path)
    for _ in range(3):
        await watched.poll(NOW)
    assert denies(rules)
    statistics = watched.statistics(NOW)
    assert (statistics.reloads[result], statistics.last_succeeded) == (1, False)
    assert [(line["log_level"], line["reason"], why in line["why"]) for line in log] == [("warning", result, True)]
    lay(path, WITH_DNSCRYPT)
    await watched.poll(NOW)
    assert watched.statistics(NOW).last_succeeded
    assert not denies(rules)


def test_a_bad_file_at_the_start_leaves_the_installed_list_in_use(path: Path, log: Log) -> None:
    lay(path, "<html>404</html>")
    watched, rules = watch(NamesConfig(public_suffix_file=path))
    assert denies(rules)
    assert not watched.statistics(NOW).last_succeeded
    assert [line["log_level"] for line in log] == ["warning"]


# ---------------------------------------------------------------- age


async def test_a_list_that_grows_too_old_denies_nothing_any_more_and_that_is_told_once(log: Log) -> None:
    watched, rules = watch(NamesConfig(max_list_age_days=10))
    await watched.poll(PUBLISHED + 10 * DAY_SECONDS)
    assert (denies(rules), log) == (True, [])
    for day in (11, 12, 13):
        await watched.poll(PUBLISHED + day * DAY_SECONDS)
    assert (denies(rules), watched.statistics(NOW).denies) == (False, False)
    assert [(line["log_level"], line["most_days"]) for line in log] == [("warning", 10)]


async def test_a_newer_list_denies_again(path: Path) -> None:
    lay(path, INSTALLED)
    now = PUBLISHED + 11 * DAY_SECONDS
    watched, rules = watch(NamesConfig(public_suffix_file=path, max_list_age_days=10), now)
    assert not denies(rules)
    lay(path, INSTALLED.replace(f"// VERSION: {DAY}", f"// VERSION: {datetime.fromtimestamp(now, UTC).date()}"))
    await watched.poll(now)
    assert denies(rules)


def test_a_list_that_is_too_old_at_the_start_still_tells_domains_apart(log: Log) -> None:
    _, rules = watch(NamesConfig(), PUBLISHED + 181 * DAY_SECONDS)
    assert not denies(rules)
    assert rules.domains._suffixes is installed_list()
    assert [line["log_level"] for line in log] == ["warning"]


def test_a_clock_that_is_behind_makes_no_list_old() -> None:
    watched, rules = watch(NamesConfig(), 0.0)
    assert (denies(rules), watched.statistics(0.0).age_seconds) == (True, 0.0)


@pytest.mark.parametrize("days", [1, 1_000])
def test_whoever_wants_nothing_denied_is_asked_nothing_about_age(log: Log, days: int) -> None:
    _, rules = watch(NamesConfig(answer_undelegated=False), PUBLISHED + days * DAY_SECONDS)
    assert (denies(rules), log) == (False, [])


# ---------------------------------------------------------------- the task


async def test_it_is_looked_at_again_and_again_whatever_happens(path: Path, log: Log) -> None:
    watched, rules = watch(NamesConfig(public_suffix_file=path))
    log.clear()
    looks: list[float] = []

    def clock() -> float:
        looks.append(NOW)
        if len(looks) == 1:
            raise RuntimeError
        return NOW

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(repeat("the watch", lambda: 0.005, lambda: watched.poll(clock())))
        await until(lambda: len(looks) > 2, "two more looks")
        lay(path, WITH_DNSCRYPT)
        await until(lambda: not denies(rules), "the new list")
        watching.cancel()
    assert (log[0]["event"], log[0]["job"]) == ("a job met a bug", "the watch")
