"""Where TLS records end, how many have said nothing, and what the others say: for either end of a connection.

Between two messages a peer may send records that carry no data: key updates (RFC 8446 section 4.6.3), empty records,
warnings, in TLS 1.2 hellos that ask for renegotiation. Each costs OpenSSL some 10 to 30 µs, 600 fit into 16 KiB, and
no limit of HTTP or DNS ever sees one. What they are is encrypted; how many there are stands in their headers.
"""

import ssl
from typing import Final

HEADER_BYTES: Final = 5
RECORD_BYTES: Final = 16_384
"""The most plaintext in a TLS record (RFC 8446 section 5.1)."""
MOST_AT_ONCE: Final = 32
"""Records given to OpenSSL before it is looked what they have brought: a millisecond's work if it is nothing."""
MOST_SILENT: Final = 32
"""Records without data on one connection of a client, or between two answers of an upstream. Keys are renewed after
some 2^24 records (RFC 8446 section 5.5), far beyond the requests that a connection may have; a server gives two or
three tickets; OpenSSL itself allows as many empty records in a row."""


class Records:
    """Follows the records of one direction of one connection, as the bytes come."""

    __slots__ = ("_header", "_left", "silent")

    def __init__(self) -> None:
        self._header = b""
        """What is there of a header that has not come whole."""
        self._left = 0
        """Bytes that are missing of the record that has begun."""
        self.silent = 0
        """Records that have come whole, without those of which `heard` was told."""

    def is_one(self, received: bytes) -> bool:
        """Tell whether this is one whole record and nothing else, as nearly always. `piece` need not see it then: who
        finds that it says nothing counts it."""
        size = len(received)
        is_between = not self._left and not self._header and size > HEADER_BYTES
        return is_between and (received[3] << 8 | received[4]) + HEADER_BYTES == size

    def piece(self, received: bytes, start: int) -> int:
        """Return where the piece of `received` ends that begins at `start`: so many records, or all there is."""
        size = len(received)
        if not start and self.is_one(received):
            self.silent += 1
            return size
        ended = 0
        while start < size and ended < MOST_AT_ONCE:
            if not self._left:
                missing = HEADER_BYTES - len(self._header)
                self._header += received[start : start + missing]
                if len(self._header) < HEADER_BYTES:
                    start = size
                    break
                start += missing
                self._left = self._header[3] << 8 | self._header[4]
                self._header = b""
            taken = min(self._left, size - start)
            start += taken
            self._left -= taken
            if not self._left:
                ended += 1
        self.silent += ended
        return start

    def heard(self, records: int) -> None:
        """So many of the records that came had something to say."""
        self.silent = self.silent - records if self.silent > records else 0

    def begin(self) -> None:
        """Forget how many there were: the handshake has ended, or what was asked for has come."""
        self.silent = 0


def decrypt_one(tls: ssl.SSLObject, incoming: ssl.MemoryBIO, record: bytes) -> bytes | None:
    """Return what one whole record says, given to `incoming` when that holds nothing; None if nothing, b"" if that the
    peer says goodbye. Raises ssl.SSLError for what is no TLS."""
    incoming.write(record)
    try:
        # What comes out is shorter than what goes in: to ask for more would have Python allocate for more.
        return tls.read(len(record))
    except ssl.SSLWantReadError:
        return None


def decrypt(tls: ssl.SSLObject, incoming: ssl.MemoryBIO) -> tuple[bytes, int, bool]:
    """Return all that `incoming` holds for an open connection, how many records it came in, and whether the peer has
    said goodbye behind it. Raises ssl.SSLError for what is no TLS."""
    plain, heard, is_over = b"", 0, False
    try:
        while incoming.pending:
            record = tls.read(RECORD_BYTES)
            if not record:
                is_over = True
                break
            heard += 1
            plain = plain + record if plain else record
    except ssl.SSLWantReadError:
        pass  # The last record is not whole yet.
    return plain, heard, is_over
