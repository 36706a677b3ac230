"""The life of the process: a bad file stops it before it starts, SIGTERM lets it finish what it has begun."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest

from tests.e2e import zones
from tests.e2e.answers import A, says
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import LOOPBACK, accepts_connections, wait_until
from tests.e2e.proxy import Proxy, ProxySettings, run_dohproxy, running_proxy
from tests.e2e.unbound import Unbound

# More than one kind of mistake, in more than one section.
FAULTY = """\
[server]
listen = ["127.0.0.1"]
path = "dns-query"
[limits]
requests_per_secnd = 20
misses_burst = 0
[[upstream]]
name = "ns0"
url = "udp://ns0.example.net"
"""
FAULTY_KEYS = ["server.listen", "server.path", "limits.requests_per_secnd", "limits.misses_burst", "url"]


@pytest.fixture
def proxy(unbound: Unbound, authority: CertificateAuthority, tmp_path: Path) -> Iterator[Proxy]:
    """A proxy in the clear in front of Unbound."""
    settings = ProxySettings((f"udp://127.0.0.1:{unbound.port}",), authority)
    with running_proxy(tmp_path, settings) as running:
        yield running


def test_sigterm_lets_a_query_in_flight_finish(proxy: Proxy, unbound: Unbound) -> None:
    query = dns.message.make_query(zones.slow_name(1200, "drain"), A, use_edns=0)
    before = unbound.queries_received()
    with proxy.client() as client:
        client.send_get(query.to_wire())
        wait_until(lambda: unbound.queries_received() > before, 5, "the query at Unbound")
        proxy.child.signal(signal.SIGTERM)
        wait_until(lambda: not accepts_connections(proxy.port), 5, "the end of listening")
        reply = client.receive().message()
    assert says(reply) == says(unbound.ask(zones.slow_name(1200, "drain"), A))
    assert proxy.child.wait(15) == 0, proxy.child.log_text()


def test_sigterm_ends_an_idle_proxy_at_once_with_clients_connected(proxy: Proxy) -> None:
    with proxy.client() as client:
        query = dns.message.make_query(f"www.{zones.ORIGIN}", A)
        assert client.get(query.to_wire()).status == 200
        assert proxy.child.terminate(5) == 0, proxy.child.log_text()


def test_sigterm_waits_for_a_silent_client_no_longer_than_its_handshake_may_last(
    unbound: Unbound, authority: CertificateAuthority, tmp_path: Path
) -> None:
    patient = {"connections": {"handshake_seconds": 1, "drain_seconds": 60}}
    settings = ProxySettings(
        (f"udp://127.0.0.1:{unbound.port}",), authority, tls=authority.issue(["127.0.0.1"]), sections=patient
    )
    with running_proxy(tmp_path, settings) as proxy, socket.create_connection((LOOPBACK, proxy.port)):
        # who is served after it came after it
        with proxy.client() as client:
            assert client.get(dns.message.make_query(f"www.{zones.ORIGIN}", A).to_wire()).status == 200
        assert proxy.child.terminate(20) == 0, proxy.child.log_text()


def test_nothing_of_a_client_is_in_the_log(proxy: Proxy) -> None:
    query = dns.message.make_query(f"chain0.{zones.ORIGIN}", A)
    broken = dns.message.make_query(zones.broken_name("log"), A)
    with proxy.client() as client:
        client.get(query.to_wire())
        client.post(broken.to_wire())
        client.request("GET", "/dns-query?dns=!")
    proxy.child.terminate()
    log = proxy.child.log_text()
    assert log
    assert zones.ORIGIN not in log


def test_check_tells_every_mistake_at_once(tmp_path: Path) -> None:
    file = tmp_path / "dohproxy.toml"
    file.write_text(FAULTY, encoding="utf-8")
    run = run_dohproxy("check", "--config", str(file))
    told = run.stdout + run.stderr
    assert run.returncode == 78
    assert [key for key in FAULTY_KEYS if key not in told] == [], told
    assert "Traceback" not in told


def test_serve_refuses_what_check_refuses(tmp_path: Path) -> None:
    file = tmp_path / "dohproxy.toml"
    file.write_text(FAULTY, encoding="utf-8")
    run = run_dohproxy("serve", "--config", str(file))
    told = run.stdout + run.stderr
    assert run.returncode != 0
    assert [key for key in FAULTY_KEYS if key not in told] == [], told


def test_check_is_content_with_a_good_file(unbound: Unbound, authority: CertificateAuthority, tmp_path: Path) -> None:
    with running_proxy(tmp_path, ProxySettings((f"udp://127.0.0.1:{unbound.port}",), authority)):
        run = run_dohproxy("check", "--config", str(tmp_path / "dohproxy.toml"))
    assert run.returncode == 0, run.stderr


def test_healthcheck_tells_a_live_proxy_from_a_dead_one(proxy: Proxy, tmp_path: Path) -> None:
    file = str(tmp_path / "dohproxy.toml")
    alive = run_dohproxy("healthcheck", "--config", file)
    proxy.child.kill()
    dead = run_dohproxy("healthcheck", "--config", file)
    assert (alive.returncode, dead.returncode != 0) == (0, True), alive.stdout + alive.stderr
