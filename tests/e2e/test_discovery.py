"""A running service is asked about itself, by real clients over DoH, and by one that finds it through a plain resolver.

The plain resolver is what stands in many networks: it forwards all it is asked, here to this service.
"""

import base64
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.message
import dns.nameserver
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.resolver
import pytest

from tests.conftest import FindProgram
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.http1 import MEDIA_TYPE, Http1Client
from tests.e2e.processes import LOOPBACK, wait_until
from tests.e2e.proxy import Proxy, ProxySettings, Sections, environment, run_dohproxy, running_proxy
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply

HOST = "doh.example.net"
WAYS = "_dns.resolver.arpa"
QUESTIONS = {"by the resolver's name": WAYS, "by the service's name": f"_dns.{HOST}"}
ABOUT = {"by the resolver's name": "resolver.arpa", "by the service's name": HOST}
RESINFO = 261


@dataclass(frozen=True, slots=True)
class Ground:
    """A service that tells of itself, and how."""

    proxy: Proxy
    authority: CertificateAuthority
    reloads: list[str]

    def rewrite(self, old: str, new: str) -> None:
        """Have the service hold to a changed file."""
        text = self.proxy.file.read_text(encoding="utf-8")
        assert old in text
        self.proxy.file.write_text(text.replace(old, new), encoding="utf-8")
        self.proxy.child.signal(signal.SIGHUP)
        self.reloads.append(new)
        taken = {"result": "taken"}
        wait_until(lambda: self.proxy.metric("dohproxy_reloads_total", taken) == len(self.reloads), 5, "the reload")

    def ask(self, name: str, rdtype: str, *, recursion: bool = True) -> dns.message.Message:
        """Ask over DoH."""
        query = dns.message.make_query(name, rdtype, id=0, flags=dns.flags.RD if recursion else 0)
        return dns.message.from_wire(self.forward(query.to_wire()))

    def forward(self, query: bytes) -> bytes:
        """Ask over DoH, by the service's name."""
        with Http1Client(self.proxy.port, host=HOST, context=self.authority.client_context()) as client:
            return client.get(query).body


@pytest.fixture(scope="module")
def files(authority: CertificateAuthority) -> CertificateFiles:
    """A certificate for the name, and for the address of the plain resolver."""
    return authority.issue([HOST, LOOPBACK])


@pytest.fixture(scope="module")
def ground(
    authority: CertificateAuthority, files: CertificateFiles, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    sections: Sections = {
        "server": {"host": HOST},
        "pages": {"enabled": True},
        "about": {"name": "Us"},
        # Which port is free is known only once it serves.
        "discovery": {"enabled": True, "addresses": [LOOPBACK], "port": 1, "ttl_seconds": 600},
    }
    with answering(make_reply) as upstream:
        settings = ProxySettings((f"udp://127.0.0.1:{upstream}",), authority, tls=files, sections=sections)
        with running_proxy(tmp_path_factory.mktemp("discovery"), settings) as proxy:
            found = Ground(proxy, authority, [])
            found.rewrite("\nport = 1\n", f"\nport = {proxy.port}\n")
            yield found


def expected(ground: Ground) -> dns.rdata.Rdata:
    """The one way to ask."""
    port = ground.proxy.port
    text = f'1 {HOST}. alpn="h2" port={port} ipv4hint={LOOPBACK} dohpath="/dns-query{{?dns}}"'
    return dns.rdata.from_text("IN", "SVCB", text)


def run(*argv: str) -> str:
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, env=environment())
    assert ended.returncode == 0, ended
    return ended.stdout


def rdata_in(text: str, rdtype: str) -> dns.rdata.Rdata:
    """Read what a tool prints of one record, be it in words or as RFC 3597 says."""
    [line] = [line for line in text.splitlines() if line and not line.startswith(";")]
    return dns.rdata.from_text("IN", rdtype, line.replace("key7", "dohpath"))


@pytest.mark.parametrize("program", ["dig", "kdig"])
@pytest.mark.parametrize("name", QUESTIONS.values(), ids=QUESTIONS)
def test_the_ways_to_ask_are_told_to_real_clients(
    ground: Ground, program: str, name: str, find_program: FindProgram
) -> None:
    text = run(*_tool(ground, program, find_program), "+short", name, "TYPE64")
    assert rdata_in(text, "SVCB") == expected(ground)


@pytest.mark.parametrize("program", ["dig", "kdig"])
@pytest.mark.parametrize("name", ABOUT.values(), ids=ABOUT)
def test_what_the_service_does_is_told_to_real_clients(
    ground: Ground, program: str, name: str, find_program: FindProgram
) -> None:
    text = run(*_tool(ground, program, find_program), "+short", "+norecurse", name, "TYPE261")
    assert rdata_in(text, "RESINFO").to_text() == (
        f'"exterr=3,13-23" "infourl=https://{HOST}:{ground.proxy.port}/policy"'
    )


def _tool(ground: Ground, program: str, find_program: FindProgram) -> list[str]:
    package = {"dig": "bind9-dnsutils", "kdig": "knot-dnsutils"}[program]
    trust = [f"+tls-ca={ground.authority.file}", f"+tls-hostname={HOST}"]
    return [find_program(program, package), f"@{LOOPBACK}", "-p", str(ground.proxy.port), "+https", *trust]


def test_curl_gets_the_ways_to_ask_and_may_keep_them(ground: Ground, find_program: FindProgram, tmp_path: Path) -> None:
    query = dns.message.make_query(WAYS, "SVCB", id=0)
    encoded = base64.urlsafe_b64encode(query.to_wire()).rstrip(b"=").decode()
    reply, head = tmp_path / "reply", tmp_path / "head"
    argv = [find_program("curl", "curl"), "-q", "--silent", "--fail", "--noproxy", "*", "--max-time", "10"]
    argv += ["--cacert", str(ground.authority.file), "--output", str(reply), "--dump-header", str(head)]
    run(*argv, f"{ground.proxy.url}?dns={encoded}")
    message = dns.message.from_wire(reply.read_bytes())
    assert list(message.answer[0]) == [expected(ground)]
    assert [(str(one.name), one[0].to_text()) for one in message.additional] == [(f"{HOST}.", LOOPBACK)]
    fields = head.read_text(encoding="ascii").lower()
    assert f"content-type: {MEDIA_TYPE}" in fields
    assert "cache-control: max-age=600" in fields


def test_all_else_about_the_resolver_exists_and_is_empty(ground: Ground) -> None:
    for name, rdtype in ((WAYS, "A"), ("resolver.arpa", "SVCB"), ("other.resolver.arpa", "SVCB")):
        reply = ground.ask(name, rdtype)
        assert (reply.rcode(), reply.answer, len(reply.authority)) == (dns.rcode.NOERROR, [], 1)


@contextmanager
def plain_resolver(ground: Ground) -> Iterator[dns.resolver.Resolver]:
    """A resolver without encryption that forwards all to the service, as its client knows it: by its address."""
    with answering(ground.forward) as port:
        client = dns.resolver.Resolver(configure=False)
        client.nameservers, client.port = [LOOPBACK], port
        yield client


def test_a_client_of_a_plain_resolver_goes_over_by_itself(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ground.authority.file))
    with plain_resolver(ground) as client:
        client.try_ddr()
        [found] = client.nameservers
        assert isinstance(found, dns.nameserver.DoHNameserver)
        assert found.url == f"https://{HOST}:{ground.proxy.port}/dns-query"
        before = ground.proxy.metric("dohproxy_requests_total")
        assert len(client.resolve("www.example.net", "A")) > 0
        assert ground.proxy.metric("dohproxy_requests_total") > before


def test_it_stays_where_the_certificate_is_not_for_the_address_that_it_knows(
    ground: Ground, files: CertificateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ground.authority.file))
    good, other = (str(one.certificate.with_suffix("")) for one in (files, ground.authority.issue([HOST])))
    ground.rewrite(good, other)
    try:
        with plain_resolver(ground) as client:
            client.try_ddr()
            assert client.nameservers == [LOOPBACK]
            assert list(client.resolve(WAYS, "SVCB")) == [expected(ground)]
    finally:
        ground.rewrite(other, good)


def test_what_is_told_is_what_is_printed_to_publish_and_ends_with_a_reload(ground: Ground) -> None:
    printed = run_dohproxy("records", "--config", str(ground.proxy.file))
    [line] = [line for line in printed.stdout.splitlines() if line.startswith(f"_dns.{HOST}.")]
    assert rdata_in(line.partition(" SVCB ")[2], "SVCB") == expected(ground)
    ground.rewrite("[discovery]\nenabled = true", "[discovery]\nenabled = false")
    try:
        assert ground.ask(WAYS, "SVCB").answer == []
        assert ground.ask("resolver.arpa", "TYPE261", recursion=False).rcode() == dns.rcode.REFUSED
    finally:
        ground.rewrite("[discovery]\nenabled = false", "[discovery]\nenabled = true")
    assert len(ground.ask(WAYS, "SVCB").answer) == 1
