"""What the service manager is told: the datagrams, where they go, and that nothing depends on their arrival."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dohproxy.service_manager.notification import (
    MOST_STATUS_BYTES,
    ServiceManager,
    manager_address,
    one_line,
    ready_message,
    reloading_message,
    status_message,
    stopping_message,
    watchdog_seconds,
)

PID = 4711


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ({}, None),
        ({"NOTIFY_SOCKET": ""}, None),
        ({"NOTIFY_SOCKET": "/run/systemd/notify"}, "/run/systemd/notify"),
        ({"NOTIFY_SOCKET": "@/org/freedesktop/notify"}, "\0/org/freedesktop/notify"),
        ({"NOTIFY_SOCKET": "@"}, None),
        ({"NOTIFY_SOCKET": "vsock:2:1234"}, None),
        ({"NOTIFY_SOCKET": "notify"}, None),
    ],
    ids=["none", "empty", "a file", "abstract", "no name", "of a virtual machine", "relative"],
)
def test_the_manager_is_found_at(told: dict[str, str], address: str | None) -> None:
    assert manager_address(told) == address


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "20000000"}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(PID)}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
    ],
    ids=["none", "anybody's", "ours", "another process's", "never", "negative", "a word", "no ASCII digit"],
)
def test_signs_of_life_are_wanted_within(told: dict[str, str], seconds: float | None) -> None:
    assert watchdog_seconds(told, PID) == seconds


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (ready_message("serves on [::]:443"), b"READY=1\nSTATUS=serves on [::]:443"),
        (reloading_message("reads", 12.3456789), b"RELOADING=1\nMONOTONIC_USEC=12345678\nSTATUS=reads"),
        (stopping_message("ends"), b"STOPPING=1\nSTATUS=ends"),
        (status_message("is well"), b"STATUS=is well"),
    ],
    ids=["ready", "reloading", "stopping", "status"],
)
def test_the_datagram_is(message: bytes, expected: bytes) -> None:
    assert message == expected


def test_a_sentence_cannot_add_an_assignment() -> None:
    assert status_message("well\nSTOPPING=1") == b"STATUS=well STOPPING=1"


def test_a_long_sentence_is_cut_between_characters() -> None:
    cut = one_line("ü" * MOST_STATUS_BYTES)
    assert cut == "ü" * (MOST_STATUS_BYTES // 2) + " …"


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    """Where a manager would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
        opened.bind(str(tmp_path / "notify"))
        opened.settimeout(5)
        yield opened


def _manager(listening: socket.socket) -> ServiceManager:
    return ServiceManager(listening.getsockname(), 30.0, lambda: 5.0)


def test_a_life_is_told_in_order(listening: socket.socket) -> None:
    manager = _manager(listening)
    manager.ready("serves")
    manager.ping()
    manager.tell("serves")
    manager.tell("is in trouble")
    with manager.reloading():
        pass
    manager.stopping("ends")
    expected = [
        b"READY=1\nSTATUS=serves",
        b"WATCHDOG=1",
        b"STATUS=is in trouble",
        b"RELOADING=1\nMONOTONIC_USEC=5000000\nSTATUS=reads its configuration",
        b"READY=1\nSTATUS=is in trouble",
        b"STOPPING=1\nSTATUS=ends",
    ]
    assert [listening.recv(1_000) for _ in expected] == expected


def test_a_reload_that_fails_ends_too(listening: socket.socket) -> None:
    manager = _manager(listening)
    with pytest.raises(ValueError, match="refused"), manager.reloading():
        raise ValueError("refused")
    assert [listening.recv(1_000).split(b"\n")[0] for _ in range(2)] == [b"RELOADING=1", b"READY=1"]


def test_an_abstract_address_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
        opened.bind("")  # Linux finds a name.
        opened.settimeout(5)
        environment = {"NOTIFY_SOCKET": "@" + opened.getsockname()[1:].decode()}
        ServiceManager.from_environment(environment, PID, lambda: 0.0).ready("serves")
        assert opened.recv(100) == b"READY=1\nSTATUS=serves"


def test_children_cannot_speak_for_the_service() -> None:
    environment = {
        "NOTIFY_SOCKET": "/run/systemd/notify",
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(PID),
        "PATH": "/bin",
    }
    manager = ServiceManager.from_environment(environment, PID, lambda: 0.0)
    assert environment == {"PATH": "/bin"}
    assert manager.ping_seconds == 10.0


@pytest.mark.parametrize("address", [None, "/nowhere/notify"], ids=["no manager", "a manager that is gone"])
def test_nothing_depends_on_a_manager(address: str | None) -> None:
    manager = ServiceManager(address, None, lambda: 0.0)
    manager.ready("serves")
    manager.ping()
    with manager.reloading():
        manager.tell("is well")
    manager.stopping("ends")
    assert manager.ping_seconds is None


def test_a_manager_that_reads_nothing_does_not_hold_up_a_sign_of_life(listening: socket.socket) -> None:
    manager = _manager(listening)
    for _ in range(1_000):  # Linux queues 10 to 512 datagrams.
        manager.ping()
