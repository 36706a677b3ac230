"""The simulated upstream's limit: what is let through, and what it takes to be banned."""

from bench.ban.limit import Judgement, Limit


def limit(patience: int = 3) -> Limit:
    """Return a limit of 10 a second with 20 saved up."""
    return Limit(10, 20, patience=patience, ban_seconds=60)


def ask(limit: Limit, now: float, count: int) -> list[Judgement]:
    """Ask so often at one moment."""
    return [limit.judge(now) for _ in range(count)]


def test_what_was_saved_up_is_let_through_and_no_more() -> None:
    judged = ask(limit(), 5.0, 25)
    assert judged.count(Judgement.WELCOME) == 20
    assert judged[20:] == [Judgement.EXCESS] * 5


def test_the_bucket_fills_again_at_the_rate() -> None:
    guest = limit()
    ask(guest, 5.0, 20)
    assert ask(guest, 5.5, 6) == [Judgement.WELCOME] * 5 + [Judgement.EXCESS]


def test_who_keeps_the_same_budget_is_always_welcome() -> None:
    guest = limit()
    ask(guest, 0.0, 20)
    assert {guest.judge(number * 0.1) for number in range(1, 2000)} == {Judgement.WELCOME}
    assert guest.bans == 0


def test_excess_in_three_seconds_running_is_a_ban() -> None:
    guest = limit()
    ask(guest, 0.0, 21)
    ask(guest, 1.5, 20)
    assert guest.bans == 0
    assert ask(guest, 2.5, 20)[-1] is Judgement.BANNED
    assert guest.bans == 1


def test_a_second_without_excess_begins_the_count_anew() -> None:
    guest = limit()
    ask(guest, 0.0, 21)
    ask(guest, 1.5, 20)
    ask(guest, 2.9, 5)
    ask(guest, 3.5, 20)
    assert guest.bans == 0


def test_a_ban_ends_by_itself_and_knocking_does_not_prolong_it() -> None:
    guest = limit(patience=1)
    ask(guest, 0.0, 21)
    assert guest.judge(59.9) is Judgement.BANNED
    assert guest.judge(60.0) is Judgement.WELCOME


def test_a_ban_has_an_age() -> None:
    guest = limit(patience=1)
    assert guest.banned_for(0.0) is None
    ask(guest, 0.0, 21)
    assert (guest.banned_for(15.0), guest.banned_for(60.0)) == (15.0, None)


def test_banned_time_is_counted_while_it_passes() -> None:
    guest = limit(patience=1)
    assert guest.banned_seconds(0.0) == 0.0
    ask(guest, 0.0, 21)
    assert (guest.banned_seconds(15.0), guest.banned_seconds(75.0)) == (15.0, 60.0)
    ask(guest, 100.0, 21)
    assert (guest.bans, guest.banned_seconds(110.0)) == (2, 70.0)
