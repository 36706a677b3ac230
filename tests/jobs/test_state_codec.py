"""What is sealed comes back as it was; anything else is refused in words, whatever its bytes are."""

import json
import struct
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.jobs import state_codec
from dohproxy.jobs.state_codec import (
    MAGIC,
    MOST_BYTES,
    MOST_HEAD_BYTES,
    PIECE_SLOTS,
    SavedState,
    SavedTable,
    StateTooLarge,
    UnreadableState,
    decode,
    encode,
)
from dohproxy.jobs.state_key import KEY_BYTES, StateKey

KEY = StateKey(bytes(KEY_BYTES))
PIECE = bytes(range(256)) * (PIECE_SLOTS * 8 // 256)
TABLE = SavedTable(2 * PIECE_SLOTS + 10, 5_000.0, 7, [PIECE, b"", bytes(80)])
STATE = SavedState(1_800_000_000.0, True, {"budgets": {"a": {"spent": 3.5}}}, {"seniority": TABLE})


def resealed(content: bytes) -> bytes:
    """The same with the seal that it would have; only who has the key can do so."""
    return content[:-32] + state_codec._seal(content[:-32], KEY)


def with_head(change: dict[str, Any], rest: bytes = b"") -> bytes:
    head = json.dumps({"saved_at": 1.0, "is_last": True, "values": {}, "tables": {}} | change).encode()
    return resealed(struct.pack("!15sH8sI", MAGIC, 1, KEY.mark, len(head)) + head + rest + bytes(32))


def test_what_is_encoded_is_decoded() -> None:
    assert decode(encode(STATE, KEY), KEY) == STATE
    assert decode(encode(replace(STATE, is_last=False, tables={}), KEY), KEY).is_last is False


def test_slots_that_are_not_in_use_take_no_room() -> None:
    empty = SavedTable(131_072, 1.0, 0, [b""] * 16)
    assert len(encode(SavedState(1.0, True, {}, {"seniority": empty}), KEY)) < 300


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is cut short"),
        (encode(STATE, KEY)[:40], "is cut short"),
        (encode(STATE, KEY)[:-1], "is damaged or cut short"),
        (encode(STATE, KEY) + b"\x00", "is damaged or cut short"),
        (encode(STATE, KEY).replace(b"3.5", b"3.4"), "is damaged or cut short"),
        (b"x" * 200, "is no state file"),
        (MAGIC + b"\x00\x02" + bytes(100), "is of version 2, and this program knows version 1"),
        (encode(STATE, StateKey(b"\x01" * KEY_BYTES)), "was written under another key"),
        (bytes(MOST_BYTES + 1), f"is longer than {MOST_BYTES} bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_ours_is_refused_in_words(content: bytes, why: str) -> None:
    with pytest.raises(UnreadableState, match=why):
        decode(content, KEY)


@pytest.mark.parametrize(
    "content",
    [
        with_head({"tables": {"t": {"slots": 10, "clock": 0.0, "used": 0, "pieces": []}}}),
        with_head({"tables": {"t": {"slots": 10, "clock": 0.0, "used": 11, "pieces": [0]}}}),
        with_head({"tables": {"t": {"slots": 10, "clock": -1.0, "used": 0, "pieces": [0]}}}),
        with_head({"tables": {"t": {"slots": 10, "clock": 0.0, "used": 0, "pieces": [-1]}}}),
        with_head({"tables": {"t": {"slots": 10, "clock": 0.0, "used": 0, "pieces": [[]]}}}),
        with_head({"tables": {"t": {"slots": 10**9, "clock": 0.0, "used": 0, "pieces": [0]}}}),
        with_head({"tables": {"t": {"slots": 10, "clock": 0.0, "used": 1, "pieces": [9]}}}, b"no stream"),
        with_head({"tables": {"t": {"slots": 10, "clock": 0.0, "used": 1, "pieces": [99]}}}, zlib.compress(bytes(80))),
        with_head(
            {"tables": {"t": {"slots": 10, "clock": 0.0, "used": 1, "pieces": [len(zlib.compress(bytes(10**6)))]}}},
            zlib.compress(bytes(10**6)),
        ),
        with_head({"tables": []}),
        with_head({"values": 1}),
        with_head({"saved_at": None}),
        with_head({}, b"more"),
        resealed(struct.pack("!15sH8sI", MAGIC, 1, KEY.mark, 99) + b"{}" + bytes(32)),
        resealed(struct.pack("!15sH8sI", MAGIC, 1, KEY.mark, 2) + b"[]" + bytes(32)),
        resealed(struct.pack("!15sH8sI", MAGIC, 1, KEY.mark, 100_000) + b"[" * 100_000 + bytes(32)),
    ],
)
def test_a_seal_makes_no_value_right(content: bytes) -> None:
    with pytest.raises(UnreadableState, match="holds something that cannot be understood"):
        decode(content, KEY)


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_refused_in_one_way(data: bytes, sealed: bool) -> None:
    prefix = struct.pack("!15sH8sI", MAGIC, 1, KEY.mark, len(data) // 2)
    for content in (data, resealed(prefix + data + bytes(32)) if sealed else prefix + data):
        with pytest.raises(UnreadableState):
            decode(content, KEY)


def test_no_more_is_written_than_is_read() -> None:
    with pytest.raises(StateTooLarge):
        encode(replace(STATE, values={"much": "x" * MOST_HEAD_BYTES}), KEY)
