"""The audit log: who did what, at whatever level, and no name."""

import logging
import os
import socket

import pytest

from dohproxy.config import LogConfig
from dohproxy.control.audit import Login, Node, Peer, note, peer_of
from dohproxy.observability.logs import configure_logs


def test_the_kernel_says_who_is_at_the_other_end_of_a_unix_socket() -> None:
    first, second = socket.socketpair(socket.AF_UNIX)
    with first, second:
        assert peer_of(first) == Peer(os.getuid(), os.getpid())


def test_nobody_says_who_is_at_the_other_end_of_another_socket() -> None:
    with socket.socket(socket.AF_INET) as opened:
        assert peer_of(opened) is None
    assert peer_of(None) is None


def test_a_line_is_written_whatever_level_the_log_has(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers, root.level
    try:
        configure_logs(LogConfig(level="error", format="json"), lambda: 0.0)
        note("flush", {"name": "(not written)", "below": True}, Peer(0, 7), "done")
        note("drain", {}, None, "refused")
        note("drain", {}, Login(3), "done")
        note("drain", {}, Node("lyon"), "done")
    finally:
        root.handlers, root.level = before[0], before[1]
    first, second, third, fourth = capsys.readouterr().err.splitlines()
    for part in ('"a command was carried out"', '"command": "flush"', '"uid": 0', '"pid": 7', '"result": "done"'):
        assert part in first
    assert '"a command was not carried out"' in second
    assert "uid" not in second
    assert '"login": 3' in third
    assert "uid" not in third
    assert '"node": "lyon"' in fourth
