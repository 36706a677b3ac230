"""Client traffic for HTTP/2 from a seed: mostly what clients send, some of it twisted, cut or out of place."""

import random
from collections.abc import Callable
from typing import Final

from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
Field = tuple[bytes, bytes]

_REQUEST: Final[list[Field]] = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"doh.example.net"),
    (b":path", b"/dns-query?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA25ldAAAAQAB"),
]
_ALSO: Final[list[Field]] = [
    (b"accept", b"application/dns-message"),
    (b"user-agent", b"dnscrypt-proxy"),
    (b"accept-encoding", b""),
    (b"te", b"trailers"),
    (b"x-pad", b"X" * 300),
    (b"cookie", b"a=b"),
    (b"content-length", b"20"),
]
_ODD: Final[list[Field]] = [
    (b"te", b"gzip"),
    (b"connection", b"close"),
    (b"X-Upper", b"1"),
    (b"x", b"a\nb"),
    (b"x", b" a"),
    (b":path", b"/twice"),
    (b":status", b"200"),
    (b"host", b"other.example.net"),
    (b"x-big", b"v" * 9_000),
    (b"", b""),
]


class Traffic:
    """One client that has lost its mind, but not every time."""

    def __init__(self, rng: random.Random, oddity: float) -> None:
        self._rng = rng
        self._oddity = oddity
        self._encoder = Encoder()
        self._next_id = 1
        self._begun: list[int] = []
        self._kinds: list[Callable[[], list[Frame]]] = [
            *[self._request] * 8,
            *(self._data, self._trailers, self._reset, self._window, self._settings, self._ping, self._priority),
            *([self._goaway, self._push, self._stray] if oddity else []),
        ]

    def wire(self, steps: int) -> bytes:
        """Return the preface, settings, and so many steps."""
        frames = [SettingsFrame(0, settings=self._some_settings())]
        wire = PREFACE + b"".join(each.serialize() for each in (*frames, *self._request()))
        for _ in range(steps):
            wire += b"".join(self._twisted(each.serialize()) for each in self._rng.choice(self._kinds)())
        return wire

    def _is_odd(self) -> bool:
        return self._rng.random() < self._oddity

    def _twisted(self, frame: bytes) -> bytes:
        if not self._is_odd():
            return frame
        raw = bytearray(frame)
        match self._rng.randrange(4):
            case 0:
                raw[self._rng.randrange(len(raw))] = self._rng.randrange(256)
            case 1:
                raw[self._rng.randrange(3, 9)] ^= 1 << self._rng.randrange(8)
            case 2:
                raw = raw[: self._rng.randrange(len(raw))]
            case _:
                return frame * 2
        return bytes(raw)

    def _stream(self) -> int:
        if self._is_odd():
            return self._rng.choice([1, 2, self._next_id, self._next_id + 2])
        return self._rng.choice(self._begun[-6:])

    def _request(self) -> list[Frame]:
        fields = [*_REQUEST, *self._rng.sample(_ALSO, self._rng.randrange(4))]
        has_body = (b"content-length", b"20") in fields or self._rng.random() < 0.3
        if has_body:
            fields[0] = (b":method", b"POST")
        if self._is_odd():
            fields.insert(self._rng.randrange(len(fields) + 1), self._rng.choice(_ODD))
        if self._is_odd():
            del fields[self._rng.randrange(len(fields))]
        stream_id = self._next_id
        self._next_id += self._rng.choice([2, 2, 2, 4])
        self._begun.append(stream_id)
        frames = self._block(stream_id, fields, ends_stream=not has_body)
        if has_body and self._rng.random() < 0.8:
            frames += self._body(stream_id)
        return frames

    def _block(self, stream_id: int, fields: list[Field], *, ends_stream: bool) -> list[Frame]:
        block = self._encoder.encode(fields, huffman=self._rng.random() < 0.7)
        cuts = sorted(self._rng.randrange(len(block) + 1) for _ in range(self._rng.choice([0, 0, 0, 1, 3])))
        parts = [block[start:end] for start, end in zip([0, *cuts], [*cuts, len(block)], strict=True)]
        first = HeadersFrame(stream_id, parts[0], flags=["END_STREAM"] if ends_stream else [])
        if self._rng.random() < 0.2:
            first.flags.add("PADDED")
            first.pad_length = self._rng.randrange(256)
        if self._rng.random() < 0.2:
            first.flags.add("PRIORITY")
            first.depends_on, first.stream_weight = self._rng.choice([0, stream_id + 2]), 15
        frames: list[Frame] = [first, *(ContinuationFrame(stream_id, part) for part in parts[1:])]
        frames[-1].flags.add("END_HEADERS")
        return frames

    def _body(self, stream_id: int) -> list[Frame]:
        frames: list[DataFrame] = []
        sizes = self._rng.choice([[20], [10, 10], [20, 0], [0, 7, 13]])
        if self._is_odd():
            sizes = self._rng.choice([[4_097, 1], [16_384] * 5, [1] * 20, [0] * 20])
        for size in sizes:
            frames.append(DataFrame(stream_id, self._rng.randbytes(size)))
            if self._rng.random() < 0.2:
                frames[-1].flags.add("PADDED")
                frames[-1].pad_length = self._rng.randrange(256 if size < 16_000 else 1)
        frames[-1].flags.add("END_STREAM")
        return [*frames]

    def _data(self) -> list[Frame]:
        return [DataFrame(self._stream(), b"d" * self._rng.randrange(30))] if self._is_odd() else []

    def _trailers(self) -> list[Frame]:
        return self._block(self._stream(), [(b"x-sum", b"1")], ends_stream=True) if self._is_odd() else []

    def _reset(self) -> list[Frame]:
        stream_id = self._stream()
        if stream_id in self._begun and len(self._begun) > 1:
            self._begun.remove(stream_id)
        return [RstStreamFrame(stream_id, error_code=8)] if self._begun else []

    def _window(self) -> list[Frame]:
        increment = 2**31 - 1 if self._is_odd() else self._rng.randrange(1, 70_000)
        return [WindowUpdateFrame(self._rng.choice([0, self._stream()]), window_increment=increment)]

    def _some_settings(self) -> dict[int, int]:
        known = {1: 4_096, 2: 0, 3: 100, 4: self._rng.choice([0, 1, 4_096, 65_535, 2**20]), 5: 16_384, 6: 2**16, 99: 5}
        settings = dict(self._rng.sample(list(known.items()), self._rng.randrange(4)))
        if self._is_odd():
            settings[self._rng.choice([2, 4, 5, 8, 9])] = 2**32 - 1
        return settings

    def _settings(self) -> list[Frame]:
        if self._rng.random() < 0.5:
            return [SettingsFrame(0, flags=["ACK"])]
        return [SettingsFrame(0, settings=self._some_settings())]

    def _ping(self) -> list[Frame]:
        return [PingFrame(0, b"measures", flags=self._rng.choice([[], ["ACK"]]))]

    def _priority(self) -> list[Frame]:
        return [PriorityFrame(self._stream(), depends_on=0 if not self._is_odd() else 1, stream_weight=7)]

    def _goaway(self) -> list[Frame]:
        return [GoAwayFrame(0)] if self._is_odd() else []

    def _push(self) -> list[Frame]:
        return [PushPromiseFrame(self._stream(), 2, b"\x82", flags=["END_HEADERS"])] if self._is_odd() else []

    def _stray(self) -> list[Frame]:
        return [ContinuationFrame(self._stream(), b"\x82", flags=["END_HEADERS"])] if self._is_odd() else []


def traffic(seed: int, *, oddity: float, steps: int = 40) -> bytes:
    """Return what one client sends; an `oddity` of 0 breaks no rule on purpose."""
    return Traffic(random.Random(seed), oddity).wire(steps)  # noqa: S311 - variety, not a secret
