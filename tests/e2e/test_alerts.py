"""What the person on duty is told of a running service, and what one command does about it."""

import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest

from tests.e2e.certificates import CertificateAuthority
from tests.e2e.proxy import Proxy, ProxySettings, Sections, run_dohproxy, running_proxy
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply

PATIENCE_SECONDS = 60.0
BAD_REQUESTS = 40
"""In half a second."""
QUERY = dns.message.make_query("www.example.net", "A").to_wire()


def tell(directory: Path) -> str:
    """A command that keeps each message."""
    file = directory / "tell"
    file.write_text(f"#!/bin/sh\ncat >> {directory}/told\n", encoding="utf-8")
    file.chmod(stat.S_IRWXU)
    return str(file)


def type_command(file: Path, *words: str) -> tuple[int, str]:
    run = run_dohproxy(*words, "--config", str(file))
    assert "Traceback" not in run.stderr
    return run.returncode, run.stdout + run.stderr


def test_a_flood_is_told_by_command_status_log_and_metrics_within_a_minute(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    with answering(make_reply) as port:
        sections: Sections = {"admin": {"socket": str(tmp_path / "a.sock")}, "alerts": {"command": [tell(tmp_path)]}}
        settings = ProxySettings((f"udp://127.0.0.1:{port}",), authority, sections=sections)
        with running_proxy(tmp_path, settings) as proxy:
            assert type_command(proxy.file, "status")[0] == 0
            assert proxy.metric("dohproxy_alert_active") == 0
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not told.exists() and time.monotonic() < deadline:
                flood(proxy)
                time.sleep(0.5)
            [message] = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
            assert (message["event"], message["alert"]) == ("begin", "malformed_flood")
            assert "requests a second are malformed" in message["words"]
            code, said = type_command(proxy.file, "status")
            assert code == 1
            assert said.startswith("Not well: ")
            assert "requests a second are malformed, 100 % of all" in said
            assert proxy.metric("dohproxy_alert_active", {"alert": "malformed_flood"}) == 1
            assert proxy.metric("dohproxy_alert_messages_total", {"result": "sent"}) == 1
            assert proxy.child.log_text().count("alert begins") == 1


def flood(proxy: Proxy) -> None:
    """Send 40 requests that nobody can answer, and read what comes back."""
    with proxy.client() as client:
        for _ in range(BAD_REQUESTS):
            assert client.request("GET", "/nothing").status == 404


@pytest.fixture
def proxy(authority: CertificateAuthority, tmp_path: Path) -> Iterator[Proxy]:
    """A service of whose members nobody is on this machine."""
    with answering(make_reply) as port:
        sections: Sections = {
            "admin": {"socket": str(tmp_path / "a.sock")},
            "clients": {"member_networks": ["192.0.2.0/24"]},
        }
        settings = ProxySettings((f"udp://127.0.0.1:{port}",), authority, sections=sections, limited=True)
        with running_proxy(tmp_path, settings) as running:
            yield running


def test_members_alone_are_served_within_a_second_and_on_open_connections_too(proxy: Proxy) -> None:
    with proxy.client() as client:
        assert client.get(QUERY).status == 200
        code, said = type_command(proxy.file, "mode", "members", "--for", "10m")
        assert (code, said.startswith("Members and exempt networks alone are served for 10 min")) == (0, True)
        assert client.get(QUERY).status == 403
        assert type_command(proxy.file, "mode", "auto") == (0, "Everybody is served.\n")
        assert client.get(QUERY).status == 200
    assert type_command(proxy.file, "mode", "members", "--for", "1x")[0] == 2
