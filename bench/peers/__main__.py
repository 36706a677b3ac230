"""dohproxy beside dnsdist and Unbound, as far as they are installed: `python -m bench.peers`. Takes half an hour.

Prints the tables and writes them to bench/results.md. `--only TEXT` measures the rows that contain the text, and writes
nothing.
"""

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.names import Popularity, popular_names
from bench.peers import memory, results
from bench.peers.clients import LoadFailed
from bench.peers.idle import idle_connections
from bench.peers.memory import Place, new_certificate
from bench.peers.results import Cell, Holding, Sample
from bench.peers.servers import Peer, Running, compile_ours, installed, running, upstream_process
from bench.peers.targets import TARGETS, judge, judge_growth
from bench.peers.workloads import WORKLOADS, Round, Workload
from bench.processes import choose_cores, cpu_seconds, open_descriptors, pin_self, raise_descriptor_limit
from bench.sources import with_ours
from tests.e2e.certificates import CertificateAuthority

ROUNDS: Final = 5
SECONDS: Final = 1.2
NEEDED: Final = ("taskset", "h2load", "dnsdist")
"""Whatever is compared: util-linux, nghttp2-client, and the upstream."""


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    rounds: int
    seconds: float
    only: str


def main() -> None:
    """Measure, print, write."""
    options = parse()
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)}; on Debian: apt-get install nghttp2-client dnsdist")
    peers = installed()
    names = popular_names()
    server_core, client_core = choose_cores()
    pin_self(client_core)
    raise_descriptor_limit()
    with tempfile.TemporaryDirectory(prefix="dohproxy-peers-") as directory:
        root = Path(directory)
        with upstream_process(root, client_core) as upstream:
            place = Place(root, upstream, server_core, client_core, CertificateAuthority(root))
            new_certificate(place)
            compile_ours(root)
            workloads = [one for one in WORKLOADS if options.only in one.name]
            measured = measure_workloads(place, peers, workloads, Popularity(names), options)
            holdings = measure_holdings(place, peers, [row for row in memory.ROWS if options.only in row.name])
    growth = "" if options.only else measure_growth(server_core)
    verdicts = [*judge(TARGETS, measured, holdings), *judge_growth(growth)]
    page = results.markdown(
        results.Page(
            versions={peer.name: peer.version() for peer in peers},
            workloads=measured,
            holdings=holdings,
            verdicts=[verdict.cells() for verdict in verdicts],
            growth=growth,
            notes=[f"{peer.name}: {note}" for peer in peers for note in peer.notes],
            rounds=options.rounds,
            seconds=options.seconds,
        )
    )
    print(page)
    if not options.only:
        results.FILE.write_text(page, encoding="utf-8")


def parse() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each server in each workload")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of one turn")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name contains this")
    return Options(**vars(parser.parse_args()))


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
    place: Place, peers: Sequence[Peer], workloads: Sequence[Workload], popularity: Popularity, options: Options
) -> dict[str, dict[str, Cell]]:
    """Let the servers take turns at each workload."""
    table: dict[str, dict[str, Cell]] = {}
    with ExitStack() as stack:
        servers = Servers(place, stack)
        for workload in workloads:
            samples: defaultdict[str, list[Sample]] = defaultdict(list)
            able = [peer for peer in peers if workload.frontend in peer.frontends and workload.variant in peer.variants]
            for number in range(options.rounds):
                for peer in able:
                    try:
                        server = servers.ready_for(workload, peer)
                        turn = Round(server, options.seconds, place.client_core, place.directory, popularity, number)
                        samples[peer.name].append(take_turn(workload, turn))
                    except LoadFailed as failure:
                        print(f"{peer.name}, {workload.name}: {failure}", file=sys.stderr)
            row = {peer.name: Cell(tuple(samples[peer.name])) for peer in peers}
            table[workload.name] = row
            print(f"{workload.name}: " + ", ".join(f"{name} {cell.text()}" for name, cell in row.items()), flush=True)
    return table


def take_turn(workload: Workload, turn: Round) -> Sample:
    """Measure one turn; raise LoadFailed if it came to nothing."""
    run = workload.act(turn)
    before = cpu_seconds(turn.server.pid)
    load = run()
    spent = cpu_seconds(turn.server.pid) - before
    if open_descriptors(turn.server.pid) < workload.idle:
        raise LoadFailed(f"it does not hold {workload.idle} idle connections")
    return Sample(spent / load.answered * 1e6, load.answered / load.seconds)


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
