from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dohproxy.policy.forwarded import (
    MAXIMUM_ELEMENT_CHARACTERS,
    MAXIMUM_HOPS,
    MEMO_LINE_CHARACTERS,
    AddressSource,
    AddressStatus,
    ClientAddresses,
    ForwardedAddress,
    TrustedNetworks,
    client_address,
)

TRUSTED = TrustedNetworks(["10.0.0.0/8", "2001:db8:aaaa::/48", "unix"])
PROXY = "10.0.0.1"
STRANGER = "203.0.113.9"
CLIENT = "198.51.100.7"
CLIENT6 = "2001:db8::7"

HEADERS = (AddressSource.X_FORWARDED_FOR, AddressSource.FORWARDED)


def packed(text: str) -> bytes:
    return ip_address(text).packed if text else b""


def found(text: str, status: AddressStatus) -> ForwardedAddress:
    return ForwardedAddress(packed(text), status)


def ask(lines: Sequence[str], source: AddressSource, peer: str = PROXY) -> ForwardedAddress:
    return client_address(packed(peer), lines, source, TRUSTED)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([CLIENT], found(CLIENT, AddressStatus.HEADER)),
        ([f"{CLIENT}:4711"], found(CLIENT, AddressStatus.HEADER)),
        ([f" \t{CLIENT} "], found(CLIENT, AddressStatus.HEADER)),
        ([f'"{CLIENT}:4711"'], found(CLIENT, AddressStatus.HEADER)),
        ([CLIENT6], found(CLIENT6, AddressStatus.HEADER)),
        ([CLIENT6.upper()], found(CLIENT6, AddressStatus.HEADER)),
        ([f"[{CLIENT6}]"], found(CLIENT6, AddressStatus.HEADER)),
        ([f"[{CLIENT6}]:443"], found(CLIENT6, AddressStatus.HEADER)),
        ([f"::ffff:{CLIENT}"], found(CLIENT, AddressStatus.HEADER)),
        ([f"6.6.6.6, {CLIENT}"], found(CLIENT, AddressStatus.HEADER)),
        ([f"{CLIENT}, 10.9.9.9, 2001:db8:aaaa::1"], found(CLIENT, AddressStatus.HEADER)),
        ([f"{CLIENT}, ::ffff:10.9.9.9"], found(CLIENT, AddressStatus.HEADER)),
        ([f"6.6.6.6, {CLIENT}", "10.9.9.9"], found(CLIENT, AddressStatus.HEADER)),
        (["6.6.6.6", CLIENT, ""], found(CLIENT, AddressStatus.HEADER)),
        ([f"6.6.6.6, , {CLIENT},, 10.9.9.9 ,"], found(CLIENT, AddressStatus.HEADER)),
        (["10.1.1.1, 10.2.2.2"], found("10.1.1.1", AddressStatus.HEADER)),
        ([f"{CLIENT}, unknown, 10.2.2.2"], found("10.2.2.2", AddressStatus.HIDDEN)),
        ([f"{CLIENT}, unknown"], found(PROXY, AddressStatus.HIDDEN)),
        ([], found(PROXY, AddressStatus.MISSING)),
        (["", " , "], found(PROXY, AddressStatus.MISSING)),
        ([f"{CLIENT}, nonsense, 10.2.2.2"], found("10.2.2.2", AddressStatus.MALFORMED)),
        (["198.51.100.07"], found(PROXY, AddressStatus.MALFORMED)),
        (["198.51.100.7.1"], found(PROXY, AddressStatus.MALFORMED)),
        (["198.51.100.7:"], found(PROXY, AddressStatus.MALFORMED)),
        (["198.51.100.7:123456"], found(PROXY, AddressStatus.MALFORMED)),
        (["fe80::1%eth0"], found(PROXY, AddressStatus.MALFORMED)),
        (["[2001:db8::7"], found(PROXY, AddressStatus.MALFORMED)),
        (["2001:db8::7::1"], found(PROXY, AddressStatus.MALFORMED)),
        (["[198.51.100.7]"], found(PROXY, AddressStatus.MALFORMED)),
        (["\u0661.1.1.1"], found(PROXY, AddressStatus.MALFORMED)),
        (['"'], found(PROXY, AddressStatus.MALFORMED)),
    ],
    ids=[
        "one address",
        "with a port",
        "with blanks",
        "in quotes",
        "bare IPv6",
        "IPv6 in capitals",
        "IPv6 in brackets",
        "IPv6 with a port",
        "IPv4-mapped",
        "what a client wrote before it is ignored",
        "trusted hops are walked over",
        "an IPv4-mapped trusted hop",
        "lines are one list",
        "an empty last line",
        "empty elements",
        "all trusted: the left-most",
        "a hop that hides its client",
        "a peer that hides its client",
        "no header",
        "an empty header",
        "nonsense behind a trusted hop",
        "leading zero",
        "five parts",
        "empty port",
        "port too long",
        "zone",
        "bracket left open",
        "two ellipses",
        "IPv4 in brackets",
        "digits of another script",
        "one quote",
    ],
)
def test_x_forwarded_for_from_a_trusted_peer(lines: list[str], expected: ForwardedAddress) -> None:
    assert ask(lines, AddressSource.X_FORWARDED_FOR) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([f"for={CLIENT}"], found(CLIENT, AddressStatus.HEADER)),
        ([f'For="{CLIENT}:4711"'], found(CLIENT, AddressStatus.HEADER)),
        ([f'for="[{CLIENT6}]:4711"'], found(CLIENT6, AddressStatus.HEADER)),
        ([f"for=[{CLIENT6}]:4711"], found(CLIENT6, AddressStatus.HEADER)),
        ([f'for="{CLIENT}:_hidden"'], found(CLIENT, AddressStatus.HEADER)),
        ([f"proto=https;for={CLIENT};by=10.0.0.1"], found(CLIENT, AddressStatus.HEADER)),
        ([f"proto=https ; for={CLIENT} ;; "], found(CLIENT, AddressStatus.HEADER)),
        ([f'for={CLIENT};host="a,b;for=6.6.6.6"'], found(CLIENT, AddressStatus.HEADER)),
        ([f'for={CLIENT};host="a\\",for=6.6.6.6,\\\\"'], found(CLIENT, AddressStatus.HEADER)),
        (['for="198.51.100\\.7"'], found(CLIENT, AddressStatus.HEADER)),
        ([f"for=6.6.6.6, for={CLIENT}, for=10.9.9.9"], found(CLIENT, AddressStatus.HEADER)),
        ([f"for=6.6.6.6, for={CLIENT}", "for=10.9.9.9"], found(CLIENT, AddressStatus.HEADER)),
        ([f'for="6.6.6.6, for={CLIENT};proto="https", for=10.9.9.9'], found(CLIENT, AddressStatus.HEADER)),
        (["for=10.1.1.1, for=10.2.2.2"], found("10.1.1.1", AddressStatus.HEADER)),
        ([f"for={CLIENT}, for=unknown, for=10.2.2.2"], found("10.2.2.2", AddressStatus.HIDDEN)),
        ([f"for={CLIENT}, for=_gazonk"], found(PROXY, AddressStatus.HIDDEN)),
        ([f"for={CLIENT}, proto=https"], found(PROXY, AddressStatus.HIDDEN)),
        ([], found(PROXY, AddressStatus.MISSING)),
        ([",,"], found(PROXY, AddressStatus.MISSING)),
        ([f"for={CLIENT}, {CLIENT}"], found(PROXY, AddressStatus.MALFORMED)),
        ([f"for={CLIENT};for=6.6.6.6"], found(PROXY, AddressStatus.MALFORMED)),
        (['for="198.51.100.7'], found(PROXY, AddressStatus.MALFORMED)),
        (["for="], found(PROXY, AddressStatus.MALFORMED)),
        (["for=198.51.100.7 by=x"], found(PROXY, AddressStatus.MALFORMED)),
        (["for=nonsense"], found(PROXY, AddressStatus.MALFORMED)),
        (["\n"], found(PROXY, AddressStatus.MALFORMED)),
        ([f'for={CLIENT};host="{"a" * MAXIMUM_ELEMENT_CHARACTERS}"'], found(PROXY, AddressStatus.MALFORMED)),
    ],
    ids=[
        "one address",
        "a capital and a port",
        "IPv6 as the RFC wants it",
        "IPv6 without its quotes",
        "a port that hides",
        "among other parameters",
        "empty parameters and blanks",
        "a comma and a for inside quotes",
        "escaped quotes and backslashes inside quotes",
        "an escaped character",
        "trusted hops are walked over",
        "lines are one list",
        "a quote left open by the client",
        "all trusted: the left-most",
        "a hop that does not know",
        "an obfuscated name",
        "an element without for",
        "no header",
        "only commas",
        "not a pair",
        "two addresses in one element",
        "quote not closed",
        "empty value",
        "no semicolon",
        "not a node",
        "a line feed",
        "an element too long",
    ],
)
def test_forwarded_from_a_trusted_peer(lines: list[str], expected: ForwardedAddress) -> None:
    assert ask(lines, AddressSource.FORWARDED) == expected


@pytest.mark.parametrize("source", HEADERS)
def test_a_header_of_an_untrusted_peer_is_ignored_and_said_so(source: AddressSource) -> None:
    lines = [CLIENT, f"for={CLIENT}"]
    assert ask(lines, source, STRANGER) == found(STRANGER, AddressStatus.IGNORED_UNTRUSTED)
    assert ask([], source, STRANGER) == found(STRANGER, AddressStatus.CONNECTION)


@pytest.mark.parametrize("source", [AddressSource.CONNECTION, AddressSource.PROXY_PROTOCOL])
@pytest.mark.parametrize("peer", [PROXY, STRANGER, f"::ffff:{STRANGER}"])
def test_without_a_configured_header_the_connection_decides(source: AddressSource, peer: str) -> None:
    result = ask([CLIENT], source, peer)
    assert result == found(peer.removeprefix("::ffff:"), AddressStatus.CONNECTION)


def test_a_dual_stack_sockets_name_for_a_trusted_peer_is_trusted() -> None:
    assert ask([CLIENT], AddressSource.X_FORWARDED_FOR, f"::ffff:{PROXY}") == found(CLIENT, AddressStatus.HEADER)


@pytest.mark.parametrize(
    ("trusted", "lines", "expected"),
    [
        (["unix"], [CLIENT], found(CLIENT, AddressStatus.HEADER)),
        (["unix"], [], found("", AddressStatus.MISSING)),
        (["unix"], ["nonsense"], found("", AddressStatus.MALFORMED)),
        (["0.0.0.0/0", "::/0"], [CLIENT], found("", AddressStatus.IGNORED_UNTRUSTED)),
    ],
    ids=["trusted", "trusted, no header", "trusted, nonsense", "not trusted"],
)
def test_a_peer_on_a_unix_socket_has_no_address_of_its_own(
    trusted: list[str], lines: list[str], expected: ForwardedAddress
) -> None:
    assert client_address(None, lines, AddressSource.X_FORWARDED_FOR, TrustedNetworks(trusted)) == expected


@pytest.mark.parametrize(
    ("source", "form"), [(AddressSource.X_FORWARDED_FOR, "{}"), (AddressSource.FORWARDED, "for={}")], ids=str
)
def test_no_more_than_32_hops_are_looked_at(source: AddressSource, form: str) -> None:
    hops = [form.format(f"10.0.1.{hop}") for hop in range(1, MAXIMUM_HOPS + 1)]
    assert ask([", ".join(hops)], source) == found("10.0.1.1", AddressStatus.HEADER)
    assert ask([", ".join([form.format(CLIENT), *hops])], source) == found("10.0.1.1", AddressStatus.MALFORMED)
    assert ask(["," * 8000], source) == found(PROXY, AddressStatus.MALFORMED)


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "localhost", "", "10.0.0.0/33", "UNIX"], ids=repr)
def test_an_entry_that_is_no_network_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear to be|has host bits"):
        TrustedNetworks([entry])


def test_a_single_address_may_be_trusted_and_nobody_is_by_default() -> None:
    assert TrustedNetworks(["10.0.0.1"]).includes(packed("10.0.0.1"))
    assert not TrustedNetworks(["10.0.0.1"]).includes(packed("10.0.0.2"))
    assert not TrustedNetworks([]).includes(packed("10.0.0.1"))
    assert not TrustedNetworks([]).includes(None)


@pytest.mark.parametrize("peer", [PROXY, STRANGER])
@pytest.mark.parametrize("lines", [(), (CLIENT,), ("6.6.6.6", CLIENT), ("nonsense",)], ids=str)
def test_a_remembered_result_is_the_one_found_first(peer: str, lines: tuple[str, ...]) -> None:
    addresses = ClientAddresses(AddressSource.X_FORWARDED_FOR, TRUSTED)
    first = addresses.find(packed(peer), lines)
    assert first == ask(lines, AddressSource.X_FORWARDED_FOR, peer)
    assert addresses.find(packed(peer), lines) is first


def test_a_remembered_result_is_not_given_to_another_peer() -> None:
    addresses = ClientAddresses(AddressSource.X_FORWARDED_FOR, TRUSTED)
    assert addresses.find(packed(PROXY), (CLIENT,)) == found(CLIENT, AddressStatus.HEADER)
    assert addresses.find(packed(STRANGER), (CLIENT,)) == found(STRANGER, AddressStatus.IGNORED_UNTRUSTED)
    assert addresses.find(None, (CLIENT,)) == found(CLIENT, AddressStatus.HEADER)


def test_the_result_of_a_long_header_is_not_kept() -> None:
    addresses = ClientAddresses(AddressSource.X_FORWARDED_FOR, TRUSTED)
    lines = (f"6.6.6.6{' ' * MEMO_LINE_CHARACTERS}, {CLIENT}",)
    first = addresses.find(packed(PROXY), lines)
    assert first == found(CLIENT, AddressStatus.HEADER)
    assert addresses.find(packed(PROXY), lines) is not first


def written_by_proxies(source: AddressSource) -> st.SearchStrategy[str]:
    """What honest proxies append for CLIENT: its address, then up to three trusted hops."""
    if source is AddressSource.X_FORWARDED_FOR:
        forms = ["{}", "{}:443", '"{}"']
    else:
        forms = [
            "for={}",
            'for="{}:443"',
            'by=_x;for="{}"',
            'for={};host="a, \\"b\\\\"',
            'host=",";for={};by="\\""',
        ]
    hops = st.lists(st.tuples(st.sampled_from(["10.1.1.1", "10.2.2.2"]), st.sampled_from(forms)), max_size=3)
    first = st.sampled_from(forms).map(lambda form: form.format(CLIENT))
    return st.tuples(first, hops).map(
        lambda chain: ", ".join([chain[0], *(form.format(address) for address, form in chain[1])])
    )


PIECES = [*'",;=\\ []:.', "for", "for=", "10.1.1.1", "6.6.6.6", "unknown", "\xe9"]
NOISE = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@pytest.mark.parametrize("source", HEADERS)
@settings(deadline=None)
@given(data=st.data(), earlier_lines=st.lists(NOISE, max_size=3), start=NOISE, split=st.booleans())
def test_nothing_a_client_prepends_changes_the_result(
    source: AddressSource, data: st.DataObject, earlier_lines: list[str], start: str, *, split: bool
) -> None:
    appended = data.draw(written_by_proxies(source))
    last_lines = [start, appended] if split else [f"{start}, {appended}"]
    assert ask([*earlier_lines, *last_lines], source) == found(CLIENT, AddressStatus.HEADER)


@pytest.mark.parametrize("source", HEADERS)
@settings(deadline=None)
@given(lines=st.lists(st.one_of(st.text(), NOISE), max_size=4))
def test_any_text_gives_an_address_and_never_an_exception(source: AddressSource, lines: list[str]) -> None:
    result = ask(lines, source)
    assert len(result.address) in (4, 16)
    assert result.status in {AddressStatus.HEADER, AddressStatus.HIDDEN, AddressStatus.MISSING, AddressStatus.MALFORMED}
