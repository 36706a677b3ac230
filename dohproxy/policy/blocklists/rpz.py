"""Response policy zones as blocklists."""

import re
from collections.abc import Sequence
from typing import Final

from dohproxy.policy.blocklists.lines import EXCEPTED, BadLine, LeftOut, Meant, show_bytes, wire_name
from dohproxy.policy.blocklists.name_set import BELOW, EXACT

_TTL: Final = re.compile(rb"[0-9][0-9smhdw]*", re.IGNORECASE)
"""A number, or several with units, as in 1h30m; what is no such thing is no type of records either."""
_TRIGGERS: Final = (b"rpz-ip", b"rpz-client-ip", b"rpz-nsdname", b"rpz-nsip")
_DATA: Final = frozenset({b"A", b"AAAA", b"CNAME", b"DNAME", b"TXT", b"MX", b"HTTPS", b"SVCB", b"SRV"})


class RpzReader:
    """A response policy zone (draft-vixie-dnsop-dns-rpz) in the master file format of RFC 1035 section 5.

    Of its triggers those that are names count; what the zone wants to be answered does not, but for names that it lets
    through.
    """

    def __init__(self) -> None:
        self._depth = 0
        """Of parentheses, within which a record goes on over lines."""
        self._origin: bytes | None = None
        """What stands behind names without a final dot."""
        self._zone: bytes | None = None
        """The name of the zone, which is no part of the names that it lists."""
        self._owner = b"@"

    def read(self, line: bytes) -> Meant:
        """Return what a line means."""
        text = line.partition(b";")[0].rstrip()
        if not text.strip():
            return []
        is_continued = self._depth > 0
        self._depth = max(0, self._depth + text.count(b"(") - text.count(b")"))
        if is_continued:
            return []
        words = text.split()
        if text.startswith(b"$"):
            return self._read_directive(words)
        if not text[:1].isspace():
            self._owner = words.pop(0)
        while words and (words[0].upper() == b"IN" or _TTL.fullmatch(words[0])):
            del words[0]
        if len(words) < 2:
            raise BadLine("has no record behind its name")
        return self._read_record(words[0].upper(), words[1].lower())

    def _read_directive(self, words: Sequence[bytes]) -> Meant:
        match words[0].upper():
            case b"$TTL":
                return []
            case b"$ORIGIN" if len(words) > 1:
                self._origin = self._absolute(words[1])
                self._zone = self._zone or self._origin
                return []
            case _:
                raise BadLine("is of no use here", show_bytes(words[0]))

    def _read_record(self, record: bytes, data: bytes) -> Meant:
        if record == b"SOA":
            # A zone has one, at its top; without an $ORIGIN before it, "@" is what only a server's configuration knows.
            if self._origin is not None or self._owner != b"@":
                self._zone = self._absolute(self._owner)
                self._origin = self._origin or self._zone
            return []
        trigger = self._trigger()
        if not trigger:
            return []
        if trigger.rpartition(b".")[2] in _TRIGGERS or data == b"rpz-tcp-only.":
            raise LeftOut
        if record not in _DATA:
            raise BadLine("has a record that no rule is made of", show_bytes(record))
        kind = BELOW if trigger.startswith(b"*.") else EXACT
        name = trigger.removeprefix(b"*.")
        is_let_through = record == b"CNAME" and data.rstrip(b".") in (b"rpz-passthru", trigger)
        return [(wire_name(name), kind | EXCEPTED if is_let_through else kind)]

    def _absolute(self, name: bytes) -> bytes:
        """Return a name in lower case as a whole, without its final dot; it is relative to the origin, if there is
        one."""
        lower = name.lower()
        if lower.endswith(b"."):
            return lower[:-1]
        if lower == b"@":
            return self._origin or b""
        return lower + b"." + self._origin if self._origin else lower

    def _trigger(self) -> bytes:
        """Return the owner of a record without the zone's own name; b"" for the top of the zone. Raises BadLine."""
        name = self._absolute(self._owner)
        zone = self._zone
        if self._owner == b"@" or name == zone:
            return b""
        if not zone:
            return name
        if not name.endswith(b"." + zone):
            raise BadLine("has a name outside of the zone", f"{show_bytes(name)} is not in {show_bytes(zone)}")
        return name[: -len(zone) - 1]
