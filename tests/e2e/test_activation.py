"""The service under a manager that holds its sockets and listens to its news, as systemd does: a parent binds, passes
descriptors from 3 on, and keeps them while one process ends and the next one starts."""

import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.message
import pytest

from tests.e2e.answers import A
from tests.e2e.processes import LOOPBACK, Child, free_port
from tests.e2e.proxy import PROJECT, SERVING, environment

# Descriptors and the process id are known between fork and exec only, so what systemd does there is done here.
START = """
import fcntl, os, sys
passed = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in sys.argv.pop(1).split(",")]
for number, descriptor in enumerate(passed, start=3):
    os.dup2(descriptor, number)
os.environ["LISTEN_PID"] = os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, "-P", "-m", "dohproxy", *sys.argv[1:]])
"""
CLIENTS = 10
"""At each of two sockets: all of them are one client, which may have 32 connections."""
QUERY = dns.message.make_query("localhost", A, id=0).to_wire()
REQUEST = (
    b"POST /dns-query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dns-message\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(QUERY), QUERY)
)


@dataclass(frozen=True, slots=True)
class Manager:
    """Who starts the service: its sockets by name, and where it listens for news."""

    directory: Path
    sockets: Sequence[tuple[str, socket.socket]]
    news: socket.socket

    def write(self, text: str) -> Path:
        """Write this configuration, with an upstream; return the file."""
        file = self.directory / "dohproxy.toml"
        file.write_text(text + '[[upstream]]\nname = "ns0"\nurl = "udp://127.0.0.1:9"\n', encoding="utf-8")
        return file

    def start(self, text: str) -> Child:
        """Start the service with this configuration, and everything that was bound."""
        file = self.write(text)
        descriptors = [sock.fileno() for _, sock in self.sockets]
        for descriptor in descriptors:
            os.set_inheritable(descriptor, True)
        told = {
            "LISTEN_FDS": str(len(descriptors)),
            "LISTEN_FDNAMES": ":".join(name for name, _ in self.sockets),
            "NOTIFY_SOCKET": self.news.getsockname(),
            "WATCHDOG_USEC": "3000000",
        }
        return _PassingChild(
            [sys.executable, "-c", START, ",".join(map(str, descriptors)), "serve", "--config", str(file)],
            self.directory / "dohproxy.log",
            environment={**environment(), **told},
            directory=PROJECT,
        )

    def hear(self, wanted: bytes) -> bytes:
        """Return the next news that is no sign of life, which must begin with this."""
        while (message := self.news.recv(4_096)) == b"WATCHDOG=1" or message.startswith(b"STATUS="):
            pass
        assert message.startswith(wanted), message
        return message


class _PassingChild(Child):
    """A child that inherits what may be inherited."""

    close_fds = False


@contextmanager
def _manager(directory: Path, names: Sequence[str]) -> Iterator[Manager]:
    with ExitStack() as stack:
        news = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        news.bind(str(directory / "notify"))
        news.settimeout(20)
        sockets = []
        for name in names:
            sock = stack.enter_context(socket.create_server((LOOPBACK, 0)))
            sockets.append((name, sock))
        yield Manager(directory, sockets, news)


@contextmanager
def _serving(manager: Manager, text: str) -> Iterator[Child]:
    child = manager.start(text)
    try:
        child.wait_until_ready(lambda: SERVING in child.log_text())
        yield child
    finally:
        child.kill()


def _send(port: int) -> socket.socket:
    """Ask, and leave it to the caller to read and close."""
    client = socket.create_connection((LOOPBACK, port), timeout=20)
    client.sendall(REQUEST)
    return client


def _status(client: socket.socket) -> bytes:
    with client:
        return client.recv(4_096)[:12]


def test_between_two_processes_nobody_is_refused(tmp_path: Path) -> None:
    with _manager(tmp_path, ["doh", "doh"]) as manager:
        ports = [sock.getsockname()[1] for _, sock in manager.sockets]
        listen = ", ".join(f'"{LOOPBACK}:{port}"' for port in ports)
        text = f"[server]\nlisten = [{listen}]\n"
        with _serving(manager, text) as first:
            assert [_status(_send(port)) for port in ports] == [b"HTTP/1.1 200"] * 2
            assert first.terminate() == 0
        # There is no process at all.
        waiting = [_send(port) for port in ports for _ in range(CLIENTS)]
        with _serving(manager, text) as second:
            assert [_status(client) for client in waiting] == [b"HTTP/1.1 200"] * len(waiting)
            assert "inherited" not in second.log_text()


def test_a_process_that_is_killed_leaves_its_sockets_to_the_next(tmp_path: Path) -> None:
    with _manager(tmp_path, ["doh"]) as manager:
        [port] = [sock.getsockname()[1] for _, sock in manager.sockets]
        text = f'[server]\nlisten = ["{LOOPBACK}:{port}"]\n'
        with _serving(manager, text) as first:
            first.kill()
        waiting = _send(port)
        with _serving(manager, text):
            assert _status(waiting) == b"HTTP/1.1 200"


def test_sockets_are_known_by_name(tmp_path: Path) -> None:
    with _manager(tmp_path, ["metrics", "doh"]) as manager:
        metrics, doh = (sock.getsockname()[1] for _, sock in manager.sockets)
        # Where the socket of that name is bound counts, not what the file says.
        text = f'[server]\nlisten = ["{LOOPBACK}:{doh}"]\n[metrics]\nlisten = "{LOOPBACK}:{free_port()}"\n'
        with _serving(manager, text):
            with socket.create_connection((LOOPBACK, metrics), timeout=20) as client:
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert client.recv(12) == b"HTTP/1.1 200"
            assert _status(_send(doh)) == b"HTTP/1.1 200"


def test_what_does_not_fit_is_told_and_the_service_serves(tmp_path: Path) -> None:
    with _manager(tmp_path, ["doh"]) as manager:
        port = free_port()
        with _serving(manager, f'[server]\nlisten = ["{LOOPBACK}:{port}"]\n') as child:
            assert _status(_send(port)) == b"HTTP/1.1 200"
            log = child.log_text()
    assert "is what no key of the configuration wants" in log
    assert f"Add ListenStream={LOOPBACK}:{port} to the .socket unit" in log


def test_a_reload_may_leave_an_inherited_address_and_come_back_to_it(tmp_path: Path) -> None:
    with _manager(tmp_path, ["doh", "doh"]) as manager:
        ports = [sock.getsockname()[1] for _, sock in manager.sockets]
        texts = [f'[server]\nlisten = ["{LOOPBACK}:{port}"]\n' for port in ports]
        with _serving(manager, texts[0]) as child:
            manager.hear(b"READY=1\n")
            for number in (1, 0):
                manager.write(texts[number])
                child.signal(signal.SIGHUP)
                manager.hear(b"RELOADING=1\n")
                manager.hear(b"READY=1\n")
                assert _status(_send(ports[number])) == b"HTTP/1.1 200", child.log_text()


def test_a_manager_hears_of_the_whole_life(tmp_path: Path) -> None:
    with _manager(tmp_path, ["doh"]) as manager:
        [port] = [sock.getsockname()[1] for _, sock in manager.sockets]
        with _serving(manager, f'[server]\nlisten = ["{LOOPBACK}:{port}"]\n') as child:
            assert manager.hear(b"READY=1\n") == f"READY=1\nSTATUS=serves on {LOOPBACK}:{port}".encode()
            while manager.news.recv(4_096) != b"WATCHDOG=1":
                pass
            child.signal(signal.SIGHUP)
            assert b"\nMONOTONIC_USEC=" in manager.hear(b"RELOADING=1\n")
            manager.hear(b"READY=1\n")
            assert _status(_send(port)) == b"HTTP/1.1 200"
            child.signal(signal.SIGTERM)
            manager.hear(b"STOPPING=1\n")
            assert child.wait(15) == 0


@pytest.mark.parametrize(
    ("family", "options", "told"),
    [
        (socket.AF_INET6, {"only_ipv6": False}, "BindIPv6Only=ipv6-only"),
        (socket.AF_INET, {"listens": False}, "does not listen"),
    ],
    ids=["it takes both families", "it does not listen"],
)
def test_a_socket_that_cannot_be_served_on_ends_the_start_as_a_bad_configuration(
    tmp_path: Path, family: int, options: dict[str, bool], told: str
) -> None:
    with _manager(tmp_path, []) as empty, socket.socket(family, socket.SOCK_STREAM) as sock:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, options.get("only_ipv6", True))
        sock.bind(("::" if family == socket.AF_INET6 else LOOPBACK, 0))
        if options.get("listens", True):
            sock.listen()
        manager = Manager(tmp_path, [("doh", sock)], empty.news)
        child = manager.start(f'[server]\nlisten = ["{LOOPBACK}:{free_port()}"]\n')
        assert child.wait(20) == 78
        assert told in child.log_text()
