"""The table of servers: what is the same for each, in each one's own words.

Every server has two TLS listeners with the same certificate, for DoH and for DoT, forwards to the same upstream over
UDP, caches, and runs on one core. Limits are as wide as they go, except in the variant that measures one. Nothing is
installed here: a server whose program is missing is left out of the tables.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal

from bench.peers.clients import ask_once
from bench.processes import descriptor_limit
from bench.sources import with_ours
from tests.e2e.processes import START_SECONDS, Child, free_port, start_on_free_ports
from tests.e2e.proxy import PROJECT

Frontend = Literal["http1", "http2", "dot"]
PLAIN: Final = "plain"
LIMITED: Final = "limited"
"""One request a second for each client."""
CAPPED: Final = "capped"
"""One connection for each client, or the least that can be had."""
OF_DEVELOPERS: Final = "rich"
SLOWER: Final = 10
"""Times as long a start may take under valgrind."""
MANY_DESCRIPTORS: Final = 65_536
TCP_PLACES: Final = {True: 25_000, False: 9_000}
"""For Unbound, by whether so many descriptors may be open: beyond half of its places it closes what is idle for over
1.2 s, whatever is configured, so that 10,000 idle connections need 20,000 places. There are as many for either port,
each with room for a descriptor."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One server. In all templates {directory}, {port}, {dot_port}, {side_port}, {upstream}, {tcp_places} and {key}
    stand for the place's."""

    name: str
    program: str
    package: str
    """The name of its package in Debian."""
    version_argv: tuple[str, ...]
    configuration: str
    variants: Mapping[str, str]
    """What is added for each variant it has; a peer without one is left out where it is measured."""
    argv: tuple[str, ...]
    frontends: frozenset[Frontend]
    reload_argv: tuple[str, ...] = ()
    """The command that makes it take a new certificate; empty: it looks by itself."""
    notes: tuple[str, ...] = ()
    """Why it has no figure where others have one, and what to know of those that it has."""

    @property
    def is_installed(self) -> bool:
        """Whether the program is there."""
        return _which(self.program) is not None

    def is_able(self, frontend: Frontend, variant: str) -> bool:
        """Tell whether it speaks a protocol and has a variant."""
        return frontend in self.frontends and variant in self.variants

    def version(self) -> str:
        """Return what it calls itself."""
        argv = [_which(self.program) or self.program, *self.version_argv]
        told = subprocess.run(argv, capture_output=True, text=True, timeout=30, env=with_ours(), check=False)
        version = next((word for word in told.stdout.split() if word[0].isdigit()), "unknown")
        return f"{version} (compiled)" if "(compiled)" in told.stdout else version


_DOHPROXY: Final = """\
[server]
listen = ["127.0.0.1:{port}"]
[dot]
listen = ["127.0.0.1:{dot_port}"]
[tls]
certificate = "{directory}/certificate.pem"
key = "{directory}/key.pem"
reload_seconds = 1
[[upstream]]
name = "ns0"
url = "udp://127.0.0.1:{upstream}"
queries_per_second = 100000
burst = 100000
in_flight = 2000
[cache]
max_megabytes = 512
[connections]
max_total = 15000
max_requests = 1000000
max_handshakes = 10000
new_per_second = 100000
new_burst = 1000000
stranger_handshake_percent = 100
idle_seconds = 600
"""
_DOHPROXY_ANY_CONNECTIONS: Final = """\
max_per_client = 15000
max_per_network = 15000
new_per_second_per_client = 10000
new_burst_per_client = 100000
"""
_DOHPROXY_NO_BANS: Final = """\
[bans]
mode = "shadow"
"""
"""Who sends nothing else than what is refused would be gone before it could be measured what refusing costs."""
_DOHPROXY_WIDE: Final = f"""\
{_DOHPROXY_ANY_CONNECTIONS}
[limits]
requests_per_second = 100000
requests_burst = 1000000
misses_per_second = 100000
misses_burst = 1000000
total_requests_per_second = 1000000
total_requests_burst = 1000000
waiting_misses = 10000
[names]
domain_misses_per_second = 100000
domain_misses_burst = 1000000
domain_failures_per_second = 100000
domain_failures_burst = 1000000
{_DOHPROXY_NO_BANS}"""
"""Every limit is asked, and none of them met."""
_DNSDIST: Final = """\
setLocal("127.0.0.2:{side_port}")
setACL({{"127.0.0.0/8"}})
setSecurityPollSuffix("")
controlSocket("127.0.0.1:{side_port}")
setKey("{key}")
addDOHLocal("127.0.0.1:{port}", "{directory}/certificate.pem", "{directory}/key.pem", "/dns-query", {{idleTimeout=600}})
addTLSLocal("127.0.0.1:{dot_port}", "{directory}/certificate.pem", "{directory}/key.pem", {{maxInFlight=64}})
setMaxTCPClientThreads(1)
setTCPRecvTimeout(600)
newServer({{address="127.0.0.1:{upstream}", healthCheckMode="up"}})
getPool(""):setCache(newPacketCache(1000000, {{maxTTL=86400}}))
"""
_UNBOUND: Final = """\
server:
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: "{directory}/unbound.pid"
  logfile: ""
  use-syslog: no
  verbosity: 0
  do-daemonize: no
  num-threads: 1
  module-config: "iterator"
  interface: 127.0.0.1@{port}
  interface: 127.0.0.1@{dot_port}
  port: {side_port}
  tls-port: {dot_port}
  https-port: {port}
  http-endpoint: "/dns-query"
  http-max-streams: 100
  tls-service-key: "{directory}/key.pem"
  tls-service-pem: "{directory}/certificate.pem"
  do-ip6: no
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  incoming-num-tcp: {tcp_places}
  tcp-idle-timeout: 120000
  msg-cache-size: 512m
  rrset-cache-size: 512m
  num-queries-per-thread: 4096
  outgoing-range: 8192
  infra-keep-probing: yes
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{upstream}
remote-control:
  control-enable: yes
  control-use-cert: no
  control-interface: "{directory}/control"
"""

PEERS: Final = (
    Peer(
        name="dohproxy",
        program=sys.executable,
        package="",
        version_argv=("-P", "-m", "dohproxy", "--version"),
        configuration=_DOHPROXY,
        variants={
            PLAIN: _DOHPROXY_WIDE,
            LIMITED: (
                f"{_DOHPROXY_ANY_CONNECTIONS}[limits]\nrequests_per_second = 1\nrequests_burst = 1\n{_DOHPROXY_NO_BANS}"
            ),
            CAPPED: "max_per_client = 1\nnew_per_second_per_client = 10000\nnew_burst_per_client = 100000\n",
        },
        argv=("-P", "-m", "dohproxy", "serve", "--config", "{configuration}"),
        frontends=frozenset({"http1", "http2", "dot"}),
    ),
    Peer(
        name="dnsdist",
        program="dnsdist",
        package="dnsdist",
        version_argv=("--version",),
        configuration=_DNSDIST,
        variants={
            PLAIN: "",
            LIMITED: "addAction(MaxQPSIPRule(1), RCodeAction(DNSRCode.REFUSED))\n",
        },
        argv=("--supervised", "--disable-syslog", "--config", "{configuration}"),
        frontends=frozenset({"http1", "http2", "dot"}),
        reload_argv=("--config", "{configuration}", "--execute", "reloadAllCertificates()"),
        notes=("its cap on connections of one client holds for TCP and DoT, and for DoH not (PowerDNS/pdns#12019).",),
    ),
    Peer(
        name="Unbound",
        program="unbound",
        package="unbound",
        version_argv=("-V",),
        configuration=_UNBOUND,
        variants={PLAIN: "", CAPPED: "server:\n  tcp-connection-limit: 127.0.0.0/8 2\n"},
        argv=("-d", "-p", "-c", "{configuration}"),
        frontends=frozenset({"http2", "dot"}),
        reload_argv=("-c", "{configuration}", "reload"),
        notes=(
            "has no HTTP/1.1.",
            "closes idle connections once half of its places are taken; 10,000 need more than 40,000 descriptors.",
            "closes the connection where a message has less than the twelve bytes of a header.",
            "says nothing at all beyond a limit on addresses, so that there is no answer to count.",
            "`unbound-control reload` reads its configuration again and not its certificate; only a restart does.",
            "its memory after the first answer holds the buffers of all connections that it may have, on either port.",
        ),
    ),
)
_RELOADER: Final = {"Unbound": "unbound-control"}
"""Where the command is another program than the server."""

UPSTREAM_CONFIGURATION: Final = """\
setLocal("127.0.0.1:{port}")
setACL({{"127.0.0.0/8"}})
setSecurityPollSuffix("")
addAction(QTypeRule(DNSQType.A), SpoofAction("127.1.2.3", {{ttl=3600}}))
addAction(AllRule(), RCodeAction(DNSRCode.NXDOMAIN))
"""
"""Every name has an address: dnsdist again, because it costs the other core less than anything else at hand."""


@dataclass(slots=True)
class Running:
    """One server that serves."""

    peer: Peer
    directory: Path
    port: int
    """For DoH."""
    dot_port: int
    side_port: int
    child: Child
    files: dict[str, str] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        """The process to be charged."""
        return self.child.pid

    def port_of(self, frontend: Frontend) -> int:
        """Return where it speaks a protocol."""
        return self.dot_port if frontend == "dot" else self.port

    def reload(self) -> None:
        """Tell it to take the certificate that lies there now."""
        if self.peer.reload_argv:
            program = _RELOADER.get(self.peer.name, self.peer.program)
            argv = [_which(program) or program, *(part.format(**self.files) for part in self.peer.reload_argv)]
            subprocess.run(argv, check=True, capture_output=True, timeout=30)


@contextmanager
def running(
    peer: Peer, variant: str, directory: Path, upstream: int, core: int, under: Sequence[str] = ()
) -> Iterator[Running]:
    """Start a server on one core, in a directory that holds its certificate; end it whatever happens. `under` is the
    command line of what runs it, such as valgrind."""
    server = start(peer, variant, directory, upstream, core, under)
    try:
        yield server
    finally:
        server.child.kill()


def start(peer: Peer, variant: str, directory: Path, upstream: int, core: int, under: Sequence[str] = ()) -> Running:
    """Start a server and wait for its first answer; raise RuntimeError with its log if there is none."""
    return start_on_free_ports(partial(_start_once, peer, variant, directory, upstream, core, under), only_if="in use")


def _start_once(peer: Peer, variant: str, directory: Path, upstream: int, core: int, under: Sequence[str]) -> Running:
    port, dot_port, side_port = free_port(), free_port(), free_port()
    configuration = directory / f"{peer.name}.conf"
    place = {
        "directory": str(directory),
        "configuration": str(configuration),
        "tcp_places": str(TCP_PLACES[descriptor_limit() >= MANY_DESCRIPTORS]),
        "key": "MXNeLFWHUe4363BBKrY06cAsH8NWNb+Se2eXU5+Bb74=",
    }
    text = (peer.configuration + peer.variants[variant]).format(
        port=port, dot_port=dot_port, side_port=side_port, upstream=upstream, **place
    )
    configuration.write_text(text, encoding="ascii")
    program = _which(peer.program) or peer.program
    argv = ["taskset", "-c", str(core), *under, program, *(part.format(**place) for part in peer.argv)]
    child = Child(argv, directory / f"{peer.name}.log", environment=as_installed(directory), directory=PROJECT)
    child.wait_until_ready(lambda: ask_once(port), within_seconds=START_SECONDS * (SLOWER if under else 1))
    return Running(peer, directory, port, dot_port, side_port, child, place)


def as_installed(directory: Path) -> dict[str, str]:
    """Return the environment of a server of ours that runs as one that was installed: compiled before it starts, and
    without the packages that only its developers have, of which structlog would import one."""
    hidden = directory / "hidden" / f"{OF_DEVELOPERS}.py"
    hidden.parent.mkdir(exist_ok=True)
    hidden.write_text(f"raise ImportError('{OF_DEVELOPERS} is not installed')\n", encoding="ascii")
    variables = with_ours()
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    return variables | {
        "PYTHONPATH": os.pathsep.join((str(hidden.parent), variables["PYTHONPATH"])),
        "PYTHONPYCACHEPREFIX": str(directory / "compiled"),
    }


def compile_ours(directory: Path) -> None:
    """Have what a server of ours imports compiled, so that none has to do it at its start."""
    argv = [sys.executable, "-P", "-m", "dohproxy", "--version"]
    subprocess.run(argv, env=as_installed(directory), cwd=PROJECT, check=True, capture_output=True, timeout=60)


@contextmanager
def upstream_process(directory: Path, core: int) -> Iterator[int]:
    """Run the upstream on a core and give its port."""
    port = free_port()
    configuration = directory / "upstream.conf"
    configuration.write_text(UPSTREAM_CONFIGURATION.format(port=port), encoding="ascii")
    argv = ["taskset", "-c", str(core), "dnsdist", "--supervised", "--disable-syslog", "--config", str(configuration)]
    child = Child(argv, directory / "upstream.log")
    try:
        child.wait_until_ready(lambda: "No downstream servers" in child.log_text())
        yield port
    finally:
        child.kill()


def installed() -> list[Peer]:
    """Return the servers that can be measured, and print how to get the others."""
    for peer in PEERS:
        if not peer.is_installed:
            print(f"{peer.name} is not installed; on Debian: apt-get install {peer.package}", file=sys.stderr)
    return [peer for peer in PEERS if peer.is_installed]


def _which(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
