"""What dohproxy-nft makes of what it is told: what it holds, what it refuses, and what it never drops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.nft.drops import ALWAYS_SPARED, Drops, Spared, Step
from dohproxy.nft.protocol import (
    MOST_SPARED,
    Begin,
    Change,
    Command,
    Done,
    Drop,
    End,
    Look,
    Malformed,
    Network,
    Spare,
    read_network,
)
from tests.nft.test_protocol import COMMANDS

NOW = 1_000.0
MINUTE = 60_000


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(map(read_network, texts))


def timed(*texts: str) -> tuple[tuple[Network, int], ...]:
    return tuple((read_network(text), MINUTE) for text in texts)


def told(drops: Drops, *commands: Command, now: float = NOW) -> Step:
    """Give commands; return what the last one brings about."""
    steps = [drops.take(command, now) for command in commands]
    step = steps[-1]
    assert step is not None
    return step


def started(*spared: str, most: int = 100) -> Drops:
    """A helper that has had a snapshot of nobody."""
    drops = Drops([443], networks(*spared), most)
    told(drops, Begin(), End())
    return drops


def test_a_snapshot_holds_once_it_is_whole_and_in_place_of_all_before() -> None:
    drops = started()
    told(drops, Change(timed("198.51.100.1")))
    assert drops.take(Begin(), NOW) is None
    assert drops.take(Spare(networks("192.0.2.128/25")), NOW) is None
    assert drops.take(Drop(timed("192.0.2.7", "192.0.2.0/24")), NOW) is None
    step = drops.take(End(), NOW)
    assert step is not None
    assert step.done == Done(2, 0, 0)
    assert "192.0.2.7 timeout 60000ms" in step.script
    assert "192.0.2.128/25" in step.script
    assert "198.51.100.1" not in step.script


def test_a_change_adds_and_takes_away() -> None:
    drops = started()
    assert told(drops, Change(timed("192.0.2.7", "192.0.2.8"))).done == Done(2, 0, 0)
    step = told(drops, Change(timed("192.0.2.9"), networks("192.0.2.7")))
    assert step.done == Done(2, 0, 0)
    assert step.script.count("192.0.2.7") == 2  # Added in case it has ended, and deleted.
    assert "192.0.2.8" not in step.script


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1", "127.1.2.0/24", "169.254.7.7", "0.0.0.0/16", "255.255.255.255", "::1", "fe80::/64", "192.0.2.7"],
)
def test_it_never_drops_itself_its_links_or_what_the_command_line_names(text: str) -> None:
    drops = started("192.0.2.0/28")
    assert told(drops, Begin(), Drop(timed(text)), End()).done == Done(0, 1, 0)
    step = told(drops, Change(timed(text)))
    assert step == Step("", Done(0, 1, 0))


def test_what_the_service_spares_is_not_dropped_either() -> None:
    drops = started()
    step = told(drops, Begin(), Spare(networks("192.0.2.0/24", "2001:db8::/32")), Drop(timed("192.0.2.7")), End())
    assert step.done == Done(0, 1, 0)
    assert told(drops, Change(timed("2001:db8:1::/64", "198.51.100.1"))).done == Done(1, 1, 0)
    # With the next snapshot it is forgotten, and what the command line names is not.
    told(drops, Begin(), End())
    assert told(drops, Change(timed("192.0.2.7", "127.0.0.1"))).done == Done(1, 1, 0)


def test_what_is_spared_within_a_wider_network_is_in_the_kernels_list_with_each_snapshot() -> None:
    drops = started("192.0.2.0/28")
    step = told(drops, Begin(), Drop(timed("192.0.2.0/24")), End())
    assert step.done == Done(1, 0, 0)
    assert "spared4 { 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, 192.0.2.0/28, 224.0.0.0/3 }" in step.script


def test_no_more_are_held_than_there_is_room_for_and_those_who_are_in_stay() -> None:
    drops = started(most=2)
    step = told(drops, Change(timed("192.0.2.1", "192.0.2.2", "192.0.2.3")))
    assert step.done == Done(2, 1, 0)
    assert "192.0.2.3" not in step.script
    assert told(drops, Change(timed("192.0.2.1"))).done == Done(2, 0, 0)  # Renewed.
    assert told(drops, Change(timed("192.0.2.3"), networks("192.0.2.1"))).done == Done(2, 0, 0)
    step = told(drops, Begin(), Drop(timed("192.0.2.1", "192.0.2.2", "192.0.2.3")), End())
    assert step.done == Done(2, 1, 0)


def test_those_that_have_ended_make_room() -> None:
    drops = started(most=2)
    told(drops, Change(timed("192.0.2.1", "192.0.2.2")))
    told(drops, Change(timed("192.0.2.2")), now=NOW + 30)
    assert told(drops, Look(), now=NOW + 60).done == Done(1, 0, 0)
    assert told(drops, Change(timed("192.0.2.3")), now=NOW + 60).done == Done(2, 0, 0)


def test_renewing_without_end_takes_no_memory() -> None:
    drops = started(most=10)
    for number in range(1_000):
        told(drops, Change(timed("192.0.2.1")), now=NOW + number)
    assert len(drops) == 1
    assert len(drops._ends) < 30


def test_a_length_that_is_new_gets_a_set_and_a_rule() -> None:
    drops = started()
    step = told(drops, Change(timed("192.0.0.0/17")))
    assert "add set inet dohproxy banned4_17 { type ipv4_addr; flags timeout;" in step.script
    assert "saddr & 255.255.128.0 @banned4_17" in step.script
    assert step.script.index("add set inet dohproxy banned4_17") < step.script.index("add element")
    assert "add set" not in told(drops, Change(timed("198.51.0.0/17"))).script


def test_to_release_a_length_that_was_never_there_is_nothing() -> None:
    drops = started()
    assert told(drops, Change((), networks("192.0.0.0/19"))) == Step("", Done(0, 0, 0))


@pytest.mark.parametrize(
    "command",
    [Change(), Look(), Spare(()), Drop(()), End()],
    ids=["a change", "a look", "what is spared", "what is dropped", "the end of none"],
)
def test_nothing_is_believed_before_a_snapshot(command: Command) -> None:
    drops = Drops([443])
    with pytest.raises(Malformed):
        drops.take(command, NOW)


@pytest.mark.parametrize("command", [Change(), Look()], ids=["a change", "a look"])
def test_whoever_connects_anew_sends_a_snapshot_of_his_own(command: Command) -> None:
    drops = started()
    drops.take(Begin(), NOW)
    drops.begin()
    with pytest.raises(Malformed):
        drops.take(command, NOW)
    with pytest.raises(Malformed):
        drops.take(End(), NOW)


def test_one_that_spares_without_end_is_refused_as_a_whole() -> None:
    drops = started()
    drops.take(Begin(), NOW)
    for start in range(0, MOST_SPARED, 64):
        drops.take(Spare(tuple(Network((start + number).to_bytes(4), 32) for number in range(64))), NOW)
    with pytest.raises(Malformed):
        drops.take(Spare(networks("192.0.2.1")), NOW)


@given(st.lists(COMMANDS, max_size=12))
def test_whatever_is_said_nobody_is_dropped_who_is_spared_and_no_more_than_so_many(commands: list[Command]) -> None:
    drops = Drops([443], networks("192.0.2.0/24"), 5)
    own = Spared((*ALWAYS_SPARED, *networks("192.0.2.0/24")))
    for command in commands:
        try:
            drops.take(command, NOW)
        except Malformed:
            drops.begin()
    assert len(drops) <= 5
    assert not any(network in own for network in drops.networks(NOW))
