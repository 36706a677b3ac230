"""What the engine tells the frontend: three calls, each of which says that a client has done something."""

from typing import Protocol

from dohproxy.http2.fields import RequestHead
from dohproxy.http2.response import Response


class Answerer(Protocol):
    """The frontend, as the engine sees it. It is called in the middle of `receive`, and may answer then and there.

    A request for which it returns None is under way until `respond` is called for it.
    """

    def on_request(self, stream_id: int, head: RequestHead, body: bytes | None) -> Response | None:
        """Take a complete request; `body` is None if there was more of it than the limit."""

    def on_large_header(self, stream_id: int) -> Response | None:
        """Take a request whose header list is over its limits: to be answered with 431."""

    def on_reset(self, stream_id: int) -> None:
        """Take notice that the client no longer wants the answer it waits for. The frontend calls `abandon` as soon as
        the work for it has ended."""


class Nobody:
    """Who is in the frontend's place when its connection is lost."""

    def on_request(self, stream_id: int, head: RequestHead, body: bytes | None) -> Response | None:
        """Give no answer."""

    def on_large_header(self, stream_id: int) -> Response | None:
        """Give no answer."""

    def on_reset(self, stream_id: int) -> None:
        """Work on nothing."""
