"""What hostile clients send: whatever there is a limit or a refusal for, with words and addresses by which it would be
known again."""

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from itertools import cycle

import dns.message

from tests.e2e.markers import NAMES, Kind, Markers
from tests.e2e.processes import LOOPBACK
from tests.e2e.traffic import (
    ANSWER_SECONDS,
    BAD_CLIENTS,
    MEDIA_TYPE,
    PATH,
    PATIENCE_SECONDS,
    Address,
    Door,
    Heard,
    framed,
    get,
    head,
    post,
    proxy_frame,
    proxy_line,
    question,
    read_response,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""Of HTTP/2, with empty SETTINGS."""
FLOOD = 250
"""Requests: over the five seconds between two looks of the detectors twice as many as there may be."""


def misbehave(door: Door, part: str) -> None:
    """Be everybody against whom there is a limit."""
    scanner, greedy, many, crafty = (door.clients()[number] for number in BAD_CLIENTS)
    for what, sent in broken_http(door, crafty):
        door.send(what, crafty, sent, door.own("broken"))
    stems = tuple(door.markers.stems[kind].encode() for kind in NAMES)
    # Not all by one, or he would be banned before he has said everything.
    others = cycle(door.clients()[: BAD_CLIENTS.start])
    for (what, wire), client in zip(broken_questions(door.markers), others, strict=False):
        door.send(what, client, post(door, client, wire), stems)
    for (what, sent), client in zip(broken_http2(door.markers), others, strict=False):
        door.send(what, client, sent, alpn="h2")
    for what, sent in broken_handshakes(door.markers):
        _send_in_the_clear(door, what, sent)
    if door.context is not None:
        _send_in_the_clear(door, "a name that is none by SNI", hello_with_no_name(door))
        for number, sent in enumerate(broken_frames(door.markers)):
            door.send("a frame that is none", door.clients()[number], sent, alpn="dot")
        for name, alpn in ((door.markers.name("sni", Kind.SAID), "h2"), ("localhost", door.markers.stems[Kind.SAID])):
            door.send("another name by SNI", crafty, b"", name=name, alpn=alpn)
    _ask_too_much(door, greedy, part)
    _ask_for_new_names(door, many, part)
    _ask_for_random_names(door, crafty, part)
    _scan(door, scanner)
    door.send("a request that is given up", crafty, get(door, crafty, question(door.markers.name("gone"))), resets=True)


def broken_http(door: Door, address: Address) -> Iterator[tuple[str, bytes]]:
    """Yield requests that no HTTP server should answer, or that are for another one."""
    said, named = door.markers.name("", Kind.SAID), door.fields(address)
    wire = question(door.markers.name("broken"))
    yield "another path", head("GET", f"/{said}", named)
    yield "another path, percent-encoded", head("GET", "/" + "".join(f"%{ord(one):02X}" for one in said), named)
    yield "a wrong token", get(door, address, wire, f"{PATH}/{door.markers.stems[Kind.OWN_URL] * 2}AA")
    yield "a token that is too long", get(door, address, wire, f"{PATH}/{door.markers.stems[Kind.OWN_URL] * 9}")
    yield "another host", head("GET", "/", named, host=said)
    yield "a whole URL", head("GET", f"https://{said}/", named)
    yield "a tunnel", head("CONNECT", f"{said}:443", named, host=f"{said}:443")
    yield "an unknown method", head(said.upper().replace(".", "-"), PATH, named)
    yield "another method", head("DELETE", f"{PATH}?name={said}", named)
    yield "no base64", head("GET", f"{PATH}?dns={said}*", named)
    yield "another parameter", head("GET", f"{PATH}?name={said}&type=A", named)
    yield "two parameters", head("GET", f"{PATH}?dns={'A' * 22}&dns={said}", named)
    yield "another type", head("POST", PATH, (*named, ("Content-Type", f"text/{said}"), ("Content-Length", "0")))
    yield "an unknown coding", post(door, address, wire, more=(("Content-Encoding", said),))
    yield "what is not acceptable", get(door, address, wire, more=(("Accept", f"text/{said}"),))
    yield "a field twice", get(door, address, wire, more=(("Host", said),))
    yield "an unreadable field", get(door, address, wire, more=(("X Y", said),))
    yield "a field named so", get(door, address, wire, more=((f"X-{said}", "\xff\x00"),))
    yield "many fields", get(door, address, wire, more=tuple((f"X-{number}", said) for number in range(99)))
    yield "a long field", get(door, address, wire, more=(("X-Long", said * 400),))
    yield "a long target", head("GET", f"{PATH}?dns={said * 300}", named)
    yield "a long body", head("POST", PATH, (*named, ("Content-Type", MEDIA_TYPE), ("Content-Length", "99999")))
    yield "no body", head("POST", PATH, (*named, ("Content-Type", MEDIA_TYPE), ("Content-Length", "0")))
    chunked = (*named, ("Content-Type", MEDIA_TYPE), ("Transfer-Encoding", "chunked"))
    yield "a broken chunk", head("POST", PATH, chunked) + f"zz;{said}\r\n".encode()
    yield "a long trailer", head("POST", PATH, chunked) + f"0\r\nX: {said * 500}\r\n\r\n".encode()
    yield "another coding", head("POST", PATH, (*chunked[:-1], ("Transfer-Encoding", f"{said}, chunked")))
    yield "no HTTP", f"{said} {address}\r\n\r\n".encode()
    yield "an old HTTP", f"GET /{said} HTTP/0.9\r\nHost: {address}\r\n\r\n".encode()
    yield "half a header", f"GET {PATH}?dns={said} HTTP/1.1\r\nHost: {said}".encode()
    yield "an upgrade", get(door, address, wire, more=(("Upgrade", said), ("Expect", said)))
    yield "somebody else's name", head("GET", "/", (("X-Forwarded-For", f"{said}, {address}:99999, {address}"),))
    yield "somebody else's name", head("GET", "/", (("Forwarded", f'for=_{said};host={said};by="[{address}"'),))


def broken_questions(markers: Markers) -> Iterator[tuple[str, bytes]]:
    """Yield bytes that are no question that is answered."""
    good, said = question(markers.name("odd")), markers.stems[Kind.SAID].encode()
    stem, tail = markers.stems[Kind.ASKED].encode(), b"\x03org\x00\x00\x01\x00\x01"
    start = bytes((0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0))
    yield "a response", good[:2] + b"\x81" + good[3:]
    yield "another opcode", good[:2] + b"\x11" + good[3:]
    yield "two questions", good[:5] + b"\x02" + good[6:] + good[12:]
    yield "bytes behind it", good + said
    yield "less than a question", good[:20]
    yield "another class", good[:-1] + b"\x03"
    yield "a transfer", good[:-3] + b"\xfc" + good[-2:]
    yield "everything", good[:-3] + b"\xff" + good[-2:]
    yield "a pointer", start + bytes((len(stem),)) + stem + b"\xc0\x0c\x00\x01\x00\x01"
    yield "a name of odd bytes", start + bytes((len(stem) + 6,)) + b'\x00\n\xff"<' + stem + b"\\" + tail
    yield "a name in capital letters", start + bytes((len(stem),)) + stem.upper() + tail
    yield "a name in another script", question(f"b\u00fccher-{markers.name('')}")
    yield "a name of dots", start + bytes((len(stem) + 1,)) + b"." + stem + tail
    yield "a name that is too long", start + (bytes((len(stem),)) + stem) * 30 + tail
    yield "a name under no domain", question(markers.stems[Kind.ASKED])
    yield "a new EDNS", dns.message.make_query(markers.name("edns"), "A", id=0, use_edns=1).to_wire()
    yield "a broken option", question(markers.name("ecs"), address=markers.ipv4[0], said="x")[:-3]


def broken_http2(markers: Markers) -> Iterator[tuple[str, bytes]]:
    """Yield connections that break HTTP/2 or its limits."""
    said, address = markers.name("", Kind.SAID).encode(), markers.client(1).packed
    yield "a frame of no type", PREFACE + frame(0x7F, 0, 0, said)
    yield "a goodbye with words", PREFACE + frame(7, 0, 0, bytes(8) + said + address)
    yield "a ping on a stream", PREFACE + frame(6, 0, 1, address[:8])
    yield "data on no stream", PREFACE + frame(0, 0, 5, said)
    yield "a header that is none", PREFACE + frame(1, 5, 1, b"\xff\xff\xff\xff" + said)
    for what, fields in (
        ("an unknown pseudo-header", [(b":" + said, said)]),
        ("a field in capital letters", [(b":method", b"GET"), (said.upper(), said)]),
        ("another path by HTTP/2", _request(b"/" + said)),
        ("another host by HTTP/2", _request(b"/", said)),
        ("a header without end", [(b"x-%d" % number, said * 9) for number in range(99)]),
    ):
        yield what, PREFACE + frame(1, 5, 1, b"".join(_literal(*one) for one in fields))
    yield "settings without end", PREFACE + frame(4, 0, 0, b"\x7f\x7f" + address[:4]) * 2_000
    yield "pings without end", PREFACE + frame(6, 0, 0, bytes(8)) * 3_000
    yield "half a header by HTTP/2", PREFACE + frame(1, 1, 1, _literal(said, said)) + frame(9, 0, 1, said) * 50


def _request(path: bytes, authority: bytes = b"localhost") -> list[tuple[bytes, bytes]]:
    return [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", authority), (b":path", path)]


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return a frame of HTTP/2."""
    return struct.pack("!I", len(payload))[1:] + bytes((kind, flags)) + struct.pack("!I", stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """Return a field that is neither compressed nor remembered (RFC 7541 section 6.2.2)."""
    return b"\x00" + _length(name) + name + _length(value) + value


def _length(text: bytes) -> bytes:
    rest, found = len(text) - 0x7F, b""
    if rest < 0:
        return bytes((len(text),))
    while rest >= 0x80:
        found += bytes((rest & 0x7F | 0x80,))
        rest >>= 7
    return b"\x7f" + found + bytes((rest,))


def broken_handshakes(markers: Markers) -> Iterator[tuple[str, bytes]]:
    """Yield what comes first on a connection, and is neither TLS nor what a front proxy says."""
    said, address = markers.name("", Kind.SAID).encode(), markers.ipv4[3]
    yield "TLS that is none", b"\x16\x03\x01\x00\xff" + said * 20
    yield "an alert", b"\x15\x03\x03\x00\x02\x02\x28" + said
    yield "HTTP in the clear", b"GET /" + said + b" HTTP/1.1\r\nHost: " + said + b"\r\n\r\n"
    yield "a client that names itself", proxy_line(address) + said + b"\r\n\r\n"
    yield "a client that names itself twice", proxy_frame(address, said.decode()) + proxy_line(address)
    yield "a client that names itself in vain", b"PROXY TCP4 " + said + b" " + str(address).encode() + b" 1 2\r\n"
    yield "half a name of a client", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff" + address.packed + said


def hello_with_no_name(door: Door) -> bytes:
    """Return the first bytes of a handshake that asks for a name with other letters than names have on the wire."""
    assert door.context is not None
    name = door.markers.name("odd", Kind.SAID)
    said = ssl.MemoryBIO()
    client = door.context.wrap_bio(ssl.MemoryBIO(), said, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return said.read().replace(name.encode(), b"od\xff" + name[3:].encode())


def broken_frames(markers: Markers) -> Iterator[bytes]:
    """Yield what comes on a connection with DNS over TLS, and is not answered there."""
    said, stem = markers.name("", Kind.SAID).encode(), markers.stems[Kind.ASKED].encode()
    yield framed(said)
    yield b"\xff\xff" + said
    yield b"\x00\x00" + said
    yield b"GET /" + said + b" HTTP/1.1\r\n\r\n"
    yield framed(question(markers.name("half")))[:-5]
    yield framed(stem * 30) * 20


def _send_in_the_clear(door: Door, what: str, sent: bytes) -> None:
    source = str(door.markers.ipv4[3]) if door.address_from == "connection" else LOOPBACK
    with (
        contextlib.suppress(OSError),
        socket.create_connection((LOOPBACK, door.port), ANSWER_SECONDS, source_address=(source, 0)) as connection,
    ):
        connection.settimeout(PATIENCE_SECONDS)
        connection.sendall(sent)
        door.heard.append(Heard(what, connection.recv(65_536)))


def _many(door: Door, address: Address, requests: Sequence[tuple[str, bytes]], what: str) -> None:
    """Send requests one after the other, on one connection as long as it is kept."""
    with contextlib.suppress(OSError), door.connect(address) as connection:
        for label, sent in requests:
            connection.sendall(sent)
            received = read_response(connection)
            if not received:
                return
            door.heard.append(Heard(what, received, door.own(label)))


def _ask_too_much(door: Door, address: Address, part: str) -> None:
    wire = question(door.markers.name(f"{part}-shared"))
    _many(door, address, [(f"{part}-shared", get(door, address, wire))] * 120, "a question too many")


def _ask_for_random_names(door: Door, address: Address, part: str) -> None:
    """Ask for names that do not exist, more than one domain's servers should have to bear."""
    labels = [f"nx-{part}-random-{number}" for number in range(25)]
    requests = [(label, post(door, address, question(door.markers.name(label)))) for label in labels]
    _many(door, address, requests, "a random name")


def _ask_for_new_names(door: Door, address: Address, part: str) -> None:
    """Ask for names that nobody has asked for, more than one client may: those of another domain, which has its own
    limit."""
    labels = [f"{part}-new-{number}" for number in range(50)]
    names = [(label, door.markers.name(label, Kind.ANSWERED)) for label in labels]
    requests = [(label, post(door, address, question(name))) for label, name in names]
    _many(door, address, requests, "a new name")


def _scan(door: Door, address: Address) -> None:
    """Ask for what is not there, until one is banned, and go on."""
    said = door.markers.name("", Kind.SAID)
    for _ in range(2):
        _many(door, address, [("", head("GET", f"/{said}/{n}", door.fields(address))) for n in range(80)], "a scan")


def flood(door: Door) -> None:
    """Send what is malformed, more than is usual, from where nobody is banned."""
    exempt, said = IPv4Address(LOOPBACK), door.markers.name("", Kind.SAID)
    requests = [("", head("GET", f"/{said}/{number}", door.fields(exempt))) for number in range(FLOOD)]
    _many(door, exempt, requests, "a flood")
