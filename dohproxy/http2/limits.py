"""Every limit of an HTTP/2 connection, with its default and the reason for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Http2Limits:
    """What one connection may have and do. Rates are token buckets: a burst, and tokens that come back a second."""

    max_streams: int = 100
    """Requests under way at once. RFC 9113 section 6.5.2 advises no fewer; dnsdist, Unbound and BIND have 100."""
    max_header_bytes: int = 8_192
    """Decoded size of a header list by RFC 7541 section 4.1, 32 bytes a field included. Clients need under 2,000."""
    max_fields: int = 64
    """Fields of one header list. A byte each is enough for thousands (CVE-2026-49975, "HTTP/2 bomb")."""
    max_block_bytes: int = 12_288
    """Encoded header block over all its frames: no encoder makes a list of `max_header_bytes` longer than it is."""
    free_block_bytes: int = 704
    large_block_burst: int = 16_384
    large_block_bytes_per_second: float = 512.0
    """The first bytes of each block cost nothing, and for what is longer there is an allowance: a Huffman code of 8 KiB
    takes as long to be read as thirty answers to be given, and no limit on clients has seen it by then. The first block
    of a browser has 500 bytes, later ones have 200; a query of 512 bytes makes 690."""
    max_continuations: int = 8
    """CONTINUATION frames of one header block (VU#421644); nghttp2 allows 8."""
    max_body_bytes: int = 4_096
    """Request body that is kept; the largest query that can be configured."""
    max_data_frames: int = 16
    """DATA frames of one body, empty ones included (RUSTSEC-2026-0258)."""
    stream_end_burst: int = 100
    """Streams that may end by RST_STREAM, from either side, before more are earned: rapid reset (CVE-2023-44487) and
    MadeYouReset (CVE-2025-8671). A browser closing a page resets a dozen."""
    stream_ends_per_second: float = 20.0
    stream_error_cost: int = 10
    """Tokens for a reset that the client made us send: no honest client does that often."""
    control_burst: int = 100
    """PING, SETTINGS, PRIORITY and unknown frames, and empty DATA (CVE-2019-9512, -9515, -9518). nginx and Envoy allow
    about as many."""
    control_per_second: float = 10.0
    max_settings: int = 32
    """Entries of one SETTINGS frame; nghttp2's bound. There are eight settings."""
    window_updates_base: int = 32
    window_updates_per_stream: int = 4
    window_update_bytes: int = 2_048
    """WINDOW_UPDATE frames allowed: the base, so many for each stream opened, and one for so many response bytes sent.
    Most responses fit the first window, so that a client needs one for the stream and one for the connection; for large
    ones Go sends both each 4,096 bytes. Envoy allows 5 + 2 for each stream and 10 for each DATA frame."""
    max_invalid_requests: int = 50
    """Streams before the first one that carries a valid DNS query (BIND's answer to CVE-2024-12705)."""
    max_requests: int = 1_000
    """Requests before the connection is closed politely, so that load spreads again; nginx and hypercorn have 1,000."""
    max_blocked_bytes: int = 262_144
    """Response bytes that wait for the client's flow control window: four of the largest DNS answers."""
