"""The table of workloads: what is asked, over what, and which variant of each server it is asked of."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.names import Popularity
from bench.peers.clients import WARM_NAME, Load, h2load, in_process, target
from bench.peers.servers import CAPPED, LIMITED, PLAIN, Frontend, Running
from bench.questions import A, query
from tests.e2e.processes import LOOPBACK

DRAWS: Final = 40_000
"""Draws of the 10,000 names; they are asked for once before the first round, so that all that follow are hits."""
MISSES: Final = 10_000
"""In one round, each name new."""
MIXED: Final = 20_000
MISS_SHARE: Final = 0.1
WARM_SECONDS: Final = 0.3
MALFORMED: Final = 20_000
LIMIT_SECONDS: Final = 1.1
"""After it the client may ask once again, so that its connection begins well."""
IDLE: Final = (10, 100, 1_000, 10_000)
TEN: Final = ("--max-concurrent-streams", "10")


@dataclass(slots=True)
class Round:
    """One turn of one workload at one server."""

    server: Running
    seconds: float
    core: int
    """The client's."""
    directory: Path
    """For files of URIs."""
    popularity: Popularity | None
    """How names are drawn; None where none are."""
    number: int
    """The number of the round, so that new names are new."""

    def uris(self, names: list[str]) -> Path:
        """Write a file of URIs, and return where it is."""
        file = self.directory / f"{self.server.peer.name}.uris"
        lines = (f"https://{LOOPBACK}:{self.server.port}{target(name)}" for name in names)
        file.write_text("\n".join(lines), encoding="ascii")
        return file

    def draw(self, rng: random.Random, count: int) -> list[str]:
        """Return names as they are asked for."""
        if self.popularity is None:
            raise RuntimeError("no names to draw from")
        return self.popularity.draw(rng, count)

    def new_names(self, count: int, kind: str) -> list[str]:
        """Return names that nobody has asked this server for."""
        return [f"{kind}{self.number}x{number}-bench.net" for number in range(count)]


Act = Callable[[Round], Callable[[], Load]]
"""Gets everything ready that is not to be measured; what it returns is measured."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One row of the table."""

    name: str
    frontend: Frontend
    act: Act
    variant: str = PLAIN
    idle: int = 0
    """Other connections that are open and say nothing. They stay open, so such rows come last, by size."""


def same_name(*arguments: str) -> Act:
    """One cached name, again and again."""
    return _for_some_time([target(WARM_NAME)], *arguments)


def malformed(encoded: str) -> Act:
    """No DNS message where one should be, after a good query: a client that never sends one is soon cut off."""

    def act(round_: Round) -> Callable[[], Load]:
        file = round_.uris([WARM_NAME])
        with file.open("a", encoding="ascii") as uris:
            uris.write(f"\nhttps://{LOOPBACK}:{round_.server.port}/dns-query?dns={encoded}" * MALFORMED)
        return count_of(file, round_, 1 + MALFORMED)

    return act


def over_limit(round_: Round) -> Callable[[], Load]:
    """The same name from a client that has had its one answer in this second."""
    time.sleep(LIMIT_SECONDS)
    return _for_some_time([target(WARM_NAME)], *TEN, warm=False)(round_)


def _for_some_time(targets: list[str], *arguments: str, warm: bool = True) -> Act:
    def act(round_: Round) -> Callable[[], Load]:
        def run(seconds: float) -> Load:
            options = ["--duration", f"{round(seconds * 1_000)}ms", *arguments]
            return h2load(round_.server.port, round_.core, targets, options)

        if warm:
            run(WARM_SECONDS)
        return lambda: run(round_.seconds)

    return act


def posted(*arguments: str) -> Act:
    """The same name as a POST."""

    def act(round_: Round) -> Callable[[], Load]:
        body = round_.directory / "body"
        body.write_bytes(query(WARM_NAME, A))
        options = ["--data", str(body), "--header", "content-type: application/dns-message", *arguments]
        return _for_some_time(["/dns-query"], *options)(round_)

    return act


def popular(round_: Round) -> Callable[[], Load]:
    """10,000 names, the popular ones more often."""
    rng = random.Random(7)  # noqa: S311 - the same names for every server and round
    file = round_.uris(round_.draw(rng, DRAWS))
    run = count_of(file, round_, DRAWS)
    if not round_.number:
        run()
    return run


def misses(round_: Round) -> Callable[[], Load]:
    """Names that are all new."""
    return count_of(round_.uris(round_.new_names(MISSES, "miss")), round_, MISSES)


def mixed(round_: Round) -> Callable[[], Load]:
    """Nine hits for each miss."""
    rng = random.Random(round_.number)  # noqa: S311 - the same names for every server
    names = round_.draw(rng, round(MIXED * (1 - MISS_SHARE)))
    names += round_.new_names(MIXED - len(names), "mixed")
    rng.shuffle(names)
    return count_of(round_.uris(names), round_, MIXED)


def count_of(file: Path, round_: Round, count: int) -> Callable[[], Load]:
    """Return what asks for every URI of a file once, ten at a time."""
    options = ["--requests", str(count), *TEN]
    return lambda: h2load(round_.server.port, round_.core, file, options)


def connections(kind: str) -> Act:
    """New connections, one after the other."""

    def act(round_: Round) -> Callable[[], Load]:
        return lambda: in_process(kind, round_.server.port, round_.seconds, round_.core)

    return act


WORKLOADS: Final = (
    Workload("cached GET, HTTP/1.1", "http1", same_name("--h1")),
    Workload("cached POST, HTTP/1.1", "http1", posted("--h1")),
    Workload("cached GET, HTTP/2, 1 stream", "http2", same_name()),
    Workload("cached POST, HTTP/2, 1 stream", "http2", posted()),
    Workload("cached GET, HTTP/2, 10 streams", "http2", same_name(*TEN)),
    Workload("cached POST, HTTP/2, 10 streams", "http2", posted(*TEN)),
    Workload("10,000 names by popularity, 10 streams", "http2", popular),
    Workload("malformed: three bytes, 10 streams", "http2", malformed("AAAA")),
    Workload("malformed: no base64, 10 streams", "http2", malformed("!!!!")),
    Workload("over its limit, 10 streams", "http2", over_limit, LIMITED),
    Workload("connection over its cap", "http2", connections("knock"), CAPPED),
    Workload("new connection, full handshake, one query", "http2", connections("full")),
    Workload("new connection, resumed handshake, one query", "http2", connections("resumed")),
    Workload("misses, 10 streams", "http2", misses),
    Workload("mixed, 90 % hits, 10 streams", "http2", mixed),
    *(
        Workload(f"cached GET, HTTP/2, 10 streams, beside {count:,} idle", "http2", same_name(*TEN), idle=count)
        for count in IDLE
    ),
)
