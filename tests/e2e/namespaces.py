"""Two machines in one: network namespaces joined by a pair of interfaces, one with the service and its packet filter,
one with all its clients. They need root, and are gone with their last process.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FindProgram
from tests.e2e.processes import wait_until

SERVER4, SERVER6 = "10.77.0.1", "2001:db8:77::1"
"""Where clients find the service."""
CLIENTS4, CLIENTS6 = "10.78.0.0/16", "2001:db8:78::/48"
"""Networks whose addresses are all the client machine's."""
_GATEWAY4, _GATEWAY6 = "10.77.0.2", "2001:db8:77::2"
SILENCE_SECONDS = 0.6
"""Within which a machine beside this one answers what opens a connection."""

_CONNECT = f"""
import json, select, socket, sys, time
found, waiting = {{}}, {{}}
for source, host, port in json.loads(sys.argv[1]):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM)
    one.setsockopt(socket.IPPROTO_IPV6 if family == socket.AF_INET6 else socket.IPPROTO_IP,
                   78 if family == socket.AF_INET6 else 15, 1)  # IP_FREEBIND: any address of the network is ours
    one.bind((source, 0))
    one.setblocking(False)
    one.connect_ex((host, port))
    waiting[one.fileno()] = one, source, port
until = time.monotonic() + {SILENCE_SECONDS}
while waiting and time.monotonic() < until:
    _, ready, _ = select.select([], list(waiting), [], until - time.monotonic())
    for number in ready:
        one, source, port = waiting.pop(number)
        error = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        found[f"{{source}} {{port}}"] = "refused" if error else "open"
        one.close()
for one, source, port in waiting.values():
    found[f"{{source}} {{port}}"] = "silent"
print(json.dumps(found))
"""

_LISTEN = """
import socket, sys, time
held = []
for port in map(int, sys.argv[1:]):
    one = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
    held.append(one)
print("listening", flush=True)
time.sleep(600)
"""


@dataclass(frozen=True, slots=True)
class Machines:
    """Both, by the process that holds each."""

    server: int
    clients: int
    nft: str

    def on_server(self, *argv: str) -> list[str]:
        """Return the command line that runs a program there."""
        return ["nsenter", f"--net=/proc/{self.server}/ns/net", "--", *argv]

    def on_clients(self, *argv: str) -> list[str]:
        """Return the command line that runs a program where the clients are."""
        return ["nsenter", f"--net=/proc/{self.clients}/ns/net", "--", *argv]

    def tries(self, sources: Iterable[str], port: int, *more: int) -> dict[str, str]:
        """Have each address open a connection at each port; return "open", "refused" or "silent" by address, or by
        address and port where there are several."""
        ports = (port, *more)
        wanted = [(one, SERVER6 if ":" in one else SERVER4, each) for one in sources for each in ports]
        argv = self.on_clients(sys.executable, "-I", "-c", _CONNECT, json.dumps(wanted))
        found = json.loads(_run(argv))
        return found if more else {key.partition(" ")[0]: value for key, value in found.items()}

    def is_silent(self, source: str, port: int = 443) -> bool:
        """Whether this address gets no answer."""
        return self.tries([source], port)[source] == "silent"

    def ruleset(self) -> list[dict[str, Any]]:
        """Return our table in nft's JSON, empty if there is none."""
        run = subprocess.run(
            self.on_server(self.nft, "-j", "list", "table", "inet", "dohproxy"),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        found = json.loads(run.stdout)["nftables"] if run.returncode == 0 else []
        assert isinstance(found, list)
        return found

    def elements(self) -> int:
        """Return how many networks the kernel drops."""
        sets = [one["set"] for one in self.ruleset() if "set" in one]
        return sum(len(one.get("elem", ())) for one in sets if one["name"].startswith("banned"))


@contextmanager
def two_machines(find_program: FindProgram) -> Iterator[Machines]:
    """Make both, or skip the test where that is not allowed (in CI: fail)."""
    nft, ip = find_program("nft", "nftables"), find_program("ip", "iproute2")
    unshare, _ = find_program("unshare", "util-linux"), find_program("nsenter", "util-linux")
    holders: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(2):
            holders.append(subprocess.Popen([unshare, "--net", "--", "sleep", "600"], stderr=subprocess.DEVNULL))
            _wait_for_namespace(holders[-1])
        machines = Machines(holders[0].pid, holders[1].pid, nft)
        _join(machines, ip)
        yield machines
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()


HUB = "10.79.0.1"
"""Where the machine in the middle is found by all others."""


@dataclass(frozen=True, slots=True)
class Star:
    """A machine in the middle and some around it that reach it alone, each by the process that holds it."""

    hub: int
    leaves: tuple[int, ...]

    def on_hub(self, *argv: str) -> list[str]:
        """Return the command line that runs a program in the middle."""
        return ["nsenter", f"--net=/proc/{self.hub}/ns/net", "--", *argv]

    def on_leaf(self, number: int, *argv: str) -> list[str]:
        """Return the command line that runs a program on one of the others."""
        return ["nsenter", f"--net=/proc/{self.leaves[number]}/ns/net", "--", *argv]


@contextmanager
def star(find_program: FindProgram, leaves: int) -> Iterator[Star]:
    """Make so many machines around one, or skip the test where that is not allowed (in CI: fail)."""
    ip, unshare = find_program("ip", "iproute2"), find_program("unshare", "util-linux")
    find_program("nsenter", "util-linux")
    holders: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(leaves + 1):
            holders.append(subprocess.Popen([unshare, "--net", "--", "sleep", "600"], stderr=subprocess.DEVNULL))
            _wait_for_namespace(holders[-1])
        made = Star(holders[0].pid, tuple(holder.pid for holder in holders[1:]))
        _run(made.on_hub(ip, *["link", "set", "lo", "up"]))
        _run(made.on_hub(ip, *f"addr add {HUB}/32 dev lo".split()))
        for number, leaf in enumerate(made.leaves):
            _reach_hub(made, number, leaf, ip)
        yield made
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()


def _reach_hub(made: Star, number: int, leaf: int, ip: str) -> None:
    network = f"10.79.{number + 1}"
    for words in (
        f"link add leaf{number} type veth peer name hub netns {leaf}",
        f"addr add {network}.1/24 dev leaf{number}",
        f"link set leaf{number} up",
    ):
        _run(made.on_hub(ip, *words.split()))
    for words in (
        "link set lo up",
        "link set hub up",
        f"addr add {network}.2/24 dev hub",
        f"route add {HUB} via {network}.1",
    ):
        _run(made.on_leaf(number, ip, *words.split()))


def _wait_for_namespace(holder: "subprocess.Popen[bytes]") -> None:
    own = Path("/proc/self/ns/net").readlink()

    def is_apart() -> bool:
        try:
            return holder.poll() is not None or Path(f"/proc/{holder.pid}/ns/net").readlink() != own
        except OSError:
            return True

    wait_until(is_apart, 10, "a network namespace")
    if holder.poll() is not None:
        message = "network namespaces may not be made here; run the tests as root, with CAP_SYS_ADMIN"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def _join(machines: Machines, ip: str) -> None:
    def server(*words: str) -> None:
        _run(machines.on_server(ip, *words))

    def clients(*words: str) -> None:
        _run(machines.on_clients(ip, *words))

    server(*f"link add doh type veth peer name doh netns {machines.clients}".split())
    for side in (server, clients):
        side(*["link", "set", "lo", "up"])
        side(*["link", "set", "doh", "up"])
    server(*f"addr add {SERVER4}/24 dev doh".split())
    server(*f"-6 addr add {SERVER6}/64 dev doh nodad".split())
    clients(*f"addr add {_GATEWAY4}/24 dev doh".split())
    clients(*f"-6 addr add {_GATEWAY6}/64 dev doh nodad".split())
    server(*f"route add {CLIENTS4} via {_GATEWAY4}".split())
    server(*f"-6 route add {CLIENTS6} via {_GATEWAY6}".split())
    clients(*f"route add local {CLIENTS4} dev lo".split())
    clients(*f"-6 route add local {CLIENTS6} dev lo".split())


def _run(argv: Sequence[str]) -> str:
    run = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, f"{argv}: {run.stderr}"
    return run.stdout


@contextmanager
def listening(machines: Machines, *ports: int) -> Iterator[None]:
    """Listen at ports of the server, on all its addresses; connections are left to the kernel."""
    argv = machines.on_server(sys.executable, "-I", "-c", _LISTEN, *map(str, ports))
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        # IPv6 looks for a second or two whether anybody else has its address.
        answered = {_GATEWAY4: "open", _GATEWAY6: "open"}
        assert becomes(lambda: machines.tries(answered, ports[0]) == answered)
        yield
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def becomes(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether something that each look takes a while to see holds within so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
    return condition()


def limited_to_the_packet_filter(*argv: str) -> list[str]:
    """Return the command line of a program that has CAP_NET_ADMIN and no other capability, as the unit gives it."""
    only = "-all,+net_admin"
    return ["setpriv", f"--inh-caps={only}", f"--ambient-caps={only}", f"--bounding-set={only}", *argv]
