"""A client that opens its connections once, keeps them, and asks over all of them whenever it is given a turn.

It is a process of its own, on the other core. On each connection so many requests are under way at any time; each
response is followed by the next request. When the time is over, nothing more is asked and the turn ends with the last
response, so that every request that the server has worked for is counted.
"""

import argparse
import gc
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from bench.peers.asking import KINDS, asking
from bench.peers.clients import FOREVER, TIMEOUT_SECONDS, WARM_NAME, Load, LoadFailed, client_context, serve_turns
from bench.peers.speakers import DotSpeaker, Http1Speaker, Http2Speaker, Method, Prepared, Speaker, render
from bench.peers.workloads import FEW
from bench.processes import raise_descriptor_limit
from tests.e2e.processes import LOOPBACK

READ_BYTES: Final = 16_384
"""One TLS record at most (RFC 8446 section 5.1)."""


class Connection:
    """One that is open and has been answered once."""

    def __init__(self, port: int, context: ssl.SSLContext, speaker: Speaker) -> None:
        plain = socket.create_connection((LOOPBACK, port), timeout=TIMEOUT_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tls = context.wrap_socket(plain, server_hostname=LOOPBACK)
        if self._tls.selected_alpn_protocol() not in (speaker.alpn, None):
            raise LoadFailed(f"the server does not speak {speaker.alpn}")
        self._reader = speaker.reader()
        self._stream = speaker.next_stream
        self._number_bytes = speaker.number_bytes
        self._tls.sendall(speaker.opening)
        while not self.hear():
            pass
        self._tls.setblocking(False)

    def fileno(self) -> int:
        """Return its descriptor."""
        return self._tls.fileno()

    @property
    def answers(self) -> int:
        """How many addresses it has got."""
        return self._reader.answers

    def ask(self, requests: Sequence[Prepared]) -> None:
        """Send these at once."""
        stream, size = self._stream, self._number_bytes
        self._stream += 2 * len(requests)
        if len(requests) == 1:
            self._send(render(requests[0], stream, size))
        else:
            self._send(b"".join([render(request, stream + 2 * place, size) for place, request in enumerate(requests)]))

    def hear(self) -> int:
        """Return how many responses have ended in what has come. Raises LoadFailed."""
        try:
            data = self._tls.read(READ_BYTES)
        except ssl.SSLWantReadError:
            return 0
        if not data:
            raise LoadFailed("the server has closed a connection")
        ended = self._reader.read(data)
        if self._reader.owed:
            self._send(self._reader.owed)
            self._reader.owed = b""
        return ended

    def _send(self, data: bytes) -> None:
        # A response frees the place of its request, so there is always room in the socket.
        if self._tls.send(data) < len(data):
            raise LoadFailed("the server does not read")


class Crowd:
    """All connections to one server, with so many requests under way on each."""

    def __init__(self, connections: Sequence[Connection], streams: int) -> None:
        self._streams = streams
        self._connections = {connection.fileno(): connection for connection in connections}
        self._poll = select.epoll()
        for descriptor in self._connections:
            self._poll.register(descriptor, select.EPOLLIN)

    @property
    def answers(self) -> int:
        """How many addresses they have got."""
        return sum(connection.answers for connection in self._connections.values())

    def warm_up(self, requests: Iterator[Prepared]) -> Load:
        """Ask for all of these over a few connections, for none of them is cached. Raises LoadFailed."""
        few = list(self._connections.values())[:FEW]
        return Crowd(few, self._streams).ask(requests, FOREVER)

    def ask(self, requests: Iterator[Prepared], seconds: float) -> Load:
        """Ask for so long, or as long as there are requests, and wait for the last response. Raises LoadFailed."""
        count = 0
        began = time.monotonic()
        end = began + seconds
        under_way = sum(_ask_next(one, requests, self._streams) for one in self._connections.values())
        while under_way:
            events = self._poll.poll(TIMEOUT_SECONDS)
            if not events:
                raise LoadFailed(f"{under_way} requests without an answer")
            goes_on = time.monotonic() < end
            for descriptor, _ in events:
                connection = self._connections[descriptor]
                ended = connection.hear()
                count += ended
                under_way -= ended
                if ended and goes_on:
                    under_way += _ask_next(connection, requests, ended)
        return Load(count, time.monotonic() - began)


def _ask_next(connection: Connection, requests: Iterator[Prepared], most: int) -> int:
    """Send the next requests; return how many there were."""
    if following := list(islice(requests, most)):
        connection.ask(following)
    return len(following)


SPEAKERS: Final[Mapping[str, Callable[[Method, str], Speaker]]] = {
    "http1": Http1Speaker,
    "http2": Http2Speaker,
    "dot": DotSpeaker,
}


def main() -> None:
    """Open the connections, warm up, and take the turns that standard input asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--frontend", choices=SPEAKERS, required=True)
    parser.add_argument("--method", choices=["GET", "POST", "query"], default="GET")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--streams", type=int, default=1)
    options = parser.parse_args()
    raise_descriptor_limit()
    speaker = SPEAKERS[options.frontend](options.method, WARM_NAME)
    what = asking(options.kind, speaker)
    context = client_context(speaker.alpn)
    connections = [Connection(options.port, context, speaker) for _ in range(options.connections)]
    crowd = Crowd(connections, options.streams)

    def checked(ask: Callable[[], Load]) -> Load:
        before = crowd.answers
        load = ask()
        answers = crowd.answers - before
        if what.is_answered and answers < load.answered:
            raise LoadFailed(f"{load.answered} responses, {answers} with an address")
        return load

    if what.warm:
        checked(lambda: crowd.warm_up(iter(what.warm)))
    gc.freeze()
    gc.disable()

    def take(number: int, seconds: float, most: int) -> Load:
        requests = what.turn(number, most)
        return checked(lambda: crowd.ask(requests, seconds))

    serve_turns(take)


if __name__ == "__main__":
    main()
