"""What one node may use: while its lease lasts, after it, without the store, and in a new epoch."""

import math

import pytest

from dohproxy.saved import Interruption, UnfitState
from dohproxy.sharing.lease_holder import (
    ALONE_SECONDS,
    CALL_SECONDS,
    DAY_SECONDS,
    DRIFT,
    EARLY_SECONDS,
    LEASE_SECONDS,
    RENEWAL_SECONDS,
    STALE_SECONDS,
    HeldPart,
    LeaseHolder,
)
from dohproxy.sharing.lease_script import Call, Grant, Granted

UNITS = 24
BASE, KEPT = 8 / UNITS, 2 / UNITS
LEASE_ENDS = LEASE_SECONDS * (1 - DRIFT)


class Simulated:
    """A holder, and a ledger that says what the test wants."""

    def __init__(self, *, expected: int = 3) -> None:
        self.holder = LeaseHolder("a", "a/1", expected, lambda: "nonce", now=0.0)
        self.holder.keep({"budget": UNITS}, 0.0)
        self.seq = 0

    def call(self, now: float, *, is_settled: bool = True) -> Call:
        return self.holder.call({}, now, is_settled=is_settled)

    def hear(
        self, now: float, granted: int, *, epoch: str = "e", k: int = 3, after: float = 0.1, known: int = 3
    ) -> Call:
        """Call at `now`, and hear `after` that what is granted."""
        call = self.call(now)
        self.seq += 1
        reply = Granted(epoch, self.seq, k, known, 0, (Grant(granted, UNITS),))
        self.holder.adopt(call.number, reply, now + after)
        return call

    def hear_nothing(self, now: float) -> None:
        self.holder.adopt(self.call(now).number, None, now + CALL_SECONDS)

    def part(self, now: float) -> float:
        return self.holder.part("budget", now).part

    def settle(self) -> float:
        """Let the first seconds pass, in which nothing is gained; return when they are over."""
        for second in range(9):
            self.hear(float(second), 2)
        return 9.0


def test_nothing_may_be_used_before_the_first_word() -> None:
    node = Simulated()
    assert node.part(100.0) == 0.0
    assert node.holder.share_of_base(100.0) == 0.0


def test_a_node_begins_with_what_is_never_lent_whatever_it_is_granted() -> None:
    node = Simulated()
    node.hear(0.0, 24)
    assert node.part(0.2) == pytest.approx(KEPT)
    assert node.holder.share_of_base(0.2) == pytest.approx(1 / 3)


def test_a_lease_counts_from_when_its_call_was_sent_and_then_the_base_is_the_most() -> None:
    node = Simulated()
    now = node.settle()
    node.hear(now, 20, after=0.4)
    assert node.part(now + LEASE_ENDS - 0.01) == pytest.approx(20 / UNITS)
    assert node.part(now + LEASE_ENDS + 0.01) == pytest.approx(BASE)
    assert not node.holder.is_leased(now + LEASE_ENDS + 0.01)


def test_what_was_lent_is_missed_until_nobody_can_have_it_any_more() -> None:
    node = Simulated()
    now = node.settle()
    node.hear(now, 2)
    assert node.part(now + 0.1 + ALONE_SECONDS - 0.01) == pytest.approx(KEPT)
    assert node.part(now + 0.1 + ALONE_SECONDS + 0.01) == pytest.approx(BASE)


def test_a_part_tells_until_when_it_holds() -> None:
    node = Simulated()
    now = node.settle()
    node.hear(now, 20)
    moments = []
    moment = now + 0.1
    while moment < math.inf:
        moments.append(moment)
        moment = node.holder.part("budget", moment).until
    assert moments == pytest.approx([now + 0.1, now + LEASE_ENDS, now + 0.1 + ALONE_SECONDS])


def test_without_the_store_a_node_begins_with_what_is_never_lent_and_has_its_base_later() -> None:
    node = Simulated()
    node.hear_nothing(0.0)
    assert node.part(1.0) == pytest.approx(KEPT)
    assert node.part(ALONE_SECONDS + 1) == pytest.approx(BASE)


@pytest.mark.parametrize("fault", ["late", "to a call that is not waited for any more"])
def test_a_reply_is_not_adopted_that_comes(fault: str) -> None:
    node = Simulated()
    now = node.settle()
    call = node.call(now)
    reply = Granted("e", 99, 3, 3, 0, (Grant(20, UNITS),))
    if fault == "late":
        assert not node.holder.adopt(call.number, reply, now + CALL_SECONDS + 0.01)
    else:
        node.call(now + 0.2)
        assert not node.holder.adopt(call.number, reply, now + 0.3)
    assert node.part(now + 0.6) == pytest.approx(KEPT)


def test_a_smaller_part_is_used_at_once_and_told_soon() -> None:
    node = Simulated()
    now = node.settle()
    node.hear(now, 20)
    node.hear(now + 1, 6)
    assert node.part(now + 1.2) == pytest.approx(6 / UNITS)
    assert node.holder.next_call_at(is_starving=False) == pytest.approx(now + 1 + EARLY_SECONDS)
    assert node.call(now + 1.3).wants[0].used == pytest.approx(6 / UNITS)


def test_calls_are_made_each_second_and_sooner_where_somebody_waits() -> None:
    node = Simulated()
    now = node.settle()
    node.hear(now, 2)
    assert node.holder.next_call_at(is_starving=False) == now + RENEWAL_SECONDS
    assert node.holder.next_call_at(is_starving=True) == now + EARLY_SECONDS


def test_in_a_new_epoch_nothing_is_gained_and_nothing_lent_for_a_while() -> None:
    node = Simulated()
    now = node.settle()
    node.hear(now, 20)
    assert node.call(now + 0.5).memory == 10
    node.hear(now + 1, 20, epoch="other")
    assert node.part(now + 1.2) == pytest.approx(BASE)
    call = node.hear(now + 2, 20, epoch="other")
    assert (call.memory, call.fresh, call.over) == (0, 11, 0)
    for second in range(3, 9):
        call = node.hear(now + second, 20, epoch="other")
        assert node.part(now + second + 0.2) == pytest.approx(BASE)
    node.hear(now + 9, 20, epoch="other")
    assert node.part(now + 9.2) == pytest.approx(20 / UNITS)
    assert node.call(now + 9.5).memory > 0


def test_own_calls_tell_who_is_at_work_and_whose_lease_is_over() -> None:
    node = Simulated()
    now = node.settle()  # Calls 1 to 9, sent at 0.0 to 8.0 and heard 0.1 later.
    call = node.call(now)
    assert call.fresh == 7  # Sent at 6.0, 3.0 ago.
    assert call.over == 6  # Heard at 5.1, 3.9 ago.


def test_a_smaller_base_is_used_at_once_and_told_when_no_more_is_in_flight() -> None:
    node = Simulated()
    now = node.settle()
    node.hear(now, 2, k=5, known=5)
    assert node.holder.share_of_base(now + 0.2) == pytest.approx(1 / 5)
    assert node.call(now + 1, is_settled=False).k == 3
    assert node.call(now + 2).k == 5
    assert node.call(now + 2).most == 5


def test_a_larger_base_is_told_with_the_next_call() -> None:
    node = Simulated()
    now = node.settle()
    node.hear(now, 2, k=2)
    assert node.call(now + 1, is_settled=False).k == 2


def test_the_most_nodes_are_remembered_for_a_day() -> None:
    node = Simulated()
    now = node.settle()
    node.hear(now, 2, known=5)
    node.hear(now + 10, 2, known=2)
    assert node.call(now + 20).most == 5
    assert node.call(now + DAY_SECONDS + 20).most == 3


def test_a_node_of_more_than_expected_has_no_base_when_the_others_may_have_forgotten_it() -> None:
    node = Simulated(expected=2)
    now = node.settle()  # With a base of one in three.
    assert node.part(now + STALE_SECONDS - 60) == pytest.approx(BASE)
    assert node.part(now + STALE_SECONDS + 60) == 0.0
    assert node.holder.share_of_base(now + STALE_SECONDS + 60) == 0.0


def test_a_node_whose_name_is_another_s_uses_nothing_even_if_the_store_is_gone_then() -> None:
    node = Simulated()
    for second in range(10):
        call = node.call(float(second))
        node.holder.adopt(call.number, Granted("e", second + 1, 0, 0, 0, (), is_taken=True), second + 0.1)
        assert node.part(second + 0.2) == 0.0
    node.hear_nothing(11.0)
    assert node.part(30.0) == 0.0


def test_a_node_that_has_just_begun_anew_goes_on_if_the_store_is_gone_then() -> None:
    node = Simulated()
    call = node.call(0.0)
    node.holder.adopt(call.number, Granted("e", 1, 0, 0, 0, (), is_taken=True), 0.1)
    node.hear_nothing(1.0)
    assert node.part(2.0) == pytest.approx(KEPT)


def test_a_node_that_ends_uses_nothing() -> None:
    node = Simulated()
    now = node.settle()
    assert node.holder.leave().number == 10
    assert node.part(now) == 0.0
    node.hear_nothing(now + 10)
    assert node.part(now + 60) == 0.0


def test_a_budget_that_is_new_begins_with_what_is_never_lent() -> None:
    node = Simulated()
    now = node.settle()
    node.holder.keep({"budget": UNITS, "new": 12}, now)
    assert node.holder.part("new", now).part == pytest.approx(1 / 12)
    node.holder.keep({"new": 12}, now)
    assert node.part(now) == 0.0


def test_the_next_run_remembers_how_many_nodes_there_were_and_which_run_this_was() -> None:
    node = Simulated()
    node.hear(0.0, 2, known=7)
    after = LeaseHolder("a", "a/2", 3, lambda: "nonce", now=100.0)
    after.restore(node.holder.export(), Interruption(90.0))
    call = after.call({}, 100.0, is_settled=True)
    assert (call.most, call.succeeds, after.base) == (7, "a/1", 7)


def test_a_run_of_which_it_is_not_known_whether_it_has_ended_is_not_succeeded() -> None:
    after = LeaseHolder("a", "a/2", 3, lambda: "nonce", now=100.0)
    after.restore({"instance": "a/1", "most": 7}, Interruption(90.0, unknown_until=95.0))
    assert after.call({}, 100.0, is_settled=True).succeeds == ""


@pytest.mark.parametrize("saved", [{}, {"most": -1, "instance": "a"}, {"most": 3}, {"most": 3, "instance": 1}])
def test_what_no_run_would_have_saved_is_unfit(saved: dict[str, object]) -> None:
    with pytest.raises(UnfitState):
        Simulated().holder.restore(saved, Interruption(0.0))


def test_a_budget_asks_for_its_part_by_the_clock_of_the_moment() -> None:
    node = Simulated()
    node.hear(0.0, 2)
    held = HeldPart(node.holder, "budget", lambda: 1.0)
    assert held.clock() == 1.0
    assert held.part(1.0) == pytest.approx((KEPT, LEASE_ENDS))
    assert held.share_of_base(1.0) == pytest.approx(1 / 3)
