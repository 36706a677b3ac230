"""The token bucket."""

from dohproxy.http2.bucket import Bucket


def test_a_burst_is_there_from_the_start_and_no_more() -> None:
    bucket = Bucket(3, 1.0, 100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_tokens_come_back_with_time() -> None:
    bucket = Bucket(2, 0.5, 100.0)
    assert bucket.take(100.0, 2)
    assert not bucket.take(101.0)
    assert bucket.take(102.0)
    assert not bucket.take(102.0)


def test_there_are_never_more_than_the_burst() -> None:
    bucket = Bucket(2, 10.0, 0.0)
    assert [bucket.take(1_000.0) for _ in range(3)] == [True, True, False]


def test_what_costs_more_than_is_left_takes_nothing() -> None:
    bucket = Bucket(5, 1.0, 0.0)
    assert not bucket.take(0.0, 6)
    assert bucket.take(0.0, 5)


def test_a_clock_that_stands_still_gives_nothing() -> None:
    bucket = Bucket(1, 1_000.0, 7.0)
    assert bucket.take(7.0)
    assert not bucket.take(7.0)
    assert not bucket.take(6.0)
