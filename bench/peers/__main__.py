"""dohproxy beside dnsdist and Unbound, as far as they are installed: `python -m bench.peers`. Takes 40 minutes.

Prints the tables and writes them to bench/results.md. `--rows TEXT` measures the rows that contain the text, and
`--quick` tries everything but memory and growth with a few short turns; both write nothing.
"""

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.peers import instructions, memory, results
from bench.peers.clients import Client, LoadFailed, ready_client
from bench.peers.comparison import Cell, Cells, Sample, ratios
from bench.peers.idle import idle_connections
from bench.peers.memory import Place, new_certificate
from bench.peers.results import Holding, cost_text, instructions_text, ratio_text
from bench.peers.servers import Peer, Running, compile_ours, installed, running, upstream_process
from bench.peers.targets import OWN, TARGETS, judge, judge_growth
from bench.peers.workloads import WORKLOADS, Workload
from bench.processes import choose_cores, cpu_seconds, open_descriptors, pin_self, raise_descriptor_limit
from bench.sources import with_ours
from tests.e2e.certificates import CertificateAuthority

TURNS: Final = 22
"""Of each server in each row: enough for quartiles that hold."""
QUICK_TURNS: Final = 4
QUICK_SHARE: Final = 0.25
"""Which part of its time a quick turn takes, and of its requests a quick count."""
NEEDED: Final = ("taskset", "dnsdist")
"""Whatever is compared: util-linux, and the upstream."""


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    turns: int
    rows: list[str]
    quick: bool

    @property
    def share(self) -> float:
        """Which part of its time a turn takes."""
        return QUICK_SHARE if self.quick else 1.0

    @property
    def is_whole(self) -> bool:
        """Whether everything is measured."""
        return not self.rows and not self.quick

    def wants(self, row: str) -> bool:
        """Tell whether a row is to be measured."""
        return not self.rows or any(text in row for text in self.rows)


def main() -> None:
    """Measure, print, write."""
    options = parse()
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)}; on Debian: apt-get install util-linux dnsdist")
    peers = installed()
    server_core, client_core = choose_cores()
    pin_self(client_core)
    raise_descriptor_limit()
    with tempfile.TemporaryDirectory(prefix="dohproxy-peers-") as directory:
        root = Path(directory)
        with upstream_process(root, client_core) as upstream:
            place = Place(root, upstream, server_core, client_core, CertificateAuthority(root))
            new_certificate(place)
            compile_ours(root)
            workloads = [one for one in WORKLOADS if options.wants(one.name)]
            measured = measure_workloads(place, peers, workloads, options)
            if instructions.can_count():
                measured = count_instructions(place, peers, workloads, measured, options)
            rows = [] if options.quick else [row for row in memory.ROWS if options.wants(row.name)]
            holdings = measure_holdings(place, peers, rows)
    growth = measure_growth(server_core) if options.is_whole else ""
    verdicts = [*judge(TARGETS, measured, holdings), *judge_growth(growth)]
    page = results.markdown(
        results.Page(
            versions={peer.name: peer.version() for peer in peers},
            workloads=measured,
            holdings=holdings,
            verdicts=[verdict.cells() for verdict in verdicts],
            growth=growth,
            notes=[f"{peer.name}: {note}" for peer in peers for note in peer.notes],
            turns=options.turns,
        )
    )
    print(page)
    if options.is_whole:
        results.FILE.write_text(page, encoding="utf-8")


def parse() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, help=f"of each server in each row; {TURNS} if nothing is said")
    parser.add_argument("--rows", nargs="+", default=[], metavar="TEXT", help="rows whose name contains one of these")
    parser.add_argument("--quick", action="store_true", help="a few short turns, to see that everything works")
    options = parser.parse_args()
    turns = options.turns or (QUICK_TURNS if options.quick else TURNS)
    return Options(turns, options.rows, options.quick)


class Servers:
    """Those that run: each variant of each peer once, with the idle connections it holds."""

    def __init__(self, place: Place, stack: ExitStack) -> None:
        self._place = place
        self._stack = stack
        self._running: dict[tuple[str, str], Running] = {}
        self._idle: Counter[tuple[str, str]] = Counter()

    def ready_for(self, workload: Workload, peer: Peer) -> Running:
        """Return a server that has what the workload needs. Raises LoadFailed."""
        key, place = (peer.name, workload.variant), self._place
        if key not in self._running:
            server = running(peer, workload.variant, place.directory, place.upstream, place.core)
            self._running[key] = self._stack.enter_context(server)
        more = workload.idle - self._idle[key]
        if more > 0:
            held = idle_connections(self._running[key].port, more, place.client_core)
            self._stack.enter_context(held)
            self._idle[key] += more
        return self._running[key]


def measure_workloads(
    place: Place, peers: Sequence[Peer], workloads: Sequence[Workload], options: Options
) -> dict[str, Cells]:
    """Let the servers take turns at each workload."""
    table: dict[str, Cells] = {}
    with ExitStack() as stack:
        servers = Servers(place, stack)
        for workload in workloads:
            samples = take_turns(place, servers, workload, peers, options)
            row = {peer.name: Cell(tuple(samples.get(peer.name, ()))) for peer in peers}
            table[workload.name] = row
            print(f"{workload.name}: {summary(row)}", flush=True)
    return table


def summary(cells: Cells) -> str:
    """Return a row on one line, for who waits for it."""
    costs = [f"{name} {cost_text(cell)}" for name, cell in cells.items()]
    over = [f"over {name} {ratio_text(ratios(cells, OWN, name))}" for name in cells if name != OWN]
    return "; ".join([*costs, *over])


def take_turns(
    place: Place, servers: Servers, workload: Workload, peers: Sequence[Peer], options: Options
) -> dict[str, list[Sample]]:
    """Return what the turns of each server came to, as many for each; a server that fails one is left out."""
    samples: dict[str, list[Sample]] = {}
    with ExitStack() as stack:
        ready: dict[str, tuple[Running, Client]] = {}
        able = [peer for peer in peers if peer.is_able(workload.frontend, workload.variant)]
        for peer in able:
            try:
                server = servers.ready_for(workload, peer)
                time.sleep(workload.pause)
                arguments = workload.client.arguments(server.port_of(workload.frontend))
                client = stack.enter_context(ready_client(arguments, place.client_core, place.directory))
            except LoadFailed as failure:
                print(f"{peer.name}, {workload.name}: {failure}", file=sys.stderr)
            else:
                ready[peer.name], samples[peer.name] = (server, client), []
        # The first is for warming up: by its end everybody remembers of the names what they ever will.
        for turn in range(1 + options.turns):
            for name, (server, client) in list(ready.items()):
                time.sleep(workload.pause)
                try:
                    sample = take_turn(workload, server, client, options.share)
                    samples[name] += [sample] * (turn > 0)
                except LoadFailed as failure:
                    print(f"{name}, {workload.name}: {failure}", file=sys.stderr)
                    del ready[name], samples[name]
    return samples


def take_turn(workload: Workload, server: Running, client: Client, share: float) -> Sample:
    """Measure one turn; raise LoadFailed if it came to nothing."""
    before = cpu_seconds(server.pid)
    load = client.take_turn(workload.seconds * share)
    spent = cpu_seconds(server.pid) - before
    if open_descriptors(server.pid) < workload.idle:
        raise LoadFailed(f"it does not hold {workload.idle} idle connections")
    return Sample(spent / load.answered * 1e6, load.answered / load.seconds)


def count_instructions(
    place: Place, peers: Sequence[Peer], workloads: Sequence[Workload], measured: dict[str, Cells], options: Options
) -> dict[str, Cells]:
    """Return the rows with the instructions of a request, where those are counted."""
    requests = round(instructions.REQUESTS * options.share)
    counted = {peer.name: instructions.count(place, peer, workloads, requests) for peer in peers}
    table: dict[str, Cells] = {}
    for row, cells in measured.items():
        table[row] = {name: replace(cell, instructions=counted[name].get(row)) for name, cell in cells.items()}
        told = [f"{name} {instructions_text(cell)}" for name, cell in table[row].items() if cell.instructions]
        if told:
            print(f"{row}, thousands of instructions: {', '.join(told)}", flush=True)
    return table


def measure_holdings(place: Place, peers: Sequence[Peer], rows: Sequence[memory.Row]) -> dict[str, Holding]:
    """Measure what each server holds, one after the other."""
    table = {}
    for row in rows:
        figures = {}
        for peer in peers:
            try:
                figures[peer.name] = row.measure(place, peer)
            except LoadFailed as failure:
                print(f"{peer.name}, {row.name}: {failure}", file=sys.stderr)
        table[row.name] = Holding(row.unit, figures)
        print(
            f"{row.name}: " + ", ".join(f"{peer.name} {table[row.name].text(peer.name)}" for peer in peers), flush=True
        )
    return table


def measure_growth(core: int) -> str:
    """Return what bench.growth says of our own walk, as the cache and the crowd grow; nothing if it is not there."""
    if importlib.util.find_spec("bench.growth") is None:
        return ""
    argv = ["taskset", "-c", str(core), sys.executable, "-P", "-m", "bench.growth"]
    return subprocess.run(argv, capture_output=True, text=True, check=True, env=with_ours()).stdout


if __name__ == "__main__":
    main()
