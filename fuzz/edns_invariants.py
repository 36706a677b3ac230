"""What must hold whatever stands in an OPT record, in a cookie, or in the TTLs of an answer.

1. An OPT is read or Malformed, to its end and no further; the one that we write for it can be read and is padded as it
   should be.
2. No cookie but ours and none of an illegal length is ever taken or sent, whatever replies have come before.
3. Every TTL is brought between floor and ceiling, and no other byte of the records is touched.
"""

import struct
from dataclasses import replace
from typing import Final

from dohproxy.upstream.spoofing.cookies import CLIENT_COOKIE_BYTES, SERVER_COOKIE_BYTES, Cookies
from dohproxy.wire.answer import Answer
from dohproxy.wire.edns import (
    LARGEST_PADDED_REPLY,
    MOST_OPTIONS,
    REPLY_PADDING_BLOCK,
    ClientEdns,
    read_opt,
    read_options,
    reply_opt,
)
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.numbers import LARGEST_MESSAGE_BYTES, TTL_SIGN_BIT
from dohproxy.wire.reply import age_ttls, clamp_ttls, set_ttls
from fuzz.invariants import check_answer

_FIXED_BYTES: Final = 11
_TTL: Final = struct.Struct("!I")


def check_opt(data: bytes) -> ClientEdns | None:
    """Hold the promises about a client's OPT on a record of these bytes; return what it says."""
    try:
        edns, end = read_opt(data, 0)
    except Malformed:
        return None
    assert _FIXED_BYTES <= end <= len(data)
    assert read_opt(data[:end], 0) == (edns, end)
    for unpadded in (12, 467, 468, 4_085, 65_500):
        for errors in ((), (15,), (22, 23, 13)):
            written = reply_opt(edns, unpadded_bytes=unpadded, rcode=23, errors=errors)
            options = read_options(written, _FIXED_BYTES, len(written))
            assert len(options) <= MOST_OPTIONS
            assert [code for code, _ in options].count(8) == (edns.subnet is not None)
            size = unpadded + len(written)
            is_padded = any(code == 12 for code, _ in options)
            assert not is_padded or edns.wants_padding
            if is_padded:
                whole = size % REPLY_PADDING_BLOCK == 0
                assert whole or size in (LARGEST_PADDED_REPLY, LARGEST_MESSAGE_BYTES)
    return edns


class _Dice:
    """Bytes that are drawn, each time others."""

    def __init__(self) -> None:
        self.drawn = 0

    def __call__(self, count: int) -> bytes:
        self.drawn += 1
        return self.drawn.to_bytes(count)


def check_cookies(data: bytes) -> None:
    """Hold the promises about cookies in an exchange that these bytes play: what replies carry, and when."""
    cookies, now, at = Cookies(_Dice()), 0.0, 0
    while at + 3 <= len(data):
        kind, length, hours = data[at], data[at + 1] % 48, data[at + 2]
        received: bytes | None = data[at + 3 : at + 3 + length]
        at += 3 + length
        now += 3_600.0 * (hours % 5)
        sent = cookies.option("192.0.2.1" if kind & 1 else "192.0.2.2", now)
        assert not sent or len(sent) == CLIENT_COOKIE_BYTES or len(sent) - CLIENT_COOKIE_BYTES in SERVER_COOKIE_BYTES
        if kind & 2:
            received = sent[:CLIENT_COOKIE_BYTES] + (received or b"")
        elif kind & 4:
            received = None
        if cookies.may_be_reply(sent, received, now):
            if sent and received is not None:
                assert received[:CLIENT_COOKIE_BYTES] == sent[:CLIENT_COOKIE_BYTES]
                server_bytes = len(received) - CLIENT_COOKIE_BYTES
                assert server_bytes == 0 or server_bytes in SERVER_COOKIE_BYTES
            cookies.learn(sent, received, now)
        elif kind & 128:
            cookies.echo_support.missed(data[:at], now)


def check_ttls(wire: bytes) -> None:
    """Hold the promises about TTLs on an answer of these bytes; its ID chooses floor, ceiling and age."""
    answer = check_answer(wire)
    if not isinstance(answer, Answer) or answer.truncated:
        return
    (shape,) = struct.unpack("!H", wire[:2])
    floor, ceiling, age = shape & 0xFF, 300 + (shape >> 8) * 400, shape >> 4
    before = _ttls(answer.records, answer.ttl_offsets)
    for changed, expected in (
        (clamp_ttls(answer, floor=floor, ceiling=ceiling), [min(max(ttl, floor), ceiling) for ttl in before]),
        (age_ttls(answer, age), [max(ttl - age, 0) for ttl in before]),
        (set_ttls(answer, 30), [30] * len(before)),
    ):
        assert _ttls(changed, answer.ttl_offsets) == expected
        assert _without_ttls(changed, answer.ttl_offsets) == _without_ttls(answer.records, answer.ttl_offsets)
    twice = clamp_ttls(
        replace(answer, records=clamp_ttls(answer, floor=floor, ceiling=ceiling)), floor=0, ceiling=ceiling
    )
    assert twice == clamp_ttls(answer, floor=floor, ceiling=ceiling)


def _ttls(records: bytes, offsets: tuple[int, ...]) -> list[int]:
    read = (int(_TTL.unpack_from(records, offset)[0]) for offset in offsets)
    return [0 if ttl & TTL_SIGN_BIT else ttl for ttl in read]


def _without_ttls(records: bytes, offsets: tuple[int, ...]) -> bytes:
    rest = bytearray(records)
    for offset in offsets:
        rest[offset : offset + _TTL.size] = bytes(_TTL.size)
    return bytes(rest)
