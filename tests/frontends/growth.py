"""How much memory a process takes while clients do their worst, in its resident bytes and in nobody's books.

Run by itself, `python -m tests.frontends.growth WHAT`, because what other tests have left in memory would be filled
first. The doors are the service's own and all behind them; no byte crosses a socket. Writes a line of JSON: `grown`,
resident bytes, and `charged`, what the books say. Tests call `measure`.
"""

import asyncio
import base64
import gc
import json
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dohproxy.app import Core, build_core, http2_limits
from dohproxy.config import Config, ConnectionsConfig
from dohproxy.frontends.connections import Connections, Place
from dohproxy.frontends.h1 import Http1Server
from dohproxy.frontends.h2 import Http2Server
from dohproxy.frontends.peers import Peers
from dohproxy.policy.identity import Identities
from dohproxy.wire.answer import parse_answer
from dohproxy.wire.query import parse_query
from tests.fakes.limits import AMPLE
from tests.fakes.upstream import FakeUpstream
from tests.frontends.door import resident_bytes
from tests.http2.client import INITIAL_WINDOW, PREFACE, WINDOW_UPDATE, frame, headers, settings
from tests.wire import messages as m

PATH: Final = "/dns-query"
CONNECTIONS: Final = ConnectionsConfig(max_requests=1_000_000)
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
    """Takes what a door writes, at once, and forgets it."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = False

    def write(self, data: Any) -> None:
        """Forget it."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """There is neither a socket nor TLS."""
        return default

    def get_write_buffer_size(self) -> int:
        """Nothing waits here."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits here."""

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""

    def is_closing(self) -> bool:
        """Tell whether the door has closed."""
        return self.closing

    def close(self) -> None:
        """Note it."""
        self.closing = True

    def abort(self) -> None:
        """Note it."""
        self.closing = True


@dataclass(frozen=True, slots=True)
class Stage:
    """Both doors, and the core behind them."""

    core: Core
    register: Connections
    http1: Http1Server
    http2: Http2Server

    def place(self) -> Place:
        """Take a place."""
        place = self.register.take_place()
        assert place is not None
        return place

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
    door = stage.http1.door(b"\xc0\x00\x02\x01", stage.place())
    door.connection_made(Nowhere())
    await asyncio.sleep(0)
    for path in paths("www.example.net", 20_000):
        door.data_received(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return stage.http1.known.held_bytes


async def known_http2(stage: Stage) -> int:
    """The same over HTTP/2."""
    door = stage.http2.door(b"\xc0\x00\x02\x01", stage.place())
    door.connection_made(Nowhere())
    door.data_received(PREFACE + settings((INITIAL_WINDOW, 2**31 - 1)))
    for number, path in enumerate(paths("www.example.net", 20_000)):
        door.data_received(get(2 * number + 1, path) + widened(20_000))
    return stage.http2.readings.known.held_bytes


def get(stream_id: int, path: str) -> bytes:
    """A GET as one frame."""
    fields = ((":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", path))
    return headers(stream_id, fields)


def widened(by: int) -> bytes:
    """The connection's window, opened by so many bytes."""
    return frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", by))


CASES: Final[dict[str, tuple[Callable[[Stage], Any], int]]] = {
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
        config = Config((upstream.config(),), connections=CONNECTIONS, limits=AMPLE)
        core = build_core(config, tasks)
        register, peers = Connections(config.connections), Peers(Identities(bytes(32)), config.clients)
        http1 = Http1Server(core.service, peers, register, time.monotonic, max_query_bytes=1024)
        http2 = Http2Server(core.service, peers, register, time.monotonic, http2_limits(config))
        stage = Stage(core, register, http1, http2)
        stage.keep("www.example.net", answer_bytes)
        gc.collect()
        before = resident_bytes()
        charged = await play(stage)
        gc.collect()
        sys.stdout.write(json.dumps({"grown": resident_bytes() - before, "charged": charged}))
        await core.resolver.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
