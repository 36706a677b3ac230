"""What nft is told; that it understands it, and the kernel does it, is tried in tests/e2e/test_kernel_drop.py."""

import re

from hypothesis import given
from hypothesis import strategies as st

from dohproxy.nft.protocol import Network, read_network
from dohproxy.nft.ruleset import (
    MOST_IN_STATEMENT,
    USUAL_SHAPES,
    change,
    creation,
    removal,
    replacement,
    rules,
)
from dohproxy.policy.identity import LIMITED_WIDTHS, PREFIX_BYTES
from tests.nft.test_protocol import networks

HOST, WHOLE, SIX = map(read_network, ("192.0.2.7/32", "192.0.2.0/24", "2001:db8:1:2::/64"))


def lines(script: str, verb: str) -> list[str]:
    return [line for line in script.splitlines() if line.startswith(verb)]


def test_the_usual_lengths_are_those_of_bans_by_rule() -> None:
    assert {(size, 8 * width) for size in (4, 16) for width in PREFIX_BYTES[size][:LIMITED_WIDTHS]} == USUAL_SHAPES


def test_a_table_is_made_anew_at_the_start_whatever_was_there() -> None:
    script = creation([443], ())
    assert script.startswith(removal() + "add table inet dohproxy\n")
    assert "element" not in script


def test_only_what_opens_a_connection_at_our_ports_from_elsewhere_is_looked_at() -> None:
    script = creation([8443, 443, 443], ())
    assert lines(script, "add chain inet dohproxy prerouting") == [
        "add chain inet dohproxy prerouting { type filter hook prerouting priority raw; policy accept; }"
    ]
    assert lines(script, "add rule inet dohproxy prerouting") == [
        "add rule inet dohproxy prerouting tcp dport { 443, 8443 } tcp flags & (fin | syn | rst | ack) == syn"
        ' iif != "lo" jump judge'
    ]


def test_what_is_spared_is_looked_up_before_what_is_banned_and_the_narrowest_ban_first() -> None:
    judged = [line.partition(" judge ")[2] for line in rules([(4, 24), (4, 32), (16, 48)]) if " judge " in line]
    assert judged == [
        "ip saddr @spared4 return\n",
        "ip6 saddr @spared6 return\n",
        "ip saddr @banned4_32 fib daddr type local counter name dropped4 drop\n",
        "ip saddr & 255.255.255.0 @banned4_24 fib daddr type local counter name dropped4 drop\n",
        "ip6 saddr & ffff:ffff:ffff:: @banned6_48 fib daddr type local counter name dropped6 drop\n",
    ]


def test_a_snapshot_replaces_all_there_is_in_one_transaction() -> None:
    script = replacement([443], [WHOLE], [(HOST, 60_000), (SIX, 1)], USUAL_SHAPES)
    assert lines(script, "delete") == []
    assert lines(script, "add element") == [
        "add element inet dohproxy spared4 { 192.0.2.0/24 }",
        "add element inet dohproxy banned4_32 { 192.0.2.7 timeout 60000ms }",
        "add element inet dohproxy banned6_64 { 2001:db8:1:2:: timeout 1ms }",
    ]
    flushed = {line.split()[-1] for line in lines(script, "flush set")}
    assert flushed == {line.split()[4] for line in lines(script, "add set")}
    assert script.index("flush set inet dohproxy banned4_32") < script.index("add element inet dohproxy banned4_32")


def test_spared_networks_that_overlap_are_one() -> None:
    spared = map(read_network, ("192.0.2.0/25", "192.0.2.128/25", "192.0.2.7/32", "2001:db8::/32", "2001:db8:1::/48"))
    script = replacement([443], spared, (), USUAL_SHAPES)
    assert lines(script, "add element") == [
        "add element inet dohproxy spared4 { 192.0.2.0/24 }",
        "add element inet dohproxy spared6 { 2001:db8::/32 }",
    ]


def test_a_change_says_the_same_whether_an_element_is_there_or_not() -> None:
    script = change([(HOST, 5_000), (HOST, 60_000)], [WHOLE, WHOLE])
    assert script.splitlines() == [
        "add element inet dohproxy banned4_32 { 192.0.2.7 timeout 1000ms }",
        "add element inet dohproxy banned4_24 { 192.0.2.0 timeout 1000ms }",
        "delete element inet dohproxy banned4_32 { 192.0.2.7 }",
        "delete element inet dohproxy banned4_24 { 192.0.2.0 }",
        "add element inet dohproxy banned4_32 { 192.0.2.7 timeout 60000ms }",
    ]


def test_no_line_is_longer_than_so_many_elements() -> None:
    many = [(Network(number.to_bytes(4), 32), 1_000) for number in range(1 << 30, (1 << 30) + 2_500)]
    found = lines(replacement([443], (), many, USUAL_SHAPES), "add element")
    assert [line.count("timeout") for line in found] == [MOST_IN_STATEMENT, MOST_IN_STATEMENT, 500]


STATEMENT = re.compile(r"[a-z0-9_ (){},|&;:.!=@/\"-]+")


@given(st.lists(st.tuples(networks(), st.integers(1, 3_600_000))), st.lists(networks(widest=True)))
def test_nothing_but_statements_about_our_table_is_ever_said(
    dropped: list[tuple[Network, int]], spared: list[Network]
) -> None:
    shapes = USUAL_SHAPES | {(len(network.packed), network.bits) for network, _ in dropped}
    script = replacement([443], spared, dropped, shapes) + change(dropped, [network for network, _ in dropped])
    for line in script.splitlines():
        assert STATEMENT.fullmatch(line), line
        assert " inet dohproxy" in line
        assert line.split()[1] in ("table", "counter", "chain", "rule", "set", "element")
