"""How much memory a process takes while clients do their worst, in its resident bytes and in nobody's books.

Run by itself, `python -m tests.frontends.growth WHAT`, because what other tests have left in memory would be filled
first. The frontends are the service's own and all behind them; no byte crosses a socket. Writes a line of JSON:
`grown`, resident bytes, and `charged`, what the books say. Tests call `measure`.
"""

import asyncio
import base64
import gc
import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import Mock

from hpack import Encoder, HeaderTuple, NeverIndexedHeaderTuple

from dohproxy.builders import SECRET_BYTES
from dohproxy.config import Config, ConnectionsConfig
from dohproxy.core import Core
from dohproxy.frontends.connections import Connections, ConnectionSlot
from dohproxy.frontends.http1.connection import Http1Server
from dohproxy.frontends.http2.connection import Http2Server
from dohproxy.frontends.protocol_chooser import FrontendMaker
from dohproxy.policy.standing import Standing
from dohproxy.server import Server
from dohproxy.wire.answer import parse_answer
from dohproxy.wire.query import parse_query
from tests.fakes.limits import AMPLE, NO_BANS
from tests.fakes.upstream import FakeUpstream
from tests.frontends.served import resident_bytes
from tests.http2.client import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW,
    PREFACE,
    WINDOW_UPDATE,
    frame,
    headers,
    settings,
)
from tests.wire import messages as m

PATH: Final = "/dns-query"
NO_SOCKET: Final = Mock(spec=socket.socket)
MANY: Final = 1_990
"""Connections, of the 2,000 that there may be."""
CONNECTIONS: Final = ConnectionsConfig(max_requests=1_000_000)
WIDE: Final = PREFACE + settings((INITIAL_WINDOW, 2**31 - 1)) + frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", 2**30))
NO_WINDOW: Final = PREFACE + settings((INITIAL_WINDOW, 0))


@dataclass(frozen=True, slots=True)
class Growth:
    """What a process took."""

    grown: int
    """Resident bytes."""
    charged: int
    """Bytes by the books of what was played with."""


def measure(what: str) -> Growth:
    """Play one case in a process of its own."""
    argv = [sys.executable, "-m", "tests.frontends.growth", what]
    run = subprocess.run(argv, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    return Growth(**json.loads(run.stdout))


class Nowhere(asyncio.Transport):
    """Takes what a frontend writes, at once, and forgets it; or, for a client that does not read, keeps it."""

    def __init__(self, *, reads: bool = True) -> None:
        super().__init__()
        self.closing = False
        self.protocol: asyncio.Protocol | None = None
        """Who is told when the connection is lost."""
        self.unread: list[bytes] = []
        self._reads = reads
        self._high = 65_536

    def write(self, data: Any) -> None:
        """Forget it, or keep it."""
        if not self._reads and not self.closing:
            self.unread.append(bytes(data))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """There is no TLS, and a socket that does not mind what is set of it."""
        return NO_SOCKET if name == "socket" else default

    def get_write_buffer_size(self) -> int:
        """Return how much is kept."""
        return sum(map(len, self.unread))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits here."""

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""

    def is_closing(self) -> bool:
        """Tell whether the frontend has closed."""
        return self.closing

    def close(self) -> None:
        """Note it."""
        self.closing = True

    def write_eof(self) -> None:
        """Nothing more is written."""

    def abort(self) -> None:
        """Note it, forget everything, and say so in the next turn of the loop, as transports do."""
        self.closing = True
        self.unread.clear()
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            asyncio.get_running_loop().call_soon(protocol.connection_lost, None)


@dataclass(frozen=True, slots=True)
class Stage:
    """Both frontends, and the core behind them."""

    core: Core
    register: Connections
    http1: Http1Server
    http2: Http2Server

    def slot(self) -> ConnectionSlot:
        """Take a place."""
        slot = self.register.take_slot((), Standing.MEMBER, 0.0)
        assert slot is not None
        return slot

    def keep(self, name: str, answer_bytes: int) -> None:
        """Put an answer into the cache whose records are about so long."""
        asked = m.question(m.name(name), m.TXT)
        parts = [m.record(m.TXT, b"\xff" + b"x" * 255, ttl=86_400) for _ in range(answer_bytes // 268)]
        parts = parts or [m.record(m.TXT, b"\x01x", ttl=86_400)]
        query = parse_query(m.query(asked))
        self.core.cache.store(query.key, parse_answer(m.answer(*parts, asked=asked), query), time.monotonic())


def paths(name: str, count: int) -> Iterator[str]:
    """Yield targets of GETs for one name, each another in its bytes."""
    asked = m.question(m.name(name), m.TXT)
    for number in range(count):
        wire = m.query(asked, m.opt(m.option(65_001, struct.pack("!I", number))))
        yield f"{PATH}?dns={base64.urlsafe_b64encode(wire).rstrip(b'=').decode()}"


async def known_http1(stage: Stage) -> int:
    """One answer, asked for in 20,000 spellings over HTTP/1.1."""
    frontend = stage.http1.frontend(b"\xc0\x00\x02\x01", stage.slot())
    frontend.connection_made(Nowhere())
    await asyncio.sleep(0)
    for path in paths("www.example.net", 20_000):
        frontend.data_received(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return stage.http1.known.held_bytes


async def known_http2(stage: Stage) -> int:
    """The same over HTTP/2."""
    frontend = stage.http2.frontend(b"\xc0\x00\x02\x01", stage.slot())
    frontend.connection_made(Nowhere())
    frontend.data_received(PREFACE + settings((INITIAL_WINDOW, 2**31 - 1)))
    for number, path in enumerate(paths("www.example.net", 20_000)):
        frontend.data_received(get(2 * number + 1, path) + widened(20_000))
    return stage.http2.requests.known.held_bytes


async def strangers(
    stage: Stage, make: FrontendMaker, *, reads: bool = True, count: int = MANY
) -> AsyncIterator[asyncio.Protocol]:
    """Yield new connections, each of another address, one network after the other."""
    for number in range(count):
        transport = Nowhere(reads=reads)
        frontend = make(b"\x0a\x00" + (31 * number).to_bytes(2), stage.slot())
        transport.protocol = frontend
        frontend.connection_made(transport)
        await asyncio.sleep(0)
        yield frontend


async def shut_windows(stage: Stage) -> int:
    """As many connections as there may be, each of which asks for 15 large answers and has no window for any."""
    asked = [get(2 * number + 1, path) for number, path in enumerate(paths("www.example.net", 15))]
    async for frontend in strangers(stage, stage.http2.frontend):
        frontend.data_received(NO_WINDOW + b"".join(asked))
    return stage.register.held.total


async def unread_http2(stage: Stage) -> int:
    """The same with windows as wide as they go, and TCP alone to say that nobody reads."""
    asked = [get(2 * number + 1, path) for number, path in enumerate(paths("www.example.net", 15))]
    async for frontend in strangers(stage, stage.http2.frontend, reads=False):
        frontend.data_received(WIDE + b"".join(asked))
    return stage.register.held.total


async def unread_http1(stage: Stage) -> int:
    """The same over HTTP/1.1."""
    targets = list(paths("www.example.net", 15))
    async for frontend in strangers(stage, stage.http1.frontend, reads=False):
        for path in targets:
            frontend.data_received(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return stage.register.held.total


async def unfinished(stage: Stage) -> int:
    """Three hundred connections, each with 100 requests that lack the last byte of their body, and whose
    heads are as large as they may be and hardly cost their client a byte: 1.1 MB each."""
    fields = (("x", "y"), *((f"x{number}", "") for number in range(55)))
    encoder, parts = Encoder(), [PREFACE + settings()]
    for number in range(100):
        pseudo = ((":method", "POST"), (":scheme", "https"), (":authority", "localhost"))
        block = encoder.encode([*pseudo, (":path", f"{PATH}?{number}{'x' * 500}"), *fields, ("y", str(number))])
        parts.append(frame(HEADERS, END_HEADERS, 2 * number + 1, block))
        parts.append(frame(DATA, 0, 2 * number + 1, bytes(500)))
    async for frontend in strangers(stage, stage.http2.frontend, count=300):
        for start in range(0, len(parts), 10):
            frontend.data_received(b"".join(parts[start : start + 10]))
    return stage.register.held.total


async def header_tables(stage: Stage) -> int:
    """Three hundred connections, each of which has made us remember all that it can, and has gone on trying."""
    encoder, parts = Encoder(), [WIDE]
    for number in range(60):
        fields = [(f"{number:02}{field}", "") for field in range(50)] if number % 2 else [("a", "b")]
        request = [(":method", "GET"), (":scheme", "https"), (":path", "/"), *fields, ("c", f"{number}")]
        sensitive = [NeverIndexedHeaderTuple(*field) if number > 30 else HeaderTuple(*field) for field in request]
        parts.append(frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, encoder.encode(sensitive)))
    async for frontend in strangers(stage, stage.http2.frontend, count=300):
        frontend.data_received(b"".join(parts))
    return stage.register.held.total


def get(stream_id: int, path: str) -> bytes:
    """A GET as one frame."""
    fields = ((":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", path))
    return headers(stream_id, fields)


def widened(by: int) -> bytes:
    """The connection's window, opened by so many bytes."""
    return frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", by))


CASES: Final[dict[str, tuple[Callable[[Stage], Any], int]]] = {
    "shut-windows": (shut_windows, 16_000),
    "unread-http1": (unread_http1, 16_000),
    "unread-http2": (unread_http2, 16_000),
    "unfinished": (unfinished, 0),
    "header-tables": (header_tables, 0),
    "known-http1-large": (known_http1, 16_000),
    "known-http1-middling": (known_http1, 1_800),
    "known-http1-small": (known_http1, 0),
    "known-http2-large": (known_http2, 16_000),
    "known-http2-middling": (known_http2, 1_800),
    "known-http2-small": (known_http2, 0),
}


async def main(what: str) -> None:
    """Set the stage, play one case, and print what it took."""
    play, answer_bytes = CASES[what]
    upstream = FakeUpstream()
    async with upstream.running(), asyncio.TaskGroup() as tasks:
        config = Config((upstream.config(),), connections=CONNECTIONS, limits=AMPLE, bans=NO_BANS)
        server = Server(config, tasks, bytes(SECRET_BYTES))
        stage = Stage(server.core, server.connections, server.http1, server.http2)
        stage.keep("www.example.net", answer_bytes)
        gc.collect()
        before = resident_bytes()
        charged = await play(stage)
        gc.collect()
        sys.stdout.write(json.dumps({"grown": resident_bytes() - before, "charged": charged}))
        await server.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
