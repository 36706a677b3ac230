"""What a client does that concerns the door."""

from dataclasses import dataclass

from dohproxy.http2.fields import RequestHead


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A complete request."""

    stream_id: int
    head: RequestHead
    body: bytes
    body_too_large: bool = False
    """`body` is empty then: there was more than the limit."""


@dataclass(frozen=True, slots=True)
class HeaderTooLarge:
    """A request whose header list is over its limits: to be answered with 431."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The client does not want the answer any more; `abandon` is owed as soon as the work for it has ended."""

    stream_id: int


Event = RequestReceived | HeaderTooLarge | StreamReset
