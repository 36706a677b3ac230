"""The formats in which people have blocklists: what one line says, and which format a file has.

Each reader takes one line after another, without its end, and returns the names in it with what is meant: the name
itself (EXACT), all names below it (BELOW), or that it is let through whatever else the list says (EXCEPTED). A line of
which nothing can be made is a `BadLine`; one that is right, and says something that a list of names cannot do, is
`LeftOut`.
"""

import re
from collections.abc import Callable, Generator, Sequence
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Protocol

from dohproxy.config.addresses import Unusable, parse_network
from dohproxy.policy.blocklists.lines import (
    EXCEPTED,
    NETWORK,
    BadLine,
    LeftOut,
    Meant,
    show_bytes,
    wire_name,
    without_comment,
)
from dohproxy.policy.blocklists.name_set import BELOW, BOTH, EXACT
from dohproxy.policy.blocklists.network_set import key_of
from dohproxy.policy.blocklists.rpz import RpzReader


class Format(StrEnum):
    """How a file is written."""

    NAMES = "names"
    HOSTS = "hosts"
    DNSMASQ = "dnsmasq"
    ADBLOCK = "adblock"
    RPZ = "rpz"
    NETWORKS = "networks"


class Reader(Protocol):
    """Reads the lines of one file, in order."""

    def read(self, line: bytes) -> Meant:
        """Return what a line means, nothing for a comment. Raises BadLine and LeftOut."""


class NamesReader:
    """One name a line: "example.net", "*.example.net" for all below it, ".example.net" for both."""

    def __init__(self, kind: int) -> None:
        """`kind` is what a name alone means."""
        self._kind = kind

    def read(self, line: bytes) -> Meant:
        """Return what a line means."""
        text = without_comment(line).strip()
        if not text:
            return []
        if text.startswith(b"*."):
            return [(wire_name(text[2:]), BELOW)]
        if text.startswith(b"."):
            return [(wire_name(text[1:]), BOTH)]
        return [(wire_name(text), self._kind)]


_SINKS: Final = frozenset({b"0.0.0.0", b"127.0.0.1", b"::", b"::1", b"0", b"127.0.1.1"})
"""What hosts files give to names that shall lead nowhere."""
_OWN_NAMES: Final = frozenset(
    b"localhost localhost.localdomain local broadcasthost ip6-localhost ip6-loopback ip6-localnet ip6-mcastprefix"
    b" ip6-allnodes ip6-allrouters ip6-allhosts 0.0.0.0".split()
)
"""What hosts files say of the machine itself."""


class HostsReader:
    """hosts(5): an address that leads nowhere, and names."""

    def __init__(self, kind: int) -> None:
        """`kind` is what a name means."""
        self._kind = kind

    def read(self, line: bytes) -> Meant:
        """Return what a line means."""
        fields = without_comment(line).split()
        if not fields:
            return []
        if fields[0] not in _SINKS:
            return self._read_other(fields)
        if len(fields) == 1:
            raise BadLine("has an address and no name behind it")
        return [(wire_name(name), self._kind) for name in fields[1:] if name.lower() not in _OWN_NAMES]

    def _read_other(self, fields: Sequence[bytes]) -> Meant:
        if all(name.lower() in _OWN_NAMES for name in fields[1:]) and len(fields) > 1:
            return []
        try:
            ip_address(fields[0].decode(errors="replace"))
        except ValueError:
            raise BadLine("does not begin with an address", show_bytes(fields[0])) from None
        raise BadLine("gives a name an address; those of a blocklist have 0.0.0.0 or ::")


class DnsmasqReader:
    """The lines address=/NAME/, server=/NAME/ and local=/NAME/ of dnsmasq.conf(5), which mean all below a name too."""

    def read(self, line: bytes) -> Meant:
        """Return what a line means."""
        text = without_comment(line).strip()
        if not text:
            return []
        option, _, value = text.partition(b"=")
        parts = value.strip().split(b"/")
        if option.strip() not in (b"address", b"server", b"local") or len(parts) < 3 or parts[0]:
            raise BadLine("is no address=/NAME/, server=/NAME/ or local=/NAME/", show_bytes(text))
        if option.strip() != b"address" and parts[-1]:
            raise LeftOut  # The name has a server of its own.
        return [(wire_name(name), BOTH) for name in parts[1:-1]]


_RULE: Final = re.compile(rb"(@@)?\|\|(\*\.)?([^\s^/$|*:]+)(?:\^\|?|\|)(?:\$(.*))?")
_HARMLESS: Final = frozenset({b"important", b"all"})
"""Modifiers that say nothing about who asks, or for what; a rule with others holds only there."""
_FOR_BROWSERS: Final = re.compile(rb"[|/*$^@,=~:?]|#[@?$%]?#")


class AdblockReader:
    """||NAME^ and @@||NAME^ of ad blockers (what AdGuard calls DNS filtering); rules about parts of pages, paths and
    the like are left out. Plain names and lines of hosts files may stand among them."""

    def __init__(self, kind: int) -> None:
        """`kind` is what a name alone means."""
        self._names = NamesReader(kind)
        self._hosts = HostsReader(kind)

    def read(self, line: bytes) -> Meant:
        """Return what a line means."""
        text = line.strip()
        found = _RULE.fullmatch(text)
        if found is not None:
            if found[4] is not None and not _HARMLESS.issuperset(found[4].split(b",")):
                raise LeftOut
            kind = BELOW if found[2] else BOTH
            return [(wire_name(found[3]), kind | EXCEPTED if found[1] else kind)]
        if not text or text.startswith((b"!", b"[")) or (text.startswith(b"#") and not _FOR_BROWSERS.match(text)):
            return []
        if b" " in text or b"\t" in text:
            return self._hosts.read(text) if text.split(None, 1)[0] in _SINKS else _leave_out(text)
        return _leave_out(text) if _FOR_BROWSERS.search(text) else self._names.read(text)


def _leave_out(text: bytes) -> Meant:
    if _FOR_BROWSERS.search(text):
        raise LeftOut
    raise BadLine("is no rule such as ||example.net^", show_bytes(text))


class NetworksReader:
    """Networks of clients: one address or CIDR a line, as the lists of Spamhaus and others have them."""

    def read(self, line: bytes) -> Meant:
        """Return what a line means."""
        words = line.partition(b";")[0].partition(b"#")[0].split()
        if not words:
            return []
        try:
            if len(words) > 1:
                raise Unusable("has more than one word")
            network = parse_network(words[0].decode(errors="replace"), _NOWHERE)
        except Unusable as error:
            shown = f"{show_bytes(line.strip())}, which {str(error).rstrip('.')}"
            raise BadLine("has no network", shown) from None
        if network.prefixlen == 0:
            raise BadLine("is every client there is")
        return [(key_of(network), NETWORK)]


_NOWHERE: Final = Path()
_READERS: Final[dict[Format, Callable[[int], Reader]]] = {
    Format.HOSTS: HostsReader,
    Format.DNSMASQ: lambda _: DnsmasqReader(),
    Format.RPZ: lambda _: RpzReader(),
    Format.NAMES: NamesReader,
    Format.ADBLOCK: AdblockReader,
    Format.NETWORKS: lambda _: NetworksReader(),
}
"""In the order in which `guess` prefers them: what says more about its lines comes first."""


def reader_of(written: Format, kind: int) -> Reader:
    """Return a reader; `kind` is what a name means in formats that do not say it."""
    return _READERS[written](kind)


def guess(lines: Sequence[bytes]) -> Generator[None, None, Format]:
    """Return the format under which the most of these lines, the first of a file, have names; a line and a format is a
    step."""
    scores = dict.fromkeys(_READERS, 0)
    for written in _READERS:
        reader = reader_of(written, EXACT)
        for line in lines:
            scores[written] += _has_name(reader, line)
            yield
    return max(scores, key=lambda written: scores[written])


def _has_name(reader: Reader, line: bytes) -> bool:
    try:
        return bool(reader.read(line))
    except (BadLine, LeftOut):
        return False
