"""Who asks the servers: h2load where one connection is enough, and a client that opens connections where it is not.

h2load (nghttp2) is written in C and costs its core a fraction of what a server costs the other. What it cannot do is
one connection after the other; that is done here, with the HTTP/2 of one fixed request.
"""

import argparse
import base64
import re
import socket
import ssl
import struct
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import hpack

from bench.questions import A, query
from tests.e2e.processes import LOOPBACK

WARM_NAME: Final = "www.example.net"
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, GOAWAY = 0, 1, 4, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1
TIMEOUT_SECONDS: Final = 5.0
LARGEST_CAP: Final = 8
"""More connections than the variant with a cap allows."""
_FINISHED = re.compile(r"^finished in ([0-9.]+)(ms|s|us),", re.MULTILINE)
_REQUESTS = re.compile(r"^requests: (\d+) total,", re.MULTILINE)
_CODES = re.compile(r"^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", re.MULTILINE)


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


def h2load(port: int, core: int, targets: list[str] | Path, arguments: list[str]) -> Load:
    """Run h2load on a core; `targets` are paths, or a file of whole URIs. Raise LoadFailed if something failed."""
    uris = (
        ["--input-file", str(targets)]
        if isinstance(targets, Path)
        else [f"https://{LOOPBACK}:{port}{one}" for one in targets]
    )
    argv = ["taskset", "-c", str(core), "h2load", "--clients", "1", *arguments, *uris]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    return read_h2load(run.stdout)


def read_h2load(told: str) -> Load:
    """Return what h2load says it has done; raise LoadFailed if a request has got no answer."""
    finished, requests, codes = _FINISHED.search(told), _REQUESTS.search(told), _CODES.search(told)
    if finished is None or requests is None or codes is None:
        raise LoadFailed("h2load does not say what it has done")
    seconds = float(finished[1]) * {"s": 1.0, "ms": 1e-3, "us": 1e-6}[finished[2]]
    # A refusal is an answer here, though h2load says that it failed; those that got no status at all are lost.
    answered = sum(int(code) for code in codes.groups())
    if not answered or answered < int(requests[1]):
        raise LoadFailed(f"{requests[1]} requests, {answered} answers")
    return Load(answered, seconds)


# --- One connection after the other ---


def client_context() -> ssl.SSLContext:
    """Return a context for HTTP/2 that does not look at the certificate: all servers show the same one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
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


def connect_again_and_again(port: int, seconds: float, *, resumed: bool) -> Load:
    """Open a connection, ask once, close it, for so long. Raise LoadFailed if `resumed` and it is not."""
    context, flight = client_context(), first_flight()
    with open_and_ask(port, context, flight) as first:
        session = first.session if resumed else None
    count, began = 0, time.monotonic()
    while (now := time.monotonic()) < began + seconds:
        with open_and_ask(port, context, flight, session) as connection:
            if connection.session_reused != resumed:
                raise LoadFailed("the handshake was not the one that was asked for")
        count += 1
    return Load(count, now - began)


def knock_again_and_again(port: int, seconds: float) -> Load:
    """Hold as many connections as are allowed, and count how often another one is turned away."""
    context, flight = client_context(), first_flight()
    with ExitStack() as held:
        _fill(port, context, flight, held)
        count, began = 0, time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            try:
                open_and_ask(port, context, flight).close()
            except OSError:
                count += 1
            else:
                raise LoadFailed("a connection over the cap was let in")
    return Load(count, now - began)


def _fill(port: int, context: ssl.SSLContext, flight: bytes, held: ExitStack) -> None:
    for _ in range(LARGEST_CAP):
        try:
            held.enter_context(open_and_ask(port, context, flight))
        except OSError:
            return
    raise LoadFailed(f"there is no cap: {LARGEST_CAP} connections are open")


def in_process(kind: str, port: int, seconds: float, core: int) -> Load:
    """Run one of the two above as a process of its own on a core."""
    argv = ["taskset", "-c", str(core), sys.executable, "-m", "bench.peers.clients", kind, str(port), str(seconds)]
    told = subprocess.run(
        argv, capture_output=True, text=True, timeout=seconds + 60, check=False, cwd=Path(__file__).parents[2]
    )
    if told.returncode:
        raise LoadFailed(told.stderr.strip().rpartition("\n")[2])
    count, lasted = told.stdout.split()
    return Load(int(count), float(lasted))


def main() -> None:
    """Run one of them and print what it came to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["full", "resumed", "knock"])
    parser.add_argument("port", type=int)
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    if options.kind == "knock":
        load = knock_again_and_again(options.port, options.seconds)
    else:
        load = connect_again_and_again(options.port, options.seconds, resumed=options.kind == "resumed")
    print(load.answered, load.seconds)


if __name__ == "__main__":
    main()
