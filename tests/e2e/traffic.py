"""Where clients come in, and what ordinary ones send: with words and addresses by which they would be known again."""

import base64
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

import dns.edns
import dns.message
import dns.reversename
import h2.config
import h2.connection
import h2.events

from tests.e2e.markers import NAMES, Kind, Markers
from tests.e2e.processes import LOOPBACK

MEDIA_TYPE = "application/dns-message"
PATH = "/dns-query"
ANSWER_SECONDS = 3.0
PATIENCE_SECONDS = 0.15
"""For an answer to what may get none."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: closing sends a reset."""
BAD_CLIENTS = range(8, 12)
"""Of those that a door has: they are limited and banned."""
Address = IPv4Address | IPv6Address
Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back, and what of the question that it answers may stand in it."""

    what: str
    content: bytes
    own: tuple[bytes, ...] = ()
    is_reply: bool = False
    """It is a DNS message without HTTP around it."""

    @property
    def foreign(self) -> bytes:
        """What of it is not the client's own; all of it if it is no reply."""
        if not self.is_reply and b"200" not in self.content[:20]:
            return self.content
        content = self.content
        for own in self.own:
            content = re.sub(re.escape(own), b"", content, flags=re.IGNORECASE)
        return content


@dataclass(slots=True)
class Door:
    """Where clients come in, and how the service learns of their addresses."""

    port: int
    address_from: str
    context: ssl.SSLContext | None
    markers: Markers
    dot_port: int = 0
    """Where they come in with DNS over TLS; 0: nowhere."""
    heard: list[Heard] = field(default_factory=list)

    def own(self, label: str) -> tuple[bytes, ...]:
        """Return what may stand in the reply to who has asked for a name: that, and another in its own answer."""
        names = [(label, self.markers.stems[kind]) for kind in NAMES] if label else []
        return tuple(b"".join(bytes((len(one),)) + one.encode() for one in name) for name in names)

    def clients(self) -> list[Address]:
        """Return addresses that clients can have here: loopback has many of IPv4, and one of IPv6."""
        more = [] if self.address_from == "connection" else [self.markers.client(number) for number in range(1, 5)]
        return [*self.markers.ipv4, *more]

    def connect(self, address: Address, **tls: str) -> socket.socket:
        """Connect from an address, as far as a connection says so."""
        source = (str(address), 0) if self.address_from == "connection" else None
        port = self.dot_port if tls.get("alpn") == "dot" else self.port
        connection = socket.create_connection((LOOPBACK, port), ANSWER_SECONDS, source_address=source)
        connection.sendall(proxy_line(address) if self.address_from == "proxy-protocol" else b"")
        return connection if self.context is None else self._encrypted(connection, **tls)

    def _encrypted(self, connection: socket.socket, alpn: str = "http/1.1", name: str = "localhost") -> socket.socket:
        assert self.context is not None
        self.context.set_alpn_protocols([alpn])
        try:
            return self.context.wrap_socket(connection, server_hostname=name)
        except OSError:
            connection.close()
            raise

    def fields(self, address: Address) -> Fields:
        """Return all fields in which front proxies name a client; one of them is believed at most."""
        text = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
        unasked = (("X-Real-IP", str(address)), ("CF-Connecting-IP", str(address)), ("Via", f"1.1 {address}"))
        return (("X-Forwarded-For", str(address)), ("Forwarded", f'for="{text}"'), *unasked)

    def send(
        self, what: str, address: Address, sent: bytes, own: tuple[bytes, ...] = (), *, resets: bool = False, **tls: str
    ) -> None:
        """Send bytes on a connection of their own, and note what comes back."""
        with contextlib.suppress(OSError), self.connect(address, **tls) as connection:
            connection.settimeout(PATIENCE_SECONDS)
            connection.sendall(sent)
            if resets:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                return
            self.heard.append(Heard(what, read_response(connection), own))


def proxy_line(address: Address) -> bytes:
    """Return the header of PROXY protocol v1 for a client."""
    of, ours = ("TCP6", "::1") if isinstance(address, IPv6Address) else ("TCP4", LOOPBACK)
    return f"PROXY {of} {address} {ours} 40000 443\r\n".encode()


def proxy_frame(address: Address, authority: str) -> bytes:
    """Return the header of PROXY protocol v2 for a client, with the name that it asked for by SNI."""
    own = IPv6Address("::1") if isinstance(address, IPv6Address) else IPv4Address(LOOPBACK)
    family = 0x21 if isinstance(address, IPv6Address) else 0x11
    rest = address.packed + own.packed + struct.pack("!HHBH", 40_000, 443, 2, len(authority)) + authority.encode()
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x21, family, len(rest)) + rest


def question(name: str, rdtype: str = "A", *, address: Address | None = None, said: str = "") -> bytes:
    """Return a query; with an address it says whose it is (EDNS Client Subnet), as some stubs do."""
    query = dns.message.make_query(name, rdtype, id=0)
    if address is not None:
        options = [
            dns.edns.ECSOption(str(address)),
            dns.edns.GenericOption(dns.edns.OptionType.make(65_001), said.encode()),
        ]
        query.use_edns(0, options=options)
    return query.to_wire()


def ask_in_the_old_way(door: Door, address: Address, labels: Sequence[str], *, upper: bool = False) -> None:
    """Ask over one HTTP/1.1 connection, by GET and by POST in turns."""
    with door.connect(address) as connection:
        for number, label in enumerate(labels):
            name = door.markers.name(label)
            wire = question(name.upper() if upper else name, address=address, said=door.markers.stems[Kind.SAID])
            connection.sendall(get(door, address, wire) if number % 2 else post(door, address, wire))
            # What it said of its network comes back to it (RFC 7871 section 7.2.1).
            own = (*door.own(label), address.packed[:7])
            door.heard.append(Heard("a question by HTTP/1.1", read_response(connection), own))


def get(door: Door, address: Address, wire: bytes, target: str = PATH, more: Fields = ()) -> bytes:
    """Return a GET as a browser sends it."""
    encoded = base64.urlsafe_b64encode(wire).rstrip(b"=").decode()
    return head("GET", f"{target}?dns={encoded}", (*door.fields(address), *of_a_browser(door), *more))


def post(door: Door, address: Address, wire: bytes, target: str = PATH, more: Fields = ()) -> bytes:
    """Return a POST as a browser sends it."""
    length = (("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(wire))))
    return head("POST", target, (*door.fields(address), *of_a_browser(door), *length, *more)) + wire


def of_a_browser(door: Door) -> Fields:
    """Return fields that tell more of who asks than anybody needs."""
    said = door.markers.name("", Kind.SAID)
    return (("User-Agent", f"Browser of {said}"), ("Referer", f"https://{said}/"), ("Cookie", f"who={said}"))


def head(method: str, target: str, fields: Fields, host: str = "localhost") -> bytes:
    """Return the header of a request."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def read_response(connection: socket.socket) -> bytes:
    """Read one response; what there is of it, if the connection ends."""
    received = b""
    with contextlib.suppress(OSError):
        while part := connection.recv(65_536):
            received += part
            top, end, body = received.partition(b"\r\n\r\n")
            if end and len(body) >= int(top.lower().partition(b"content-length: ")[2].partition(b"\r")[0] or 0):
                break
    return received


def ask_by_http2(door: Door, address: Address, labels: Sequence[str]) -> None:
    """Ask over one HTTP/2 connection, all at once."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
    with door.connect(address, alpn="h2") as connection:
        client.initiate_connection()
        streams = {}
        for label in labels:
            stream = client.get_next_available_stream_id()
            wire = question(door.markers.name(label), "AAAA", address=address, said=door.markers.stems[Kind.SAID])
            encoded = base64.urlsafe_b64encode(wire).rstrip(b"=").decode()
            pseudo = ((":method", "GET"), (":scheme", "https"), (":authority", "localhost"))
            fields = ((name.lower(), value) for name, value in (*door.fields(address), *of_a_browser(door)))
            client.send_headers(stream, [*pseudo, (":path", f"{PATH}?dns={encoded}"), *fields], end_stream=True)
            streams[stream] = label
        connection.sendall(client.data_to_send())
        received = dict.fromkeys(streams, b"")
        waiting = set(streams)
        with contextlib.suppress(OSError):
            while waiting and (part := connection.recv(65_536)):
                for event in client.receive_data(part):
                    _take(event, received, waiting)
                connection.sendall(client.data_to_send())
        door.heard += [
            Heard("a question by HTTP/2", said, (*door.own(streams[stream]), address.packed[:7]))
            for stream, said in received.items()
        ]


def _take(event: h2.events.Event, received: dict[int, bytes], waiting: set[int]) -> None:
    match event:
        case h2.events.ResponseReceived(stream_id=int(stream)):
            received[stream] += b"".join(b"%s: %s\n" % (bytes(name), bytes(value)) for name, value in event.headers)
        case h2.events.DataReceived(stream_id=int(stream)):
            received[stream] += event.data
        case h2.events.StreamEnded(stream_id=int(stream)) | h2.events.StreamReset(stream_id=int(stream)):
            waiting.discard(stream)
        case _:
            pass


def ask_over_dot(door: Door, address: Address, labels: Sequence[str], name: str = "localhost") -> None:
    """Ask over one connection with DNS over TLS, where one has connected to this name."""
    with door.connect(address, alpn="dot", name=name) as connection:
        for label in labels:
            wire = question(door.markers.name(label), address=address, said=door.markers.stems[Kind.SAID])
            connection.sendall(framed(wire))
            received = connection.recv(2)
            received += connection.recv(int.from_bytes(received)) if received else b""
            door.heard.append(
                Heard("a question over DoT", received, (*door.own(label), address.packed[:7]), is_reply=True)
            )


def framed(wire: bytes) -> bytes:
    """Return a message behind its length."""
    return len(wire).to_bytes(2) + wire


def behave(door: Door, part: str) -> None:
    """Be a dozen ordinary clients, who ask for the same and for different names, some of them twice."""
    for number, address in enumerate(door.clients()):
        if number in BAD_CLIENTS:
            continue
        labels = [f"{part}-{number}", f"{part}-shared", f"{part}-{number}", f"nx-{part}-{number}", f"sf-{part}"]
        ask_in_the_old_way(door, address, labels, upper=number % 2 == 1)
        ask_by_http2(door, address, [f"{part}-{number}", f"{part}-shared", f"{part}-two-{number}"])
        if door.dot_port:
            ask_over_dot(door, address, [f"{part}-{number}", f"{part}-shared", f"{part}-dot-{number}"])
    for address in door.markers.ipv4[:2]:
        # Whose name would be his address; it is answered here.
        own = dns.reversename.from_address(str(address)).to_text()
        with door.connect(address) as connection:
            connection.sendall(post(door, address, question(own, "PTR")))
            read_response(connection)
