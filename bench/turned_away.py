"""What a banned client costs: its connection beside a handshake, its request behind a front proxy beside an answer.

CPU time of the running server, as the kernel charges it (/proc/PID/stat). Takes about a minute.
"""

import http.client
import socket
import ssl
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final

from bench.processes import choose_cores, cpu_seconds, pin, pin_self
from bench.targets import Target, print_targets
from dohproxy.control.client import send
from tests.e2e.authoritative import MisbehavingServer
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.proxy import Proxy, ProxySettings, Sections, running_proxy

HANDSHAKES: Final = 1_000
REFUSED: Final = 10_000
REQUESTS: Final = 5_000
ROUNDS: Final = 5
BANNED, WELCOME, FRONT = "127.9.9.9", "127.8.8.8", "127.0.0.1"
TARGET: Final = "/dns-query?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA25ldAAAAQAB"
MOST_OF_A_HANDSHAKE: Final = 0.15
LIMITS: Final[Sections] = {
    "connections": {
        "new_per_second": 100_000,
        "new_burst": 1_000_000,
        "new_per_second_per_client": 10_000,
        "new_burst_per_client": 100_000,
        "stranger_handshake_percent": 100,
        "max_requests": 1_000_000,
    },
    "limits": {"requests_per_second": 100_000, "requests_burst": 1_000_000, "total_requests_per_second": 1_000_000},
    "clients": {
        "address_from": "x-forwarded-for",
        "trusted_proxies": [f"{FRONT}/32"],
        # Who shakes hands and asks nothing would be banned for that.
        "member_networks": [f"{WELCOME}/32"],
    },
}


def main() -> None:
    """Measure both, and say whether they keep to what is promised."""
    server_core, own_core = choose_cores()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dohproxy-bench-")))
        upstream = MisbehavingServer()
        stack.callback(upstream.stop)
        upstream.start()
        authority = CertificateAuthority(directory)
        admin = directory / "admin.sock"
        settings = ProxySettings(
            (f"udp://127.0.0.1:{upstream.port}",),
            authority,
            tls=authority.issue(["127.0.0.1"]),
            sections={**LIMITS, "admin": {"socket": str(admin)}},
            limited=True,
        )
        proxy = stack.enter_context(running_proxy(directory, settings))
        pin(proxy.child.pid, server_core)
        pin_self(own_core)
        ban(admin, BANNED)
        context = authority.client_context()
        handshake = cost(proxy, HANDSHAKES, lambda: shake_hands(proxy.port, context))
        turned_away = cost(proxy, REFUSED, lambda: knock(proxy.port))
        # Requests that have come before: others are not read at all where their client is banned.
        rounds = [
            (
                cost_of_requests(proxy, context, f"203.0.{number}.8"),
                cost_of_requests(proxy, context, f"203.0.{number}.7", partial(ban, admin, f"203.0.{number}.7")),
            )
            for number in range(ROUNDS)
        ]
        answered, banned = (statistics.median(figures) for figures in zip(*rounds, strict=True))
    print(f"handshake {handshake:.1f} us, banned connection {turned_away:.1f} us")
    print(f"cached answer {answered:.1f} us, banned request {banned:.1f} us")
    met = print_targets(
        [
            Target("banned connection, of a handshake", turned_away / handshake, "<=", MOST_OF_A_HANDSHAKE),
            Target("banned request, of a cached answer", banned / answered, "<=", 1.0),
        ]
    )
    sys.exit(not met)


def ban(admin: Path, network: str) -> None:
    """Ban by command."""
    send(admin, "/v1/ban", {"network": network}, 10.0)


def cost(proxy: Proxy, count: int, do: Callable[[], None]) -> float:
    """Return the server's CPU time for one of so many, in microseconds."""
    for _ in range(count // 10):
        do()
    before = cpu_seconds(proxy.child.pid)
    for _ in range(count):
        do()
    return (cpu_seconds(proxy.child.pid) - before) / count * 1e6


def shake_hands(port: int, context: ssl.SSLContext) -> None:
    """Connect, and leave when the handshake is over."""
    with (
        socket.create_connection(("127.0.0.1", port), 10.0, (WELCOME, 0)) as connected,
        context.wrap_socket(connected, server_hostname="127.0.0.1") as secured,
    ):
        secured.do_handshake()


def knock(port: int) -> None:
    """Connect, and see the connection closed."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 10.0, (BANNED, 0)) as connected:
        connected.recv(1)


def cost_of_requests(
    proxy: Proxy, context: ssl.SSLContext, client: str, then: Callable[[], object] = lambda: None
) -> float:
    """Return what a request costs that a front proxy forwards for this client, on one connection. `then` is called
    after the first."""
    connection = http.client.HTTPSConnection("127.0.0.1", proxy.port, timeout=10.0, context=context)

    def ask() -> None:
        connection.request("GET", TARGET, headers={"X-Forwarded-For": client})
        connection.getresponse().read()

    try:
        ask()
        then()
        return cost(proxy, REQUESTS, ask)
    finally:
        connection.close()


if __name__ == "__main__":
    main()
