"""Thousands of HTTP/1.1 clients in one process: each with an address of its own, on raw sockets, with ready-made bytes.

The swarm must cost less than the server it measures, on a machine that has two cores for both. So it knows no more of
HTTP than a Content-Length, and of DNS than an rcode. What is asked, by whom and when is a plan made elsewhere; what is
due is sent at once, whatever has become of the requests before it, so that a slow server does not slow the plan.
"""

import contextlib
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from bench.callers import Asked, Caller, Line, Tally, result_of

IP_BIND_ADDRESS_NO_PORT: Final = 24
"""linux/in.h: the port is chosen at connect, so two clients of different addresses may have the same."""
IP_FREEBIND: Final = 15
"""linux/in.h: an address may be bound that no interface has, such as one of a whole prefix that is routed to lo."""
IPV6_FREEBIND: Final = 78
LOOPBACK: Final = "127.0.0.1"
PATIENCE_SECONDS: Final = 8.0
"""Longer than the 5 s after which the server has promised to have answered."""
LONGEST_POLL_SECONDS: Final = 0.05
READ_BYTES: Final = 65_536


def connect_from(address: str, port: int, host6: str = "::1") -> socket.socket:
    """Return a socket that is about to connect to a server on this machine; from IPv6 addresses to `host6`."""
    is_ipv6 = ":" in address
    opened = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
    opened.setblocking(False)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    if is_ipv6:
        opened.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    else:
        opened.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    opened.bind((address, 0))
    opened.connect_ex((host6 if is_ipv6 else LOOPBACK, port))
    return opened


class Swarm:
    """Carries out plans against one server; figures by kind are in `tallies`."""

    def __init__(
        self,
        port: int,
        *,
        context: ssl.SSLContext | None = None,
        patience: float = PATIENCE_SECONDS,
        host6: str = "::1",
    ) -> None:
        self.tallies: dict[str, Tally] = {}
        self.retries = 0
        self.most_open = 0
        self._port = port
        self._host6 = host6
        self._context = context
        self._patience = patience
        self._epoll = select.epoll()
        self._lines: dict[int, Line] = {}
        self._deadlines: deque[tuple[float, Asked]] = deque()
        self._pending: set[Asked] = set()
        self._began = 0.0

    def run(self, plan: Iterable[Asked], is_over: Callable[[], bool] = lambda: False) -> float:
        """Send every request of a plan, which is ordered by `due`; return the seconds until the last one ended, or
        until it `is_over`, whatever is under way.

        Kept connections stay open for the next plan.
        """
        self._began = time.monotonic()
        requests = iter(plan)
        following = next(requests, None)
        while (following is not None or self._pending) and not is_over():
            now = time.monotonic() - self._began
            while following is not None and following.due <= now:
                self._ask(following)
                following = next(requests, None)
            wait = LONGEST_POLL_SECONDS if following is None else following.due - now
            for number, event in self._epoll.poll(max(0.0, min(wait, LONGEST_POLL_SECONDS))):
                self._step(number, event)
            self._give_up_late(time.monotonic() - self._began)
        return time.monotonic() - self._began

    def close(self) -> None:
        """Close every connection."""
        for line in list(self._lines.values()):
            self._close(line)
        self._epoll.close()

    # --- One request ---

    def _ask(self, asked: Asked) -> None:
        self._pending.add(asked)
        self._deadlines.append((asked.due + self._patience, asked))
        self._place(asked)

    def _place(self, asked: Asked) -> None:
        """Send on an idle connection, or open one, or wait for one."""
        caller = asked.caller
        if caller.idle:
            self._give(caller.idle.pop(), asked)
        elif caller.open < caller.most:
            self._open(asked)
        else:
            caller.waiting.append(asked)

    def _end(self, asked: Asked, result: str) -> None:
        if asked not in self._pending:
            return
        self._pending.discard(asked)
        tally = self.tallies.setdefault(asked.kind, Tally())
        tally.results[result] += 1
        if result == "answered":
            tally.latencies.append(time.monotonic() - self._began - asked.due)

    def _give_up_late(self, now: float) -> None:
        while self._deadlines and self._deadlines[0][0] <= now:
            _, asked = self._deadlines.popleft()
            if asked in self._pending:
                self._end(asked, "timeout")
                if asked.line is not None:
                    self._lose(asked.line)

    # --- Connections ---

    def _open(self, asked: Asked) -> None:
        opened = connect_from(asked.caller.address, self._port, self._host6)
        if self._context is not None:
            opened = self._context.wrap_socket(opened, server_hostname="127.0.0.1", do_handshake_on_connect=False)
        line = Line(asked.caller, opened)
        line.asked, asked.line = asked, line
        asked.caller.open += 1
        self._lines[opened.fileno()] = line
        self.most_open = max(self.most_open, len(self._lines))
        self._epoll.register(opened, select.EPOLLIN | select.EPOLLOUT)

    def _step(self, number: int, event: int) -> None:
        line = self._lines.get(number)
        if line is None:
            return
        try:
            if not line.is_ready:
                self._make_ready(line)
            elif event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                self._read(line)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            self._lose(line)

    def _make_ready(self, line: Line) -> None:
        error = line.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, "no connection")
        if isinstance(line.socket, ssl.SSLSocket):
            line.socket.do_handshake()
        line.is_ready = True
        self._epoll.modify(line.socket, select.EPOLLIN)
        self._send(line)

    def _give(self, line: Line, asked: Asked) -> None:
        line.asked, asked.line = asked, line
        self._send(line)

    def _send(self, line: Line) -> None:
        if line.asked is None or not line.is_ready:
            return
        try:
            # A request is far smaller than a socket's buffer, which is empty: it goes out whole or not at all.
            line.socket.send(line.asked.request)
        except OSError:
            self._lose(line)

    def _read(self, line: Line) -> None:
        while True:
            received = line.socket.recv(READ_BYTES)
            if not received:
                raise ConnectionResetError
            line.buffer += received
            if self._take_response(line) or not isinstance(line.socket, ssl.SSLSocket):
                return

    def _take_response(self, line: Line) -> bool:
        """Take a response off the buffer if it is whole, and let the connection go on."""
        end = line.buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            return False
        head = line.buffer[:end].lower()
        start = head.find(b"content-length:")
        length = int(head[start + 15 : head.find(b"\r\n", start)]) if start >= 0 else 0
        if len(line.buffer) < end + length:
            return False
        asked, body = line.asked, line.buffer[end : end + length]
        line.asked, line.buffer = None, line.buffer[end + length :]
        line.served += 1
        if asked is not None:
            self._end(asked, result_of(head, body))
        self._go_on(line, closing=b"connection: close" in head)
        return True

    def _go_on(self, line: Line, *, closing: bool) -> None:
        caller = line.caller
        if closing:
            self._close(line)
            self._serve_waiting(caller)
        elif (following := self._next_waiting(caller)) is not None:
            self._give(line, following)
        elif caller.keeps:
            caller.idle.append(line)
        else:
            self._close(line)

    def _serve_waiting(self, caller: Caller) -> None:
        if caller.open < caller.most and (following := self._next_waiting(caller)) is not None:
            self._open(following)

    def _next_waiting(self, caller: Caller) -> Asked | None:
        while caller.waiting:
            asked = caller.waiting.popleft()
            if asked in self._pending:
                return asked
        return None

    def _lose(self, line: Line) -> None:
        """The server has closed, or never let us in."""
        asked, was_ready, served = line.asked, line.is_ready, line.served
        self._close(line)
        if asked is not None and asked in self._pending:
            if served and not asked.again:
                # It closed between two requests, and ours crossed the news: no fault of anybody.
                asked.again = True
                self.retries += 1
                self._place(asked)
            else:
                self._end(asked, "lost" if was_ready else "no connection")
        self._serve_waiting(line.caller)

    def _close(self, line: Line) -> None:
        with contextlib.suppress(ValueError):
            line.caller.idle.remove(line)
        self._lines.pop(line.socket.fileno(), None)
        line.caller.open -= 1
        line.socket.close()
