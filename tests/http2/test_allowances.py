"""The account of one connection; each entry of it is attacked in `test_connection_limits`."""

import pytest

from dohproxy.http2.allowances import Allowances
from dohproxy.http2.errors import ConnectionFault, ErrorCode, Excess
from dohproxy.http2.limits import Http2Limits

LIMITS = Http2Limits()


def account() -> Allowances:
    """Return a new connection's account."""
    return Allowances(LIMITS, 0.0)


def test_what_was_too_much_is_named() -> None:
    allowances = account()
    for _ in range(100):
        allowances.control(0.0)
    with pytest.raises(ConnectionFault) as caught:
        allowances.control(0.0)
    assert (caught.value.code, caught.value.excess) == (ErrorCode.ENHANCE_YOUR_CALM, Excess.CONTROL_FRAMES)


def test_resets_and_errors_draw_on_one_account() -> None:
    allowances = account()
    for _ in range(5):
        allowances.err_on_stream(0.0, ErrorCode.PROTOCOL_ERROR)
    for _ in range(50):
        allowances.end_stream(0.0)
    with pytest.raises(ConnectionFault, match="resets"):
        allowances.end_stream(0.0)


def test_a_refused_stream_costs_no_more_than_a_reset() -> None:
    allowances = account()
    for _ in range(100):
        allowances.err_on_stream(0.0, ErrorCode.REFUSED_STREAM)
    with pytest.raises(ConnectionFault, match="stream_errors"):
        allowances.err_on_stream(0.0, ErrorCode.REFUSED_STREAM)


def test_control_frames_have_an_account_of_their_own() -> None:
    allowances = account()
    for _ in range(100):
        allowances.control(0.0)
        allowances.end_stream(0.0)
    with pytest.raises(ConnectionFault, match="control_frames"):
        allowances.control(0.0)


def test_streams_under_way_may_still_turn_out_to_be_valid() -> None:
    allowances = account()
    for number in range(100):
        allowances.open_stream(number)
    with pytest.raises(ConnectionFault, match="no_valid_request"):
        allowances.open_stream(50)


def test_a_known_client_may_open_any_number_of_streams() -> None:
    allowances = account()
    allowances.note_valid_request()
    for _ in range(5_000):
        allowances.open_stream(0)
    assert allowances.requests == 5_000


@pytest.mark.parametrize(
    ("streams", "sent_bytes", "allowed"), [(0, 0, 32), (1, 0, 36), (10, 0, 72), (1, 65_535, 67), (0, 2_047, 32)]
)
def test_window_updates_are_earned_by_streams_and_by_bytes(streams: int, sent_bytes: int, allowed: int) -> None:
    allowances = account()
    for _ in range(streams):
        allowances.open_stream(0)
    for _ in range(allowed):
        allowances.update_window(sent_bytes)
    with pytest.raises(ConnectionFault, match="window_updates"):
        allowances.update_window(sent_bytes)


def test_late_frames_are_allowed_as_far_as_they_can_be_honest() -> None:
    allowances = account()
    for _ in range(400):
        allowances.take_late_frame()
    with pytest.raises(ConnectionFault, match="late_frames"):
        allowances.take_late_frame()


def test_small_header_blocks_cost_nothing_and_large_ones_an_allowance_that_comes_back() -> None:
    allowances = account()
    for _ in range(1_000):
        allowances.read_block(704, 0.0)
    for _ in range(16):
        allowances.read_block(1_728, 0.0)
    with pytest.raises(ConnectionFault, match="large_header_blocks"):
        allowances.read_block(705, 0.0)
    allowances.read_block(1_728, 2.0)
