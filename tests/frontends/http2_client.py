"""An HTTP/2 client that sends any frames whatever over a real socket, and reads with libraries that are not ours."""

import base64
import contextlib
import ssl
from collections.abc import Callable

import dns.message
from hpack import Decoder
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame

from tests.frontends.client import MEDIA_TYPE, PATH, RawClient, Response, query
from tests.frontends.served import RunningFrontend
from tests.http2.client import ACK, HELLO, PING, SETTINGS, Fields, data, frame, headers

FRAME_HEADER = 9
ACKNOWLEDGED = frame(SETTINGS, ACK, 0)


def get_fields(name: str = "localhost", *more: tuple[str, str], rdtype: str = "A", path: str = PATH) -> Fields:
    """The fields of a GET."""
    encoded = base64.urlsafe_b64encode(query(name, rdtype)).rstrip(b"=").decode()
    return (
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", f"{path}?dns={encoded}"),
        *more,
    )


POST_FIELDS: Fields = (
    (":method", "POST"),
    (":scheme", "https"),
    (":authority", "localhost"),
    (":path", PATH),
    ("content-type", MEDIA_TYPE),
)


def get(stream_id: int, name: str = "localhost", *more: tuple[str, str], rdtype: str = "A") -> bytes:
    """A GET as one frame."""
    return headers(stream_id, get_fields(name, *more, rdtype=rdtype))


def post(stream_id: int, name: str = "localhost") -> bytes:
    """A POST as two frames."""
    return headers(stream_id, POST_FIELDS, end=False) + data(stream_id, query(name), end=True)


class Http2Client:
    """One connection; what has come is in its attributes."""

    def __init__(self, raw: RawClient) -> None:
        self.raw = raw
        self.resets: dict[int, int] = {}
        self.goaways: list[int] = []
        self.frames = 0
        self.is_closed = False
        self.answers_pings = True
        self.informed: list[str] = []
        """Statuses of informational responses."""
        self._decoder = Decoder()
        self._buffer = b""
        self._fields: dict[int, dict[str, str]] = {}
        self._bodies: dict[int, bytes] = {}
        self._ended: list[int] = []

    @classmethod
    async def connect(
        cls, frontend: RunningFrontend, hello: bytes = HELLO + ACKNOWLEDGED, before: bytes = b""
    ) -> "Http2Client":
        """Connect in the clear with prior knowledge, or by ALPN if the frontend has TLS."""
        certificate = frontend.setting.certificate
        context: ssl.SSLContext | None = None
        if certificate is not None:
            context = certificate.client_context("h2", "http/1.1")
        client = cls(await frontend.connect(before=before, context=context))
        await client.send(hello)
        return client

    async def send(self, *frames: bytes) -> None:
        """Send bytes."""
        with contextlib.suppress(OSError):  # The server may have cut the connection; what it said is still read.
            await self.raw.send(b"".join(frames))

    async def ask(self, stream_id: int, name: str = "localhost") -> Response:
        """Send a GET and read its response."""
        await self.send(get(stream_id, name))
        return await self.response(stream_id)

    async def response(self, stream_id: int) -> Response:
        """Read until a response is whole."""
        await self.until(lambda: self.has_ended(stream_id))
        fields = dict(self._fields[stream_id])
        return Response(int(fields.pop(":status")), fields, self.body(stream_id))

    async def message(self, stream_id: int) -> dns.message.Message:
        """Read until a response is whole, and return its DNS message."""
        return (await self.response(stream_id)).message()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Read until something holds; fails when the connection ends before."""
        while not condition():
            assert not self.is_closed, (self.goaways, self.resets)
            await self.read()

    async def until_closed(self) -> None:
        """Read to the end of the connection."""
        while not self.is_closed:
            await self.read()

    async def read(self) -> None:
        """Read what has come."""
        received = await self.raw.read()
        self.is_closed = not received
        self._buffer += received
        while len(self._buffer) >= FRAME_HEADER:
            parsed, length = Frame.parse_frame_header(memoryview(self._buffer[:FRAME_HEADER]))
            if len(self._buffer) < FRAME_HEADER + length:
                break
            parsed.parse_body(memoryview(self._buffer[FRAME_HEADER : FRAME_HEADER + length]))
            self._buffer = self._buffer[FRAME_HEADER + length :]
            self._take(parsed)
            if isinstance(parsed, PingFrame) and "ACK" not in parsed.flags and self.answers_pings:
                await self.send(frame(PING, ACK, 0, parsed.opaque_data))

    def has_ended(self, stream_id: int) -> bool:
        """Tell whether a response is whole."""
        return stream_id in self._ended

    @property
    def ended(self) -> list[int]:
        """The streams whose responses are whole, in the order in which they ended."""
        return list(self._ended)

    def body(self, stream_id: int) -> bytes:
        """What has come of a response's body."""
        return self._bodies.get(stream_id, b"")

    def _take(self, parsed: Frame) -> None:
        self.frames += 1
        stream_id = parsed.stream_id
        match parsed:
            case HeadersFrame():
                assert stream_id not in self._fields, "a response twice"
                fields = {str(name): str(value) for name, value in self._decoder.decode(parsed.data)}
                if fields[":status"].startswith("1"):
                    self.informed.append(fields[":status"])
                else:
                    self._fields[stream_id] = fields
            case DataFrame():
                self._bodies[stream_id] = self.body(stream_id) + parsed.data
            case RstStreamFrame():
                self.resets[stream_id] = parsed.error_code
            case GoAwayFrame():
                self.goaways.append(parsed.error_code)
            case _:
                pass
        if "END_STREAM" in parsed.flags:
            self._ended.append(stream_id)
