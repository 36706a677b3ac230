"""The real dnscrypt-proxy, from a stamp that is printed for an operator to an answer."""

import json
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.query
import pytest

from dohproxy.doh.stamp import Protocol, Stamp
from dohproxy.doh.stamp_codec import SCHEME, decode, encode
from tests.conftest import FindProgram
from tests.e2e.answers import A, says
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import LOOPBACK, START_SECONDS, Child, free_port
from tests.e2e.proxy import PROJECT, ProxySettings, environment, run_dohproxy, running_proxy
from tests.e2e.unbound import Unbound

# It looks for no list, no other resolver and no network: one server, the stamp's.
CONFIGURATION = """\
listen_addresses = ['{listen}']
server_names = ['here']
ipv6_servers = true
bootstrap_resolvers = ['127.0.0.1:9']
ignore_system_dns = true
netprobe_timeout = 0
cache = false
[static.'here']
stamp = '{stamp}'
"""

# As a newcomer runs it, but on any free port and asking the Unbound of the tests.
TRIAL = """
import dataclasses, sys
from dohproxy.cli import main, trial
from dohproxy.config import ListenAddress, ServerConfig, UpstreamAddress, UpstreamConfig
default, port = trial.default_config, int(sys.argv.pop())
free = ServerConfig((ListenAddress("tcp", host="127.0.0.1", port=0),))
trial.default_config = lambda upstreams: dataclasses.replace(default(upstreams), server=free)
trial.system_upstreams = lambda file: (UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", port)),)
main()
"""
STAMP = re.compile(r"^stamp: +(sdns://\S+)$", re.MULTILINE)
SERVED = re.compile(r"serves https://127\.0\.0\.1:(\d+)/")


@pytest.fixture(scope="module")
def client(find_program: FindProgram) -> str:
    """The dnscrypt-proxy of this machine. Debian 12 has none, but that of a later release installs there alone."""
    return find_program("dnscrypt-proxy", "dnscrypt-proxy")


@contextmanager
def connected(client: str, stamp: str, trusted: Path, directory: Path) -> Iterator[int]:
    """Run it with one stamp, trusting the certificates of one file; give the port on which it answers plain DNS."""
    directory.mkdir()
    port = free_port()
    file = directory / "dnscrypt-proxy.toml"
    file.write_text(CONFIGURATION.format(listen=f"{LOOPBACK}:{port}", stamp=stamp), encoding="ascii")
    child = Child(
        [client, "-config", str(file)],
        directory / "log",
        environment={**environment(), "SSL_CERT_FILE": str(trusted), "SSL_CERT_DIR": str(directory)},
        directory=directory,
    )
    try:
        child.wait_until_ready(lambda: "live servers: 1" in child.log_text())
        yield port
    finally:
        child.kill()


def ask(port: int, qname: str) -> dns.message.Message:
    """Ask it for an address over UDP, as everything on its machine does."""
    return dns.query.udp(dns.message.make_query(qname, A), LOOPBACK, timeout=10, port=port)


def test_the_stamp_that_a_newcomer_is_shown_leads_to_an_answer(
    client: str, unbound: Unbound, names: tuple[str, ...], tmp_path: Path
) -> None:
    trial = Child(
        [sys.executable, "-P", "-c", TRIAL, "serve", str(unbound.port)],
        tmp_path / "trial",
        environment=environment(),
        directory=PROJECT,
    )
    try:
        trial.wait_until_ready(lambda: "Ctrl-C" in trial.log_text())
        shown, served = STAMP.search(trial.log_text()), SERVED.search(trial.log_text())
        assert shown is not None
        assert served is not None
        certificate = tmp_path / "certificate.pem"
        certificate.write_text(ssl.get_server_certificate((LOOPBACK, int(served[1])), timeout=START_SECONDS))
        with connected(client, shown[1], certificate, tmp_path / "client") as port:
            assert says(ask(port, names[0])) == says(unbound.ask(names[0], A))
        trial.signal(signal.SIGTERM)
        assert trial.wait(START_SECONDS) == 0
    finally:
        trial.kill()


@pytest.mark.parametrize("address", [[], ["--address", LOOPBACK]], ids=["as listened on", "as given"])
def test_every_stamp_of_a_configuration_leads_to_an_answer(
    client: str,
    unbound: Unbound,
    authority: CertificateAuthority,
    names: tuple[str, ...],
    tmp_path: Path,
    address: list[str],
) -> None:
    tls = authority.issue(["localhost", LOOPBACK])
    settings = ProxySettings(
        (f"udp://{LOOPBACK}:{unbound.port}",), authority, tls=tls, sections={"server": {"host": "localhost"}}
    )
    with running_proxy(tmp_path, settings) as proxy:
        # What only this machine can reach is given away on the port of what stands before it, so the port is named.
        where = [f"{one}:{proxy.port}" if one == LOOPBACK else one for one in address]
        run = run_dohproxy("stamp", "--config", str(tmp_path / "dohproxy.toml"), *where)
        stamps = [line for line in run.stdout.splitlines() if line.startswith(SCHEME)]
        assert [len(decode(stamp).hashes) for stamp in stamps] == [0, 1], run.stderr
        for number, stamp in enumerate(stamps):
            assert decode(stamp).host == f"localhost:{proxy.port}"
            with connected(client, stamp, authority.file, tmp_path / f"client{number}") as port:
                assert says(ask(port, names[number])) == says(unbound.ask(names[number], A))


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]", ""], ids=["IPv4", "IPv6", "to be looked up"])
def test_the_port_is_read_from_the_host(client: str, tmp_path: Path, address: str) -> None:
    stamp = encode(Stamp(Protocol.DOH, address=address, host="localhost:8443", path="/dns-query"))
    file = tmp_path / "dnscrypt-proxy.toml"
    file.write_text(CONFIGURATION.format(listen=f"{LOOPBACK}:{free_port()}", stamp=stamp), encoding="ascii")
    run = subprocess.run(
        [client, "-config", str(file), "-list", "-json"],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
        cwd=tmp_path,
        env=environment(),
    )
    (server,) = json.loads(run.stdout)
    assert (server["ports"], server["stamp"]) == ([8443], stamp)
