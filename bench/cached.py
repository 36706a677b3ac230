"""CPU time of the running server per cached request, measured from outside. Takes about 20 s.

The server is a process of its own with one core to itself, its client another process on another core. One
connection is kept, one request is under way at a time, and all are answered from the cache. What is reported is the
time the kernel has charged to the server and its threads, over the number of answers. The variants take turns, so that
a machine that slows down during the run slows them all; the spread says how far to trust them.
"""

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import choose_cores, cpu_seconds, pin
from dohproxy import __version__
from tests.e2e.authoritative import MisbehavingServer
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.proxy import PROJECT, Proxy, ProxySettings, Sections, environment, running_proxy

ROUNDS = 3
SECONDS = 1.2

# One connection must outlast a round: the server would close it after 1,000 requests. What the tests' own servers do
# without is measured with the rest.
SECTIONS: Sections = {"connections": {"max_requests": 1_000_000}, "names": {"answer_undelegated": True}}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one round of one variant gave."""

    cpu_microseconds: float
    """Per request."""
    requests_per_second: float
    """The rate of one client that waits for each answer: a round trip, not a capacity."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A server and a way to ask it."""

    scheme: str
    method: str
    proxy: Proxy
    authority: Path | None
    rounds: list[Figures] = field(default_factory=list)


def main() -> None:
    """Start the servers, let the variants take turns, print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.cached", description=__doc__.partition("\n")[0] if __doc__ else ""
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each variant in each round")
    arguments = parser.parse_args()
    server_core, client_core = choose_cores()
    with servers() as variants:
        for variant in variants:
            pin(variant.proxy.child.pid, server_core)
        for _ in range(arguments.rounds):
            for variant in variants:
                variant.rounds.append(run_round(variant, arguments.seconds, client_core))
    print(f"dohproxy {__version__}, Python {platform.python_version()}, {platform.machine()}", end=", ")
    print(f"server on core {server_core}, client on core {client_core}")
    print(f"CPU microseconds per cached request, median of {arguments.rounds} rounds of {arguments.seconds:g} s")
    print(f"{'':12}{'median':>8}{'lowest':>8}{'highest':>9}{'answers/s':>11}")
    for variant in variants:
        print(table_row(variant))


@contextmanager
def servers() -> Iterator[list[Variant]]:
    """One server in the clear and one with TLS, in front of a name server that answers at once."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dohproxy-bench-")))
        upstream = MisbehavingServer()
        stack.callback(upstream.stop)
        upstream.start()
        authority = CertificateAuthority(directory)
        variants = []
        for scheme in ("http", "https"):
            (directory / scheme).mkdir()
            settings = ProxySettings(
                (f"udp://127.0.0.1:{upstream.port}",),
                authority,
                tls=authority.issue(["127.0.0.1"]) if scheme == "https" else None,
                sections=SECTIONS,
            )
            proxy = stack.enter_context(running_proxy(directory / scheme, settings))
            trusted = authority.file if scheme == "https" else None
            variants += [Variant(scheme, method, proxy, trusted) for method in ("GET", "POST")]
        yield variants


def run_round(variant: Variant, seconds: float, core: int) -> Figures:
    """Let a warm client ask for so long and charge the server's time to its requests."""
    argv = [sys.executable, "-m", "bench.load", str(variant.proxy.port), variant.method, str(seconds)]
    if variant.authority is not None:
        argv += ["--authority", str(variant.authority)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT, env=environment()
    ) as load:
        pin(load.pid, core)
        if load.stdin is None or load.stdout is None or load.stdout.readline() != "ready\n":
            raise SystemExit("the client could not ask; see above")
        before = cpu_seconds(variant.proxy.child.pid)
        print(file=load.stdin, flush=True)
        answered = int(load.stdout.readline())
        spent = cpu_seconds(variant.proxy.child.pid) - before
    return Figures(spent / answered * 1e6, answered / seconds)


def table_row(variant: Variant) -> str:
    """One line of the table."""
    spent = [figures.cpu_microseconds for figures in variant.rounds]
    rate = statistics.median(figures.requests_per_second for figures in variant.rounds)
    name = f"{variant.scheme} {variant.method}"
    return f"{name:12}{statistics.median(spent):8.1f}{min(spent):8.1f}{max(spent):9.1f}{rate:11.0f}"


if __name__ == "__main__":
    main()
