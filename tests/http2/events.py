"""What an engine has told its frontend, as values to compare."""

from collections.abc import Callable
from dataclasses import dataclass, field

from dohproxy.http2.fields import RequestHead
from dohproxy.http2.response import Response


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A complete request."""

    stream_id: int
    head: RequestHead
    body: bytes | None
    """None: more than the limit."""


@dataclass(frozen=True, slots=True)
class HeaderTooLarge:
    """A request whose header list is over its limits."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The client does not want the answer any more."""

    stream_id: int


Event = RequestReceived | HeaderTooLarge | StreamReset


@dataclass
class Recorder:
    """A frontend that writes down what it is told, and leaves the answers for later if `answer` has none at once."""

    events: list[Event] = field(default_factory=list)
    answer: Callable[[Event], Response | None] = lambda _: None

    def on_request(self, stream_id: int, head: RequestHead, body: bytes | None) -> Response | None:
        """Take a request."""
        return self._take(RequestReceived(stream_id, head, body))

    def on_large_header(self, stream_id: int) -> Response | None:
        """Take a request without its header."""
        return self._take(HeaderTooLarge(stream_id))

    def on_reset(self, stream_id: int) -> None:
        """Take a reset."""
        self._take(StreamReset(stream_id))

    def _take(self, event: Event) -> Response | None:
        self.events.append(event)
        return self.answer(event)
