"""What runs: the store, the nodes, and the upstream that bans whoever asks too much."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.ban.process import SimulatorProcess, simulator_process
from bench.ban.simulator import Behaviour
from bench.chaos.crowd import MEMBER_NETWORK
from bench.chaos.relay import Relay
from bench.guest import BUDGET_BURST, BUDGET_PER_SECOND, MOST_BURST
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.proxy import Proxy, ProxySettings, running_proxy
from tests.fakes.store import SECRET, StoreProcess, store_process

NODES: Final = 3
TTL_SECONDS: Final = 60
"""What members ask for ends as soon as the floor of TTLs allows, so that all through the day something has to be asked
again."""
UPSTREAM: Final = Behaviour(
    rate=BUDGET_PER_SECOND,
    burst=MOST_BURST,
    patience=1,
    ban_seconds=30.0,
    latency_seconds=0.02,
    ttl_seconds=TTL_SECONDS,
)


@dataclass(frozen=True, slots=True)
class Ground:
    """All that runs."""

    store: StoreProcess
    upstream: SimulatorProcess
    relays: tuple[Relay, ...]
    nodes: tuple[Proxy, ...]


@contextmanager
def ground() -> Iterator[Ground]:
    """Run all of it."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise SystemExit("no store is installed; on Debian: apt-get install redis-server")
    with ExitStack() as running:
        directory = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="dohproxy-chaos-")))
        store = running.enter_context(store_process(program, directory))
        upstream = running.enter_context(simulator_process(UPSTREAM))
        (directory / "key").write_bytes(SECRET)
        authority = CertificateAuthority(directory)
        relays, nodes = [], []
        for number in range(NODES):
            own = directory / f"node{number}"
            (own / "state").mkdir(parents=True)
            relay = Relay(own / "store.sock", store.path)
            running.callback(relay.close)
            relays.append(relay)
            settings = ProxySettings(
                (f"udp://127.0.0.1:{upstream.port}",),
                authority,
                limited=True,
                upstream={
                    "preset": "associative",
                    "queries_per_second": BUDGET_PER_SECOND,
                    "burst": BUDGET_BURST,
                    "connections": NODES,
                },
                sections={
                    "nodes": {
                        "store": f"unix:{own / 'store.sock'}",
                        "key_file": str(directory / "key"),
                        "name": f"node{number}",
                        "expected": NODES,
                    },
                    "clients": {"member_networks": [MEMBER_NETWORK]},
                    "server": {"state_directory": str(own / "state")},
                    "admin": {"socket": str(own / "admin.sock")},
                },
            )
            nodes.append(running.enter_context(running_proxy(own, settings)))
        yield Ground(store, upstream, tuple(relays), tuple(nodes))
