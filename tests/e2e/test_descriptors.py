"""A service that may open few files: whoever is connected still gets answers from the upstream."""

import socket
from contextlib import ExitStack
from pathlib import Path

import dns.message
import pytest

from tests.e2e import zones
from tests.e2e.answers import A, says
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import LOOPBACK
from tests.e2e.proxy import ProxySettings, running_proxy
from tests.e2e.unbound import Unbound

OPEN_FILES = 200
IDLE = 300


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_connections_leave_descriptors_for_the_upstreams(
    unbound: Unbound, authority: CertificateAuthority, tmp_path: Path, transport: str
) -> None:
    url = f"{transport}://127.0.0.1:{unbound.port}"
    settings = ProxySettings(
        (url,),
        authority,
        sections={"connections": {"max_per_client": 2_000, "max_per_network": 2_000, "new_burst_per_client": 2_000}},
        upstream={"in_flight": 20},
        open_files=OPEN_FILES,
    )
    with running_proxy(tmp_path, settings) as proxy, proxy.client() as client, ExitStack() as idle:
        assert f" is 2000, but this process may open {OPEN_FILES} files" in proxy.child.log_text()
        for _ in range(IDLE):
            idle.enter_context(socket.create_connection((LOOPBACK, proxy.port), timeout=5))
        for number in range(20):
            name = f"new{number}.wild.{zones.ORIGIN}"
            answer = client.get(dns.message.make_query(name, A).to_wire()).message()
            assert says(answer) == says(unbound.ask(name, A))
        assert proxy.metric("dohproxy_connections") <= proxy.metric("dohproxy_max_connections") < OPEN_FILES
        # There is room for whoever reads the metrics, too.
        assert proxy.metric("dohproxy_connections_closed_total", {"reason": "too_many"}) > 0
