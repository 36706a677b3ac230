"""Logs: bounded, and without a client's address or a name, whoever writes the line."""

import json
import logging
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog

from dohproxy.config import LogConfig
from dohproxy.observability import logs
from dohproxy.observability.logs import (
    MOST_KINDS,
    RateLimit,
    configure_logs,
    log_the_end,
    log_the_end_of_a_thread,
    log_the_unraisable,
    where_it_struck,
)
from tests.frontends.served import Certificate

SECRETS = ("secret.example.net", "198.51.100.7")


class _Clock:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    """The clock of the rate limit."""
    return _Clock()


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave logging as it was: the configuration is the process's."""
    root, asyncio_logger = logging.getLogger(), logging.getLogger("asyncio")
    before = root.handlers, root.level, asyncio_logger.level
    yield
    root.handlers, root.level = before[0], before[1]
    asyncio_logger.setLevel(before[2])
    structlog.reset_defaults()


def _configure(config: LogConfig, clock: _Clock, monkeypatch: pytest.MonkeyPatch) -> tuple[RateLimit, StringIO]:
    written = StringIO()
    monkeypatch.setattr("sys.stderr", written)
    return configure_logs(config, clock), written


def _record(message: object) -> logging.LogRecord:
    return logging.LogRecord("a", logging.INFO, "f", 1, message, None, None)


# --- The rate ---


def test_each_kind_of_message_has_its_own_rate(clock: _Clock) -> None:
    limit = RateLimit(2.0, clock)
    passed = [[limit.filter(_record({"event": kind})) for _ in range(4)] for kind in ("a", "b")]
    assert passed == [[True, True, False, False]] * 2
    assert limit.swallowed == 4


def test_what_was_swallowed_is_told_with_the_next_line(clock: _Clock) -> None:
    limit = RateLimit(1.0, clock)
    for _ in range(6):
        limit.filter(_record({"event": "a"}))
    clock.now += 1.0
    after = _record({"event": "a"})
    assert limit.filter(after)
    assert after.msg == {"event": "a", "not_shown": 5}
    clock.now += 1.0
    later = _record({"event": "a"})
    assert limit.filter(later)
    assert later.msg == {"event": "a"}


@pytest.mark.parametrize(("rate", "seconds", "lines"), [(10.0, 10, 110), (1.0, 10, 11), (0.1, 100, 11)])
def test_the_rate_holds_over_time(clock: _Clock, rate: float, seconds: int, lines: int) -> None:
    limit = RateLimit(rate, clock)
    passed = 0
    for _ in range(seconds * 64 + 1):
        passed += limit.filter(_record({"event": "a"}))
        clock.now += 1 / 64
    assert abs(passed - lines) <= 1


def test_messages_of_libraries_are_of_one_kind_whatever_their_arguments(clock: _Clock) -> None:
    limit = RateLimit(1.0, clock)
    records = [logging.LogRecord("aiohttp.server", 40, "f", 1, "from %s", (n,), None) for n in range(5)]
    assert [limit.filter(record) for record in records] == [True, False, False, False, False]


def test_the_table_of_kinds_does_not_grow_without_end(clock: _Clock) -> None:
    limit = RateLimit(1.0, clock)
    passed = sum(limit.filter(_record(f"kind {number}")) for number in range(MOST_KINDS + 500))
    assert len(limit._kinds) == MOST_KINDS + 1
    assert passed == MOST_KINDS + 1


# --- The lines ---


@pytest.mark.parametrize("written_as", ["text", "json"])
@pytest.mark.parametrize("library", ["aiohttp.server", "aiohttp.web", "anything"])
def test_the_arguments_of_libraries_are_not_written(
    written_as: str, library: str, clock: _Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = LogConfig(level="debug", format=written_as)  # type: ignore[arg-type]
    _, written = _configure(config, clock, monkeypatch)
    for secret in SECRETS:
        logging.getLogger(library).error("Error handling request from %s", secret)
    assert "Error handling request from" in written.getvalue()
    assert [secret for secret in SECRETS if secret in written.getvalue()] == []


@pytest.mark.parametrize("written_as", ["text", "json"])
def test_a_traceback_says_where_and_of_which_kind_but_not_what(
    written_as: str, clock: _Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = LogConfig(level="debug", format=written_as)  # type: ignore[arg-type]
    _, written = _configure(config, clock, monkeypatch)
    qname, address = SECRETS

    def fail() -> None:
        try:
            raise KeyError(qname)
        except KeyError as error:
            raise ValueError(f"{address} asked for {qname}") from error

    try:
        fail()
    except ValueError:
        structlog.get_logger("dohproxy.test").exception("a request met a bug", stage="begin")
        logging.getLogger("aiohttp.server").exception("Unhandled exception")
    text = written.getvalue()
    assert [secret for secret in SECRETS if secret in text] == []
    assert text.count("KeyError") >= 2
    assert "in fail" in text
    assert "a request met a bug" in text
    assert "Unhandled exception" in text


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_only_what_is_important_enough_is_written(level: str, clock: _Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    _, written = _configure(LogConfig(level=level, format="json"), clock, monkeypatch)  # type: ignore[arg-type]
    log = structlog.get_logger("dohproxy.test")
    levels = ["debug", "info", "warning", "error"]
    for each in levels:
        getattr(log, each)(f"a line of level {each}")
    shown = [json.loads(line)["level"] for line in written.getvalue().splitlines()]
    assert shown == levels[levels.index(level) :]


def test_json_is_one_object_a_line(clock: _Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    _, written = _configure(LogConfig(format="json"), clock, monkeypatch)
    structlog.get_logger("dohproxy.test").warning('a "quoted"\nline', number=1)
    logging.getLogger("elsewhere").warning("two\nlines")
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ['a "quoted"\nline', "two\nlines"]
    assert lines[0]["number"] == 1
    assert all(line["timestamp"].endswith("Z") for line in lines)


def test_libraries_and_we_share_one_limit(clock: _Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, written = _configure(LogConfig(lines_per_second=1.0, format="json"), clock, monkeypatch)
    for _ in range(10):
        structlog.get_logger("dohproxy.test").warning("ours")
        logging.getLogger("aiohttp.server").warning("theirs")
    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == ["ours", "theirs"]
    assert limit.swallowed == 18


def test_asyncio_writes_nothing_about_connections(clock: _Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    _, written = _configure(LogConfig(level="debug"), clock, monkeypatch)
    logging.getLogger("asyncio").error("SSL handshake failed on %s", SECRETS[1])
    assert written.getvalue() == ""


def test_a_chain_of_causes_ends() -> None:
    error: Exception = ValueError("innermost")
    for number in range(50):
        outer = RuntimeError(number)
        outer.__cause__ = error
        error = outer
    assert where_it_struck((type(error), error, None)).count("RuntimeError") == 4


# --- systemd's journal ---


@pytest.mark.parametrize("written_as", ["text", "json"])
def test_in_the_journal_each_line_has_its_priority_and_no_time(
    written_as: str, clock: _Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "goes_to_journal", lambda: True)
    _, written = _configure(LogConfig(level="debug", format=written_as), clock, monkeypatch)  # type: ignore[arg-type]
    log = structlog.get_logger("dohproxy.test")
    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)("an event")
    logging.getLogger("aiohttp.server").error("of a library")
    lines = written.getvalue().splitlines()
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<3>"]
    assert [line for line in lines if "20" in line[:14] or "timestamp" in line] == []
    if written_as == "json":
        assert [json.loads(line[3:])["event"] for line in lines] == ["an event"] * 4 + ["of a library"]


def test_in_the_journal_each_line_of_a_traceback_is_an_error(clock: _Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "goes_to_journal", lambda: True)
    _, written = _configure(LogConfig(), clock, monkeypatch)
    try:
        raise KeyError(SECRETS[0])
    except KeyError:
        structlog.get_logger("dohproxy.test").exception("a request met a bug")
    lines = written.getvalue().splitlines()
    assert len(lines) > 2
    assert [line for line in lines if not line.startswith("<3>")] == []


def test_what_is_no_file_is_not_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", StringIO())
    assert not logs.goes_to_journal()


# --- The end ---


def _caught(raise_it: Exception) -> Exception:
    try:
        raise raise_it
    except type(raise_it) as error:
        return error


def test_an_error_that_ends_the_process_is_lines_of_the_log_without_what_it_quotes(
    clock: _Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, written = _configure(LogConfig(format="json"), clock, monkeypatch)
    group = ExceptionGroup(
        "tasks", [_caught(KeyError(SECRETS[0])), ExceptionGroup("more", [_caught(ValueError(SECRETS[1]))])]
    )
    log_the_end(type(group), group, None)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["level"] for line in lines] == ["critical"] * 2
    assert ["KeyError" in lines[0]["exception"], "ValueError" in lines[1]["exception"]] == [True, True]
    assert [secret for secret in SECRETS if secret in written.getvalue()] == []


def test_ctrl_c_is_no_bug(clock: _Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    _, written = _configure(LogConfig(), clock, monkeypatch)
    log_the_end(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert written.getvalue() == ""


PROCESS = """
import logging, sys, threading, time, warnings
from dohproxy.config import LogConfig
from dohproxy.observability.logs import configure_logs, log_everything

configure_logs(LogConfig(level="debug", format=sys.argv[1], lines_per_second=1_000), time.monotonic)
log_everything()

class Finalized:
    def __repr__(self):
        return "<socket raddr=198.51.100.7>"
    def __del__(self):
        raise KeyError("secret.example.net")

def fail():
    raise ValueError("198.51.100.7 asked for secret.example.net")

Finalized()
thread = threading.Thread(target=fail)
thread.start()
thread.join()
warnings.warn("unclosed <socket raddr=198.51.100.7>", ResourceWarning)
fail()
"""
"""All ways in which Python writes to standard error by itself."""


@pytest.mark.parametrize("written_as", ["text", "json"])
def test_whatever_python_would_write_by_itself_is_lines_of_the_log_without_what_it_quotes(written_as: str) -> None:
    argv = [sys.executable, "-W", "default", "-c", PROCESS, written_as]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert [secret for secret in SECRETS if secret in ended.stderr] == []
    for said in ("a bug that nobody could be told of", "a thread ends by a bug", "the process ends by a bug"):
        assert ended.stderr.count(said) == 1
    assert all(one in ended.stderr for one in ("KeyError", "ValueError", "ResourceWarning", "<string>:22"))
    if written_as == "json":
        assert {json.loads(line)["level"] for line in ended.stderr.splitlines()} == {"warning", "error", "critical"}


def test_a_name_in_a_handshake_that_is_no_ascii_is_no_line_and_ends_it(
    clock: _Clock, monkeypatch: pytest.MonkeyPatch, certificate: Certificate
) -> None:
    _, written = _configure(LogConfig(level="debug"), clock, monkeypatch)
    context = certificate.server_context()
    context.sni_callback = lambda *_: None
    to_client, to_server, taken = ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO()
    client = certificate.client_context().wrap_bio(to_client, to_server, server_hostname=SECRETS[0])
    server = context.wrap_bio(taken, to_client, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    taken.write(to_server.read().replace(b"secret.", b"secre\xff."))
    told: list[sys.UnraisableHookArgs] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with pytest.raises(ssl.SSLError):
        server.do_handshake()
    assert "secre" in str(told[0])
    log_the_unraisable(told[0])
    assert written.getvalue() == ""


def test_a_thread_may_end_itself(clock: _Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    _, written = _configure(LogConfig(), clock, monkeypatch)
    log_the_end_of_a_thread(threading.ExceptHookArgs((SystemExit, SystemExit(1), None, None)))
    assert written.getvalue() == ""
