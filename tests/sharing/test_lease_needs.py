"""What a node wants of an upstream a second."""

import pytest

from dohproxy.sharing.lease_needs import NeedMeter
from dohproxy.upstream.budget.queries import Budget


def test_what_was_sent_and_what_had_to_wait_is_a_need_of_members_or_of_others() -> None:
    budget, meter = Budget(10.0, 10, 10, now=0.0), NeedMeter()
    assert meter.read(budget, 0.0) == (0.0, 0.0)
    budget.taken, budget.taken_for_members = 6, 2
    budget.missed, budget.missed_by_members = 4, 1
    assert meter.read(budget, 2.0) == pytest.approx((0.15, 0.35))


def test_a_need_that_is_no_more_is_halved_each_second() -> None:
    budget, meter = Budget(10.0, 10, 10, now=0.0), NeedMeter()
    meter.read(budget, 0.0)
    budget.taken = 8
    assert meter.read(budget, 1.0)[1] == pytest.approx(0.8)
    assert meter.read(budget, 2.0)[1] == pytest.approx(0.4)
    assert meter.read(budget, 2.0)[1] == pytest.approx(0.4)


def test_what_has_waited_and_was_sent_counts_once() -> None:
    budget, meter = Budget(10.0, 10, 10, now=0.0), NeedMeter()
    meter.read(budget, 0.0)
    budget.missed = 1
    budget.missed, budget.taken = 0, 1
    assert meter.read(budget, 1.0)[1] == pytest.approx(0.1)
