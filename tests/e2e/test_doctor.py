"""The doctor at a running service, and records that a real name server serves as the doctor has printed them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest

from tests.conftest import FindProgram
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.processes import LOOPBACK, Child, free_port, start_on_free_ports
from tests.e2e.proxy import Proxy, ProxySettings, Sections, run_dohproxy, running_proxy
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply

pytestmark = pytest.mark.long

HOST = "doh.example.net"
ORIGIN = "example.net."
ADDRESSES = ("192.0.2.1", "2001:db8::1")
HEAD = "@ 3600 IN SOA ns.example.net. x.example.net. 1 3600 900 604800 300\n@ 3600 IN NS ns.example.net.\n"
UNBOUND = """\
server:
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  module-config: "iterator"
  interface: 127.0.0.1@{port}
  do-ip6: no
  do-not-query-localhost: no
  local-zone: "net." typetransparent
  local-data: 'net. 60 IN CAA 0 issue "top.example"'
remote-control:
  control-enable: no
auth-zone:
  name: "example.net."
  zonefile: "{directory}/example.net.zone"
  for-downstream: yes
  for-upstream: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{nobody}
"""


@contextmanager
def name_server(program: str, directory: Path, records: str) -> Iterator[int]:
    """Have a real Unbound serve a zone; give its port."""
    directory.mkdir(exist_ok=True)
    (directory / "example.net.zone").write_text(f"$ORIGIN {ORIGIN}\n{HEAD}{records}\n", encoding="ascii")

    def start() -> tuple[Child, int]:
        port = free_port()
        text = UNBOUND.format(directory=directory, port=port, nobody=free_port())
        (directory / "unbound.conf").write_text(text, encoding="ascii")
        child = Child([program, "-d", "-c", str(directory / "unbound.conf")], directory / "unbound.log")
        child.wait_until_ready(lambda: _answers(port))
        return child, port

    child, port = start_on_free_ports(start)
    try:
        yield port
    finally:
        child.kill()


def _answers(port: int) -> bool:
    try:
        dns.query.udp(dns.message.make_query(ORIGIN, "SOA"), LOOPBACK, port=port, timeout=0.5)
    except (OSError, dns.exception.DNSException):
        return False
    return True


class Visit:
    """A running service and who looks at it."""

    def __init__(self, proxy: Proxy, authority: CertificateAuthority) -> None:
        self._words = ["doctor", "--config", str(proxy.file), "--ca-file", str(authority.file), "--json"]
        self._words += [word for address in ADDRESSES for word in ("--address", address)]

    def look(self, *words: str) -> dict[str, Any]:
        """Look, and return what was found."""
        ended = run_dohproxy(*self._words, *words)
        assert "Traceback" not in ended.stdout + ended.stderr
        assert ended.returncode in (0, 1), ended.stderr
        found = json.loads(ended.stdout)
        assert isinstance(found, dict)
        return found


def of(told: dict[str, Any], subject: str) -> list[tuple[str, str]]:
    return [(one["severity"], one["what"]) for one in told["findings"] if one["subject"] == subject]


@pytest.fixture(scope="module")
def files(authority: CertificateAuthority) -> CertificateFiles:
    return authority.issue([HOST])


@pytest.fixture
def visit(authority: CertificateAuthority, files: CertificateFiles, tmp_path: Path) -> Iterator[Visit]:
    with answering(make_reply) as port:
        sections: Sections = {
            "server": {"host": HOST},
            "admin": {"socket": str(tmp_path / "a.sock")},
            "discovery": {"enabled": True},
        }
        settings = ProxySettings((f"udp://127.0.0.1:{port}",), authority, tls=files, sections=sections)
        with running_proxy(tmp_path, settings) as proxy:
            yield Visit(proxy, authority)


def test_records_as_they_are_printed_are_found_as_they_should_be(
    visit: Visit, find_program: FindProgram, tmp_path: Path
) -> None:
    unbound = find_program("unbound", "unbound")
    with name_server(unbound, tmp_path / "empty", "") as port:
        told = visit.look("--resolver", f"127.0.0.1:{port}")
    assert ("fault", f"{HOST}. has neither A nor AAAA: nobody who knows the name finds the service") in of(
        told, "records"
    )
    lines = [one["line"] for one in told["records"] if one["public"]]
    assert len(lines) == 4
    lines.append(f'{HOST}. 3600 IN CAA 0 issue "our-own.example"')
    with name_server(unbound, tmp_path / "full", "\n".join(lines)) as port:
        told = visit.look("--resolver", f"127.0.0.1:{port}")
    designation, *others = of(told, "records")
    assert (designation[0], designation[1][:49]) == ("note", f"the certificate is not for {', '.join(ADDRESSES)}")
    assert others == [
        ("ok", f"{HOST}. leads to 192.0.2.1, 2001:db8::1"),
        ("ok", f"{HOST}. HTTPS is published"),
        ("ok", f"_dns.{HOST}. SVCB for h2 is published"),
        ("ok", f"{HOST}. CAA is published; it lets our-own.example issue certificates"),
    ]
    wrong = [line.replace("192.0.2.1", "192.0.2.99").replace("/dns-query", "/other") for line in lines]
    with name_server(unbound, tmp_path / "wrong", "\n".join(wrong)) as port:
        told = visit.look("--resolver", f"127.0.0.1:{port}")
    severities = [severity for severity, _ in of(told, "records")]
    assert severities == ["note", "warning", "warning", "ok", "warning", "ok"]


def test_the_running_service_is_asked_and_its_certificate_seen(visit: Visit) -> None:
    told = visit.look("--offline")
    assert of(told, "certificate") == [("warning", f"is trusted for {HOST}, and valid for 2 more days")]
    assert [severity for severity, _ in of(told, "listeners")] == ["ok"]
    [(severity, words)] = of(told, "service")
    assert (severity, words[:11]) == ("ok", "All is well")
    assert not [one for one in told["findings"] if one["what"].startswith("this could not be looked at")]


def test_a_service_that_waits_for_a_header_of_its_front_proxy_is_looked_at_too(
    authority: CertificateAuthority, files: CertificateFiles, tmp_path: Path
) -> None:
    with answering(make_reply) as port:
        sections: Sections = {
            "server": {"host": HOST},
            "clients": {"address_from": "proxy-protocol", "trusted_proxies": ["127.0.0.0/8"]},
            "admin": {"socket": str(tmp_path / "a.sock")},
        }
        settings = ProxySettings((f"udp://127.0.0.1:{port}",), authority, tls=files, sections=sections)
        with running_proxy(tmp_path, settings) as proxy:
            told = Visit(proxy, authority).look("--offline")
            assert [severity for severity, _ in of(told, "listeners")] == ["ok"]
            assert of(told, "front proxy") == [("ok", "0 PROXY headers were refused since the start")]


def test_a_missing_intermediate_is_told_as_such(authority: CertificateAuthority, tmp_path: Path) -> None:
    intermediate = CertificateAuthority(tmp_path, "an intermediate", authority)
    leaf = intermediate.issue([HOST])
    for whole in (False, True):
        directory = tmp_path / str(whole)
        directory.mkdir()
        if whole:
            with leaf.certificate.open("ab") as chain:
                chain.write(intermediate.file.read_bytes())
        settings = ProxySettings(("udp://127.0.0.1:9",), authority, tls=leaf, sections={"server": {"host": HOST}})
        with running_proxy(directory, settings) as proxy:
            told = Visit(proxy, authority).look("--offline")
        [(severity, words)] = of(told, "certificate")
        if whole:
            assert (severity, words[:10]) == ("warning", "is trusted")
        else:
            assert severity == "fault"
            assert words.startswith("comes alone, and CN=an intermediate has issued it")
