"""What was said of single names by hand."""

import math

from dohproxy.outcomes import Reason
from dohproxy.policy.blocklists.by_hand import MOST_ENTRIES, ByHand, HandEntry
from dohproxy.wire.name import from_text


def entry(name: str, *, is_block: bool = True, below: bool = False, until: float = math.inf) -> HandEntry:
    return HandEntry(from_text(name), is_block, below, until, "it is a test")


def holding(*entries: HandEntry) -> ByHand:
    found = ByHand()
    for one in entries:
        assert found.put(one)
    return found


def test_an_entry_is_about_its_name_and_about_those_below_only_if_it_says_so() -> None:
    found = holding(entry("one.example"), entry("two.example", below=True))
    assert found.find(from_text("one.example")) == (entry("one.example"), 0)
    assert found.find(from_text("www.one.example")) is None
    assert found.find(from_text("www.two.example")) == (entry("two.example", below=True), 4)
    assert found.find(from_text("xtwo.example")) is None


def test_the_entry_with_the_most_labels_counts() -> None:
    good = entry("good.bad.example", is_block=False, below=True)
    found = holding(entry("bad.example", below=True), good)
    assert found.find(from_text("www.good.bad.example")) == (good, 4)


def test_the_last_word_about_a_name_counts() -> None:
    found = holding(entry("a.example"), entry("a.example", is_block=False))
    assert len(found) == 1
    assert not found.blocks
    assert found.get(from_text("a.example")) == entry("a.example", is_block=False)


def test_what_is_over_is_forgotten_and_not_before() -> None:
    found = holding(entry("a.example", until=100.0), entry("b.example"))
    assert found.expire(99.9) == 0
    assert found.expire(100.0) == 1
    assert [one.name for one in found] == [from_text("b.example")]


def test_there_is_room_for_so_many_and_for_another_word_about_one_of_them() -> None:
    found = holding(*(entry(f"n{number}.example") for number in range(MOST_ENTRIES)))
    assert not found.put(entry("more.example"))
    assert found.put(entry("n0.example", is_block=False))
    assert found.remove(from_text("n1.example"))
    assert found.put(entry("more.example"))


def test_each_change_is_counted_and_nothing_else() -> None:
    found = holding(entry("a.example"))
    assert found.changes == 1
    assert not found.remove(from_text("b.example"))
    assert found.expire(0.0) == 0
    assert found.changes == 1
    assert found.remove(from_text("a.example"))
    assert found.changes == 2


def test_who_asks_is_told_that_it_is_the_operators_decision_and_why() -> None:
    ruling = entry("a.example").ruling()
    assert (ruling.reason, ruling.action, ruling.text) == (Reason.BLOCKED, "refused", b"it is a test")
