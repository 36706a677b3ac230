"""Where a phase happens: an upstream that keeps books, the proxy as a process, and what it remembers from before.

The proxy has the default limits and the smallest budget there is. Its cache knows what members ask for every day, which
one run before has written into a file. For attacks over IPv6 all of it runs in a network namespace.
"""

import http.client
import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bench.ban.process import SimulatorProcess, simulator_process
from bench.ban.simulator import Behaviour
from bench.callers import Asked, Caller
from bench.drill.attacker import Target
from bench.drill.crowd import MEMBER_NETWORKS, Crowd
from bench.drill.plans import SHARED, SILENT_LABEL
from bench.guest import ASSOCIATIVE, BUDGET_PER_SECOND, MOST_BURST
from bench.processes import choose_cores, pin
from bench.swarm import Swarm
from dohproxy.config import ClientsConfig
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.proxy import Proxy, ProxySettings, Value, running_proxy

TTL_SECONDS: Final = 3_600
"""What members ask for every day stays known for the whole drill."""
UPSTREAM: Final = Behaviour(
    rate=BUDGET_PER_SECOND,
    burst=MOST_BURST,
    latency_seconds=0.02,
    ttl_seconds=TTL_SECONDS,
    silent_label=SILENT_LABEL,
    watched=(SHARED,),
)
IPV6_PREFIX: Final = "2001:db8::/32"
"""For documentation (RFC 3849): nobody has it."""
IPV6_HOST: Final = "2001:db8:ffff::1"
IPV6_PORT: Final = 8_453
"""In a namespace every port is free."""
INSIDE: Final = "DOHPROXY_DRILL_INSIDE"
"""Set in the environment of the process that runs in the namespace."""


@dataclass(frozen=True, slots=True)
class Ground:
    """All that runs."""

    proxy: Proxy
    upstream: SimulatorProcess
    target: Target
    swarm: Swarm
    socket: Path
    """Where commands are given."""
    attacker_core: int

    def tell(self, words: str, arguments: dict[str, str | bool]) -> tuple[int, str]:
        """Give a command; return the status and what was said."""
        connection = _UnixConnection(self.socket)
        body = json.dumps(arguments)
        connection.request("POST", f"/v1/{words.replace(' ', '/')}", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        said = response.read().decode("utf-8", "replace")
        connection.close()
        return response.status, said

    def invite(self, count: int) -> list[str]:
        """Make members who are known by a token; return the path of each, none where the service has no tokens."""
        if not knows_tokens():
            return []
        paths = []
        for number in range(count):
            status, said = self.tell("member add", {"name": f"drill{number}"})
            if status != HTTPStatus.OK:
                raise RuntimeError(f"no member could be added: {said}")
            paths.append(urlsplit(json.loads(said)["url"]).path)
        return paths


def knows_tokens() -> bool:
    """Tell whether members may be known by a token in this version."""
    return any(one.name == "member_file" for one in fields(ClientsConfig))


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(self._path)


@contextmanager
def remembered() -> Iterator[Path]:
    """Ask for everything that members ask for every day, and keep the cache in a file meanwhile."""
    with (
        tempfile.TemporaryDirectory(prefix="dohproxy-drill-") as name,
        simulator_process(Behaviour(ttl_seconds=TTL_SECONDS)) as upstream,
    ):
        directory = Path(name)
        file = directory / "cache.snapshot"
        settings = ProxySettings(
            (f"udp://127.0.0.1:{upstream.port}",),
            CertificateAuthority(directory),
            sections={"cache": {"snapshot_file": str(file)}},
        )
        with running_proxy(directory, settings) as proxy:
            swarm = Swarm(proxy.port)
            caller = Caller("127.0.0.1", 16, keeps=True)
            questions = enumerate(Crowd().known_questions())
            swarm.run(Asked(number / 500, caller, request, "warming") for number, request in questions)
            swarm.close()
            proxy.child.terminate()
        yield file


@contextmanager
def ground(snapshot: Path, *, tls: bool, ipv6: bool, members: tuple[str, ...] = ()) -> Iterator[Ground]:
    """Start the upstream and the proxy, the proxy alone on its core."""
    server_core, other_core = choose_cores()
    with (
        tempfile.TemporaryDirectory(prefix="dohproxy-drill-") as name,
        simulator_process(UPSTREAM) as upstream,
    ):
        directory = Path(name)
        authority = CertificateAuthority(directory)
        cache = directory / "cache.snapshot"
        shutil.copyfile(snapshot, cache)
        sections: dict[str, dict[str, Value]] = {
            "clients": {"member_networks": [*MEMBER_NETWORKS, *members]},
            "cache": {"snapshot_file": str(cache)},
            "server": {"host": "127.0.0.1"},
            "admin": {"socket": str(directory / "admin.sock")},
        }
        if knows_tokens():
            sections["clients"]["member_file"] = str(directory / "members.json")
        if ipv6:
            sections["server"]["listen"] = [f"127.0.0.1:{IPV6_PORT}", f"[::]:{IPV6_PORT}"]
        settings = ProxySettings(
            (f"udp://127.0.0.1:{upstream.port}",),
            authority,
            tls=authority.issue(["127.0.0.1"]) if tls else None,
            sections=sections,
            upstream=ASSOCIATIVE,
            limited=True,
        )
        with running_proxy(directory, settings) as proxy:
            pin(proxy.child.pid, server_core)
            pin(upstream.pid, other_core)
            port = IPV6_PORT if ipv6 else proxy.port
            target = Target(port, str(authority.file) if tls else "", IPV6_HOST)
            swarm = Swarm(port, context=authority.client_context() if tls else None, host6=IPV6_HOST)
            try:
                yield Ground(proxy, upstream, target, swarm, directory / "admin.sock", other_core)
            finally:
                swarm.close()


def enter_namespace() -> None:
    """Run this command again in a network namespace to which all of IPV6_PREFIX is local; return if it is there."""
    if INSIDE in os.environ:
        return
    script = f'ip link set lo up && ip -6 route add local {IPV6_PREFIX} dev lo && exec "$0" "$@"'
    again = [sys.executable, "-m", "bench.drill", *sys.argv[1:]]
    os.execvpe(  # noqa: S606 - the shell that is needed is in the arguments, and none of them is foreign
        "unshare", ["unshare", "-rn", "sh", "-c", script, *again], {**os.environ, INSIDE: "1"}
    )
