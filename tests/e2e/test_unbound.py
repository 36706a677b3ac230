"""Is the upstream of the other tests what they take it for?"""

import ssl
import subprocess

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from tests.conftest import FindProgram
from tests.e2e import zones
from tests.e2e.answers import AAAA, HTTPS, TXT, A, says
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import LOOPBACK
from tests.e2e.unbound import DOT_NAME, Unbound

SOA_OF_KINDS = f"{zones.ORIGIN}. SOA ns.{zones.ORIGIN}. hostmaster.{zones.ORIGIN}. 1 3600 600 86400 90"


@pytest.mark.parametrize(
    ("qname", "qtype", "rcode", "answer_count", "authority_records"),
    [
        pytest.param("www", A, "NOERROR", 2, (), id="an address"),
        pytest.param("www", HTTPS, "NOERROR", 1, (), id="a service binding"),
        pytest.param("chain0", A, "NOERROR", zones.CHAIN_LENGTH + 1, (), id="a chain of aliases"),
        pytest.param("ns.sub", A, "NXDOMAIN", 0, (SOA_OF_KINDS,), id="a name that does not exist"),
        pytest.param("www", TXT, "NOERROR", 0, (SOA_OF_KINDS,), id="a type that does not exist"),
        pytest.param("outside", A, "NXDOMAIN", 1, (SOA_OF_KINDS,), id="an alias of nothing"),
        pytest.param("any.broken", A, "SERVFAIL", 0, (), id="a zone that fails"),
        pytest.param("one.after-50.slow", A, "NOERROR", 1, (), id="a zone that is slow"),
        pytest.param("big", TXT, "NOERROR", 1, (), id="a text too big for UDP"),
    ],
)
def test_unbound_answers(
    unbound: Unbound,
    qname: str,
    qtype: dns.rdatatype.RdataType,
    rcode: str,
    answer_count: int,
    authority_records: tuple[str, ...],
) -> None:
    said = says(unbound.ask(f"{qname}.{zones.ORIGIN}", qtype))
    assert (said.rcode, len(said.answer), said.authority) == (rcode, answer_count, authority_records)


def test_the_big_text_is_truncated_over_udp_and_whole_over_tcp(unbound: Unbound) -> None:
    query = dns.message.make_query(f"big.{zones.ORIGIN}", TXT, use_edns=0, payload=1232)
    over_udp = dns.query.udp(query, LOOPBACK, timeout=5, port=unbound.port)
    over_tcp = dns.query.tcp(query, LOOPBACK, timeout=5, port=unbound.port)
    assert over_udp.flags & dns.flags.TC
    assert len(over_tcp.to_wire()) > zones.TEXT_STRINGS * zones.TEXT_STRING_BYTES


def test_every_name_of_the_list_has_its_own_address(unbound: Unbound, names: tuple[str, ...]) -> None:
    for number in (0, 1, 255, 256, len(names) - 1):
        assert zones.ipv4_of(number) in unbound.ask(names[number], A).answer[0].to_text()
    assert unbound.ask(names[zones.EVERY_NTH_HAS_IPV6], AAAA).answer
    assert not unbound.ask(names[1], AAAA).answer


def test_it_counts_what_it_receives_over_every_transport(unbound: Unbound, authority: CertificateAuthority) -> None:
    query = dns.message.make_query(f"www.{zones.ORIGIN}", A)
    context = ssl.create_default_context(cafile=str(authority.file))
    before = unbound.queries_received()
    dns.query.udp(query, LOOPBACK, timeout=5, port=unbound.port)
    dns.query.tcp(query, LOOPBACK, timeout=5, port=unbound.port)
    dns.query.tls(query, LOOPBACK, timeout=5, port=unbound.tls_port, ssl_context=context, server_hostname=DOT_NAME)
    assert unbound.queries_received() == before + 3


def test_its_certificate_is_good_for_its_name_only(unbound: Unbound, authority: CertificateAuthority) -> None:
    query = dns.message.make_query(f"www.{zones.ORIGIN}", A)
    context = ssl.create_default_context(cafile=str(authority.file))
    with pytest.raises(ssl.SSLCertVerificationError):
        dns.query.tls(
            query,
            LOOPBACK,
            timeout=5,
            port=unbound.tls_port,
            ssl_context=context,
            server_hostname="other.example",
        )


def test_it_comes_back_on_the_same_port_after_a_kill(unbound: Unbound) -> None:
    unbound.kill()
    try:
        with pytest.raises((OSError, dns.exception.Timeout)):
            dns.query.udp(dns.message.make_query(f"www.{zones.ORIGIN}", A), LOOPBACK, timeout=0.3, port=unbound.port)
    finally:
        unbound.start_again()
    assert unbound.ask(f"www.{zones.ORIGIN}", A).rcode() == dns.rcode.NOERROR


def test_dig_gets_the_same_address(unbound: Unbound, find_program: FindProgram) -> None:
    dig = find_program("dig", "bind9-dnsutils")
    asked = subprocess.run(
        [dig, "+short", "+timeout=2", f"@{LOOPBACK}", "-p", str(unbound.port), f"chain0.{zones.ORIGIN}", "A"],
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert asked.stdout.split()[-1] == "127.0.1.5"
