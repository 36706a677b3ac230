"""What clients send, as bytes made beforehand, and a transport that keeps what they get."""

import asyncio
import struct
from collections.abc import Sequence
from typing import Any, Final

import hpack
from hpack import NeverIndexedHeaderTuple

from bench.peers.clients import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, frame, target
from bench.peers.speakers import DotSpeaker, prepare_name, render
from bench.questions import HOST, MEDIA_TYPE, PATH, A, query

WINDOW_UPDATE: Final = 8
INITIAL_WINDOW: Final = 4
WIDE_WINDOW: Final = 2**30
STREAMS: Final = 10


class Sink(asyncio.Transport):
    """Takes what a frontend writes, at once."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closing = False
        self._seen = 0
        self._open_requests = 0
        self._waiter: asyncio.Future[None] | None = None

    async def until_ended(self, flight: bytes) -> None:
        """Wait until all HTTP/2 requests have been answered that were ever named here, those of `flight` with them, or
        the connection is closed."""
        self._open_requests += count_ended(flight)
        while not self.closing:
            for data in self.written[self._seen :]:
                self._open_requests -= count_ended(data)
            self._seen = len(self.written)
            if self._open_requests <= 0:
                return
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def write(self, data: Any) -> None:
        """Keep it."""
        self.written.append(bytes(data))
        self._wake()

    def writelines(self, list_of_data: Any) -> None:
        """Keep them."""
        self.write(b"".join(list_of_data))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """There is neither a socket nor TLS."""
        return default

    def get_write_buffer_size(self) -> int:
        """Nothing ever waits."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing ever waits."""

    def pause_reading(self) -> None:
        """Who writes here is never stopped."""

    def resume_reading(self) -> None:
        """Who writes here is never stopped."""

    def is_closing(self) -> bool:
        """Tell whether the frontend has closed."""
        return self.closing

    def close(self) -> None:
        """Note it."""
        self.closing = True
        self._wake()

    def abort(self) -> None:
        """Note it."""
        self.close()

    def write_eof(self) -> None:
        """Nothing more is written."""

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Http2Bytes:
    """One HTTP/2 client: the bytes of its requests, stream by stream, ten of them at a time."""

    hello: Final = (
        PREFACE
        + frame(SETTINGS, 0, 0, struct.pack("!HI", INITIAL_WINDOW, WIDE_WINDOW))
        + frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", WIDE_WINDOW))
    )
    """As h2load begins: windows so wide that nothing ever waits for one."""

    def __init__(self) -> None:
        self._encoder = hpack.Encoder()
        self._next_stream = 1

    def get(self, path: str) -> bytes:
        """Return one GET."""
        return self._head("GET", path, END_STREAM)

    def gets(self, names: Sequence[str], size: int = STREAMS) -> list[bytes]:
        """Return GETs for the addresses of names."""
        return _flights([self.get(target(name)) for name in names], size)

    def gets_of(self, paths: Sequence[str]) -> list[bytes]:
        """Return GETs of any targets."""
        return _flights([self.get(path) for path in paths], STREAMS)

    def spelled(self, path: str, more: Sequence[tuple[str, str]]) -> bytes:
        """Return one GET whose fields beyond the usual ones are spelled out, and remembered by nobody."""
        fields = [NeverIndexedHeaderTuple(name, value) for name, value in more]
        usual = ((":method", "GET"), (":scheme", "https"), (":authority", HOST))
        block = self._encoder.encode([*usual, NeverIndexedHeaderTuple(":path", path), *fields])
        return self.head(block)

    def head(self, block: bytes) -> bytes:
        """Return one request that is this header block."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        return frame(HEADERS, END_STREAM | END_HEADERS, stream, block)

    def posts(self, names: Sequence[str]) -> list[bytes]:
        """Return POSTs for the addresses of names."""
        return _flights([self._post(query(name, A)) for name in names], STREAMS)

    def _post(self, body: bytes) -> bytes:
        stream = self._next_stream
        return self._head("POST", PATH, 0, ("content-type", MEDIA_TYPE)) + frame(DATA, END_STREAM, stream, body)

    def _head(self, method: str, path: str, flags: int, *more: tuple[str, str]) -> bytes:
        fields = [
            (":method", method),
            (":scheme", "https"),
            (":authority", HOST),
            (":path", path),
            ("user-agent", "h2load nghttp2/1.52.0"),
            ("accept", MEDIA_TYPE),
            *more,
        ]
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        return frame(HEADERS, flags | END_HEADERS, stream, self._encoder.encode(fields))


def dot_flights(names: Sequence[str], size: int) -> list[bytes]:
    """Return queries over DoT for the addresses of names, so many at a time, each with an ID of its own."""
    speaker = DotSpeaker("query", HOST)
    queries = [render(prepare_name(speaker, name), number, speaker.number_bytes) for number, name in enumerate(names)]
    return _flights(queries, size)


def _flights(requests: Sequence[bytes], size: int) -> list[bytes]:
    return [b"".join(requests[start : start + size]) for start in range(0, len(requests), size)]


def name_of(kind: str, number: int) -> str:
    """Return a name with a domain of its own, so that no limit for a domain is reached."""
    return f"{kind}{number}-bench.net"


def count_ended(data: bytes) -> int:
    """Return how many HTTP/2 streams end on the side that has sent these whole frames."""
    offset, count = len(PREFACE) if data.startswith(PREFACE) else 0, 0
    while offset < len(data):
        count += data[offset + 3] in (DATA, HEADERS) and data[offset + 4] & END_STREAM
        offset += 9 + int.from_bytes(data[offset : offset + 3])
    return count


def statuses(written: Sequence[bytes]) -> list[int]:
    """Return the statuses of all HTTP/2 responses that have ended, in their order."""
    data, offset = b"".join(written), 0
    decoder, found, ended = hpack.Decoder(), dict[int, int](), list[int]()
    while offset < len(data):
        length, kind, flags = int.from_bytes(data[offset : offset + 3]), data[offset + 3], data[offset + 4]
        stream = int.from_bytes(data[offset + 5 : offset + 9])
        if kind == HEADERS:
            found[stream] = int(dict(decoder.decode(data[offset + 9 : offset + 9 + length], raw=True))[b":status"])
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            ended.append(found[stream])
        offset += 9 + length
    return ended
