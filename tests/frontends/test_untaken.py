"""How long what was written has waited for its client, as looks now and then tell it."""

from dohproxy.frontends.untaken import Untaken


def test_nothing_waits_where_all_is_taken() -> None:
    untaken = Untaken()
    untaken.written = 1_000
    assert untaken.since(0, 5.0) is None


def test_what_is_not_taken_waits_since_the_first_look_that_found_it() -> None:
    untaken = Untaken()
    untaken.written = 1_000
    assert [untaken.since(1_000, now) for now in (5.0, 6.0, 20.0)] == [5.0, 5.0, 5.0]


def test_a_client_that_takes_all_it_can_of_ever_more_has_nothing_that_waits_for_long() -> None:
    untaken, since = Untaken(), []
    for now in range(5):
        untaken.written += 1_000
        since.append(untaken.since(900, float(now)))
    assert since == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_client_that_takes_a_little_is_waited_for_until_it_has_what_waited_then() -> None:
    untaken = Untaken()
    untaken.written = 1_000
    assert untaken.since(1_000, 0.0) == 0.0
    untaken.written += 500
    assert untaken.since(1_400, 1.0) == 0.0
    assert untaken.since(501, 2.0) == 0.0
    assert untaken.since(500, 3.0) == 3.0


def test_who_has_taken_everything_begins_anew() -> None:
    untaken = Untaken()
    untaken.written = 1_000
    untaken.since(1_000, 0.0)
    untaken.since(0, 1.0)
    assert untaken.since(10, 9.0) == 9.0
