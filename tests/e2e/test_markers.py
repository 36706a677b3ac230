"""The search for what must not be found finds it, however it is written, and finds nothing where it is not."""

import base64
import hashlib
import json
import os
import urllib.parse
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import dns.message
import dns.name
import dns.reversename
import pytest

from dohproxy.dot.member_name import label_of
from tests.e2e.markers import Evidence, Kind, Markers, search

MARKERS = Markers()
TOKEN = base64.urlsafe_b64encode(os.urandom(16)).rstrip(b"=").decode()
SPELLINGS = MARKERS.spellings(TOKEN)


def wire_of(name: str) -> bytes:
    """The wire form of a name."""
    return dns.name.from_text(name).to_wire() or b""


NAME_WRITERS: dict[str, Callable[[str], Any]] = {
    "as it is": str,
    "in capital letters": str.upper,
    "in mixed case": str.title,
    "as a query": lambda name: dns.message.make_query(name, "A").to_wire(),
    "as a query in a URL": lambda name: base64.urlsafe_b64encode(dns.message.make_query(name, "A").to_wire()),
    "as a query in capital letters in a URL": lambda name: base64.urlsafe_b64encode(
        dns.message.make_query(name.upper(), "A").to_wire()
    ),
    "in base64, moved by one": lambda name: base64.b64encode(b"x" + name.encode()),
    "in base64, moved by two": lambda name: base64.b64encode(b"xx" + name.encode()),
    "in hex": lambda name: name.encode().hex(),
    "in hex of capital letters": lambda name: name.upper().encode().hex().upper(),
    "in hex with colons": lambda name: name.encode().hex(":"),
    "as a list of numbers": lambda name: list(name.encode()),
    "as a list of numbers in JSON": lambda name: json.dumps(list(name.encode()), indent=1),
    "as compact JSON": lambda name: json.dumps(list(name.encode()), separators=(",", ":")),
    "escaped as in zone files": lambda name: "".join(f"\\{ord(one):03d}" for one in name),
    "escaped in hex": lambda name: "".join(f"\\x{ord(one):02X}" for one in name),
    "escaped as in JSON": lambda name: "".join(f"\\u{ord(one):04X}" for one in name),
    "percent-encoded": lambda name: "".join(f"%{ord(one):02X}" for one in name),
    "as an international name": lambda name: dns.name.from_text(f"b\u00fccher-{name}"),
    "in UTF-16": lambda name: name.encode("utf-16"),
    "backwards": lambda name: name[::-1],
    "as a digest": lambda name: hashlib.sha256(name.encode()).hexdigest(),
    "as a digest of its wire form": lambda name: hashlib.md5(wire_of(name)).digest(),  # noqa: S324
    "shown by Python": lambda name: repr(dns.message.make_query(name, "A").to_wire()),
}
ADDRESS_WRITERS: dict[str, Callable[[IPv4Address | IPv6Address], Any]] = {
    "as it is": str,
    "in full": lambda address: address.exploded,
    "in capital letters": lambda address: str(address).upper(),
    "with a port": lambda address: f"[{address}]:443",
    "packed": lambda address: address.packed,
    "in hex": lambda address: address.packed.hex(),
    "in capital hex": lambda address: address.packed.hex().upper(),
    "as a number": int,
    "as numbers": lambda address: list(address.packed),
    "as numbers in JSON": lambda address: json.dumps(list(address.packed), indent=1),
    "in base64": lambda address: base64.b64encode(address.packed),
    "in base64 for URLs": lambda address: base64.urlsafe_b64encode(address.packed),
    "shown by Python": lambda address: repr(address.packed),
    "shown by Python in JSON": lambda address: json.dumps([repr(address.packed)]),
    "shown by Python in JSON in a log": lambda address: repr(json.dumps([repr(address.packed)])),
    "shown as JSON": lambda address: json.dumps(address.packed.decode("latin-1")),
    "in UTF-8": lambda address: address.packed.decode("latin-1"),
    "as a name": lambda address: dns.reversename.from_address(str(address)),
}
IPV4_WRITERS: dict[str, Callable[[IPv4Address], Any]] = {
    "as its network": lambda address: str(address).rpartition(".")[0] + ".0/24",
    "in an IPv6 address": lambda address: IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed),
    "in an IPv6 address for people": lambda address: f"::ffff:{address}",
    "in an IPv6 address in full": lambda address: IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed).exploded,
    "backwards": lambda address: address.packed[::-1],
    "as a number of the other order": lambda address: int.from_bytes(address.packed, "little"),
    "with hyphens": lambda address: str(address).replace(".", "-"),
    "as a digest": lambda address: hashlib.sha1(str(address).encode()).hexdigest(),  # noqa: S324
    "as a digest of its bytes": lambda address: hashlib.blake2b(address.packed).digest(),
}


def found_in(written: Any) -> set[Kind]:
    """Which kinds are found in something, with other things around it."""
    content = written if isinstance(written, bytes) else str(written).encode()
    return {one.kind for one in search([Evidence("here", b'{"a": "' + content + b'", 1}')], SPELLINGS)}


@pytest.mark.parametrize("how", NAME_WRITERS)
@pytest.mark.parametrize("kind", [Kind.ASKED, Kind.ANSWERED])
def test_a_name_is_found(kind: Kind, how: str) -> None:
    name = MARKERS.name("" if "digest" in how else "www", kind)
    assert found_in(NAME_WRITERS[how](name)) == {kind}


@pytest.mark.parametrize("kind", [Kind.SAID, Kind.OWN_URL])
def test_what_a_client_says_is_found(kind: Kind) -> None:
    assert found_in(f"/dns-query/{urllib.parse.quote(MARKERS.name('x', kind))}") == {kind}


@pytest.mark.parametrize("write", [str, str.upper, label_of, lambda token: base64.b64encode(token.encode())])
def test_a_token_is_found(write: Callable[[str], Any]) -> None:
    assert found_in(write(TOKEN)) == {Kind.OWN_URL}


@pytest.mark.parametrize("how", ADDRESS_WRITERS)
@pytest.mark.parametrize("address", [MARKERS.ipv4[5], MARKERS.client(3)], ids=["IPv4", "IPv6"])
def test_an_address_is_found(address: IPv4Address | IPv6Address, how: str) -> None:
    assert found_in(ADDRESS_WRITERS[how](address)) == {Kind.ADDRESS}


@pytest.mark.parametrize("how", IPV4_WRITERS)
def test_an_ipv4_address_is_found(how: str) -> None:
    assert found_in(IPV4_WRITERS[how](MARKERS.ipv4[0])) == {Kind.ADDRESS}


def test_a_network_of_ipv6_is_found() -> None:
    assert found_in(f"{MARKERS.ipv6.network_address}/56") == {Kind.ADDRESS}


def test_nothing_is_found_where_nothing_is() -> None:
    other = Markers()
    content = b"".join([other.name("www").encode(), other.ipv4[0].packed, str(ip_address("127.0.0.1")).encode()])
    assert search([Evidence("here", content + os.urandom(10_000))], SPELLINGS) == []
