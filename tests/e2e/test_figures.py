"""What a running service holds, as its reference says."""

import re
import socket
import ssl
from pathlib import Path

import pytest

from dohproxy.config import reference
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import LOOPBACK, wait_until
from tests.e2e.proxy import Proxy, ProxySettings, running_proxy
from tests.e2e.unbound import Unbound

BEFORE, COUNTED = 100, 400
"""Connections before the first look, by which what is kept for all of them is there, and those that are counted."""
NEAR = 0.3


def resident_bytes(pid: int) -> int:
    """What a process holds in memory."""
    [kibibytes] = re.findall(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text("ascii"), re.MULTILINE)
    return int(kibibytes) * 1024


def open_connections(proxy: Proxy, context: ssl.SSLContext, number: int) -> list[ssl.SSLSocket]:
    """Open so many connections that do nothing more; their tickets are read, as a client would."""
    opened = []
    for _ in range(number):
        sock = socket.create_connection((LOOPBACK, proxy.port), timeout=10)
        opened.append(context.wrap_socket(sock, server_hostname="localhost"))
    return opened


def test_memory_of_an_idle_connection(unbound: Unbound, authority: CertificateAuthority, tmp_path: Path) -> None:
    [said] = re.findall(r"idle one with TLS holds (\d+) KiB", " ".join(reference().replace("#", " ").split()))
    many = {"max_per_client": 1000, "max_per_network": 1000, "new_burst_per_client": 1000, "new_per_second": 10_000}
    sections = {"connections": {**many, "idle_seconds": 120, "stranger_handshake_percent": 100}}
    settings = ProxySettings(
        (f"udp://{LOOPBACK}:{unbound.port}",), authority, tls=authority.issue(["localhost"]), sections=sections
    )
    with running_proxy(tmp_path, settings) as proxy:
        context = authority.client_context()
        context.set_alpn_protocols(["h2"])
        held = open_connections(proxy, context, BEFORE)
        wait_until(lambda: proxy.metric("dohproxy_connections") >= BEFORE, 10, "the first connections")
        before = resident_bytes(proxy.child.pid)
        held += open_connections(proxy, context, COUNTED)
        wait_until(lambda: proxy.metric("dohproxy_connections") >= len(held), 10, "all connections")
        each = (resident_bytes(proxy.child.pid) - before) / COUNTED / 1024
        for one in held:
            one.close()
    assert each == pytest.approx(float(said), rel=NEAR)
