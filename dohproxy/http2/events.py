"""What a client does that concerns the frontend."""

from typing import Protocol

from dohproxy.http2.fields import RequestHead
from dohproxy.http2.response import Response


class Answerer(Protocol):
    """The frontend's side: hears in the middle of `receive` what the client does, and may answer then and there.

    A request for which it returns None is under way until `respond` is called for it.
    """

    def on_request(self, stream_id: int, head: RequestHead, body: bytes | None) -> Response | None:
        """Take a complete request; `body` is None if there was more of it than the limit."""

    def on_large_header(self, stream_id: int) -> Response | None:
        """Take a request whose header list is over its limits: to be answered with 431."""

    def on_reset(self, stream_id: int) -> None:
        """The client does not want an answer any more that it waits for; `abandon` is owed as soon as the work for it
        has ended."""
