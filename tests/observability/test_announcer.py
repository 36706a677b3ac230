"""What a command says: sentences at a terminal, lines of the log where a program reads them."""

import json
import logging
import time
from collections.abc import Iterator

import pytest
import structlog

from dohproxy.config import ConfigError, Problem
from dohproxy.observability import announcer as announcing
from dohproxy.observability import logs
from dohproxy.observability.announcer import Announcer

WARNING = Problem("server.listen", "is open to other machines", 2)
ERROR = ConfigError((Problem("log.level", "is wrong", 3), Problem("tls.key", "is absent")))


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers, root.level
    yield
    root.handlers, root.level = before
    structlog.reset_defaults()


def _say_all(announcer: Announcer) -> None:
    announcer.warning(WARNING)
    announcer.news("serves on 127.0.0.1:8443")
    announcer.error(ERROR)
    announcer.error(ValueError("OpenSSL is too old"))


def test_a_person_reads_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    _say_all(Announcer("text", time.monotonic))
    said = capsys.readouterr()
    assert said.out == "serves on 127.0.0.1:8443\n"
    assert said.err.splitlines() == [
        "warning: server.listen (line 2) is open to other machines",
        "- log.level (line 3) is wrong",
        "- tls.key is absent",
        "OpenSSL is too old",
    ]


def test_a_program_reads_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    _say_all(Announcer("json", time.monotonic))
    said = capsys.readouterr()
    told = [json.loads(line) for line in said.err.splitlines()]
    assert [(one["level"], one["event"]) for one in told] == [
        ("warning", "server.listen (line 2) is open to other machines"),
        ("info", "serves on 127.0.0.1:8443"),
        ("error", "log.level (line 3) is wrong"),
        ("error", "tls.key is absent"),
        ("error", "OpenSSL is too old"),
    ]
    assert said.out == ""


def test_the_journal_gets_priorities(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (announcing, logs):
        monkeypatch.setattr(module, "goes_to_journal", lambda: True)
    _say_all(Announcer("text", time.monotonic))
    said = capsys.readouterr()
    assert [line[:3] for line in said.err.splitlines()] == ["<4>", "<6>", "<3>", "<3>", "<3>"]
    assert said.out == ""
