"""A cluster in simulated time: nodes with clocks of their own, a network that loses, delays and reorders, stores that
forget, split and are rolled back, and an upstream that counts. The script is the real one, in a real store."""

import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dohproxy.sharing import lease_script
from dohproxy.sharing.lease_holder import CALL_SECONDS, HeldPart, LeaseHolder
from dohproxy.upstream.budget.queries import Budget

STEP_SECONDS = 0.1
"""Between two looks at everybody."""
ANSWER_SECONDS = 1.0
"""How long the upstream takes for an answer."""
BUDGET = "budget"
RUN_OF_SERVER = "return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')"
SERVER_TIME = """local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1e6"""


class Wire:
    """A plain client, which waits."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, *command: str | bytes | int | float) -> Any:
        """Return what the store says; raises RuntimeError if that is an error."""
        parts = [part if isinstance(part, bytes) else str(part).encode() for part in command]
        self._socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self._read()

    def _read(self) -> Any:
        line = self._file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]


class Ledger:
    """The script in the store, as several servers might have it: each has its own keys, run and clock."""

    def __init__(self, wire: Wire, text: str = lease_script.TEXT) -> None:
        simulated = text.replace(RUN_OF_SERVER, "return ARGV[3]").replace(SERVER_TIME, "return tonumber(ARGV[4])")
        assert simulated.count("ARGV[3]") == 1
        self._wire = wire
        self._digest = wire.ask("SCRIPT", "LOAD", simulated)
        self._runs: dict[int, int] = {}
        self._saved: dict[int, Any] = {}
        self.clock_error = 0.0
        wire.ask("FLUSHALL")

    def run(self, server: int, arguments: Sequence[str], now: float) -> Any:
        keys = (f"{{{server}}}ledger", f"{{{server}}}sheet")
        run = self._runs.setdefault(server, server)
        clock = now + 1e6 + self.clock_error
        return self._wire.ask("EVALSHA", self._digest, 2, *keys, *arguments, run, repr(clock))

    def flush(self, server: int) -> None:
        self._wire.ask("DEL", f"{{{server}}}ledger", f"{{{server}}}sheet")

    def save(self, server: int) -> None:
        """What a replica has, or a snapshot."""
        self._saved[server] = self._wire.ask("DUMP", f"{{{server}}}ledger")

    def fail_over(self, server: int) -> None:
        """What has been written since was never copied, and another server takes over."""
        self.copy(server, server)
        self._runs[server] = self._runs.get(server, 0) + 1000

    def copy(self, server: int, other: int) -> None:
        key = f"{{{other}}}ledger"
        self._wire.ask("DEL", key)
        if self._saved.get(server):
            self._wire.ask("RESTORE", key, 0, self._saved[server])


@dataclass
class Request:
    """A call on its way."""

    node: "Node"
    life: int
    call: lease_script.Call
    arguments: tuple[str, str]
    server: int
    done_at: float
    reply_takes: float
    reply: Any = None
    reply_at: float = float("inf")
    is_done: bool = False


@dataclass
class Network:
    """How a node's calls fare: when they are done, and how long their replies take. Infinity: never, or when they are
    let go."""

    request: float = 0.0
    reply: float = 0.05


GOOD = Network()
NETWORKS = {
    "good": GOOD,
    "slow": Network(0.25, 0.15),
    "too slow": Network(0.3, 0.4),
    "replies lost": Network(0.0, float("inf")),
    "cut off": Network(float("inf"), 0.05),
}


@dataclass(eq=False)
class Node:
    """One node and its clock."""

    name: str
    drift: float
    life: int = 0
    network: Network = field(default_factory=Network)
    server: int = 0
    wants: float = 1000.0
    is_up: bool = False
    is_paused: bool = False
    holder: LeaseHolder = None  # type: ignore[assignment]
    budget: Budget = None  # type: ignore[assignment]
    outstanding: tuple[int, float] | None = None
    in_flight: list[float] = field(default_factory=list)
    owed: float = 0.0
    sent: int = 0
    refused: float = 0.0


class Broken(AssertionError):
    """The upstream got more than was agreed."""


class Cluster:
    """All of it. Raises Broken as soon as the promise to the upstream is."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        expected: int,
        rate: float = 20.0,
        burst: int = 24,
        in_flight: int = 24,
        holder: type[LeaseHolder] = LeaseHolder,
        seed: int = 0,
    ) -> None:
        self.now = 0.0
        self.ledger = ledger
        self.nodes: dict[str, Node] = {}
        self._holder = holder
        self._expected = expected
        self._agreed = (rate, burst, in_flight)
        self._wire: list[Request] = []
        self._random = random.Random(seed)  # noqa: S311 - an order of events, and the same each time
        self._level = 0.0
        self._counted_at = 0.0
        self.counted = 0
        self._nonces = 0

    # --- What may happen ---

    def begin(self, name: str, *, drift: float = 0.0, succeeds: bool = False, network: Network = GOOD) -> Node:
        """A node begins, or begins again."""
        node = self.nodes.setdefault(name, Node(name, 1 + drift))
        if node.is_up:
            return node
        before = f"{name}/{node.life}" if succeeds else ""
        node.life += 1
        node.is_up, node.is_paused, node.outstanding, node.in_flight = True, False, None, []
        node.network = network
        now = self.clock_of(node)
        node.holder = self._holder(name, f"{name}/{node.life}", self._expected, self._nonce, now=now, succeeds=before)
        rate, burst, in_flight = self._agreed
        node.budget = Budget(rate, burst, in_flight, now=now)
        node.holder.keep({BUDGET: node.budget.units}, now)
        node.budget.hold(HeldPart(node.holder, BUDGET, lambda: self.clock_of(node)), now)
        return node

    def crash(self, name: str) -> None:
        node = self.nodes[name]
        node.is_up, node.in_flight = False, []

    def leave(self, name: str) -> None:
        """It ends in order."""
        node = self.nodes[name]
        if node.is_up and not node.is_paused:
            arguments = lease_script.leave_arguments(node.holder.leave())
            node.is_up, node.in_flight = False, []
            if node.network.request == 0.0:
                self.ledger.run(node.server, arguments, self.now)

    def forget(self, name: str, silent: float = 10.0) -> None:
        node = self.nodes[name]
        self.ledger.run(node.server, lease_script.forget_arguments(name, self._nonce(), silent), self.now)

    def let_go(self) -> None:
        """What was held up arrives, in any order."""
        held = [one for one in self._wire if not one.is_done and one.done_at == float("inf")]
        self._random.shuffle(held)
        for request in held:
            self._do(request)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds - 1e-9
        while self.now < end:
            self.now += STEP_SECONDS
            self._deliver()
            nodes = list(self.nodes.values())
            self._random.shuffle(nodes)
            for node in nodes:
                if node.is_up and not node.is_paused:
                    self._live(node)
            self._deliver()
            self.check()

    # --- How it goes on ---

    def clock_of(self, node: Node) -> float:
        return 500.0 + self.now * node.drift

    def _nonce(self) -> str:
        self._nonces += 1
        return f"epoch {self._nonces}"

    def _live(self, node: Node) -> None:
        now = self.clock_of(node)
        while node.in_flight and node.in_flight[0] <= self.now:
            node.in_flight.pop(0)
            node.budget.release()
        if node.outstanding is not None and now - node.outstanding[1] > CALL_SECONDS:
            self._adopt(node, node.outstanding[0], None, ())
        self._send(node)
        if node.outstanding is None and now >= node.holder.next_call_at(is_starving=node.refused > 0):
            self._call(node, now)

    def _send(self, node: Node) -> None:
        node.owed = min(node.owed + node.wants * STEP_SECONDS, max(1.0, node.wants))
        while node.owed >= 1:
            if not node.budget.take(self.clock_of(node)):
                node.refused += 1
                return
            node.owed -= 1
            node.sent += 1
            node.in_flight.append(self.now + ANSWER_SECONDS)
            self._count()

    def _call(self, node: Node, now: float) -> None:
        rate = self._agreed[0]
        node.budget.left(now)
        call = node.holder.call({BUDGET: (0.0, min(node.wants / rate, 4.0))}, now, is_settled=node.budget.is_settled)
        node.refused = 0
        node.outstanding = (call.number, now)
        done_at = self.now + node.network.request
        request = Request(
            node, node.life, call, lease_script.call_arguments(call), node.server, done_at, node.network.reply
        )
        self._wire.append(request)
        self._deliver()

    def _deliver(self) -> None:
        for request in self._wire:
            if not request.is_done and request.done_at <= self.now:
                self._do(request)
        for request in [one for one in self._wire if one.is_done and one.reply_at <= self.now]:
            node = request.node
            if node.is_paused and node.life == request.life:
                continue
            self._wire.remove(request)
            if node.is_up and node.life == request.life:
                self._adopt(node, request.call.number, request.reply, request.call.wants)

    def _do(self, request: Request) -> None:
        request.is_done = True
        request.reply = self.ledger.run(request.server, request.arguments, self.now)
        request.reply_at = self.now + request.reply_takes
        if request.reply_at == float("inf"):
            self._wire.remove(request)

    def _adopt(self, node: Node, number: int, reply: Any, wants: tuple[lease_script.Want, ...]) -> None:
        now = self.clock_of(node)
        node.budget.left(now)
        granted = None if reply is None else lease_script.read_granted(reply, wants)
        assert reply is None or granted is not None or b"old" in reply, reply
        node.holder.adopt(number, granted, now)
        node.budget.look(now)
        if node.outstanding is not None and node.outstanding[0] == number:
            node.outstanding = None

    # --- What the upstream sees ---

    def _count(self) -> None:
        """Count a query: between any two there are no more than the burst and what the rate adds. A bucket that leaks
        at the rate and never holds more than the burst is the same."""
        rate, burst, _ = self._agreed
        self._level = max(0.0, self._level - rate * (self.now - self._counted_at)) + 1
        self._counted_at = self.now
        self.counted += 1
        if self._level > burst + 1e-6:
            raise Broken(f"{self._level} queries at {self.now:.1f}, of at most {burst}")

    def parts(self) -> dict[str, float]:
        """What each node may use now."""
        return {
            node.name: node.holder.part(BUDGET, self.clock_of(node)).part for node in self.nodes.values() if node.is_up
        }

    def check(self) -> None:
        parts = self.parts()
        if sum(parts.values()) > 1 + 1e-6:
            raise Broken(f"parts at {self.now:.1f}: {parts}")
        in_flight = sum(len(node.in_flight) for node in self.nodes.values())
        if in_flight > self._agreed[2]:
            raise Broken(f"{in_flight} in flight at {self.now:.1f}")
