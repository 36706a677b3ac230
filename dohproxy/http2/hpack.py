"""Header blocks (RFC 7541): a decoder with a budget, and an encoder that keeps no state.

The decoder of the `hpack` library, for one, builds lists that a client can make as long as it likes; this one stops
counting at the limit. Everything a block says is still followed to its end, because the dynamic table belongs to the
connection and not to the request that was too large.
"""

from functools import lru_cache
from typing import Final

from dohproxy.http2 import huffman
from dohproxy.http2.errors import ConnectionFault, ErrorCode, Excess
from dohproxy.http2.static_table import STATIC, Field

TABLE_BYTES: Final = 4_096
"""SETTINGS_HEADER_TABLE_SIZE, the default: what a client may make us keep."""
FIELD_OVERHEAD: Final = 32
ENTRY_BYTES: Final = 190
"""The memory for an entry of the dynamic table beyond its size there: two tuples, two strings, two
numbers."""
LONGER_INDEX: Final = 0x7F
"""The least index that takes more than one byte; a string's length does so too from here on."""
_PATH_NOT_ADDED: Final = b"\x04\x14"
"""How a field begins that has its name from the first ":path" of the static table, and is not added to the dynamic one
(RFC 7541 sections 6.2.2 and 6.2.3)."""
LONGEST_INTEGER_BYTES: Final = 5
"""The most bytes of an integer behind its prefix: 35 bits, far more than any length or index that can be valid (CVE in
hpack before 4.2.0)."""

EXCESS_FIELDS: Final = 12
"""Beyond the limit of a list, which are still followed, so that its client is told and may go on. Whoever sends more
has no use for an answer, and each one costs: a byte of a block can be an entry of the dynamic table."""

LONGEST_KEPT_STRING: Final = 256
"""Encoded bytes of a string that is kept decoded: enough for the target of nearly every query."""
MOST_KEPT_STRINGS: Final = 4_096
"""With their decoded forms at most 4 MB, and half of it as names are."""


def _decode_huffman(string: bytes) -> bytes:
    try:
        return huffman.decode(string)
    except huffman.BrokenString:
        raise _fault() from None


_known: Final[dict[bytes, bytes]] = {}
_known_before: Final[dict[bytes, bytes]] = {}
"""Strings of all connections, as they stand in blocks and as they are decoded. Most come again: the same fields with
each connection, and the paths of clients that put even these into the dynamic table. When one half is full it becomes
the other, which is forgotten, so that what comes often stays. An `lru_cache` would make a tuple of each to look for it.
Without them a new connection costs 27 % more, and the most fields that there may be 59 %.
"""


def _decode_and_keep(string: bytes) -> bytes:
    decoded = _known_before.get(string)
    if decoded is None:
        decoded = _decode_huffman(string)
    if len(_known) >= MOST_KEPT_STRINGS // 2:
        _known_before.clear()
        _known_before.update(_known)
        _known.clear()
    _known[string] = decoded
    return decoded


def kept_strings() -> int:
    """Return how many strings are kept decoded."""
    return len(_known) + len(_known_before)


def _fault() -> ConnectionFault:
    return ConnectionFault(ErrorCode.COMPRESSION_ERROR)


def cost_of(field: Field) -> int:
    """Return the size of a field, in a list as in the dynamic table (RFC 7541 section 4.1)."""
    return len(field[0]) + len(field[1]) + FIELD_OVERHEAD


_INDEXED: Final = (((b"", b""), 0), *((field, cost_of(field)) for field in STATIC))
"""Fields by index, with what they cost. There is no index 0."""


class TooLarge(Exception):
    """The header list is over its limits; the block has been followed to its end all the same."""


class Decoder:
    """One connection's decoding state: the dynamic table."""

    def __init__(self, *, max_list_bytes: int, max_fields: int) -> None:
        self._max_list_bytes = max_list_bytes
        self._max_fields = max_fields
        self._table = list(_INDEXED)
        """The fields by index: the static table, then the dynamic one, newest first (RFC 7541 section 2.3.3)."""
        self._entry_bytes = 0
        """The size of the dynamic table, as RFC 7541 counts it."""
        self._max_entry_bytes = TABLE_BYTES
        self.changes = 0
        """How often the dynamic table has changed: a block that changes nothing means the same until another does."""

    @property
    def held_bytes(self) -> int:
        """What the dynamic table takes in memory."""
        return self._entry_bytes + (len(self._table) - len(_INDEXED)) * ENTRY_BYTES

    def decode(self, block: bytes) -> list[Field]:
        """Return the fields of a header block.

        Raises ConnectionFault (COMPRESSION_ERROR) for a broken block, TooLarge for a list over its limits, and
        ConnectionFault (ENHANCE_YOUR_CALM) for one with far too many fields.
        """
        fields: list[Field] = []
        left = self._max_list_bytes
        room = self._max_fields + EXCESS_FIELDS
        table = self._table
        offset, size = self._read_size_updates(block), len(block)
        short_end = 0x80 + min(len(table), LONGER_INDEX)
        while offset < size:
            first = block[offset]
            if 0x80 < first < short_end:  # The commonest by far: a field of the table by an index of one byte.
                field, cost = table[first - 0x80]
                offset += 1
            elif not first & 0xEF:  # The dearest for its bytes: a name and a value that nobody remembers.
                name, offset = _read_string(block, offset + 1)
                value, offset = _read_string(block, offset)
                field, cost = (name, value), len(name) + len(value) + FIELD_OVERHEAD
            elif (
                0x40 < first < 0x7F
            ):  # The dearest of all: a value that goes into the dynamic table under a known name.
                value, offset = _read_string(block, offset + 1)
                field = (self._entry(first - 0x40)[0], value)
                cost = len(field[0]) + len(value) + FIELD_OVERHEAD
                self._add(field, cost)
                short_end = 0x80 + min(len(table), LONGER_INDEX)
            else:
                field, offset = self._read_field(block, offset)
                cost = cost_of(field)
                short_end = 0x80 + min(len(table), LONGER_INDEX)
            left -= cost
            if left >= 0:
                fields.append(field)
            room -= 1
            if room < 0:
                raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, Excess.HEADER_FIELDS)
        if left < 0 or len(fields) > self._max_fields:
            raise TooLarge
        return fields

    def _read_field(self, block: bytes, offset: int) -> tuple[Field, int]:
        first = block[offset]
        if first & 0x80:
            index, offset = _read_integer(block, offset, 7)
            return self._entry(index), offset
        if first & 0x40:
            field, offset = self._read_literal(block, offset, 6)
            self._add(field, cost_of(field))
            return field, offset
        if first & 0x20:
            raise _fault()  # A size update anywhere but at the start (RFC 7541 section 4.2).
        return self._read_literal(block, offset, 4)

    def _read_literal(self, block: bytes, offset: int, prefix: int) -> tuple[Field, int]:
        limit = (1 << prefix) - 1
        index = block[offset] & limit
        if index < limit:
            offset += 1
        else:
            index, offset = _read_integer(block, offset, prefix)
        if index:
            name = self._entry(index)[0]
        else:
            name, offset = _read_string(block, offset)
        value, offset = _read_string(block, offset)
        return (name, value), offset

    def _read_size_updates(self, block: bytes) -> int:
        """Follow the size updates at a block's start; there may be two (RFC 7541 section 4.2)."""
        offset = updates = 0
        while offset < len(block) and block[offset] & 0xE0 == 0x20:
            size, offset = _read_integer(block, offset, 5)
            updates += 1
            if size > TABLE_BYTES or updates > 2:
                raise _fault()
            self._max_entry_bytes = size
            self._evict(0)
        return offset

    def _entry(self, index: int) -> Field:
        if not 0 < index < len(self._table):
            raise _fault()
        return self._table[index][0]

    def _add(self, field: Field, cost: int) -> None:
        if self._entry_bytes + cost > self._max_entry_bytes:
            self._evict(cost)
        self.changes += 1
        if cost <= self._max_entry_bytes:
            self._table.insert(len(_INDEXED), (field, cost))
            self._entry_bytes += cost

    def _evict(self, incoming: int) -> None:
        """Make room for an entry that is about to be added, or in a table that is smaller now."""
        self.changes += 1
        while self._entry_bytes and self._entry_bytes + incoming > self._max_entry_bytes:
            _, cost = self._table.pop()
            self._entry_bytes -= cost


def _read_integer(block: bytes, offset: int, prefix: int) -> tuple[int, int]:
    """Read an integer (RFC 7541 section 5.1) that begins in the low `prefix` bits at `offset`."""
    limit = (1 << prefix) - 1
    value = block[offset] & limit
    offset += 1
    if value < limit:
        return value, offset
    for shift in range(0, 7 * LONGEST_INTEGER_BYTES, 7):
        if offset >= len(block):
            raise _fault()
        byte = block[offset]
        offset += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
    raise _fault()


def find_path(block: bytes) -> tuple[int, int] | None:
    """Return where in a block the string begins and ends that is its path.

    None if there is none, or it is not as most clients have it: behind nothing but fields of the table by an index of
    one byte, and not put into the table itself.
    """
    before, size = 0, len(block)
    while before < size and 0x80 < block[before] < 0xFF:
        before += 1
    start = before + 1
    if start >= size or block[before] not in _PATH_NOT_ADDED:
        return None
    length, begin = block[start] & 0x7F, start + 1
    if length == 0x7F:
        length, begin = _read_integer(block, start, 7)
    return (start, begin + length) if begin + length <= size else None


def read_string(string: bytes) -> bytes:
    """Return what a string stands for (RFC 7541 section 5.2), which is nowhere kept. Raises ConnectionFault if it is
    broken."""
    start, end = _find_string(string, 0)
    return _decode_huffman(string[start:end]) if string[0] & 0x80 else string[start:end]


def _read_string(block: bytes, offset: int) -> tuple[bytes, int]:
    first = block[offset] if offset < len(block) else LONGER_INDEX
    if first & 0x7F < LONGER_INDEX:  # Its length is one byte.
        start = offset + 1
        end = start + (first & 0x7F)
        if end > len(block):
            raise _fault()
    else:
        start, end = _find_string(block, offset)
    value = block[start:end]
    if not first & 0x80:
        return value, end
    if end - start > LONGEST_KEPT_STRING:
        return _decode_huffman(value), end
    decoded = _known.get(value)
    return (decoded if decoded is not None else _decode_and_keep(value)), end


def _find_string(block: bytes, offset: int) -> tuple[int, int]:
    """Return where the bytes of the string at `offset` begin and end."""
    if offset >= len(block):
        raise _fault()
    length, start = _read_integer(block, offset, 7)
    if start + length > len(block):
        raise _fault()
    return start, start + length


# --- Encoding ---

NO_TABLE: Final = b"\x20"
"""A size update to zero, sent before the first block: we keep no table, whatever size the client wants it to have."""


def _integer(value: int, prefix: int, high_bits: int) -> bytes:
    limit = (1 << prefix) - 1
    if value < limit:
        return bytes([high_bits | value])
    encoded = bytearray([high_bits | limit])
    value -= limit
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


_STATIC_FIELDS: Final = {field: _integer(index, 7, 0x80) for index, field in enumerate(STATIC, start=1)}
_STATIC_NAMES: Final = {STATIC[index - 1][0]: _integer(index, 4, 0x00) for index in range(len(STATIC), 0, -1)}
"""Fields and names of the static table, as they are encoded; of a name that is there more than once, the first."""


@lru_cache(maxsize=1_024)
def encode_response(status: int, fields: tuple[tuple[str, str], ...]) -> bytes:
    """Return the header block of a response; names are in lower case.

    Kept, because most responses say the same but for their body: made each time, it is 4 % of a name that is asked for
    the first time.
    """
    block = encode_field(b":status", b"%d" % status)
    return block + b"".join(encode_field(name.encode("ascii"), value.encode("ascii")) for name, value in fields)


def encode_field(name: bytes, value: bytes) -> bytes:
    """Return one field, by index where the static table has it, else as a literal that nobody remembers."""
    whole = _STATIC_FIELDS.get((name, value))
    return whole if whole is not None else before_value(name, len(value)) + value


def before_value(name: bytes, size: int) -> bytes:
    """Return what stands before a value of `size` bytes in a literal field."""
    known = _STATIC_NAMES.get(name)
    head = known if known is not None else b"\x00" + _integer(len(name), 7, 0x00) + name
    return head + _integer(size, 7, 0x00)
