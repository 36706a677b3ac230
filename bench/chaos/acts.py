"""What is done to them. Each act lasts so long, while clients ask every node that lives."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.callers import Tally
from bench.chaos.crowd import Asking, Plan
from bench.chaos.ground import Ground

BACK_SECONDS: Final = 5.0
"""Within so long after an act everything shares again."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that breaks."""

    name: str
    begin: Callable[[Ground], None]
    end: Callable[[Ground], None]
    dead: tuple[int, ...] = ()
    """Nodes whose clients are not counted, as they do not live all through it."""


@dataclass(frozen=True, slots=True)
class Played:
    """How it went."""

    act: Act
    tallies: dict[str, Tally]
    """Of all nodes that lived, by the kind of request."""
    back_seconds: float
    """From the end of the act until all nodes shared again."""
    received: int
    """Queries that the upstream got meanwhile."""


def _nothing(_: Ground) -> None:
    pass


def _kill_node(ground: Ground) -> None:
    ground.nodes[0].child.kill()


def _begin_node(ground: Ground) -> None:
    ground.nodes[0].start_again()


def _stop_node(ground: Ground) -> None:
    ground.nodes[1].child.signal(signal.SIGSTOP)


def _continue_node(ground: Ground) -> None:
    ground.nodes[1].child.signal(signal.SIGCONT)


WARM_UP: Final = Act("the beginning", _nothing, _nothing)
"""Nodes that have just begun know no name and have no lease; what becomes of members then is no promise of these."""
WARM_UP_SECONDS: Final = 30.0
SETTLE_SECONDS: Final = 15.0
"""Between two acts: each thing breaks alone, and who has begun anew has asked for what its members want."""

ACTS: Final = (
    Act("nothing", _nothing, _nothing),
    Act("the store is killed and comes back empty", lambda on: on.store.end(), lambda on: on.store.begin()),
    Act("the store hangs", lambda on: on.store.freeze(), lambda on: on.store.thaw()),
    Act("the store forgets everything", lambda on: on.store.tell("FLUSHALL"), _nothing),
    Act("one node is cut off from the store", lambda on: on.relays[2].cut(), lambda on: on.relays[2].mend()),
    Act("one node is killed and comes back", _kill_node, _begin_node, dead=(0,)),
    Act("one node is stopped for longer than a lease", _stop_node, _continue_node, dead=(1,)),
    Act(
        "the store is full",
        lambda on: on.store.tell("CONFIG", "SET", "maxmemory", "1"),
        lambda on: on.store.tell("CONFIG", "SET", "maxmemory", "0"),
    ),
)


def play(act: Act, ground: Ground, seconds: float, seed: int) -> Played:
    """Let one act happen, and wait until everything shares again."""
    before = ground.upstream.report().received
    asking = {
        number: Asking(node.port, Plan(seconds, seed * 100 + number))
        for number, node in enumerate(ground.nodes)
        if number not in act.dead
    }
    time.sleep(seconds / 10)
    act.begin(ground)
    time.sleep(seconds * 0.7)
    act.end(ground)
    ended = time.monotonic()
    while not _share(ground) and time.monotonic() < ended + 4 * BACK_SECONDS:
        time.sleep(0.05)
    back = time.monotonic() - ended
    tallies: dict[str, Tally] = {}
    for one in asking.values():
        for kind, tally in one.end().items():
            total = tallies.setdefault(kind, Tally())
            total.results += tally.results
            total.latencies.extend(tally.latencies)
    return Played(act, tallies, back, ground.upstream.report().received - before)


def _share(ground: Ground) -> bool:
    """Tell whether every node has the store and a lease."""
    try:
        return all(node.metric("dohproxy_store_up") == 1 for node in ground.nodes)
    except OSError:
        return False
