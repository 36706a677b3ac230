"""Private zones, given to a resolver of one's own by a running service."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.e2e.answers import A
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import LOOPBACK
from tests.e2e.proxy import Proxy, ProxySettings, running_proxy
from tests.e2e.unbound import Unbound
from tests.fakes.datagrams import answering

PTR = dns.rdatatype.PTR
ADDRESS = "1.0.0.10.in-addr.arpa"


@contextmanager
def own_server() -> Iterator[tuple[int, list[str]]]:
    """An authoritative server of the house, that refuses all but its own names: its port, and what it was asked."""
    asked: list[str] = []

    def answer(packet: bytes) -> bytes:
        query = dns.message.from_wire(packet)
        question = query.question[0]
        asked.append(f"{question.name.to_text().lower()} {dns.rdatatype.to_text(question.rdtype)}")
        return answer_at_home(query).to_wire()

    with answering(answer) as port:
        yield port, asked


def answer_at_home(query: dns.message.Message) -> dns.message.Message:
    """What it says."""
    reply = dns.message.make_response(query)
    question = query.question[0]
    text = question.name.to_text()
    if question.rdtype == PTR and text.lower() == f"{ADDRESS}.":
        reply.answer = [dns.rrset.from_text(text, 300, "IN", "PTR", "nas.intern.e2e.example.")]
    elif question.rdtype == A and text.lower() == "nas.intern.e2e.example.":
        reply.answer = [dns.rrset.from_text(text, 300, "IN", "A", "10.0.0.1")]
    elif not text.lower().endswith(("10.in-addr.arpa.", "intern.e2e.example.")):
        reply.set_rcode(dns.rcode.REFUSED)
    return reply


def ask(proxy: Proxy, name: str, qtype: dns.rdatatype.RdataType) -> dns.message.Message:
    with proxy.client() as client:
        return client.get(dns.message.make_query(name, qtype, id=0).to_wire()).message()


def test_private_names_are_answered_by_ones_own_server_and_all_others_never_reach_it(
    unbound: Unbound, authority: CertificateAuthority, names: tuple[str, ...], tmp_path: Path
) -> None:
    with own_server() as (port, asked):
        settings = ProxySettings((f"udp://{LOOPBACK}:{unbound.port}", f"udp://{LOOPBACK}:{port}"), authority)
        route = '[[route]]\ndomains = ["10.in-addr.arpa", "intern.e2e.example"]\nupstreams = ["ns1"]\n'
        with running_proxy(tmp_path, settings, appended=route) as proxy:
            assert "nas.intern.e2e.example." in ask(proxy, ADDRESS, PTR).answer[0].to_text()
            assert "10.0.0.1" in ask(proxy, "nas.intern.e2e.example", A).answer[0].to_text()
            assert asked == [f"{ADDRESS}. PTR", "nas.intern.e2e.example. A"]
            # Again: from its own cache.
            assert ask(proxy, ADDRESS, PTR).rcode() == dns.rcode.NOERROR
            # What no route names is denied here as ever, and everything else goes the ordinary way.
            assert ask(proxy, "1.1.168.192.in-addr.arpa", PTR).rcode() == dns.rcode.NXDOMAIN
            assert ask(proxy, names[0], A).rcode() == dns.rcode.NOERROR
            assert len(asked) == 2
            assert proxy.metric("dohproxy_route_cache_entries", {"route": "1"}) == 2
            assert proxy.metric("dohproxy_upstream_sends_total", {"upstream": "ns1"}) == 2
