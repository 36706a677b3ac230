"""Clients as processes of their own that take turns, and the one that opens one connection after the other.

A client gets everything ready that is not to be measured, says so, and then waits for its turns (`serve_turns`,
`ready_client`). bench.peers.crowd is the other one: it keeps its connections. New connections are made here, with the
HTTP/2 of one fixed request.
"""

import argparse
import base64
import os
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import hpack

from bench.questions import A, query
from tests.e2e.processes import LOOPBACK
from tests.e2e.proxy import PROJECT

WARM_NAME: Final = "www.example.net"
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, GOAWAY = 0, 1, 4, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1
TIMEOUT_SECONDS: Final = 5.0
FOREVER: Final = 600.0
"""For turns that end with their requests: longer than any server needs."""
LARGEST_CAP: Final = 8
"""More connections than the variant with a cap allows."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a run of a client came to."""

    answered: int
    """Responses of any status, or connections."""
    seconds: float


def target(name: str) -> str:
    """Return the path and query of a GET for the address of a name."""
    encoded = base64.urlsafe_b64encode(query(name, A)).rstrip(b"=").decode("ascii")
    return f"/dns-query?dns={encoded}"


class LoadFailed(Exception):
    """A server did not answer as the workload needs it; what was measured means nothing."""


# --- Turns ---


def serve_turns(take: Callable[[int, float, int], Load]) -> None:
    """Say "ready"; for each line of seconds and a count, 0 for no limit, take a turn and print what it came to.

    The turns are numbered from 0. Ends the process with a sentence where one means nothing.
    """
    print("ready", flush=True)
    for number, line in enumerate(sys.stdin):
        seconds, most = line.split()
        try:
            load = take(number, float(seconds), int(most))
        except (LoadFailed, OSError) as failure:
            raise SystemExit(str(failure)) from failure
        print(load.answered, load.seconds, flush=True)


@dataclass(slots=True)
class Client:
    """A client process that waits for its turns."""

    process: "subprocess.Popen[str]"
    errors: Path

    def take_turn(self, seconds: float, requests: int = 0) -> Load:
        """Have it ask for so long, or at most so many requests; raise LoadFailed if that came to nothing."""
        answered, lasted = self._tell(f"{seconds} {requests}\n").split()
        return Load(int(answered), float(lasted))

    def wait_until_ready(self) -> None:
        """Wait for it; raise LoadFailed if it cannot get ready."""
        self._tell("")

    def _tell(self, line: str) -> str:
        if self.process.stdin is None or self.process.stdout is None:
            raise TypeError("a client without pipes")
        with suppress(BrokenPipeError):  # If it has ended, it has told why.
            os.write(self.process.stdin.fileno(), line.encode("ascii"))  # Past a buffer, which would keep it then.
        told = self.process.stdout.readline()
        if not told:
            raise LoadFailed(self.errors.read_text(encoding="utf-8").strip().rpartition("\n")[2] or "it has ended")
        return told


@contextmanager
def ready_client(arguments: Sequence[str], core: int, directory: Path) -> Iterator[Client]:
    """Run a client's module with its arguments on a core; give it once it is ready. Raises LoadFailed."""
    argv = ["taskset", "-c", str(core), sys.executable, "-m", *arguments]
    errors = directory / "client.errors"
    with (
        errors.open("w", encoding="utf-8") as written,
        subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=written, text=True, cwd=PROJECT
        ) as process,
    ):
        try:
            client = Client(process, errors)
            client.wait_until_ready()
            yield client
        finally:
            process.kill()


# --- One connection after the other ---


def client_context(alpn: str = "h2") -> ssl.SSLContext:
    """Return a context for a protocol that does not look at the certificate: all servers show the same one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    return context


def first_flight(name: str = WARM_NAME) -> bytes:
    """Return what a client sends first over HTTP/2: preface, settings, and one GET."""
    fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", LOOPBACK),
        (":path", target(name)),
        ("accept", "application/dns-message"),
    ]
    block = hpack.Encoder().encode(fields)
    return PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_STREAM | END_HEADERS, 1, block)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return one frame (RFC 9113 section 4.1)."""
    return len(payload).to_bytes(3) + struct.pack("!BBI", kind, flags, stream) + payload


def read_answer(connection: ssl.SSLSocket) -> bytes:
    """Read until the first response has ended; return its body. Raise OSError if the server closes."""
    buffer, body = b"", b""
    while True:
        while len(buffer) < 9 or len(buffer) < 9 + int.from_bytes(buffer[:3]):
            received = connection.recv(65_536)
            if not received:
                raise ConnectionResetError("closed before the answer")
            buffer += received
        length, kind, flags = int.from_bytes(buffer[:3]), buffer[3], buffer[4]
        payload, buffer = buffer[9 : 9 + length], buffer[9 + length :]
        if kind == GOAWAY:
            raise ConnectionResetError("the server says goodbye")
        if kind == DATA:
            body += payload
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            return body


def open_and_ask(
    port: int, context: ssl.SSLContext, flight: bytes, session: ssl.SSLSession | None = None
) -> ssl.SSLSocket:
    """Open a connection, ask, read the answer; the connection stays open. Raises OSError."""
    plain = socket.create_connection((LOOPBACK, port), timeout=TIMEOUT_SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        connection = context.wrap_socket(plain, server_hostname=LOOPBACK, session=session)
    except OSError:
        plain.close()
        raise
    try:
        connection.sendall(flight)
        read_answer(connection)
    except OSError:
        connection.close()
        raise
    return connection


def ask_once(port: int) -> bool:
    """Tell whether a server answers."""
    try:
        open_and_ask(port, client_context(), first_flight()).close()
    except OSError:
        return False
    return True


def connect_again_and_again(port: int, *, resumed: bool) -> Callable[[int, float, int], Load]:
    """Return what opens a connection, asks once and closes it, for so long. It raises LoadFailed if `resumed` does not
    tell what the handshakes were."""
    context, flight = client_context(), first_flight()
    with open_and_ask(port, context, flight) as first:
        session = first.session if resumed else None

    def take(_number: int, seconds: float, _most: int) -> Load:
        count, began = 0, time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            with open_and_ask(port, context, flight, session) as connection:
                if connection.session_reused != resumed:
                    raise LoadFailed("the handshake was not the one that was asked for")
            count += 1
        return Load(count, now - began)

    return take


def knock_again_and_again(port: int, held: ExitStack) -> Callable[[int, float, int], Load]:
    """Hold as many connections as are allowed; return what counts how often another one is turned away."""
    context, flight = client_context(), first_flight()
    _fill(port, context, flight, held)

    def take(_number: int, seconds: float, _most: int) -> Load:
        count, began = 0, time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            try:
                open_and_ask(port, context, flight).close()
            except OSError:
                count += 1
            else:
                raise LoadFailed("a connection over the cap was let in")
        return Load(count, now - began)

    return take


def _fill(port: int, context: ssl.SSLContext, flight: bytes, held: ExitStack) -> None:
    for _ in range(LARGEST_CAP):
        try:
            held.enter_context(open_and_ask(port, context, flight))
        except OSError:
            return
    raise LoadFailed(f"there is no cap: {LARGEST_CAP} connections are open")


def main() -> None:
    """Get ready for one of them, and take the turns that standard input asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("kind", choices=["full", "resumed", "knock"])
    options = parser.parse_args()
    with ExitStack() as held:
        if options.kind == "knock":
            take = knock_again_and_again(options.port, held)
        else:
            take = connect_again_and_again(options.port, resumed=options.kind == "resumed")
        serve_turns(take)


if __name__ == "__main__":
    main()
