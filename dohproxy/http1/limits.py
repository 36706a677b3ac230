"""What one HTTP/1.1 request may have, with the reasons."""

from typing import Final

LONGEST_LINE: Final = 8_190
"""Bytes of a request line that are read at all; over 4,096 of a target the walk says 414 by itself."""
MOST_FIELDS: Final = 64
"""Header fields; real clients send at most a dozen, dnsdist takes 256."""
MOST_TRAILERS: Final = 32
"""Trailer fields, of which real clients send none; each is looked at as its line comes."""
LONGEST_FIELD: Final = 4_096
"""Bytes of one field line; X-Padding of 1,000 characters is the longest seen."""
LARGEST_HEADER: Final = 8_192
"""Bytes of all field lines together, as the outcome table says; of all trailers too."""
LONGEST_HEAD: Final = LONGEST_LINE + 2 + LARGEST_HEADER + 2
"""Bytes of a request line and its fields with the ends of their lines."""
MOST_EMPTY_LINES: Final = 4
"""The most empty lines before a request line; old clients send one behind a body (RFC 9112 section 2.2)."""
MOST_CHUNKS: Final = 44
"""The most chunks of one body, which is one small packet. Clients send one or two, which cost more than a field."""
LONGEST_CHUNK_LINE: Final = 256
"""Bytes of a chunk's size and its extensions, which nobody uses."""
