"""A member as people are ones: somebody types `member add`, and real clients are told what it shows."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import FindProgram
from tests.e2e.answers import A, says
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.proxy import Proxy, ProxySettings, run_dohproxy, running_proxy
from tests.e2e.test_dnscrypt_proxy import ask, connected
from tests.e2e.unbound import Unbound


@pytest.fixture
def settings(authority: CertificateAuthority, unbound: Unbound) -> ProxySettings:
    """A service with a file for members and without a socket for commands, as many have it."""
    return ProxySettings(
        (f"udp://127.0.0.1:{unbound.port}",),
        authority,
        tls=authority.issue(["localhost", "127.0.0.1"]),
        sections={"server": {"host": "localhost"}, "clients": {"member_file": "members.json"}},
    )


def added(proxy: Proxy) -> dict[str, str]:
    """Add a member by the file, which the running service looks at; wait until it has."""
    run = run_dohproxy("member", "add", "alice", "--config", str(proxy.file), "--json")
    assert run.returncode == 0, run.stdout + run.stderr
    proxy.child.wait_until_ready(lambda: proxy.metric("dohproxy_valid_members") == 1)
    found = json.loads(run.stdout)
    return {"url": found["url"], "stamp": found["stamps"][0]}


def test_the_stamp_that_a_member_is_given_leads_to_an_answer(
    find_program: FindProgram,
    unbound: Unbound,
    settings: ProxySettings,
    authority: CertificateAuthority,
    names: tuple[str, ...],
    tmp_path: Path,
) -> None:
    client = find_program("dnscrypt-proxy", "dnscrypt-proxy")
    with running_proxy(tmp_path, settings) as proxy:
        given = added(proxy)
        with connected(client, given["stamp"], authority.file, tmp_path / "client") as port:
            assert says(ask(port, names[0])) == says(unbound.ask(names[0], A))
        assert proxy.metric("dohproxy_member_networks") == 1


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_the_url_that_a_member_is_given_is_answered_until_it_is_revoked(
    find_program: FindProgram,
    settings: ProxySettings,
    authority: CertificateAuthority,
    tmp_path: Path,
    version: str,
) -> None:
    curl = find_program("curl", "curl")
    query = "?dns=AAABAAABAAAAAAAACWxvY2FsaG9zdAAAAQAB"  # localhost A
    with running_proxy(tmp_path, settings) as proxy:
        url = added(proxy)["url"]

        def status() -> str:
            # What listens on loopback has something before it on the usual port, which here is nobody.
            command = [curl, "--silent", "--show-error", version, "--cacert", str(authority.file)]
            command += ["--connect-to", f"localhost:443:localhost:{proxy.port}"]
            command += ["--output", str(tmp_path / "answer"), "--write-out", "%{http_code} %header{cache-control}"]
            run = subprocess.run([*command, url + query], capture_output=True, text=True, timeout=20, check=True)
            return run.stdout

        assert status().startswith("200 private, max-age=")
        assert run_dohproxy("member", "revoke", "alice", "--config", str(proxy.file)).returncode == 0
        proxy.child.wait_until_ready(lambda: proxy.metric("dohproxy_members") == 0)
        assert status().startswith("404 ")
        assert url.rpartition("/")[2] not in proxy.child.log_text()


def test_the_name_that_a_member_is_given_is_served_over_dot_until_it_is_revoked(
    find_program: FindProgram,
    unbound: Unbound,
    authority: CertificateAuthority,
    names: tuple[str, ...],
    tmp_path: Path,
) -> None:
    kdig = find_program("kdig", "knot-dnsutils")
    settings = ProxySettings(
        (f"udp://127.0.0.1:{unbound.port}",),
        authority,
        tls=authority.issue(["dot.example.net", "*.dot.example.net"]),
        sections={
            "server": {"host": "dot.example.net"},
            "clients": {"member_file": "members.json", "member_networks": []},
        },
        dot=True,
    )
    with running_proxy(tmp_path, settings) as proxy:
        run = run_dohproxy("member", "add", "alice", "--config", str(proxy.file), "--json")
        proxy.child.wait_until_ready(lambda: proxy.metric("dohproxy_valid_members") == 1)
        name = json.loads(run.stdout)["dot_name"]
        assert name.endswith(".dot.example.net")

        def asked() -> subprocess.CompletedProcess[str]:
            command = [kdig, "@127.0.0.1", "-p", str(proxy.dot_port), f"+tls-ca={authority.file}"]
            command += [f"+tls-hostname={name}", "+retry=0", "+time=5", names[0], "A"]
            return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

        answers = asked().stdout
        assert "status: NOERROR" in answers
        assert proxy.metric("dohproxy_member_networks") == 1
        assert run_dohproxy("member", "revoke", "alice", "--config", str(proxy.file)).returncode == 0
        proxy.child.wait_until_ready(lambda: proxy.metric("dohproxy_members") == 0)
        assert "status:" not in asked().stdout
        token = name.partition(".")[0]
        assert token not in proxy.child.log_text() + proxy.metrics_text()
