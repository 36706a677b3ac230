"""What one connection has left of everything a client might do too often."""

from dohproxy.http2.bucket import Bucket
from dohproxy.http2.errors import ConnectionFault, ErrorCode, Excess
from dohproxy.http2.limits import Http2Limits


class Allowances:
    """The account of one connection. Each method raises ConnectionFault (ENHANCE_YOUR_CALM) when it is overdrawn."""

    def __init__(self, limits: Http2Limits, now: float) -> None:
        self._limits = limits
        self._stream_ends = Bucket(limits.stream_end_burst, limits.stream_ends_per_second, now)
        self._large_blocks = Bucket(limits.large_block_burst, limits.large_block_bytes_per_second, now)
        self._controls = Bucket(limits.control_burst, limits.control_per_second, now)
        self._window_updates = 0
        self._late_frames = 0
        self._has_valid_request = False
        self.requests = 0
        """Streams opened so far."""

    def note_valid_request(self) -> None:
        """The client has sent a query that is DNS: it is no stranger any more."""
        self._has_valid_request = True

    def open_stream(self, under_way: int) -> None:
        """Count a new stream. Those under way may still turn out to be valid: a first flight of many is no attack."""
        self.requests += 1
        if not self._has_valid_request and self.requests - under_way > self._limits.max_invalid_requests:
            raise _excess(Excess.NO_VALID_REQUEST)

    def read_block(self, size: int, now: float) -> None:
        """Count a header block that is about to be decoded."""
        excess = size - self._limits.free_block_bytes
        if excess > 0 and not self._large_blocks.take(now, excess):
            raise _excess(Excess.LARGE_HEADER_BLOCKS)

    def take_late_frame(self) -> None:
        """Count a frame of a stream that crossed our GOAWAY: two each for all that a client had under way, and for
        those that it opened as answers came."""
        self._late_frames += 1
        if self._late_frames > 4 * self._limits.max_streams:
            raise _excess(Excess.LATE_FRAMES)

    def end_stream(self, now: float) -> None:
        """Count a stream that the client reset (rapid reset, CVE-2023-44487)."""
        if not self._stream_ends.take(now):
            raise _excess(Excess.RESETS)

    def err_on_stream(self, now: float, code: ErrorCode) -> None:
        """Count a stream that the client made us reset (MadeYouReset, CVE-2025-8671)."""
        cost = 1 if code is ErrorCode.REFUSED_STREAM else self._limits.stream_error_cost
        if not self._stream_ends.take(now, cost):
            raise _excess(Excess.STREAM_ERRORS)

    def control(self, now: float) -> None:
        """Count a frame that moves no request forward."""
        if not self._controls.take(now):
            raise _excess(Excess.CONTROL_FRAMES)

    def update_window(self, sent_bytes: int) -> None:
        """Count a WINDOW_UPDATE, so many response bytes having gone out."""
        self._window_updates += 1
        limits = self._limits
        if self._window_updates > (
            limits.window_updates_base
            + limits.window_updates_per_stream * self.requests
            + sent_bytes // limits.window_update_bytes
        ):
            raise _excess(Excess.WINDOW_UPDATES)


def _excess(what: Excess) -> ConnectionFault:
    return ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, what)
