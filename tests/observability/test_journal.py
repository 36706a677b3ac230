"""Lines for systemd's journal: recognised by what standard error is, and each with its priority."""

import logging
import os
from pathlib import Path

import pytest

from dohproxy.observability.journal import is_journal, priority, with_priority


def _stream(descriptor: int) -> str:
    found = os.fstat(descriptor)
    return f"{found.st_dev}:{found.st_ino}"


def test_the_journal_is_known_by_device_and_inode(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w") as journal, (tmp_path / "b").open("w") as elsewhere:
        environment = {"JOURNAL_STREAM": _stream(journal.fileno())}
        assert is_journal(environment, journal.fileno())
        assert not is_journal(environment, elsewhere.fileno())
        closed = elsewhere.fileno()
    assert not is_journal(environment, closed)


@pytest.mark.parametrize("told", [None, "", "8", "8:", ":", "8:x"])
def test_what_names_no_stream_is_none(told: str | None) -> None:
    assert not is_journal({} if told is None else {"JOURNAL_STREAM": told}, 2)


@pytest.mark.parametrize(
    ("level", "number"),
    [
        (logging.DEBUG, 7),
        (logging.INFO, 6),
        (logging.WARNING, 4),
        (logging.ERROR, 3),
        (logging.CRITICAL, 2),
        (logging.INFO + 1, 6),
        (0, 7),
    ],
)
def test_a_level_has_the_priority(level: int, number: int) -> None:
    assert priority(level) == number


def test_every_line_of_an_event_has_it() -> None:
    assert with_priority("a bug\n  in fail", logging.ERROR) == "<3>a bug\n<3>  in fail"
