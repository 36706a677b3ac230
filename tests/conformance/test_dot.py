"""Whoever asks over DNS over TLS is told what he is told over HTTP: byte for byte, packet by packet.

The rules for messages are in `test_messages.py` and those for outcomes in `test_outcomes.py`, which try this frontend
too. Here is what they have not: whatever anybody may send, and that nothing is ever truncated.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.conformance.dot import DotClient
from tests.conformance.exchange import CONTENT_TYPE, assert_echoes, post
from tests.conformance.http1 import Closed, Http1Client
from tests.conformance.queries import PADDING, option, query
from tests.data.corpora import packet_directories
from tests.data.malicious import QUERIES as MALICIOUS
from tests.data.packets import all_packets
from tests.fakes.conformance import RunningServer
from tests.wire import messages

KEEPALIVE = 11
LARGEST_QUERY = 1_024


class BothWays:
    """One service by both ways, each with a connection that is opened anew when it has been closed."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._http = Http1Client(server.port)
        self._dot = DotClient(server.dot_port)

    def close(self) -> None:
        """Close both."""
        self._http.close()
        self._dot.close()

    def over_http(self, wire: bytes) -> bytes | None:
        """The reply over HTTP, None where there is none."""
        response = self._http.exchange(post(wire, CONTENT_TYPE))
        if response.field("connection") == "close":
            self._http.close()
            self._http = Http1Client(self._server.port)
        assert response.status in (200, 400, 413)
        return response.body if response.status == 200 else None

    def over_dot(self, wire: bytes) -> bytes | None:
        """The reply over DoT, None where the connection ends instead."""
        try:
            return self._dot.ask(wire)
        except Closed:
            self._dot.close()
            self._dot = DotClient(self._server.dot_port)
            return None


def asked_nobody(reply: bytes | None) -> bool:
    """Whether nobody was asked for this reply: it is a refusal, or there is none."""
    return reply is None or dns.message.from_wire(reply).rcode() in (dns.rcode.NOTIMP, dns.rcode.FORMERR)


@pytest.fixture
def both(servers: dict[str, RunningServer]) -> Iterator[BothWays]:
    """Both ways into one service."""
    with contextlib.closing(BothWays(servers["dot"])) as opened:
        yield opened


def assert_told_the_same(both: BothWays, what: str, wire: bytes) -> None:
    """Both ways say the same, once it is known and within one second of its TTLs."""
    if len(wire) > 2 and len(wire) == int.from_bytes(wire[:2]) + 2:
        # Over HTTP that is a length as TCP has it. Here the real one stands before it, and so this is an ID as good as
        # any: what is behind it is read as a header.
        assert asked_nobody(both.over_dot(wire)), what
        return
    for _ in range(5):
        expected, said, again = both.over_http(wire), both.over_dot(wire), both.over_http(wire)
        if expected == again:
            break
    else:
        raise AssertionError(f"{what}: every answer differs from the one before")
    if said == expected:
        return
    # But over a stream a client may ask how long it may be idle (RFC 7828), and is told.
    assert said is not None, what
    assert expected is not None, what
    told, over_http = dns.message.from_wire(said), dns.message.from_wire(expected)
    assert told == over_http, what
    assert [one.otype for one in told.options if one.otype != KEEPALIVE] == [one.otype for one in over_http.options]
    assert sum(one.otype == KEEPALIVE for one in told.options) == 1, what


def test_every_packet_of_our_own_is_told_over_dot_what_it_is_told_over_http(both: BothWays) -> None:
    packets = all_packets()
    assert len(packets) > 500
    for what, wire in packets.items():
        assert_told_the_same(both, what, wire)


def test_every_foreign_packet_is_told_over_dot_what_it_is_told_over_http(both: BothWays, corpora: Path) -> None:
    assert corpora.is_dir()
    for directory in packet_directories():
        for file in sorted(one for one in directory.rglob("*") if one.is_file()):
            assert_told_the_same(both, file.name, file.read_bytes()[:65_535])


@pytest.mark.parametrize("what", MALICIOUS)
def test_a_malicious_query_harms_no_other_on_its_connection(servers: dict[str, RunningServer], what: str) -> None:
    wire, verdict = MALICIOUS[what]
    ends = verdict == "response"
    good = query("www.example.com", identifier=0x4242)
    with DotClient(servers["dot"].dot_port) as client:
        client.ask(good)  # What is known is answered in the order in which it is asked.
        client.socket.sendall(b"".join(len(one).to_bytes(2) + one for one in (good, wire, good)))
        replies = list(_replies(client, 2 if ends else 3))
    # What cannot be replied to ends the connection, after what was asked before it has been answered.
    assert len(replies) == (1 if ends else 3)
    for reply in replies[::2]:
        assert_echoes(reply, good)


def _replies(client: DotClient, count: int) -> Iterator[bytes]:
    with contextlib.suppress(Closed):
        for _ in range(count):
            yield client.receive()


@pytest.mark.parametrize("size", [None, 0, 512, 1_232, 4_096, 65_535], ids=lambda size: f"announcing {size}")
@pytest.mark.parametrize("options", [(), (option(PADDING),)], ids=["not padded", "padded"])
def test_nothing_is_truncated_whatever_size_the_query_announces(
    servers: dict[str, RunningServer], size: int | None, options: tuple[dns.edns.Option, ...]
) -> None:
    if size is None and options:
        pytest.skip("padding is an option, and without EDNS there is none")
    wire = query(f"large.dot{size}.example", "TXT", *options, edns=size)
    with DotClient(servers["dot"].dot_port) as client:
        first, again = client.ask(wire), client.ask(wire)
    for reply in (first, again):
        message = dns.message.from_wire(reply)
        assert len(reply) > 4_096
        assert sum(len(rrset) for rrset in message.answer) == 20
        assert not message.flags & dns.flags.TC


def test_a_query_with_tc_is_read_as_if_it_had_none(both: BothWays) -> None:
    wire = messages.query(flags=messages.RD | messages.TC)
    reply = both.over_dot(wire)
    assert reply is not None
    assert not dns.message.from_wire(reply).flags & dns.flags.TC


@pytest.mark.parametrize("label", ["", "servfail.", "nxdomain."], ids=["answered", "a failure", "no such name"])
def test_android_finds_every_reply_to_its_probe_good(both: BothWays, label: str) -> None:
    # Six letters and digits in either case; no EDNS, and an ID of its own. A reply with one question is enough for it.
    wire = query(f"{label}aBcD3f-dnsotls-ds.metric.gstatic.com", "AAAA", identifier=0x7A31, edns=None)
    reply = both.over_dot(wire)
    assert reply is not None
    assert_echoes(reply, wire)
    assert reply[4:6] == b"\0\x01"


@pytest.mark.parametrize("size", [LARGEST_QUERY, LARGEST_QUERY + 1], ids=["the largest", "one byte more"])
def test_the_largest_query_is_that_of_the_configuration(both: BothWays, size: int) -> None:
    wire = messages.query(messages.question(), messages.opt(messages.option(PADDING, bytes(size - 48))))
    assert len(wire) == size
    assert (both.over_dot(wire) is not None) is (size == LARGEST_QUERY)
