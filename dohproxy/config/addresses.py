"""Addresses as the configuration writes them: where to listen, whom to ask, whom to believe.

Nothing here asks DNS. A resolver proxy that needs a name resolved before it can start cannot start after a
power cut, so every address is an IP literal and the name to verify stands beside it.

Every parser takes the text and, where a file may be meant, the directory relative paths start from. It
raises `Unusable` with a sentence that says what is wrong and what to write instead.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
)
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

IPNetwork = IPv4Network | IPv6Network

MAX_SOCKET_PATH_BYTES = 107
"""Longest Unix socket path: Linux keeps 108 bytes for it, the last one a NUL (unix(7))."""

DEFAULT_PORTS = {"udp": 53, "tcp": 53, "tls": 853}
"""Ports when the url names none: RFC 1035 section 4.2 for udp and tcp, RFC 7858 section 3.1 for tls."""

PIN_BYTES = 32
"""Length of a SHA-256, as a pin has it."""
PIN_CHARACTERS = 44
"""The length of a pin in base64."""

_HOST_CHARACTERS = re.compile(r"[0-9A-Fa-f.:]+(%[A-Za-z0-9._-]+)?")
"""What `ip_address` should accept; after % it would take anything, line ends included."""

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


class Unusable(ValueError):
    """A value cannot be used; the text is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where a listener is bound: an address and port (`kind` "tcp") or a Unix socket (`kind` "unix").

    `host` is an IP literal without brackets and `port` 0 to 65535, 0 meaning any free port; both are empty
    or 0 for a Unix socket. `path` is the absolute path of the socket, empty for "tcp".
    """

    kind: Literal["tcp", "unix"]
    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.kind == "unix" else f"{bracketed(self.host)}:{self.port}"

    def covers(self, host: str, port: int) -> bool:
        """Whether a TCP connection to this address arrives here: the same one, or all of its family at that port."""
        if self.kind != "tcp" or self.port != port:
            return False
        own, other = ip_address(self.host), ip_address(host)
        return own == other or (own.is_unspecified and own.version == other.version)

    @property
    def is_public(self) -> bool:
        """Whether other machines can reach it: any TCP address but a loopback one."""
        return self.kind == "tcp" and not ip_address(self.host).is_loopback


@dataclass(frozen=True, slots=True)
class UpstreamAddress:
    """How to reach an upstream: `transport`, IP literal without brackets, port.

    `verify_name` is the name its certificate must bear (RFC 8310 section 8.1). None with "tls" means that
    the certificate must bear the IP address itself; with "udp" and "tcp" it is always None.
    """

    transport: Literal["udp", "tcp", "tls"]
    host: str
    port: int
    verify_name: str | None = None

    @property
    def bare_host(self) -> str:
        """The address without the interface after its %."""
        return self.host.partition("%")[0]

    @property
    def interface(self) -> str:
        """The interface after the % (RFC 4007 section 11), a name or a number; empty if there is none."""
        return self.host.partition("%")[2]

    @property
    def name_to_verify(self) -> str:
        """What the certificate must bear: the configured name, else the IP address, whose interface is nobody's
        business but ours (RFC 4007 section 11.2)."""
        return self.bare_host if self.verify_name is None else self.verify_name

    @property
    def is_open_path(self) -> bool:
        """Whether somebody on the way could change what passes: neither TLS nor this machine itself."""
        return self.transport != "tls" and not ip_address(self.host).is_loopback

    def __str__(self) -> str:
        port = "" if self.port == DEFAULT_PORTS[self.transport] else f":{self.port}"
        name = "" if self.verify_name is None else f"#{self.verify_name}"
        return f"{self.transport}://{bracketed(self.host)}{port}{name}"


def parse_listen(text: str, directory: Path) -> ListenAddress:
    """Read "127.0.0.1:8443", "[::]:443" or "unix:/run/dohproxy/h1.sock"."""
    if text.startswith("unix:"):
        return ListenAddress("unix", path=str(_parse_socket_path(text.removeprefix("unix:"), directory)))
    if "/" in text and "://" not in text:
        raise Unusable(f'looks like the file of a Unix socket; if so, write "unix:{text}".')
    host, colon, port = text.rpartition(":")
    if not colon or not host or host == "*":
        raise Unusable(
            'needs an address and a port; for every address of the machine write two, "[::]:443" for IPv6 and'
            ' "0.0.0.0:443" for IPv4.'
        )
    address = _parse_host(host, "Write the address.")
    _refuse_unbindable(ip_address(address), port)
    return ListenAddress("tcp", host=address, port=_parse_port(port, minimum=0))


def parse_loopback(text: str, directory: Path) -> ListenAddress:
    """Read "127.0.0.1:8054" or "[::1]:8054"."""
    address = parse_listen(text, directory)
    if address.kind != "tcp" or address.is_public:
        raise Unusable(
            'is no loopback address, and this is never for other machines; write "127.0.0.1:8054". From another one:'
            " ssh -L 8054:127.0.0.1:8054 HOST"
        )
    return address


def parse_socket(text: str, directory: Path) -> Path:
    """Read the path of a Unix socket, relative ones from `directory`."""
    if text.startswith("unix:"):
        raise Unusable(f'is a file name alone here; write "{text.removeprefix("unix:")}".')
    if re.fullmatch(r"[^/]*:[0-9]+", text):
        raise Unusable(
            "looks like an address and a port, which would be open to every user of this machine; a Unix socket has a"
            " file name, and who may open it is decided by its directory."
        )
    return _parse_socket_path(text, directory)


def _parse_socket_path(text: str, directory: Path) -> Path:
    if text.startswith("@"):
        raise Unusable("is an abstract socket, which every user of this machine may open; write a file name.")
    path = parse_path(text, directory)
    if len(str(path).encode(errors="replace")) > MAX_SOCKET_PATH_BYTES:
        raise Unusable(
            f"is a socket path of more than {MAX_SOCKET_PATH_BYTES} bytes, which the system cannot bind;"
            " choose a shorter one."
        )
    return path


def parse_path(text: str, directory: Path) -> Path:
    """Read a file name, relative ones from `directory` (that of the configuration file)."""
    if not text or "\0" in text:
        raise Unusable("is not a file name; write one without a NUL character, at least one character long.")
    return directory / text


def parse_argument(text: str, _directory: Path) -> str:
    """Read one argument of a program that is started."""
    if not text or "\0" in text:
        raise Unusable("is no argument; write one without a NUL character, at least one character long.")
    return text


def parse_webhook(text: str, _directory: Path) -> str:
    """Read the URL that messages are sent to."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Unusable("has characters that no URL has; write them as %XX (RFC 3986).")
    if host is None or port == 0 or parts.scheme not in ("http", "https"):
        raise Unusable("is not a URL; write https:// and a host, such as https://alerts.example.net/dohproxy.")
    if parts.username is not None or parts.password is not None:
        raise Unusable("holds a user or password, which are not sent; use a path that only you know.")
    if parts.fragment:
        raise Unusable("holds a fragment (#), which is never sent; leave it out.")
    return text


def parse_upstream(text: str, _directory: Path) -> UpstreamAddress:
    """Read "tls://192.0.2.53#ns0.example.net", "udp://127.0.0.1:5353", "tcp://[2001:db8::53]"."""
    scheme, separator, rest = text.partition("://")
    transport = _parse_transport(scheme if separator else "")
    place, hash_sign, name = rest.partition("#")
    if any(character in place for character in "/?@"):
        raise Unusable("holds more than an address, a port and #name; leave out user, path and query.")
    host_text, port_text = _split_port(place)
    host = _parse_host(host_text, "Write the address, and the name to verify after #.")
    _refuse_unroutable(ip_address(host), transport)
    port = _parse_port(port_text, minimum=1) if port_text is not None else DEFAULT_PORTS[transport]
    if not hash_sign:
        return UpstreamAddress(transport, host, port)
    if transport != "tls":
        raise Unusable(f"has a #name, but {transport} shows no certificate to verify; drop it or use tls://.")
    return UpstreamAddress(transport, host, port, parse_host_name(name))


def parse_pin(text: str, _directory: Path) -> str:
    """Read the SHA-256 of a public key in base64, as RFC 7469 and curl (sha256//) write it."""
    # From its end, as one in 64 begins with a "/" of its own.
    before, pin = text[:-PIN_CHARACTERS], text[-PIN_CHARACTERS:]
    try:
        digest = base64.b64decode(pin, validate=True)
    except ValueError:
        digest = b""
    if len(digest) != PIN_BYTES or before not in ("", "sha256/", "sha256//"):
        raise Unusable(
            "is not the SHA-256 of a public key in base64, which has 44 characters; `dohproxy upstream test` shows a"
            " server's."
        )
    return base64.b64encode(digest).decode()


def parse_host_name(text: str) -> str:
    """Read a host name and return it in lower case (RFC 1123 section 2.1; underscores let pass)."""
    name = text.lower()
    if not name.isascii():
        raise Unusable('has letters outside ASCII; write its "xn--" form (RFC 5890).')
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise Unusable("is not a host name; use letters, digits and hyphens between dots, without port or final dot.")
    return name


def parse_domain(text: str, _directory: Path) -> str:
    """Read the name of a domain, in lower case."""
    return parse_host_name(text)


NOT_ROUTED = {
    "localhost": "is this machine's name for itself, which every resolver answers by itself (RFC 6761)",
    "invalid": "never exists (RFC 6761)",
    "onion": "belongs to Tor, and nobody may be asked about it (RFC 7686)",
    "alt": "is for names outside the DNS (RFC 9476)",
    "resolver.arpa": "is about this service itself (RFC 9462)",
}
"""Domains of which no resolver knows anything, and why."""


def parse_route_domain(text: str, _directory: Path) -> str:
    """Read a domain that has a resolver of its own, in lower case."""
    if text in {"", "."}:
        raise Unusable("is every name there is; the upstreams that no route names are asked about those.")
    if text.startswith("*."):
        raise Unusable(f'has all names below it anyway; write "{text.removeprefix("*.")}".')
    if "/" in text:
        raise Unusable(
            'is no domain; for the names of 192.168.0.0/16 write "168.192.in-addr.arpa", for those of 10.0.0.0/8'
            ' "10.in-addr.arpa", for those of fd00::/8 "d.f.ip6.arpa".'
        )
    name = parse_host_name(text.removesuffix("."))
    for domain, why in NOT_ROUTED.items():
        if name == domain or name.endswith(f".{domain}"):
            raise Unusable(f"cannot be given to a resolver: {domain} {why}.")
    return name


def parse_public_name(text: str, _directory: Path) -> str:
    """Read the name clients know the service by: a host name, or an address without brackets."""
    scheme, separator, rest = text.partition("://")
    bare = (rest if separator else scheme).partition("/")[0]
    if separator or "/" in text:
        raise Unusable(f'holds more than a name; write the name alone: "{bare}".')
    if text.startswith("[") and text.endswith("]"):
        raise Unusable(f'is an address in brackets; write it without: "{text[1:-1]}".')
    if re.fullmatch(r"[^:]+:[0-9]+|\[.*\]:[0-9]+", text):
        name = text.rpartition(":")[0].strip("[]")
        raise Unusable(f'names a port, which comes from server.listen; write "{name}".')
    if text.endswith(".") and text.strip("."):
        raise Unusable(f'ends with a dot, which clients leave out; write "{text.rstrip(".")}".')
    try:
        address = ip_address(text)
    except ValueError:
        return parse_host_name(text)
    return str(address) if "%" not in text else parse_host_name(text)


def parse_network(text: str, _directory: Path) -> IPNetwork:
    """Read a CIDR such as "192.0.2.0/24" or "2001:db8::/32"; a bare address is a network of one."""
    address, slash, prefix = text.partition("/")
    if "%" in address or (slash and not _is_number(prefix, digits=3)):
        raise Unusable('is not a network; write address/prefix length, such as "192.0.2.0/24".')
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise Unusable('is not a network; write address/prefix length, such as "192.0.2.0/24".') from None
    if slash and ip_address(address) != network.network_address:
        raise Unusable(f'has bits set after its prefix; if the whole network is meant, write "{network}".')
    return network


def parse_trusted(text: str, directory: Path) -> IPNetwork | Literal["unix"]:
    """Read a CIDR, or the word "unix" for whoever can open the Unix sockets listened on."""
    return "unix" if text == "unix" else parse_network(text, directory)


def cover_everything(networks: Sequence[IPNetwork]) -> bool:
    """Whether all of IPv4 or all of IPv6 is in `networks`, be it in pieces."""
    version_4 = collapse_addresses(network for network in networks if isinstance(network, IPv4Network))
    version_6 = collapse_addresses(network for network in networks if isinstance(network, IPv6Network))
    return any(network.prefixlen == 0 for network in version_4) or any(network.prefixlen == 0 for network in version_6)


def parse_url_path(text: str, _directory: Path) -> str:
    """Read the path of the DoH resource: what stands in requests, to be compared byte for byte."""
    if "{" in text:
        raise Unusable("looks like a URI template; leave {?dns} out, clients add it themselves.")
    if "?" in text or "#" in text:
        raise Unusable("holds a query or a fragment; write the path alone.")
    if not text.startswith("/"):
        raise Unusable('must begin with "/".')
    if text != "/" and text.endswith("/"):
        raise Unusable('must not end with "/"; clients would have to type it.')
    segments = text.split("/")[1:]
    if text != "/" and any(segment in {"", ".", ".."} for segment in segments):
        raise Unusable('has an empty, "." or ".." segment, which clients and front proxies rewrite.')
    if len(text) > 255 or not re.fullmatch(r"[A-Za-z0-9/._~!$&'()*+,;=:@-]+", text):
        raise Unusable("must be at most 255 plain ASCII characters without spaces and percent signs.")
    return text


def _parse_transport(scheme: str) -> Literal["udp", "tcp", "tls"]:
    match scheme:
        case "udp" | "tcp" | "tls":
            return scheme
        case "https":
            raise Unusable("asks for DNS over HTTPS, which upstreams are not asked by; write tls:// instead.")
        case _:
            raise Unusable("must begin with tls://, tcp:// or udp://.")


def _split_port(place: str) -> tuple[str, str | None]:
    """Take the port off "192.0.2.53:53" or "[2001:db8::53]:53"."""
    if place.endswith("]") or (place.count(":") > 1 and not place.startswith("[")):
        return place, None
    host, colon, port = place.rpartition(":")
    return (host, port) if colon else (place, None)


def _parse_host(text: str, remedy: str) -> str:
    is_bracketed = text.startswith("[") and text.endswith("]")
    bare = text[1:-1] if is_bracketed else text
    try:
        address = ip_address(bare)
    except ValueError:
        raise Unusable(
            f"must have an IP address, not a host name: the proxy must not need DNS to start. {remedy}"
        ) from None
    if not _HOST_CHARACTERS.fullmatch(bare):
        raise Unusable("has an interface name after % with other characters than letters, digits, . _ -.")
    if is_bracketed != (address.version == 6):
        raise Unusable("must have brackets around an IPv6 address, and only there, as in [2001:db8::53].")
    return str(address)


def _parse_port(text: str, *, minimum: int) -> int:
    if not _is_number(text, digits=5) or not minimum <= int(text) <= 65535:
        raise Unusable(f"must have a port from {minimum} to 65535 after the last colon.")
    return int(text)


def _refuse_unbindable(address: IPv4Address | IPv6Address, port: str) -> None:
    """Refuse what the system will not bind, whatever addresses this machine has."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            raise Unusable(f'is an IPv4 address in IPv6 form; write "{address.ipv4_mapped}:{port}".')
        if address.is_link_local and address.scope_id is None:
            raise Unusable(f'is an address of one link; write the interface after it: "[{address}%eth0]:{port}".')
    if address.is_multicast or address == IPv4Address("255.255.255.255"):
        raise Unusable("is an address of many machines, where nobody can connect; write one of this machine.")


def _refuse_unroutable(address: IPv4Address | IPv6Address, transport: str) -> None:
    if isinstance(address, IPv6Address) and address.is_link_local and address.scope_id is None:
        raise Unusable(f'is an address of one link; write the interface after it: "{transport}://[{address}%eth0]".')
    if address.is_unspecified or address.is_multicast or address == IPv4Address("255.255.255.255"):
        raise Unusable("is an address no single resolver answers from; write the resolver's own.")


def _is_number(text: str, *, digits: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= digits


def bracketed(host: str) -> str:
    """Write a host as it stands before a port: IPv6 in brackets (RFC 3986 section 3.2.2)."""
    return f"[{host}]" if ":" in host else host
