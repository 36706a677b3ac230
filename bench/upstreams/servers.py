"""Unbound, dnsdist, BIND, Knot Resolver and PowerDNS Recursor of Debian, each in its own directory, on loopback, in one
of four states."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import dns.exception
import dns.message
import dns.query

from bench.upstreams.world import World
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.processes import LOOPBACK, Child, free_port, start_on_free_ports

NAME: Final = "ns.upstreams.example"
THROTTLE_PER_SECOND: Final = 5
"""What a throttling one allows one address."""


class State(StrEnum):
    """What its operators have made of it."""

    DEFAULT = "default"
    REFUSING = "refusing"
    """Its access list does not have us."""
    THROTTLING = "throttling"
    """By its own rate limit, THROTTLE_PER_SECOND."""
    RESTARTING = "restarting"
    """It goes away for two seconds."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one server runs, and with what."""

    directory: Path
    port: int
    tls_port: int
    world_port: int
    files: CertificateFiles
    state: State


@dataclass(frozen=True, slots=True)
class Kind:
    """One program: its Debian package, its arguments, and its configuration."""

    name: str
    program: str
    package: str
    file: str
    arguments: Callable[[Place], list[str]]
    configuration: Callable[[Place], str]
    states: frozenset[State] = frozenset(State)
    transports: tuple[str, ...] = ("udp", "tcp", "tls")
    """Over which it serves."""

    @property
    def path(self) -> str | None:
        """Where the program is; Debian puts some where an ordinary user does not look."""
        return shutil.which(self.program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _unbound(place: Place) -> str:
    throttle = (
        f"ip-ratelimit: {THROTTLE_PER_SECOND}\n  ip-ratelimit-size: 1m" if place.state is State.THROTTLING else ""
    )
    return f"""\
server:
  username: ""
  chroot: ""
  directory: "{place.directory}"
  pidfile: "{place.directory}/unbound.pid"
  logfile: ""
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  module-config: "iterator"
  interface: {LOOPBACK}@{place.port}
  interface: {LOOPBACK}@{place.tls_port}
  tls-port: {place.tls_port}
  tls-service-key: "{place.files.key}"
  tls-service-pem: "{place.files.certificate}"
  do-ip6: no
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 {"refuse" if place.state is State.REFUSING else "allow"}
  {throttle}
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: {LOOPBACK}@{place.world_port}
"""


def _dnsdist(place: Place) -> str:
    acl = '"192.0.2.0/24"' if place.state is State.REFUSING else '"127.0.0.0/8"'
    throttle = f"addAction(MaxQPSIPRule({THROTTLE_PER_SECOND}), DropAction())" * (place.state is State.THROTTLING)
    return f"""\
setSecurityPollSuffix("")
setACL({{{acl}}})
setLocal("{LOOPBACK}:{place.port}")
addTLSLocal("{LOOPBACK}:{place.tls_port}", "{place.files.certificate}", "{place.files.key}")
newServer({{address="{LOOPBACK}:{place.world_port}", useClientSubnet=false}})
{throttle}
"""


def _bind(place: Place) -> str:
    clients = "none" if place.state is State.REFUSING else "any"
    throttle = ""
    if place.state is State.THROTTLING:
        throttle = (
            f"rate-limit {{ responses-per-second {THROTTLE_PER_SECOND}; all-per-second {THROTTLE_PER_SECOND}; }};"
        )
    return f"""\
tls local {{ cert-file "{place.files.certificate}"; key-file "{place.files.key}"; }};
options {{
  directory "{place.directory}";
  pid-file "{place.directory}/named.pid";
  session-keyfile "{place.directory}/session.key";
  managed-keys-directory "{place.directory}";
  listen-on port {place.port} {{ {LOOPBACK}; }};
  listen-on port {place.tls_port} tls local {{ {LOOPBACK}; }};
  listen-on-v6 {{ none; }};
  recursion yes;
  allow-query {{ {clients}; }};
  allow-recursion {{ {clients}; }};
  dnssec-validation no;
  forward only;
  forwarders {{ {LOOPBACK} port {place.world_port}; }};
  empty-zones-enable no;
  {throttle}
}};
controls {{ }};
"""


def _knot(place: Place) -> str:
    refuse = "policy.add(policy.all(policy.REFUSE))" if place.state is State.REFUSING else ""
    return f"""\
net.ipv6 = false
net.listen("{LOOPBACK}", {place.port}, {{ kind = "dns" }})
net.listen("{LOOPBACK}", {place.tls_port}, {{ kind = "tls" }})
net.tls("{place.files.certificate}", "{place.files.key}")
trust_anchors.remove(".")
modules.unload("ta_signal_query")
modules.unload("ta_update")
modules.unload("priming")
cache.open(10 * MB, "lmdb://{place.directory}/cache")
{refuse}
policy.add(policy.all(policy.FORWARD("{LOOPBACK}@{place.world_port}")))
"""


def _powerdns(place: Place) -> str:
    return f"""\
local-address={LOOPBACK}
local-port={place.port}
daemon=no
disable-syslog=yes
write-pid=no
socket-dir={place.directory}
threads=1
allow-from={"192.0.2.0/24" if place.state is State.REFUSING else "127.0.0.0/8"}
dnssec=off
security-poll-suffix=
forward-zones-recurse=.={LOOPBACK}:{place.world_port}
"""


KINDS: Final = (
    Kind(
        "Unbound",
        "unbound",
        "unbound",
        "unbound.conf",
        lambda p: ["-d", "-p", "-c", f"{p.directory}/unbound.conf"],
        _unbound,
    ),
    Kind(
        "dnsdist",
        "dnsdist",
        "dnsdist",
        "dnsdist.conf",
        lambda p: ["--supervised", "--disable-syslog", "-C", f"{p.directory}/dnsdist.conf"],
        _dnsdist,
    ),
    Kind("BIND", "named", "bind9", "named.conf", lambda p: ["-g", "-n", "1", "-c", f"{p.directory}/named.conf"], _bind),
    Kind(
        "Knot Resolver",
        "kresd",
        "knot-resolver",
        "kresd.conf",
        lambda p: ["-n", "-c", f"{p.directory}/kresd.conf", str(p.directory)],
        _knot,
        # The version of Debian has no rate limit.
        frozenset(State) - {State.THROTTLING},
    ),
    Kind(
        "PowerDNS Recursor",
        "pdns_recursor",
        "pdns-recursor",
        "recursor.conf",
        lambda p: [f"--config-dir={p.directory}"],
        _powerdns,
        # It limits connections of one address, but not its questions.
        frozenset(State) - {State.THROTTLING},
        # It serves DoT behind a dnsdist only.
        ("udp", "tcp"),
    ),
)


class Server:
    """One of them, between `start` and `stop`; `stop` and `start_again` make a restart."""

    def __init__(
        self, kind: Kind, state: State, directory: Path, world: World, authority: CertificateAuthority
    ) -> None:
        self._kind = kind
        self._state = state
        self._directory = directory
        self._world = world
        self._files = authority.issue([NAME])
        self._child: Child | None = None
        self.port = 0
        self.tls_port = 0

    def start(self) -> None:
        """Start on free ports, kept in `port` (UDP and TCP) and `tls_port`; return when it answers or listens."""
        start_on_free_ports(self._start_once)

    def _start_once(self) -> None:
        self.port, self.tls_port = free_port(), free_port()
        self.start_again()

    def start_again(self) -> None:
        """Start on the ports it had before."""
        if self._kind.path is None:
            raise FileNotFoundError(f"no {self._kind.program}; on Debian: apt-get install {self._kind.package}")
        place = Place(self._directory, self.port, self.tls_port, self._world.port, self._files, self._state)
        (self._directory / self._kind.file).write_text(self._kind.configuration(place), encoding="ascii")
        argv = [self._kind.path, *self._kind.arguments(place)]
        self._child = Child(argv, self._directory / "log", directory=self._directory)
        self._child.wait_until_ready(self._is_there)

    def stop(self) -> None:
        """End it at once."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _is_there(self) -> bool:
        """Tell whether it says anything over TCP: a drop by its access list is a closed connection, and counts too."""
        query = dns.message.make_query("ready.example.", "A")
        try:
            dns.query.tcp(query, LOOPBACK, timeout=0.5, port=self.port)
        except ConnectionRefusedError:
            return False
        except (OSError, EOFError, dns.exception.DNSException):
            return self._state is State.REFUSING
        return True
