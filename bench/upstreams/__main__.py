"""Real resolvers as upstreams: `python -m bench.upstreams`. Takes four minutes; `--write` renews docs/upstreams.md.

Each of Debian's Unbound, dnsdist, BIND, Knot Resolver and PowerDNS Recursor is asked for 100 new names in ten seconds,
over UDP, TCP and DoT, in its default state, while it refuses us, while it throttles us, and through a restart; all on
loopback.
"""

import argparse
import asyncio
import datetime
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.upstreams.servers import KINDS, Kind, Server, State
from bench.upstreams.stay import PER_SECOND, QUESTIONS, Stay, stay
from bench.upstreams.table import table, with_table
from bench.upstreams.world import World
from tests.e2e.certificates import CertificateAuthority

TRANSPORTS: Final = ("udp", "tcp", "tls")
DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "upstreams.md"


def main() -> None:
    """Hold all stays and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.upstreams", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", metavar="NAME", help=f"one of {', '.join(kind.program for kind in KINDS)}")
    parser.add_argument("--write", action="store_true", help="renew the table of docs/upstreams.md")
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if options.only in (None, kind.program) and kind.path is not None]
    for kind in KINDS:
        if kind.path is None:
            print(f"there is no {kind.program}; on Debian: apt-get install {kind.package}")
    rows = [one.row() for one in hold(kinds, TRANSPORTS, tuple(State))]
    print(table(rows))
    if options.write:
        today = datetime.datetime.now(datetime.UTC).date()
        caption = f"{QUESTIONS} new names, {PER_SECOND:g} a second, on {today}."
        DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8"), rows, caption), encoding="utf-8")


def hold(
    kinds: Sequence[Kind], transports: Sequence[str], states: Sequence[State], *, questions: int = QUESTIONS
) -> list[Stay]:
    """Hold a stay of so many questions with each kind of server in each state and over each transport that it has."""
    with tempfile.TemporaryDirectory(prefix="upstreams-") as directory:
        base = Path(directory)
        authority = CertificateAuthority(base)
        world = World()
        world.start()
        try:
            return [
                seen
                for kind in kinds
                for state in states
                if state in kind.states
                for seen in asyncio.run(_all_ways(kind, state, transports, base, world, authority, questions))
            ]
        finally:
            world.stop()


async def _all_ways(
    kind: Kind,
    state: State,
    transports: Sequence[str],
    base: Path,
    world: World,
    authority: CertificateAuthority,
    questions: int,
) -> list[Stay]:
    """One server for each transport, so that none throttles for another's sake; all at the same time."""
    ways = [transport for transport in transports if transport in kind.transports]
    servers = []
    try:
        for transport in ways:
            directory = base / f"{kind.program}-{state}-{transport}"
            directory.mkdir()
            server = Server(kind, state, directory, world, authority)
            servers.append(server)
            await asyncio.to_thread(server.start)
        stays = [
            stay(kind.name, server, state, transport, authority.file, questions=questions)
            for server, transport in zip(servers, ways, strict=True)
        ]
        return list(await asyncio.gather(*stays))
    finally:
        for server in servers:
            server.stop()


if __name__ == "__main__":
    main()
