"""Records are counted by their headers, however the bytes come."""

import contextlib
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.tls.records import MOST_AT_ONCE, RECORD_BYTES, Records, decrypt_one
from tests.frontends.served import Certificate


def record(size: int) -> bytes:
    return b"\x17\x03\x03" + size.to_bytes(2) + bytes(size)


def follow(records: Records, received: bytes) -> list[int]:
    """Take all of it, piece by piece; return where each ended."""
    ends = [0]
    while ends[-1] < len(received):
        ends.append(records.piece(received, ends[-1]))
        assert ends[-1] > ends[-2]
    return ends[1:]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 16_640])
def test_a_record_that_comes_alone_is_one_piece(size: int) -> None:
    records = Records()
    assert (follow(records, record(size)), records.silent) == ([size + 5], 1)


def test_no_more_than_so_many_records_are_in_a_piece() -> None:
    records = Records()
    ends = follow(records, record(22) * (2 * MOST_AT_ONCE + 1))
    assert ends == [27 * MOST_AT_ONCE, 54 * MOST_AT_ONCE, 54 * MOST_AT_ONCE + 27]
    assert records.silent == 2 * MOST_AT_ONCE + 1


def test_what_was_heard_is_not_silent_and_never_counts_ahead() -> None:
    records = Records()
    follow(records, record(22) * 3)
    records.heard(2)
    assert records.silent == 1
    records.heard(5)
    follow(records, record(22))
    assert records.silent == 1
    records.begin()
    assert records.silent == 0


@given(st.lists(st.integers(0, 600), max_size=60), st.lists(st.integers(1, 700)))
def test_it_makes_no_difference_how_the_bytes_are_cut(sizes: list[int], cuts: list[int]) -> None:
    stream = b"".join(map(record, sizes))
    whole, apart = Records(), Records()
    follow(whole, stream)
    rest = stream
    for cut in cuts:
        follow(apart, rest[:cut])
        rest = rest[cut:]
    follow(apart, rest)
    assert whole.silent == apart.silent == len(sizes)
    assert follow(apart, record(9)) == [14]


@pytest.mark.parametrize(
    ("before", "received", "is_one"),
    [
        (b"", record(22), True),
        (record(3) * 4, record(22), True),
        (b"", record(22)[:-1], False),
        (b"", record(22) + b"\x17", False),
        (b"", record(22) * 2, False),
        (record(22)[:3], record(22), False),
        (record(22)[:7], record(22), False),
    ],
    ids=["alone", "after others", "without its end", "with a beginning", "two", "in a header", "in a record"],
)
def test_one_whole_record_is_told_from_everything_else(before: bytes, received: bytes, *, is_one: bool) -> None:
    records = Records()
    follow(records, before)
    silent = records.silent
    assert records.is_one(received) is is_one
    assert records.silent == silent


def test_one_record_says_nothing_something_or_goodbye(certificate: Certificate) -> None:
    context = certificate.server_context()
    context.num_tickets = 1
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = certificate.client_context().wrap_bio(to_client, to_server, server_hostname="localhost")
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    # The server's ticket, which is no data.
    assert decrypt_one(client, to_client, to_client.read()) is None
    for said in (b"x", bytes(RECORD_BYTES)):
        server.write(said)
        assert decrypt_one(client, to_client, to_client.read()) == said
    with contextlib.suppress(ssl.SSLError):
        server.unwrap()
    assert decrypt_one(client, to_client, to_client.read()) == b""
