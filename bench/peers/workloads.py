"""The table of workloads: what is asked, over how many connections, and which variant of each server it is asked of."""

from dataclasses import dataclass
from typing import Final

from bench.peers.servers import CAPPED, LIMITED, PLAIN, Frontend
from bench.peers.speakers import Method

CONNECTIONS: Final = (1, 50, 1_000)
"""One shows what a request costs that wakes everybody up, 50 what it costs a server that is never idle, 1,000 what so
many connections do to it."""
MANY: Final = CONNECTIONS[1]
"""Those of all workloads that are not about connections."""
FEW: Final = 10
"""Where names are new: with ten streams each, as many questions are under way to the upstream as the kernel's own
buffer for its socket holds, however late the upstream gets to read them."""
CALLGRIND_CONNECTIONS: Final = CONNECTIONS[:2]
"""Under valgrind a handshake takes a tenth of a second."""
METHODS: Final[tuple[Method, ...]] = ("GET", "POST")
PROTOCOLS: Final = {"http1": "HTTP/1.1", "http2": "HTTP/2", "dot": "DoT"}
IDLE: Final = (10, 100, 1_000, 10_000)
TURN_SECONDS: Final = 0.4
LONG_TURN_SECONDS: Final = 1.0
"""Where so many requests are under way that a turn would be over before each connection has had some."""
LIMIT_SECONDS: Final = 1.1
"""After it the client may ask once again, so that its one connection begins well and is not cut off."""


@dataclass(frozen=True, slots=True)
class ClientOf:
    """The client of a workload: a module, and its arguments but for the port."""

    module: str
    options: tuple[str, ...]

    def arguments(self, port: int) -> list[str]:
        """Return the command line after `python -m`."""
        return [self.module, str(port), *self.options]


@dataclass(frozen=True, slots=True)
class Workload:
    """One row of the table."""

    name: str
    frontend: Frontend
    client: ClientOf
    variant: str = PLAIN
    seconds: float = TURN_SECONDS
    """Of one turn."""
    pause: float = 0.0
    """Seconds before the client comes and before each turn."""
    idle: int = 0
    """Other connections that are open and say nothing. They stay open, so such rows come last, by size."""
    counted: ClientOf | None = None
    """The client while instructions are counted; None if they are not."""


def crowd(frontend: Frontend, method: Method, *, connections: int, streams: int, kind: str) -> ClientOf:
    """Return a client that keeps its connections."""
    options = {"frontend": frontend, "method": method, "connections": connections, "streams": streams}
    told = [f"--{name}={value}" for name, value in options.items()]
    return ClientOf("bench.peers.crowd", (kind, *told))


def new_connections(kind: str) -> ClientOf:
    """Return a client that opens one connection after the other."""
    return ClientOf("bench.peers.clients", (kind,))


def described(what: str, frontend: Frontend, connections: int, streams: int) -> str:
    """Return the name of a row; HTTP/1.1 has no streams to speak of, and DoT has queries in flight."""
    parts = [what, PROTOCOLS[frontend], f"{connections:,} connection{'s' * (connections > 1)}"]
    if frontend == "http2":
        parts.append(f"{streams} stream{'s' * (streams > 1)}")
    elif frontend == "dot":
        parts.append(f"{streams} in flight")
    return ", ".join(parts)


def cached(frontend: Frontend, method: Method, connections: int, streams: int) -> Workload:
    """500 names that everybody has in the cache."""

    def client(kind: str) -> ClientOf:
        return crowd(frontend, method, connections=connections, streams=streams, kind=kind)

    return Workload(
        described(f"cached {method}", frontend, connections, streams),
        frontend,
        client("cached"),
        seconds=LONG_TURN_SECONDS if connections > MANY else TURN_SECONDS,
        counted=client("counted") if connections in CALLGRIND_CONNECTIONS else None,
    )


def ten_streams(what: str, kind: str, *, connections: int = MANY, variant: str = PLAIN, pause: float = 0.0) -> Workload:
    """Something else over many connections with ten streams each."""
    client = crowd("http2", "GET", connections=connections, streams=10, kind=kind)
    return Workload(described(what, "http2", connections, 10), "http2", client, variant, pause=pause)


def beside(count: int) -> Workload:
    """Cached names, while so many connections are idle."""
    client = crowd("http2", "GET", connections=MANY, streams=10, kind="cached")
    name = described("cached GET", "http2", MANY, 10)
    return Workload(f"{name}, beside {count:,} idle", "http2", client, idle=count)


FULL: Final = Workload("new connection, full handshake, one query", "http2", new_connections("full"))
OVER_CAP: Final = Workload("connection over its cap", "http2", new_connections("knock"), CAPPED)
THREE_BYTES: Final = ten_streams("malformed: three bytes", "three-bytes")
NO_BASE64: Final = ten_streams("malformed: no base64", "no-base64")
OVER_LIMIT: Final = ten_streams("over its limit", "limited", connections=1, variant=LIMITED, pause=LIMIT_SECONDS)
MISSES: Final = ten_streams("misses", "miss", connections=FEW)
CACHED: Final[tuple[tuple[Frontend, int], ...]] = (("http1", 1), ("http2", 1), ("http2", 10))
"""How a cached answer is asked for: the protocol, and how many streams are in use."""
DOT_IN_FLIGHT: Final = (1, 10)
"""As a stub resolver that waits for each answer, and one behind which a page is loading."""
WORKLOADS: Final = (
    *(
        cached(frontend, method, connections, streams)
        for frontend, streams in CACHED
        for method in METHODS
        for connections in CONNECTIONS
    ),
    *(cached("dot", "query", connections, in_flight) for in_flight in DOT_IN_FLIGHT for connections in CONNECTIONS),
    ten_streams("10,000 names by popularity", "popular"),
    THREE_BYTES,
    NO_BASE64,
    OVER_LIMIT,
    OVER_CAP,
    FULL,
    Workload("new connection, resumed handshake, one query", "http2", new_connections("resumed")),
    MISSES,
    ten_streams("mixed, 90 % hits", "mixed", connections=FEW),
    *(beside(count) for count in IDLE),
)
