"""An upstream that was built in Python."""

from dohproxy.config import PRESETS, UpstreamAddress, UpstreamConfig

UPSTREAM = UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53))


def test_it_has_the_smallest_budget() -> None:
    preset = PRESETS["associative"]
    assert (UPSTREAM.queries_per_second, UPSTREAM.burst, UPSTREAM.in_flight) == (
        preset.queries_per_second,
        preset.burst,
        preset.in_flight,
    )


def test_it_is_not_trusted_to_validate_and_nothing_is_left_out_for_it() -> None:
    assert not UPSTREAM.validates
    assert UPSTREAM.leave_out == ()
