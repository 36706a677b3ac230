"""What became of each attempt to read the configuration again."""

from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.adoption import Changes
from dohproxy.config import Config, ConfigError, NamesConfig, Problem, UpstreamAddress, UpstreamConfig
from dohproxy.jobs.job_figures import RELOAD_FIGURES
from dohproxy.jobs.reload import ReloadBook, read_suffixes
from tests.fakes.samples import samples_of

CONFIG = Config((UpstreamConfig("first", UpstreamAddress("udp", "192.0.2.1", 53)),))


def test_before_the_first_attempt_all_is_well() -> None:
    statistics = ReloadBook(1_000.0).statistics()
    assert (statistics.last_succeeded, statistics.in_force_since, statistics.waiting) == (True, 1_000.0, ())


def test_what_was_taken_and_refused_is_counted_and_the_last_attempt_is_known() -> None:
    book = ReloadBook(1_000.0)
    book.take(Changes(CONFIG, ("limits.waiting_misses",), ("limits.table_slots",)), 2_000.0)
    book.refuse(ConfigError((Problem("server", "is not there"),)))
    statistics = book.statistics()
    assert (statistics.taken, statistics.refused, statistics.last_succeeded) == (1, 1, False)
    assert (statistics.in_force_since, statistics.waiting) == (2_000.0, ("limits.table_slots",))
    assert statistics.file_hash == 0
    samples = samples_of(RELOAD_FIGURES, statistics)
    assert samples["dohproxy_reloads_total", ("taken",)] == samples["dohproxy_reloads_total", ("refused",)] == 1
    assert samples["dohproxy_last_reload_success", ()] == 0
    assert samples["dohproxy_config_loaded_seconds", ()] == 2_000
    assert samples["dohproxy_keys_waiting_for_restart", ()] == 1
    book.take(Changes(CONFIG, (), ()), 3_000.0)
    assert book.statistics().last_succeeded
    assert book.statistics().waiting == ()


def test_the_hash_is_that_of_the_file_that_holds() -> None:
    book = ReloadBook(1_000.0, 7)
    assert samples_of(RELOAD_FIGURES, book.statistics())["dohproxy_config_hash", ()] == 7
    book.refuse(ConfigError((Problem("server", "is not there"),)))
    assert book.statistics().file_hash == 7
    book.take(Changes(replace(CONFIG, file_hash=8), (), ()), 2_000.0)
    assert book.statistics().file_hash == 8


async def test_a_list_that_cannot_be_used_is_an_error_and_none_is_none(tmp_path: Path) -> None:
    assert await read_suffixes(NamesConfig()) is None
    with pytest.raises(ConfigError, match=r"names\.public_suffix_file"):
        await read_suffixes(NamesConfig(public_suffix_file=tmp_path / "nowhere"))
