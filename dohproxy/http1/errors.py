"""Why bytes are no request that can be served."""

from enum import StrEnum


class Fault(StrEnum):
    """What is wrong with them."""

    MALFORMED = "malformed"
    """The bytes are not HTTP/1.1, or not so that every reader must read them alike."""
    LONG_LINE = "long line"
    LARGE_HEADER = "large header"
    UNKNOWN_CODING = "unknown coding"
    """A transfer coding besides "chunked" (RFC 9112 section 6.1)."""


class BadRequest(Exception):
    """The bytes are none. Where the next request would begin is not known, so nothing is read any more."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault
