"""Words and addresses that must not be found again, in every spelling in which a program might have written them.

All names of a run have one stem in common, and all its IPv6 addresses one network: so there are some hundred spellings
to look for, however many names and clients there were.
"""

import base64
import hashlib
import json
import os
import secrets
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from itertools import accumulate, takewhile
from typing import Final

from dohproxy.dot.member_name import label_of

STEM_LETTERS: Final = 10
"""Of the alphabet, drawn at random: one text in 10^14 has them by chance."""
MOST_SHOWN: Final = 60
"""Bytes on each side of what was found, in what a failed test says."""
DIGESTS: Final[tuple[Callable[[bytes], bytes], ...]] = (
    lambda text: hashlib.md5(text, usedforsecurity=False).digest(),
    lambda text: hashlib.sha1(text, usedforsecurity=False).digest(),
    lambda text: hashlib.sha256(text).digest(),
    lambda text: hashlib.blake2b(text).digest(),
)
"""Without a key, a digest of an address is the address: there are so few of them that all can be tried."""
DIGEST_BYTES: Final = 8
"""As many as whoever cuts a digest keeps."""


class Kind(StrEnum):
    """What a marker is."""

    ASKED = "a name that was asked for"
    ANSWERED = "a name in an answer"
    SAID = "what a client says of itself"
    OWN_URL = "the token of a member's own URL"
    ADDRESS = "a client's address"


NAMES: Final = (Kind.ASKED, Kind.ANSWERED)


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way in which a marker might be written."""

    kind: Kind
    how: str
    pattern: bytes
    is_folded: bool = False
    """It is looked for in lower case, and `pattern` is in lower case."""


@dataclass(frozen=True, slots=True)
class Found:
    """A marker where none may be."""

    place: str
    kind: Kind
    how: str
    around: bytes

    def __str__(self) -> str:
        return f"{self.place} has {self.kind} ({self.how}): {self.around!r}"


def draw_stem() -> str:
    """Return letters that stand nowhere else."""
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(STEM_LETTERS))


def draw_ipv4() -> tuple[IPv4Address, ...]:
    """Return twelve addresses of loopback in three networks, none of whose digits are few."""
    first, *others = secrets.SystemRandom().sample(range(131, 250), 7)
    hosts = secrets.SystemRandom().sample(range(131, 250), 4)
    return tuple(IPv4Address(bytes((127, first, third, host))) for third in others[:3] for host in hosts)


def draw_ipv6_network() -> IPv6Network:
    """Return a network for an organisation, of those that are for examples (RFC 9637)."""
    return IPv6Network((b"\x3f\xff" + bytes((0x08 | secrets.randbelow(8),)) + os.urandom(3) + bytes(10), 48))


def word_spellings(kind: Kind, stem: str) -> Iterator[Spelling]:
    """Yield the ways to write a text in which the stem stands, in whatever case."""
    plain = stem.lower().encode()
    yield Spelling(kind, "in clear", plain, is_folded=True)
    yield Spelling(kind, "backwards", plain[::-1], is_folded=True)
    yield Spelling(kind, "in UTF-16", plain.decode().encode("utf-16-le"), is_folded=True)
    yield Spelling(kind, "in labels of one letter", b"\x01".join(bytes((one,)) for one in plain), is_folded=True)
    yield Spelling(kind, "as JSON escapes it", "".join(f"\\u{one:04x}" for one in plain).encode(), is_folded=True)
    for case in {stem.encode(), plain, plain.upper()}:
        yield Spelling(kind, "in hex", case.hex().encode(), is_folded=True)
        yield Spelling(kind, "in hex with colons", case.hex(":").encode(), is_folded=True)
        yield Spelling(kind, "percent-encoded", "".join(f"%{one:02x}" for one in case).encode(), is_folded=True)
        yield Spelling(kind, "escaped in hex", "".join(f"\\x{one:02x}" for one in case).encode(), is_folded=True)
        yield Spelling(kind, "escaped as in zone files", "".join(f"\\{one:03d}" for one in case).encode())
        yield from _listed(kind, case)
        yield from (Spelling(kind, f"in base64, {number}", one) for number, one in enumerate(_in_base64(case)))


def _in_base64(text: bytes) -> Iterator[bytes]:
    """Yield what base64 makes of a text, whatever stands around it: it begins at one of three places in a triple."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + text + bytes(3))
        # The first characters depend on what stands before the text, the last on what stands behind it.
        first = -(-8 * before // 6)
        whole = encoded[first : first + (8 * len(text) - (6 * first - 8 * before)) // 6]
        yield whole
        if (url_safe := whole.translate(bytes.maketrans(b"+/", b"-_"))) != whole:
            yield url_safe


def ipv4_spellings(address: IPv4Address) -> Iterator[Spelling]:
    """Yield the ways to write an IPv4 address, and the first three numbers of it, which are its network."""
    kind, packed, text = Kind.ADDRESS, address.packed, str(address)
    network = text.rpartition(".")[0]
    yield Spelling(kind, "as people write it", text.encode())
    yield Spelling(kind, "its network", f"{network}.".encode())
    yield Spelling(kind, "with hyphens", text.replace(".", "-").encode())
    yield from _listed(kind, packed)
    yield Spelling(kind, "as in the reverse zone", ".".join(reversed(text.split("."))).encode())
    yield from _packed_spellings(packed)
    yield from _packed_spellings(packed[::-1], "backwards ")
    yield Spelling(kind, "in an IPv6 address", f"{packed[:2].hex()}:{packed[2:].hex()}".encode(), is_folded=True)
    yield from _digests(kind, (text.encode(), packed, b"::ffff:" + text.encode()))


def ipv6_spellings(network: IPv6Network) -> Iterator[Spelling]:
    """Yield the ways to write any address in a network of 48 bits."""
    kind, packed = Kind.ADDRESS, network.network_address.packed[:6]
    groups = network.network_address.exploded.split(":")[:3]
    yield Spelling(kind, "in full", ":".join(groups).encode(), is_folded=True)
    yield Spelling(kind, "shortened", ":".join(f"{int(one, 16):x}" for one in groups).encode(), is_folded=True)
    yield Spelling(kind, "as in the reverse zone", ".".join(reversed("".join(groups))).encode(), is_folded=True)
    yield from _listed(kind, packed)
    yield from _packed_spellings(packed)
    first, last = (str(int(network[number])) for number in (0, -1))
    yield Spelling(kind, "as a number", [*takewhile(last.startswith, accumulate(first))][-1].encode())


def _packed_spellings(packed: bytes, how: str = "") -> Iterator[Spelling]:
    kind = Kind.ADDRESS
    yield Spelling(kind, f"{how}packed", packed)
    yield Spelling(kind, f"{how}in hex", packed.hex().encode(), is_folded=True)
    yield Spelling(kind, f"{how}in hex with colons", packed.hex(":").encode(), is_folded=True)
    yield Spelling(kind, f"{how}escaped in hex", "".join(f"\\x{one:02x}" for one in packed).encode(), is_folded=True)
    yield Spelling(kind, f"{how}as Python shows it", repr(packed)[2:-1].encode())
    yield Spelling(kind, f"{how}as JSON shows it", json.dumps(packed.decode("latin-1"))[1:-1].encode(), is_folded=False)
    yield Spelling(kind, f"{how}in UTF-8", packed.decode("latin-1").encode())
    if len(packed) == 4:
        yield Spelling(kind, f"{how}as a number", str(int.from_bytes(packed)).encode())
        # Alone: what stands in the middle of a longer text leaves too few characters to be sure of.
        for encoded in (base64.b64encode(packed), base64.urlsafe_b64encode(packed)):
            yield Spelling(kind, f"{how}in base64", encoded.rstrip(b"="))
    else:
        yield from (Spelling(kind, f"{how}in base64", one) for one in _in_base64(packed))


def _listed(kind: Kind, text: bytes) -> Iterator[Spelling]:
    for between in (",", ", ", ",\n "):
        yield Spelling(kind, "as a list of numbers", between.join(map(str, text)).encode())


def _digests(kind: Kind, texts: Sequence[bytes]) -> Iterator[Spelling]:
    for text in texts:
        for digest in DIGESTS:
            cut = digest(text)[:DIGEST_BYTES]
            yield Spelling(kind, "as a digest without a key", cut)
            yield Spelling(kind, "as a digest without a key, in hex", cut.hex().encode(), is_folded=True)


@dataclass(frozen=True, slots=True)
class Markers:
    """What one run has sent, and how it would be known again."""

    stems: dict[Kind, str] = field(default_factory=lambda: {kind: draw_stem() for kind in Kind if kind != Kind.ADDRESS})
    ipv4: tuple[IPv4Address, ...] = field(default_factory=draw_ipv4)
    ipv6: IPv6Network = field(default_factory=draw_ipv6_network)

    def client(self, number: int) -> IPv6Address:
        """Return an address of the IPv6 network; each number is a household's /56."""
        return self.ipv6[number << 72 | 0xABCD_0000_1234_0000 | number]

    def name(self, label: str, kind: Kind = Kind.ASKED) -> str:
        """Return a name that is a marker; those of one kind are of one domain."""
        return f"{label}{'.' if label else ''}{self.stems[kind]}.org"

    def spellings(self, token: str) -> list[Spelling]:
        """Return all of them, each once, and those of the token that a member was given."""
        found = [one for kind, stem in self.stems.items() for one in word_spellings(kind, stem)]
        # Over DoT it is the first label of a name.
        for text in (token, label_of(token)):
            found += word_spellings(Kind.OWN_URL, text)
        found += [one for address in self.ipv4 for one in ipv4_spellings(address)]
        found += ipv6_spellings(self.ipv6)
        for kind in NAMES:
            name = self.name("", kind)
            wire = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0"
            found += _digests(kind, (name.encode(), f"{name}.".encode(), wire))
        return list({(one.kind, one.pattern, one.is_folded): one for one in found}.values())


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something that the service has written or said, and where."""

    place: str
    content: bytes


def search(evidence: Sequence[Evidence], spellings: Sequence[Spelling]) -> list[Found]:
    """Return each marker that stands in any of it; of one kind in one place the first alone."""
    found: dict[tuple[str, Kind], Found] = {}
    for place, content in {(one.place, view) for one in evidence for view in _views(one.content)}:
        folded = content.lower()
        for spelling in spellings:
            at = (folded if spelling.is_folded else content).find(spelling.pattern)
            if at >= 0:
                around = content[max(0, at - MOST_SHOWN) : at + len(spelling.pattern) + MOST_SHOWN]
                found.setdefault((place, spelling.kind), Found(place, spelling.kind, spelling.how, around))
    return list(found.values())


def _views(content: bytes) -> Iterator[bytes]:
    """Yield the content as it is, and as it was before somebody escaped the escapes in it, as JSON does with bytes as
    Python shows them."""
    yield content
    while b"\\\\" in content:
        content = content.replace(b"\\\\", b"\\")
        yield content
