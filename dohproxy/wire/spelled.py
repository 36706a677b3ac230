"""Records copied with every name in them spelled out, so that they stand for themselves wherever they are put.

Compression pointers are offsets into one message: take a record away, or change what stands before it, and those behind
would lead elsewhere.
"""

import struct
from typing import Final

from dohproxy.wire.malformed import Fault, Malformed
from dohproxy.wire.name import spell_out, written_end
from dohproxy.wire.numbers import TTL_SIGN_BIT
from dohproxy.wire.rdata import spell_out_rdata

RECORD: Final = struct.Struct("!HHIH")
"""What follows a record's owner: type, class, TTL and the length of the rdata."""


class SpelledRecords:
    """The copies, one behind another, their TTLs and where these stand."""

    def __init__(self, wire: bytes, most_bytes: int) -> None:
        """Copy from `wire`, whose records `parse_answer` has checked, at most so many bytes."""
        self.records = bytearray()
        self.ttl_offsets: list[int] = []
        self.ttls: list[int] = []
        self._wire = wire
        self._most_bytes = most_bytes

    def head(self, place: int) -> tuple[int, int]:
        """Return the type of the record at `place`, and the offset after it."""
        fixed = written_end(self._wire, place)
        rtype, _, _, rdlength = RECORD.unpack_from(self._wire, fixed)
        return rtype, fixed + RECORD.size + rdlength

    def add(self, place: int) -> tuple[bytes, int, int]:
        """Copy the record at `place`; return its owner as it stands there, its type, and the offset after it.

        Raises Malformed: COMPRESSION_WORK where the copies become larger than they may, or a name has too many
        pointers. Costs no more than that many bytes can hold.
        """
        owner, fixed = spell_out(self._wire, place)
        rtype, rclass, ttl, rdlength = RECORD.unpack_from(self._wire, fixed)
        start = fixed + RECORD.size
        end = start + rdlength
        rdata = spell_out_rdata(self._wire, rtype, start, end)
        if len(self.records) + len(owner) + RECORD.size + len(rdata) > self._most_bytes:
            raise Malformed(Fault.COMPRESSION_WORK)
        self.ttls.append(0 if ttl & TTL_SIGN_BIT else ttl)
        self.ttl_offsets.append(len(self.records) + len(owner) + 4)
        self.records += owner + RECORD.pack(rtype, rclass, ttl, len(rdata)) + rdata
        return owner, rtype, end
