"""The kernel's settings that decide what arrives here at all: queues, ports, the table of connections.

They belong to the machine and not to the service, which may not change them and in its sandbox cannot even read them.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dohproxy.config import Config
from dohproxy.frontends.listening import BACKLOG
from dohproxy.tools.doctor.findings import Finding, Severity

SUBJECT: Final = "kernel"
NEARLY_FULL: Final = 0.8
"""Of a table of the kernel's: what is left goes within seconds when a flood comes."""
FEWEST_PORTS: Final = 16_384
"""From which the source port of a query is drawn. A forger has to guess it (RFC 5452 section 4.5): with half as many
ports he needs half as many packets. Linux gives 28,232."""
CONNTRACK_FACTOR: Final = 4
"""How many times `connections.max_total` the table of connections should hold: each stays in it for two minutes after
its end, and other services have theirs."""

_SETTINGS: Final = {
    "net.core.somaxconn": "sys/net/core/somaxconn",
    "net.ipv4.tcp_max_syn_backlog": "sys/net/ipv4/tcp_max_syn_backlog",
    "net.ipv4.tcp_syncookies": "sys/net/ipv4/tcp_syncookies",
    "net.ipv4.tcp_max_tw_buckets": "sys/net/ipv4/tcp_max_tw_buckets",
    "net.netfilter.nf_conntrack_max": "sys/net/netfilter/nf_conntrack_max",
    "net.netfilter.nf_conntrack_count": "sys/net/netfilter/nf_conntrack_count",
}
_PORT_RANGE: Final = "sys/net/ipv4/ip_local_port_range"
_NET_STATISTICS: Final = "net/netstat"
_SOCKET_STATISTICS: Final = "net/sockstat"


@dataclass(frozen=True, slots=True)
class KernelSeen:
    """What the kernel lets be read; what it does not is missing."""

    settings: Mapping[str, int] = field(default_factory=dict)
    ports: int | None = None
    """Source ports that there are for outgoing connections and queries."""
    dropped: int | None = None
    """Connections that found the queue of a listener full, since the machine was started."""
    closed_waiting: int | None = None
    """Connections in TIME_WAIT."""


def see(proc: Path = Path("/proc")) -> KernelSeen:
    """Read what `proc` says."""
    settings = {}
    for name, place in _SETTINGS.items():
        with contextlib.suppress(OSError, ValueError):
            settings[name] = int((proc / place).read_text(encoding="ascii"))
    ports = None
    with contextlib.suppress(OSError, ValueError):
        low, high = map(int, (proc / _PORT_RANGE).read_text(encoding="ascii").split())
        ports = high - low + 1
    return KernelSeen(settings, ports, _overflows(proc), _time_wait(proc))


def _overflows(proc: Path) -> int | None:
    """Return `ListenOverflows` of TcpExt: one line of names, and one of numbers behind it."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        rows = [line.split() for line in (proc / _NET_STATISTICS).read_text(encoding="ascii").splitlines()]
        names, numbers = (row for row in rows if row and row[0] == "TcpExt:")
        return int(numbers[names.index("ListenOverflows")])
    return None


def _time_wait(proc: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (proc / _SOCKET_STATISTICS).read_text(encoding="ascii").splitlines():
            words = line.split()
            if words and words[0] == "TCP:":
                return int(words[words.index("tw") + 1])
    return None


def judge(seen: KernelSeen, config: Config) -> Iterator[Finding]:
    """Say which settings are too small for this configuration."""
    if not seen.settings and seen.ports is None:
        yield Finding(SUBJECT, Severity.NOTE, "its settings cannot be seen from here", "run this on the host itself")
        return
    found = [*_queues(seen), *_ports(seen, config), *_tables(seen, config)]
    yield from found
    if all(finding.severity is Severity.NOTE for finding in found):
        yield Finding(SUBJECT, Severity.OK, "queues, ports and tables are large enough for this configuration")


def _queues(seen: KernelSeen) -> Iterator[Finding]:
    longest, half_open = seen.settings.get("net.core.somaxconn"), seen.settings.get("net.ipv4.tcp_max_syn_backlog")
    if longest is not None and longest < BACKLOG:
        what = f"net.core.somaxconn is {longest}: so many new connections may wait, and dohproxy asks for {BACKLOG}"
        yield Finding(SUBJECT, Severity.WARNING, f"{what}; more are dropped in a busy moment", _sysctl_text(
            "net.core.somaxconn", 4 * BACKLOG))  # fmt: skip
    if seen.settings.get("net.ipv4.tcp_syncookies") == 0:
        what = "net.ipv4.tcp_syncookies is 0: a few hundred forged packets a second keep everybody out"
        yield Finding(SUBJECT, Severity.WARNING, what, _sysctl_text("net.ipv4.tcp_syncookies", 1))
    if half_open is not None and half_open < BACKLOG // 4:
        what = f"net.ipv4.tcp_max_syn_backlog is {half_open}: so many connections may be half open"
        yield Finding(SUBJECT, Severity.WARNING, what, _sysctl_text("net.ipv4.tcp_max_syn_backlog", BACKLOG))
    if seen.dropped:
        what = f"{seen.dropped:,} connections, of all services of this machine, found a queue full since it was started"
        remedy = "look at it again after a busy hour; if it grows, net.core.somaxconn or this machine is too small"
        yield Finding(SUBJECT, Severity.NOTE, what, remedy)


def _ports(seen: KernelSeen, config: Config) -> Iterator[Finding]:
    over_udp = [one for one in config.upstreams if one.url.transport == "udp"]
    needed = max(4 * sum(one.in_flight for one in over_udp), FEWEST_PORTS if over_udp else 0)
    if seen.ports is not None and seen.ports < needed:
        what = f"net.ipv4.ip_local_port_range has {seen.ports:,} ports: the fewer, the easier replies are forged"
        remedy = _sysctl_text("net.ipv4.ip_local_port_range", '"32768 60999"')
        yield Finding(SUBJECT, Severity.WARNING, what, remedy)


def _tables(seen: KernelSeen, config: Config) -> Iterator[Finding]:
    most, taken = (seen.settings.get(f"net.netfilter.nf_conntrack_{end}") for end in ("max", "count"))
    wanted = CONNTRACK_FACTOR * config.connections.max_total
    if most and taken is not None and taken >= NEARLY_FULL * most:
        what = f"its table of connections holds {taken:,} of {most:,} (nf_conntrack): when it is full, nobody connects"
        yield Finding(SUBJECT, Severity.FAULT, what, _conntrack_remedy(max(2 * most, wanted), config))
    elif most and most < wanted:
        what = f"its table of connections has room for {most:,} (nf_conntrack), and connections.max_total is"
        what = f"{what} {config.connections.max_total:,}: a flood fills the table before it fills dohproxy"
        yield Finding(SUBJECT, Severity.WARNING, what, _conntrack_remedy(wanted, config))
    buckets = seen.settings.get("net.ipv4.tcp_max_tw_buckets")
    if buckets and seen.closed_waiting is not None and seen.closed_waiting >= NEARLY_FULL * buckets:
        what = f"{seen.closed_waiting:,} ended connections are remembered of {buckets:,} that may be (TIME_WAIT)"
        yield Finding(SUBJECT, Severity.WARNING, what, _sysctl_text("net.ipv4.tcp_max_tw_buckets", 4 * buckets))


def _sysctl_text(name: str, wanted: int | str) -> str:
    return f"sysctl -w {name}={wanted}, and the same line in /etc/sysctl.d/60-dohproxy.conf for the next start"


def _conntrack_remedy(wanted: int, config: Config) -> str:
    ports = sorted({one.port for _, one in config.public_listen if one.kind == "tcp" and one.is_public and one.port})
    larger = _sysctl_text("net.netfilter.nf_conntrack_max", wanted)
    if not ports:
        return larger
    told = ", ".join(map(str, ports))
    rule = f"tcp dport {{ {told} }} notrack (nftables, hook prerouting, priority raw; and tcp sport in hook output)"
    return f"{larger}; or leave the service's port out of it: {rule}"
