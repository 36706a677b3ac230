"""The client of the benchmark: asks one question over one kept connection, again and again, as fast as it is answered.

Run as a process of its own, so that its time is not the server's. It says "ready" when warm, starts at the first
line it is given, and then prints how many answers it got.
"""

import argparse
import base64
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Literal

HOST = "127.0.0.1"
MEDIA_TYPE = "application/dns-message"

# www.benchmark.net A, ID 0, recursion desired, an OPT record: 46 bytes, as most clients ask.
QUERY = bytes.fromhex(
    "00000100000100000000000103777777" + "0962656e63686d61726b" + "036e6574" + "00" + "0001000100002904d0000000000000"
)

# Lets the interpreter specialise its bytecode and the connection leave slow start.
WARM_REQUESTS = 500

# The clock is read once per so many requests: the client shares the machine with what it measures.
BATCH = 50


def build_request(method: Literal["GET", "POST"]) -> bytes:
    """The whole request, made once."""
    if method == "GET":
        encoded = base64.urlsafe_b64encode(QUERY).rstrip(b"=").decode("ascii")
        return f"GET /dns-query?dns={encoded} HTTP/1.1\r\nHost: {HOST}\r\nAccept: {MEDIA_TYPE}\r\n\r\n".encode()
    head = (
        f"POST /dns-query HTTP/1.1\r\nHost: {HOST}\r\nAccept: {MEDIA_TYPE}\r\n"
        f"Content-Type: {MEDIA_TYPE}\r\nContent-Length: {len(QUERY)}\r\n\r\n"
    )
    return head.encode() + QUERY


def connect(port: int, authority: Path | None) -> socket.socket:
    """Open the connection, over TLS when an authority is given."""
    connection = socket.create_connection((HOST, port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if authority is None:
        return connection
    return ssl.create_default_context(cafile=str(authority)).wrap_socket(connection, server_hostname=HOST)


def read_response(connection: socket.socket) -> bytes:
    """Read one response by its Content-Length; raise RuntimeError when it is not a DNS answer."""
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _receive(connection)
    head = received[:end].lower()
    if not head.startswith(b"http/1.1 200 ") or MEDIA_TYPE.encode() not in head:
        raise RuntimeError(f"no DNS answer: {received!r}")
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    while len(received) < end + 4 + length:
        received += _receive(connection)
    return received


def ask_many(connection: socket.socket, request: bytes, size: int, count: int) -> None:
    """Ask `count` times. Every response has the same size, as its max-age keeps its three digits: nothing is parsed."""
    for _ in range(count):
        connection.sendall(request)
        missing = size
        while missing > 0:
            missing -= len(_receive(connection))


def ask_for(connection: socket.socket, request: bytes, size: int, seconds: float) -> int:
    """Ask until the time is over; how many answers came."""
    count = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ask_many(connection, request, size, BATCH)
        count += BATCH
    return count


def main() -> None:
    """Connect, warm up, wait for the start, ask, print the count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("method", choices=["GET", "POST"])
    parser.add_argument("seconds", type=float)
    parser.add_argument("--authority", type=Path)
    arguments = parser.parse_args()
    request = build_request(arguments.method)
    with connect(arguments.port, arguments.authority) as connection:
        connection.sendall(request)
        read_response(connection)  # the first may be a miss, and longer or shorter than the others
        connection.sendall(request)
        size = len(read_response(connection))
        ask_many(connection, request, size, WARM_REQUESTS)
        print("ready", flush=True)
        sys.stdin.readline()
        print(ask_for(connection, request, size, arguments.seconds), flush=True)


def _receive(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise RuntimeError("the server closed the connection")
    return received


if __name__ == "__main__":
    main()
