"""Header blocks as they come in; what they may be on a connection is in `test_connection_headers`."""

import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

from dohproxy.http2.allowances import Allowances
from dohproxy.http2.blocks import LONGEST_KEPT_BLOCK, MOST_KEPT_BYTES, BlockReader, HeaderList
from dohproxy.http2.errors import ConnectionFault, ErrorCode, Excess
from dohproxy.http2.fields import MalformedRequest, RequestHead
from dohproxy.http2.limits import Http2Limits
from dohproxy.http2.static_table import Field
from tests.http2 import client as c

FIELDS = HeaderList([(name.encode(), value.encode()) for name, value in c.GET])
BLOCK = c.block(c.GET)
END = c.END_HEADERS | c.END_STREAM
HUFFMAN = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


LIMITS = Http2Limits()


def reader(limits: Http2Limits = LIMITS) -> BlockReader:
    """Return a new connection's reader."""
    return BlockReader(limits, Allowances(limits, 0.0))


def test_a_block_in_one_frame_is_whole_at_once() -> None:
    blocks = reader()
    assert blocks.begin(END, 1, BLOCK, 0.0) == FIELDS
    assert (blocks.ends_stream, blocks.depends_on_itself) == (True, False)
    assert (blocks.stream_id, blocks.half_read_since) == (0, None)


def test_a_block_in_several_frames_is_whole_with_the_last() -> None:
    blocks = reader()
    assert blocks.begin(c.END_STREAM, 5, BLOCK[:9], 7.0) is None
    assert blocks.go_on(0, BLOCK[9:30], 0.0) is None
    assert (blocks.stream_id, blocks.half_read_since) == (5, 7.0)
    assert blocks.go_on(c.END_HEADERS, BLOCK[30:], 0.0) == FIELDS
    assert (blocks.ends_stream, blocks.depends_on_itself) == (True, False)
    assert (blocks.stream_id, blocks.half_read_since) == (0, None)


@pytest.mark.parametrize("flags", [c.END_HEADERS, c.END_HEADERS | c.PADDED, 0])
def test_a_block_that_does_not_end_its_stream_says_so(flags: int) -> None:
    blocks = reader()
    blocks.begin(END, 1, BLOCK, 0.0)
    blocks.begin(flags, 3, b"\0" * bool(flags & c.PADDED) + BLOCK, 0.0)
    assert not blocks.ends_stream


@pytest.mark.parametrize(("depends_on", "itself"), [(0, False), (3, False), (1, True), (0x8000_0001, True)])
def test_a_block_says_whether_its_stream_depends_on_itself(depends_on: int, itself: bool) -> None:
    blocks = reader()
    assert blocks.begin(END | c.PRIORITISED, 1, depends_on.to_bytes(4) + b"\x0f" + BLOCK, 0.0) == FIELDS
    assert blocks.depends_on_itself is itself


def test_a_dependency_is_forgotten_with_its_block() -> None:
    blocks = reader()
    blocks.begin(END | c.PRIORITISED, 1, b"\x00\x00\x00\x01\x0f" + BLOCK, 0.0)
    assert blocks.begin(END, 3, BLOCK, 0.0) == FIELDS
    assert not blocks.depends_on_itself


def test_a_block_over_its_limits_has_no_fields() -> None:
    assert reader().begin(END, 1, BLOCK * 17, 0.0) == HeaderList(None)


def test_each_block_has_its_own_continuations() -> None:
    blocks = reader()
    for stream_id in (1, 3, 5):
        blocks.begin(0, stream_id, BLOCK, 0.0)
        for _ in range(7):
            assert blocks.go_on(0, b"", 0.0) is None
        assert blocks.go_on(c.END_HEADERS, b"", 0.0) is not None


def test_a_continuation_of_nothing_is_a_fault() -> None:
    with pytest.raises(ConnectionFault) as caught:
        reader().go_on(c.END_HEADERS, b"", 0.0)
    assert caught.value.code is ErrorCode.PROTOCOL_ERROR


def test_nothing_is_kept_of_a_block_that_is_given_up() -> None:
    blocks = reader()
    blocks.begin(0, 1, BLOCK, 0.0)
    blocks.clear()
    assert (blocks.stream_id, blocks.half_read_since) == (0, None)


# --- Blocks that come again ---


def headers_of(blocks: BlockReader, block: bytes) -> HeaderList:
    """Return what a block says."""
    found = blocks.begin(END, 1, block, 0.0)
    assert found is not None
    return found


def test_a_block_that_comes_again_is_decoded_once() -> None:
    blocks = reader()
    first = headers_of(blocks, BLOCK)
    assert headers_of(blocks, BLOCK) is first
    assert headers_of(blocks, BLOCK + b"\x84") is not first


def test_a_request_is_judged_once() -> None:
    headers = headers_of(reader(), BLOCK)
    head = headers.head()
    assert head is not None
    assert head.path == c.QUERY_PATH
    assert headers.head() is head


def test_a_list_that_is_no_request_is_none_each_time() -> None:
    headers = headers_of(reader(), BLOCK + BLOCK)
    for _ in range(2):
        with pytest.raises(MalformedRequest):
            headers.head()


def test_a_list_over_its_limits_has_no_head() -> None:
    blocks = reader()
    for _ in range(2):
        assert headers_of(blocks, BLOCK * 17).head() is None


ADDS = b"\x40" + c.string("x") + c.string("1")


@pytest.mark.parametrize(
    ("change", "meaning"),
    [
        pytest.param(ADDS.replace(b"1", b"2"), (b"y", b"0"), id="another entry"),
        pytest.param(ADDS.replace(b"1", b"2") + b"\x82" * 68, (b"y", b"0"), id="another entry of too long a list"),
        pytest.param(b"\x20", None, id="a table of no size"),
        pytest.param(b"\x3f\x03", None, id="a smaller table"),
        pytest.param(b"\x40" + c.string("x") + c.string("v" * 4_096), None, id="an entry too large to be added"),
    ],
)
def test_a_block_means_something_else_once_the_table_has_changed(change: bytes, meaning: Field | None) -> None:
    blocks = reader()
    headers_of(blocks, ADDS)
    headers_of(blocks, b"\x40" + c.string("y") + c.string("0"))
    assert headers_of(blocks, b"\xbf").fields == [(b"x", b"1")]
    headers_of(blocks, change)
    if meaning is not None:
        assert headers_of(blocks, b"\xbf").fields == [meaning]
        return
    with pytest.raises(ConnectionFault) as caught:
        headers_of(blocks, b"\xbf")
    assert caught.value.code is ErrorCode.COMPRESSION_ERROR


def test_a_block_that_changes_the_table_does_so_each_time() -> None:
    blocks = reader()
    for number in range(3):
        headers_of(blocks, ADDS)
        assert headers_of(blocks, bytes([0xBE + number])).fields == [(b"x", b"1")]
    with pytest.raises(ConnectionFault):
        headers_of(blocks, b"\xc1")


PLACES = [
    pytest.param(b"", b"\x87\x82", id="first"),
    pytest.param(b"\x82\x87", b"", id="last"),
    pytest.param(b"\x82", b"\x87" + c.literal("x", "1"), id="in the middle"),
]
PATH_NAMES = [pytest.param(b"\x04", id="not added"), pytest.param(b"\x14", id="never to be added")]


def head_of(blocks: BlockReader, block: bytes) -> RequestHead:
    """Return the request that a block is."""
    head = headers_of(blocks, block).head()
    assert head is not None
    return head


@pytest.mark.parametrize(("before", "behind"), PLACES)
@pytest.mark.parametrize("name", PATH_NAMES)
def test_of_requests_that_differ_in_their_path_the_rest_is_read_once(before: bytes, behind: bytes, name: bytes) -> None:
    blocks = reader()
    paths = ["/dns-query?dns=AAAA", "/dns-query?dns=BBBB", "/", "/" + "x" * 200]
    heads = [head_of(blocks, before + name + string + behind) for path in paths for string in strings(path)]
    assert [head.path for head in heads] == [path for path in paths for _ in range(2)]
    assert all(head.rest is heads[0].rest for head in heads)
    assert heads == [head_of(reader(), before + name + string + behind) for path in paths for string in strings(path)]


def strings(text: str) -> tuple[bytes, bytes]:
    """Return a string as it stands in a block, plain and Huffman coded."""
    coded = HUFFMAN.encode(text.encode())
    return c.string(text), c.integer(len(coded), 7, 0x80) + coded


@pytest.mark.parametrize("name", PATH_NAMES)
def test_the_rest_says_where_the_path_stood(name: bytes) -> None:
    blocks = reader()
    path = name + c.string("/a")
    assert head_of(blocks, b"\x82\x87" + path + c.literal("x", "1")).path == "/a"
    with pytest.raises(MalformedRequest):
        headers_of(blocks, b"\x82\x87" + c.literal("x", "1") + path).head()
    with pytest.raises(MalformedRequest):
        headers_of(blocks, b"\x82\x87" + path + c.literal("x", "1") + path).head()


@pytest.mark.parametrize("path", ["", "dns-query", "/a b", "/\x7f"])
def test_a_path_that_may_not_be_makes_no_request_of_a_known_rest(path: str) -> None:
    blocks = reader()
    head_of(blocks, b"\x82\x87\x04" + c.string("/"))
    with pytest.raises(MalformedRequest):
        headers_of(blocks, b"\x82\x87\x04" + c.string(path)).head()
    assert head_of(blocks, b"\x82\x87\x04" + c.string("/b")).path == "/b"


@pytest.mark.parametrize("path", [b"\x05/dns", b"\x7f", b"\xff\x80\x80", b"\x82\xff\xff", b""])
def test_a_broken_path_breaks_the_connection_behind_a_known_rest_too(path: bytes) -> None:
    blocks = reader()
    head_of(blocks, b"\x82\x87\x04" + c.string("/"))
    with pytest.raises(ConnectionFault) as caught:
        headers_of(blocks, b"\x82\x87\x04" + path)
    assert caught.value.code is ErrorCode.COMPRESSION_ERROR


@pytest.mark.parametrize(("length", "fits"), [(30, True), (31, False)])
def test_a_path_counts_for_the_lists_limit_with_a_known_rest_too(length: int, *, fits: bool) -> None:
    # 42 for ":method: GET", 44 for ":scheme: https", 37 for ":path" without its value.
    blocks = reader(Http2Limits(max_header_bytes=42 + 44 + 37 + 30))
    head_of(blocks, b"\x82\x87\x04" + c.string("/"))
    headers = headers_of(blocks, b"\x82\x87\x04" + c.string("/" * length))
    assert (headers.head() is not None) is fits


def test_a_known_rest_is_forgotten_when_the_table_changes() -> None:
    blocks = reader()
    headers_of(blocks, b"\x40" + c.string("x") + c.string("1"))
    assert head_of(blocks, b"\x82\x87\x04" + c.string("/a") + b"\xbe").fields == (("x", "1"),)
    headers_of(blocks, b"\x40" + c.string("y") + c.string("2"))
    assert head_of(blocks, b"\x82\x87\x04" + c.string("/b") + b"\xbe").fields == (("y", "2"),)


def test_only_so_much_of_rests_is_kept_and_the_oldest_goes_first() -> None:
    blocks = reader()
    around = [b"\x82\x87" + c.literal("x", str(number)) for number in range(200)]
    for behind in around:
        head_of(blocks, b"\x04" + c.string("/a") + behind)
        assert blocks.held_bytes <= MOST_KEPT_BYTES
    kept = list(blocks._rests)
    assert kept == [b"\x04" + behind for behind in around[-len(kept) :]]
    # With what memory they take: ":method: GET", ":scheme: https", and the field that differs.
    held = [rest.held for rest in blocks._rests.values()]
    assert sum(held) <= MOST_KEPT_BYTES < sum(held) + held[-1]
    assert min(held) > 1_000


@pytest.mark.parametrize(("size", "is_kept"), [(LONGEST_KEPT_BLOCK, True), (LONGEST_KEPT_BLOCK + 1, False)])
def test_only_short_blocks_are_kept(size: int, is_kept: bool) -> None:
    blocks = reader()
    block = BLOCK + c.literal("x", "v" * (size - len(BLOCK) - 5))
    block += b"\x84" * (size - len(block))
    assert len(block) == size
    assert (headers_of(blocks, block) is headers_of(blocks, block)) is is_kept


def test_a_block_in_one_frame_may_be_no_longer_than_one_in_many() -> None:
    with pytest.raises(ConnectionFault) as caught:
        reader().begin(END, 1, bytes(12_289), 0.0)
    assert caught.value.excess is Excess.HEADER_BLOCK


def test_a_rest_that_comes_with_no_common_target_is_counted_once() -> None:
    blocks = reader()
    request = b"\x87\x04" + c.string("*") + b"\x02" + c.string("OPTIONS") + b"\x01" + c.string("example.net")
    headers_of(blocks, request)
    counted = blocks._kept_bytes
    assert counted > 0
    for _ in range(3):
        headers_of(blocks, BLOCK)
        head = headers_of(blocks, request).head()
        assert head is not None
        assert head.path == "*"
    assert blocks._kept_bytes == sum(kept.held for kept in blocks._rests.values())
