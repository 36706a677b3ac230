"""Error codes, and the two exceptions that end a stream or the connection (RFC 9113 sections 5.4 and 7)."""

from enum import IntEnum, StrEnum


class ErrorCode(IntEnum):
    """RFC 9113 section 7."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


class Excess(StrEnum):
    """The limit of ours that a client went beyond, if that is why its connection ends; metric label."""

    NO_VALID_REQUEST = "no_valid_request"
    """Many streams, and not one DNS query among them."""
    LARGE_HEADER_BLOCKS = "large_header_blocks"
    HEADER_BLOCK = "header_block"
    """One header block that is too long."""
    HEADER_FIELDS = "header_fields"
    CONTINUATIONS = "continuations"
    RESETS = "resets"
    STREAM_ERRORS = "stream_errors"
    CONTROL_FRAMES = "control_frames"
    SETTINGS = "settings"
    WINDOW_UPDATES = "window_updates"
    BLOCKED_BYTES = "blocked_bytes"
    """Responses that the client opens no window for."""
    LATE_FRAMES = "late_frames"
    """Frames of streams that we said we would not take any more."""


class ConnectionFault(Exception):
    """The peer broke a rule that ends the connection. `excess` is the limit if it was one of ours."""

    def __init__(self, code: ErrorCode, excess: Excess | None = None) -> None:
        super().__init__(code.name if excess is None else f"{code.name} {excess.value}")
        self.code = code
        self.excess = excess


class StreamFault(Exception):
    """The peer broke a rule that ends one stream."""

    def __init__(self, stream_id: int, code: ErrorCode) -> None:
        super().__init__(f"{code.name} on stream {stream_id}")
        self.stream_id = stream_id
        self.code = code
