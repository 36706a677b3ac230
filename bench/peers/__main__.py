"""dohproxy beside dnsdist and Unbound, as far as they are installed: `python -m bench.peers`. Takes some ten minutes.

Prints the tables and writes them to bench/results.md. `--only TEXT` measures the rows that contain the text, and writes
nothing.
"""

import argparse
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.names import Popularity, corpora, popular_names
from bench.peers import memory, results
from bench.peers.clients import LoadFailed
from bench.peers.memory import Place, new_certificate
from bench.peers.results import Cell, Sample
from bench.peers.servers import Peer, Running, installed, running, upstream_process
from bench.peers.workloads import WORKLOADS, Round, Workload
from bench.processes import choose_cores, cpu_seconds, pin_self
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
    names = popular_names(corpora())
    server_core, client_core = choose_cores()
    pin_self(client_core)
    with tempfile.TemporaryDirectory(prefix="dohproxy-peers-") as directory:
        root = Path(directory)
        with upstream_process(root, client_core) as upstream:
            place = Place(root, upstream, server_core, client_core, CertificateAuthority(root))
            new_certificate(place)
            workloads = [one for one in WORKLOADS if options.only in one.name]
            measured = measure_workloads(place, peers, workloads, Popularity(names), options)
            holdings = measure_holdings(place, peers, [row for row in memory.ROWS if options.only in row.name])
    versions = {peer.name: peer.version() for peer in peers}
    page = results.markdown(versions, measured, holdings, rounds=options.rounds, seconds=options.seconds)
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


def measure_workloads(
    place: Place, peers: Sequence[Peer], workloads: Sequence[Workload], popularity: Popularity, options: Options
) -> dict[str, dict[str, Cell]]:
    """Let the servers take turns at each workload."""
    table: dict[str, dict[str, Cell]] = {}
    with ExitStack() as stack:
        servers: dict[tuple[str, str], Running] = {}
        for workload in workloads:
            row: dict[str, Cell] = {peer.name: Cell() for peer in peers}
            able = [peer for peer in peers if workload.door in peer.doors and workload.variant in peer.variants]
            for peer in able:
                if (peer.name, workload.variant) not in servers:
                    server = running(peer, workload.variant, place.directory, place.upstream, place.core)
                    servers[peer.name, workload.variant] = stack.enter_context(server)
            samples: defaultdict[str, list[Sample]] = defaultdict(list)
            for number in range(options.rounds):
                for peer in able:
                    server_ = servers[peer.name, workload.variant]
                    turn = Round(server_, options.seconds, place.client_core, place.directory, popularity, number)
                    try:
                        samples[peer.name].append(take_turn(workload, turn))
                    except LoadFailed as failure:
                        print(f"{peer.name}, {workload.name}: {failure}", file=sys.stderr)
            row |= {name: Cell(tuple(taken)) for name, taken in samples.items() if taken}
            table[workload.name] = row
            print(f"{workload.name}: " + ", ".join(f"{name} {cell.text()}" for name, cell in row.items()), flush=True)
    return table


def take_turn(workload: Workload, turn: Round) -> Sample:
    """Measure one turn; raise LoadFailed if it came to nothing."""
    run = workload.act(turn)
    before = cpu_seconds(turn.server.pid)
    load = run()
    spent = cpu_seconds(turn.server.pid) - before
    return Sample(spent / load.answered * 1e6, load.answered / load.seconds)


def measure_holdings(place: Place, peers: Sequence[Peer], rows: Sequence[memory.Row]) -> dict[str, dict[str, str]]:
    """Measure what each server holds, one after the other."""
    table: dict[str, dict[str, str]] = {}
    for row in rows:
        cells = {}
        for peer in peers:
            try:
                cells[peer.name] = f"{row.measure(place, peer):.3g} {row.unit}"
            except LoadFailed as failure:
                print(f"{peer.name}, {row.name}: {failure}", file=sys.stderr)
                cells[peer.name] = "-"
        table[row.name] = cells
        print(f"{row.name}: {cells}", flush=True)
    return table


if __name__ == "__main__":
    main()
