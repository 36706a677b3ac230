"""Two nodes and their store on three machines, set up as docs/nodes.md says, with the store's shipped configuration."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FindProgram
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.namespaces import HUB, Star, star
from tests.e2e.processes import Child, wait_until
from tests.e2e.proxy import PROJECT, SERVING, environment
from tests.fakes.store import SECRET
from tests.packaging.store_files import NAME, PASSWORD, prepared

pytestmark = pytest.mark.long

UPSTREAM_PORT, STORE_PORT, PORT, METRICS_PORT = 5353, 6379, 8443, 9100
BACK_SECONDS = 8.0
"""Within which a store that is back is used again: two seconds between attempts, each of which may take one."""

_UPSTREAM = f"""
import socket
from tests.fakes.upstream import make_reply
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("{HUB}", {UPSTREAM_PORT}))
print("answers", flush=True)
while True:
    packet, sender = one.recvfrom(4096)
    one.sendto(make_reply(packet), sender)
"""
_ASK = f"""
import base64, json, sys, urllib.request
import dns.message
wire = base64.urlsafe_b64encode(dns.message.make_query(sys.argv[1], "A", id=0).to_wire()).rstrip(b"=").decode()
with urllib.request.urlopen("http://127.0.0.1:{PORT}/dns-query?dns=" + wire, timeout=10) as answer:
    status = answer.status
with urllib.request.urlopen("http://127.0.0.1:{METRICS_PORT}/metrics", timeout=10) as page:
    lines = page.read().decode().splitlines()
[up] = [line.split()[1] for line in lines if line.startswith("dohproxy_store_up ")]
[refused] = [line.split()[1] for line in lines if line.startswith('dohproxy_store_failures_total{{reason="refused"}} ')]
print(json.dumps({{"status": status, "store_up": float(up), "refused": float(refused)}}))
"""
_CONFIGURATION = f"""
[server]
listen = ["127.0.0.1:{PORT}"]
[metrics]
listen = "127.0.0.1:{METRICS_PORT}"
pages_per_second = 1000
[nodes]
store = "valkeys://{HUB}:{STORE_PORT}#{NAME}"
ca_file = "store-ca.pem"
key_file = "nodes.key"
user = "dohproxy"
password_file = "store.password"
name = "node-%d"
expected = 2
[[upstream]]
name = "ns0"
url = "udp://{HUB}:{UPSTREAM_PORT}"
preset = "own"
"""


@dataclass
class Association:
    """Three machines: the store with the upstream beside it, and two nodes."""

    machines: Star
    store_argv: list[str]
    directory: Path
    store: Child

    def ask(self, number: int, name: str) -> dict[str, Any]:
        """Ask a node on its own machine; return how that ended, and whether the node reaches the store."""
        run = subprocess.run(
            self.machines.on_leaf(number, sys.executable, "-c", _ASK, name),
            capture_output=True,
            text=True,
            timeout=30,
            env=environment(),
            check=False,
        )
        assert run.returncode == 0, run.stderr
        found = json.loads(run.stdout)
        assert isinstance(found, dict)
        return found

    def are_up(self, *, wanted: bool) -> bool:
        """Whether both nodes answer, and reach the store or both do not."""
        found = [self.ask(number, "example.com") for number in range(2)]
        assert [one["status"] for one in found] == [200, 200]
        assert [one["refused"] for one in found] == [0, 0], "the shipped user may not do all that a node does"
        return all(bool(one["store_up"]) is wanted for one in found)


@pytest.fixture(scope="module")
def association(find_program: FindProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Association]:
    """All of it, once for this module."""
    program = find_program("redis-server", "redis-server")
    directory = tmp_path_factory.mktemp("n")
    authority = CertificateAuthority(directory)
    (directory / "store").mkdir()
    configuration = prepared(directory / "store", authority, HUB, STORE_PORT)
    with star(find_program, 2) as machines, ExitStack() as ends:

        def begin(argv: list[str], name: str, ready: str) -> Child:
            child = Child(argv, directory / f"{name}.log", environment=environment(), directory=PROJECT)
            ends.callback(child.kill)
            child.wait_until_ready(lambda: ready in child.log_text())
            return child

        begin(machines.on_hub(sys.executable, "-c", _UPSTREAM), "upstream", "answers")
        store_argv = machines.on_hub(program, str(configuration))
        store = begin(store_argv, "store", "Ready to accept connections")
        for number in range(2):
            own = directory / f"node{number}"
            own.mkdir()
            (own / "dohproxy.toml").write_text(_CONFIGURATION % number, encoding="utf-8")
            (own / "nodes.key").write_bytes(SECRET)
            (own / "store.password").write_text(f"{PASSWORD}\n", encoding="utf-8")
            (own / "store-ca.pem").write_bytes(authority.file.read_bytes())
            serve = [sys.executable, "-P", "-m", "dohproxy", "serve", "--config", str(own / "dohproxy.toml")]
            begin(machines.on_leaf(number, *serve), f"node{number}", SERVING)
        made = Association(machines, store_argv, directory, store)
        ends.callback(lambda: made.store.kill())
        yield made


def test_both_answer_and_reach_the_store_over_tls(association: Association) -> None:
    wait_until(lambda: association.are_up(wanted=True), BACK_SECONDS, "both nodes at the store")


def test_without_the_store_both_go_on_and_they_share_again_when_it_is_back(association: Association) -> None:
    wait_until(lambda: association.are_up(wanted=True), BACK_SECONDS, "both nodes at the store")
    association.store.kill()
    wait_until(lambda: association.are_up(wanted=False), BACK_SECONDS, "both nodes alone")
    association.store = Child(association.store_argv, association.directory / "store.log")
    wait_until(lambda: association.are_up(wanted=True), BACK_SECONDS, "both nodes at the store again")
