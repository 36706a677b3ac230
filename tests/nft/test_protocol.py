"""What the service and dohproxy-nft say to each other, and what neither takes from the other."""

import json
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.nft.protocol import (
    LONGEST_SECONDS,
    MOST_IN_LINE,
    MOST_LINE,
    VERSION,
    WIDEST_BITS,
    Begin,
    Change,
    Command,
    Done,
    Drop,
    End,
    Failed,
    Hello,
    Look,
    Malformed,
    Network,
    Recall,
    Recalled,
    Reply,
    Spare,
    read_command,
    read_hello,
    read_network,
    read_recalled,
    read_reply,
    show_network,
    write_command,
    write_hello,
    write_recalled,
    write_reply,
)
from dohproxy.policy.prefixes import WIDEST_BITS as WIDEST_COMMAND


@st.composite
def networks(draw: st.DrawFn, *, widest: bool = False) -> Network:
    size = draw(st.sampled_from((4, 16)))
    bits = draw(st.integers(0 if widest else WIDEST_BITS[size], 8 * size))
    behind = 8 * size - bits
    address = draw(st.integers(0, (1 << 8 * size) - 1)) >> behind << behind
    return Network(address.to_bytes(size), bits)


TIMED = st.tuples(networks(), st.integers(1, 1_000 * LONGEST_SECONDS))
COMMANDS = st.one_of(
    st.builds(Recall),
    st.builds(Begin),
    st.builds(Spare, st.lists(networks(widest=True), max_size=9).map(tuple)),
    st.builds(Drop, st.lists(TIMED, max_size=9).map(tuple)),
    st.builds(End),
    st.builds(Change, st.lists(TIMED, max_size=9).map(tuple), st.lists(networks(), max_size=9).map(tuple)),
    st.builds(Look),
)
COUNTS = st.integers(0, 1 << 63)
REPLIES = st.one_of(
    st.builds(Done, COUNTS, COUNTS, COUNTS),
    st.builds(Failed, st.text(st.characters(exclude_categories=("C", "Z")), max_size=200)),
)


@given(COMMANDS)
def test_a_command_is_read_as_it_was_written(command: Command) -> None:
    line = write_command(command)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert read_command(line) == command


@given(REPLIES)
def test_a_reply_is_read_as_it_was_written(reply: Reply) -> None:
    assert read_reply(write_reply(reply)) == reply


@given(st.lists(networks(widest=True), max_size=9).map(tuple))
def test_what_is_recalled_is_read_as_it_was_written(found: tuple[Network, ...]) -> None:
    assert read_recalled(write_recalled(Recalled(found))) == Recalled(found)


@pytest.mark.parametrize("line", [b"{}", b'{"recalled":[7]}', b'{"recalled":["a"]}', b"[]"])
def test_the_service_does_not_take_for_networks(line: bytes) -> None:
    with pytest.raises(Malformed):
        read_recalled(line)


def test_a_greeting_is_read_as_it_was_written() -> None:
    hello = Hello(VERSION, (443, 8443), 65_536)
    assert read_hello(write_hello(hello)) == hello


def test_as_many_networks_as_a_line_may_hold_fit_into_it_however_long_they_are() -> None:
    longest = Network(ip_address("1111:2222:3333:4444:5555:6666:7777:8888").packed, 128)
    drop = Drop(((longest, 1_000 * LONGEST_SECONDS),) * MOST_IN_LINE)
    assert len(write_command(drop)) <= MOST_LINE
    assert read_command(write_command(drop)) == drop


def test_what_may_be_dropped_is_as_wide_as_what_one_command_may_ban() -> None:
    assert WIDEST_BITS == WIDEST_COMMAND


def _line(content: Any) -> bytes:
    return json.dumps(content).encode()


def _drop(*networks: Any) -> bytes:
    return _line({"do": "drop", "networks": networks})


HOSTILE = {
    "nothing": b"",
    "no JSON": b"flush ruleset",
    "no text": bytes(range(256)),
    "a list": b"[]",
    "a number": b"7",
    "without end": b'{"do":' * 5_000,
    "nested deep": b"[" * 30_000,
    "a long number": b'{"do":' + b"9" * 5_000 + b"}",
    "an unknown command": _line({"do": "flush"}),
    "a command that is a list": _line({"do": ["begin"]}),
    "no command": _line({"networks": []}),
    "no list": _line({"do": "drop", "networks": {}}),
    "too many networks": _line({"do": "spare", "networks": ["192.0.2.0/24"] * (MOST_IN_LINE + 1)}),
    "a network without a time": _drop("192.0.2.0/24"),
    "a time that is none": _drop(["192.0.2.0/24", "60s"]),
    "a time that is true": _drop(["192.0.2.0/24", True]),
    "a time of parts": _drop(["192.0.2.0/24", 1.5]),
    "no time": _drop(["192.0.2.0/24", 0]),
    "a time before now": _drop(["192.0.2.0/24", -1]),
    "a time without end": _drop(["192.0.2.0/24", 1_000 * LONGEST_SECONDS + 1]),
    "more than a network and a time": _drop(["192.0.2.0/24", 1, 1]),
    "a scope with a statement in it": _drop(["fe80::1%}; flush ruleset; #", 1]),
    "a statement": _drop(["192.0.2.1 }; flush ruleset", 1]),
    "a name": _drop(["example.net", 1]),
    "a number for an address": _drop([3_221_225_985, 1]),
    "bits behind the length": _drop(["192.0.2.1/24", 1]),
    "all of IPv4": _drop(["0.0.0.0/0", 1]),
    "half of IPv6": _drop(["8000::/1", 1]),
    "too wide to be released": _line({"do": "change", "drop": [], "release": ["0.0.0.0/4"]}),
    "a change without a list": _line({"do": "change", "drop": []}),
    "too long": _line({"do": "end", "more": "x" * MOST_LINE}),
}


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE)
def test_the_helper_does_not_take(line: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        read_command(line)
    assert str(refused.value).split()[0] in ("is", "has", "holds", "asks")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        _line({"held": 1, "refused": 1}),
        _line({"held": 1, "refused": -1, "packets": 0}),
        _line({"held": True, "refused": 0, "packets": 0}),
        _line({"failed": 7}),
        _line({"failed": "x" * 201}),
        _line({"failed": "two\nlines"}),
    ],
    ids=["nothing", "a list", "a number less", "below zero", "no number", "no words", "too many", "lines for a log"],
)
def test_the_service_does_not_take_for_a_reply(line: bytes) -> None:
    with pytest.raises(Malformed):
        read_reply(line)


@pytest.mark.parametrize(
    "greeting",
    [
        {},
        {"dohproxy-nft": "1", "ports": [443], "most": 1},
        {"dohproxy-nft": 1, "ports": [0], "most": 1},
        {"dohproxy-nft": 1, "ports": 443, "most": 1},
        {"dohproxy-nft": 1, "ports": [443], "most": 0},
    ],
    ids=["nothing", "a version in words", "no port", "no list of ports", "room for nobody"],
)
def test_the_service_does_not_take_for_a_greeting(greeting: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read_hello(_line(greeting))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_command_or_malformed(line: bytes) -> None:
    try:
        command = read_command(line)
    except Malformed:
        return
    assert read_command(write_command(command)) == command


@given(st.text(max_size=70))
def test_any_text_is_a_network_or_malformed(text: str) -> None:
    try:
        network = read_network(text)
    except Malformed:
        return
    shown = show_network(network)
    assert set(shown) <= set("0123456789abcdef.:/")
    assert read_network(shown) == network
