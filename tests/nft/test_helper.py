"""The process at its socket: whom it listens to, what it answers, and what becomes of nft's failures."""

import os
import socket
import stat
import struct
from pathlib import Path

import pytest

from dohproxy.nft.helper import Nft, NftFailed, listen, notify_ready, peer_user
from dohproxy.nft.protocol import (
    MOST_IN_LINE,
    MOST_LINE,
    VERSION,
    Begin,
    Change,
    Done,
    Drop,
    End,
    Failed,
    Hello,
    Look,
    Network,
    Recall,
    read_network,
)
from tests.nft.conftest import RunHelper, Running, connected

EVIL = ((read_network("192.0.2.7"), 60_000),)


def test_it_greets_and_does_what_it_is_told(run_helper: RunHelper) -> None:
    running = run_helper()
    connection = running.connect()
    assert connection.hello() == Hello(VERSION, (443,), 100)
    assert connection.ask(Begin(), Drop(EVIL), End()) == Done(1, 0, 0)
    assert "192.0.2.7 timeout 60000ms" in running.told()
    assert connection.ask(Change((), (EVIL[0][0],))) == Done(0, 0, 0)
    assert connection.ask(Look()) == Done(0, 0, 7)
    connection.close()


def test_commands_may_come_in_any_pieces(run_helper: RunHelper) -> None:
    running = run_helper()
    with connected(running) as connection:
        for byte in b'{"do":"begin"}\n{"do":"end"}':
            connection.say(bytes((byte,)))
        assert connection.ask(b"\n") == Done(0, 0, 0)


def test_another_users_process_is_not_listened_to(run_helper: RunHelper) -> None:
    running = run_helper(os.getuid() + 1)
    connection = running.connect()
    assert connection.is_closed()
    connection.close()
    assert [f"user {os.getuid()} is not listened to" in line for line in running.said] == [True]


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_user(ours) == os.getuid()


def test_the_last_one_to_connect_is_the_service(run_helper: RunHelper) -> None:
    running = run_helper()
    with connected(running) as before:
        assert before.ask(Begin(), End()) == Done(0, 0, 0)
        with connected(running) as after:
            assert before.is_closed()
            assert after.ask(Begin(), Drop(EVIL), End()) == Done(1, 0, 0)


@pytest.mark.parametrize(
    "line",
    [b"flush ruleset\n", b'{"do":"look"}\n', b"{" * (MOST_LINE + 1), b"[" * 30_000 + b"\n"],
    ids=["no command", "one that may not come now", "a line without end", "nested without end"],
)
def test_who_says_what_may_not_be_said_is_told_and_cut_and_may_come_again(run_helper: RunHelper, line: bytes) -> None:
    running = run_helper()
    with connected(running) as connection:
        assert isinstance(connection.ask(line), Failed)
        assert connection.is_closed()
    with connected(running) as connection:
        assert connection.ask(Begin(), Drop(EVIL), End()) == Done(1, 0, 0)
    assert "flush ruleset" not in running.told()


def test_what_comes_behind_a_bad_line_is_not_read(run_helper: RunHelper) -> None:
    running = run_helper()
    with connected(running) as connection:
        assert isinstance(connection.ask(b'{"do":"begin"}\n{"do":"no"}\n{"do":"end"}\n'), Failed)
        assert connection.is_closed()
    assert running.told().count("flush set inet dohproxy banned4_32") == 1  # At the start.


def test_a_failure_of_nft_is_told_without_addresses_and_a_snapshot_puts_it_right(run_helper: RunHelper) -> None:
    running = run_helper()
    with connected(running) as connection:
        assert connection.ask(Begin(), End()) == Done(0, 0, 0)
        running.break_nft(is_broken=True)
        assert connection.ask(Change(EVIL)) == Failed("nft has failed: No such file … or … there")
        assert connection.is_closed()
        running.break_nft(is_broken=False)
    with connected(running) as connection:
        assert isinstance(connection.ask(Change(EVIL)), Failed)  # It is not known what holds.
    with connected(running) as connection:
        assert connection.ask(Begin(), Drop(EVIL), End()) == Done(1, 0, 0)
    assert not any("192.0.2.7" in line for line in running.said)


def test_a_table_that_somebody_has_removed_is_noticed(run_helper: RunHelper) -> None:
    running = run_helper()
    with connected(running) as connection:
        assert connection.ask(Begin(), End()) == Done(0, 0, 0)
        running.break_nft(is_broken=True)
        assert isinstance(connection.ask(Look()), Failed)
        running.break_nft(is_broken=False)


def test_the_table_is_made_at_the_start_and_removed_at_the_end(tmp_path: Path) -> None:
    running = Running(tmp_path, os.getuid())
    with connected(running):
        pass
    assert running.told().startswith("add table inet dohproxy\ndelete table inet dohproxy\nadd table")
    running.stop()
    assert running.told().rstrip().endswith("add table inet dohproxy\ndelete table inet dohproxy")


@pytest.mark.parametrize("count", [0, 1, MOST_IN_LINE, MOST_IN_LINE + 1])
def test_whoever_comes_next_may_ask_whom_it_drops(run_helper: RunHelper, count: int) -> None:
    running = run_helper(most=2 * MOST_IN_LINE)
    networks = tuple(Network((number + (1 << 30)).to_bytes(4), 32) for number in range(count))
    drops = [Drop(tuple((network, 60_000) for network in part)) for part in (networks[:500], networks[500:])]
    with connected(running) as connection:
        assert connection.ask(Begin(), *drops, End()) == Done(count, 0, 0)
    with connected(running) as connection:
        connection.say(Recall())
        assert connection.recalled() == networks
        assert connection.ask(Begin(), End()) == Done(0, 0, 0)
        connection.say(Recall())
        assert connection.recalled() == ()


def test_a_service_that_goes_in_the_middle_leaves_all_as_it_was(run_helper: RunHelper) -> None:
    running = run_helper()
    with connected(running) as connection:
        assert connection.ask(Begin(), Drop(EVIL), End()) == Done(1, 0, 0)
        connection.say(Begin())
    with connected(running):
        assert len(running.drops) == 1
    assert "192.0.2.7" in running.told()


def test_who_reads_no_replies_does_not_stop_it_for_ever(run_helper: RunHelper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dohproxy.nft.helper.SEND_SECONDS", 0.1)
    running = run_helper()
    with connected(running) as deaf:
        deaf._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        deaf.say(Begin(), End())
        deaf._socket.settimeout(0.2)
        try:
            while True:
                deaf.say(Change())
        except OSError:
            pass
        with connected(running) as connection:
            assert connection.ask(Begin(), End()) == Done(0, 0, 0)


class TestNft:
    def test_one_that_is_not_installed(self) -> None:
        with pytest.raises(NftFailed, match="is not installed"):
            Nft("/nowhere/nft").load("")

    def test_one_that_hangs_is_ended(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dohproxy.nft.helper.NFT_SECONDS", 0.1)
        program = tmp_path / "nft"
        program.write_text("#!/bin/sh\nexec sleep 60\n")
        program.chmod(0o755)
        with pytest.raises(NftFailed, match="TimeoutExpired"):
            Nft(str(program)).load("")

    def test_one_that_says_something_else(self, tmp_path: Path) -> None:
        program = tmp_path / "nft"
        program.write_text("#!/bin/sh\necho '[]'\n")
        program.chmod(0o755)
        with pytest.raises(NftFailed):
            Nft(str(program)).packets()


class TestListening:
    def test_a_socket_that_was_left_is_replaced_and_the_group_may_use_it(self, tmp_path: Path) -> None:
        path = tmp_path / "socket"
        listen(path).close()
        with listen(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660

    def test_what_is_no_socket_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "socket"
        path.write_text("mine")
        with pytest.raises(OSError, match="in use"):
            listen(path)
        assert path.read_text() == "mine"


@pytest.mark.parametrize("is_abstract", [False, True], ids=["a file", "an abstract name"])
def test_systemd_is_told_when_it_serves(tmp_path: Path, *, is_abstract: bool) -> None:
    name = f"dohproxy-nft-{os.getpid()}" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}" if is_abstract else name)
        manager.settimeout(5)
        notify_ready(f"@{name}" if is_abstract else name)
        assert manager.recv(100) == b"READY=1"


def test_credentials_are_three_numbers() -> None:
    # unix(7): pid_t, uid_t, gid_t.
    assert struct.calcsize("=iII") == 12
