"""Asking a resolver for records: over UDP, over TCP where it is cut, once for each question."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from dohproxy.config import UpstreamAddress
from dohproxy.tools.doctor.lookups import look_up
from dohproxy.tools.doctor.published import Lookup, LookupStatus
from dohproxy.wire.numbers import Qtype
from tests.e2e.processes import free_port
from tests.fakes.datagrams import answering

Answer = Callable[[dns.message.Message], dns.message.Message]
OWNER = "doh.example.net."


def _zone(*records: str, rcode: dns.rcode.Rcode = dns.rcode.NOERROR) -> Answer:
    """Answer with those of these records that are asked for, and with the CNAMEs among them."""

    def answer(query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.set_rcode(rcode)
        for record in records:
            owner, rtype, data = record.split(" ", 2)
            if rtype in (query.question[0].rdtype.name, "CNAME"):
                response.answer.append(dns.rrset.from_text(owner, 300, "IN", rtype, data))
        return response

    return answer


@contextmanager
def _resolver(answer: Answer, asked: list[dns.message.Message]) -> Iterator[UpstreamAddress]:
    def reply(packet: bytes) -> bytes:
        asked.append(dns.message.from_wire(packet))
        return answer(asked[-1]).to_wire()

    with answering(reply) as port:
        yield UpstreamAddress("udp", "127.0.0.1", port)


async def test_records_are_found_through_a_cname_and_without_compression() -> None:
    asked: list[dns.message.Message] = []
    zone = _zone(
        f"{OWNER} CNAME host.example.net.",
        "host.example.net. A 192.0.2.1",
        "host.example.net. HTTPS 1 host.example.net. alpn=h2",
    )
    with _resolver(zone, asked) as address:
        found = await look_up([address], [(OWNER, Qtype.A), (OWNER, Qtype.HTTPS)])
    assert found[OWNER, Qtype.A] == Lookup(LookupStatus.FOUND, (bytes((192, 0, 2, 1)),))
    [rdata] = found[OWNER, Qtype.HTTPS].rdatas
    assert rdata == b"\x00\x01\x04host\x07example\x03net\x00\x00\x01\x00\x03\x02h2"
    assert len(asked) == 2
    assert all(query.edns < 0 and query.flags & dns.flags.RD for query in asked)


async def test_a_name_without_the_record_and_one_that_is_not_there() -> None:
    for rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        asked: list[dns.message.Message] = []
        with _resolver(_zone(rcode=rcode), asked) as address:
            found = await look_up([address], [(OWNER, Qtype.CAA)])
        assert found == {(OWNER, Qtype.CAA): Lookup(LookupStatus.NONE)}
        # Denied once is denied: no trial of what the resolver may not stand.
        assert len(asked) == 1


async def test_one_that_refuses_is_passed_over_for_the_next() -> None:
    asked: list[dns.message.Message] = []
    with (
        _resolver(_zone(rcode=dns.rcode.REFUSED), asked) as first,
        _resolver(_zone(f"{OWNER} A 192.0.2.1"), asked) as second,
    ):
        found = await look_up([first, second], [(OWNER, Qtype.A)])
        alone = await look_up([first], [(OWNER, Qtype.A)])
    assert found[OWNER, Qtype.A].status is LookupStatus.FOUND
    assert alone[OWNER, Qtype.A] == Lookup(LookupStatus.UNKNOWN, why="does not answer (REFUSED)")


async def test_nobody_there_and_nobody_known() -> None:
    nobody = UpstreamAddress("udp", "127.0.0.1", free_port())
    found = await look_up([nobody], [(OWNER, Qtype.A)])
    assert found[OWNER, Qtype.A].why == "gives no answer (nobody listens there: the port is closed)"
    assert (await look_up([], [(OWNER, Qtype.A)]))[OWNER, Qtype.A].status is LookupStatus.UNKNOWN


async def test_what_is_cut_is_asked_again_over_tcp() -> None:
    def cut(query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.TC
        return response

    with _resolver_over_both(cut, _zone(f"{OWNER} A 192.0.2.1")) as address:
        found = await look_up([address], [(OWNER, Qtype.A)])
    assert found[OWNER, Qtype.A].rdatas == (bytes((192, 0, 2, 1)),)


@contextmanager
def _resolver_over_both(over_udp: Answer, over_tcp: Answer) -> Iterator[UpstreamAddress]:
    """Answer at one port, of which somebody else may have the other half."""
    for _ in range(10):
        with ExitStack() as opened:
            address = opened.enter_context(_resolver(over_udp, []))
            try:
                opened.enter_context(_over_tcp(address.port, over_tcp))
            except OSError:
                continue
            yield address
            return
    pytest.fail("there is no port that is free for both UDP and TCP")


@contextmanager
def _over_tcp(port: int, answer: Answer) -> Iterator[None]:
    """Answer one query over TCP at a port."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rwb") as stream:
            wire = stream.read(int.from_bytes(stream.read(2)))
            reply = answer(dns.message.from_wire(wire)).to_wire()
            stream.write(len(reply).to_bytes(2) + reply)
            stream.flush()

    with socket.create_server(("127.0.0.1", port)) as listening:
        thread = Thread(target=serve)
        thread.start()
        yield
        thread.join(10)
