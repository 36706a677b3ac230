from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dohproxy.policy.forwarded import (
    MAXIMUM_ELEMENT_CHARACTERS,
    MAXIMUM_HOPS,
    MEMO_LINE_CHARACTERS,
    ClientAddresses,
    Found,
    Source,
    Status,
    TrustedNetworks,
    client_address,
)

TRUSTED = TrustedNetworks(["10.0.0.0/8", "2001:db8:aaaa::/48", "unix"])
PROXY = "10.0.0.1"
STRANGER = "203.0.113.9"
CLIENT = "198.51.100.7"
CLIENT6 = "2001:db8::7"

HEADERS = (Source.X_FORWARDED_FOR, Source.FORWARDED)


def packed(text: str) -> bytes:
    return ip_address(text).packed if text else b""


def found(text: str, status: Status) -> Found:
    return Found(packed(text), status)


def ask(lines: Sequence[str], source: Source, peer: str = PROXY) -> Found:
    return client_address(packed(peer), lines, source, TRUSTED)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([CLIENT], found(CLIENT, Status.HEADER)),
        ([f"{CLIENT}:4711"], found(CLIENT, Status.HEADER)),
        ([f" \t{CLIENT} "], found(CLIENT, Status.HEADER)),
        ([f'"{CLIENT}:4711"'], found(CLIENT, Status.HEADER)),
        ([CLIENT6], found(CLIENT6, Status.HEADER)),
        ([CLIENT6.upper()], found(CLIENT6, Status.HEADER)),
        ([f"[{CLIENT6}]"], found(CLIENT6, Status.HEADER)),
        ([f"[{CLIENT6}]:443"], found(CLIENT6, Status.HEADER)),
        ([f"::ffff:{CLIENT}"], found(CLIENT, Status.HEADER)),
        ([f"6.6.6.6, {CLIENT}"], found(CLIENT, Status.HEADER)),
        ([f"{CLIENT}, 10.9.9.9, 2001:db8:aaaa::1"], found(CLIENT, Status.HEADER)),
        ([f"{CLIENT}, ::ffff:10.9.9.9"], found(CLIENT, Status.HEADER)),
        ([f"6.6.6.6, {CLIENT}", "10.9.9.9"], found(CLIENT, Status.HEADER)),
        (["6.6.6.6", CLIENT, ""], found(CLIENT, Status.HEADER)),
        ([f"6.6.6.6, , {CLIENT},, 10.9.9.9 ,"], found(CLIENT, Status.HEADER)),
        (["10.1.1.1, 10.2.2.2"], found("10.1.1.1", Status.HEADER)),
        ([f"{CLIENT}, unknown, 10.2.2.2"], found("10.2.2.2", Status.HIDDEN)),
        ([f"{CLIENT}, unknown"], found(PROXY, Status.HIDDEN)),
        ([], found(PROXY, Status.MISSING)),
        (["", " , "], found(PROXY, Status.MISSING)),
        ([f"{CLIENT}, nonsense, 10.2.2.2"], found("10.2.2.2", Status.MALFORMED)),
        (["198.51.100.07"], found(PROXY, Status.MALFORMED)),
        (["198.51.100.7.1"], found(PROXY, Status.MALFORMED)),
        (["198.51.100.7:"], found(PROXY, Status.MALFORMED)),
        (["198.51.100.7:123456"], found(PROXY, Status.MALFORMED)),
        (["fe80::1%eth0"], found(PROXY, Status.MALFORMED)),
        (["[2001:db8::7"], found(PROXY, Status.MALFORMED)),
        (["2001:db8::7::1"], found(PROXY, Status.MALFORMED)),
        (["[198.51.100.7]"], found(PROXY, Status.MALFORMED)),
        (["\u0661.1.1.1"], found(PROXY, Status.MALFORMED)),
        (['"'], found(PROXY, Status.MALFORMED)),
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
def test_x_forwarded_for_from_a_trusted_peer(lines: list[str], expected: Found) -> None:
    assert ask(lines, Source.X_FORWARDED_FOR) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([f"for={CLIENT}"], found(CLIENT, Status.HEADER)),
        ([f'For="{CLIENT}:4711"'], found(CLIENT, Status.HEADER)),
        ([f'for="[{CLIENT6}]:4711"'], found(CLIENT6, Status.HEADER)),
        ([f"for=[{CLIENT6}]:4711"], found(CLIENT6, Status.HEADER)),
        ([f'for="{CLIENT}:_hidden"'], found(CLIENT, Status.HEADER)),
        ([f"proto=https;for={CLIENT};by=10.0.0.1"], found(CLIENT, Status.HEADER)),
        ([f"proto=https ; for={CLIENT} ;; "], found(CLIENT, Status.HEADER)),
        ([f'for={CLIENT};host="a,b;for=6.6.6.6"'], found(CLIENT, Status.HEADER)),
        ([f'for={CLIENT};host="a\\",for=6.6.6.6,\\\\"'], found(CLIENT, Status.HEADER)),
        (['for="198.51.100\\.7"'], found(CLIENT, Status.HEADER)),
        ([f"for=6.6.6.6, for={CLIENT}, for=10.9.9.9"], found(CLIENT, Status.HEADER)),
        ([f"for=6.6.6.6, for={CLIENT}", "for=10.9.9.9"], found(CLIENT, Status.HEADER)),
        ([f'for="6.6.6.6, for={CLIENT};proto="https", for=10.9.9.9'], found(CLIENT, Status.HEADER)),
        (["for=10.1.1.1, for=10.2.2.2"], found("10.1.1.1", Status.HEADER)),
        ([f"for={CLIENT}, for=unknown, for=10.2.2.2"], found("10.2.2.2", Status.HIDDEN)),
        ([f"for={CLIENT}, for=_gazonk"], found(PROXY, Status.HIDDEN)),
        ([f"for={CLIENT}, proto=https"], found(PROXY, Status.HIDDEN)),
        ([], found(PROXY, Status.MISSING)),
        ([",,"], found(PROXY, Status.MISSING)),
        ([f"for={CLIENT}, {CLIENT}"], found(PROXY, Status.MALFORMED)),
        ([f"for={CLIENT};for=6.6.6.6"], found(PROXY, Status.MALFORMED)),
        (['for="198.51.100.7'], found(PROXY, Status.MALFORMED)),
        (["for="], found(PROXY, Status.MALFORMED)),
        (["for=198.51.100.7 by=x"], found(PROXY, Status.MALFORMED)),
        (["for=nonsense"], found(PROXY, Status.MALFORMED)),
        (["\n"], found(PROXY, Status.MALFORMED)),
        ([f'for={CLIENT};host="{"a" * MAXIMUM_ELEMENT_CHARACTERS}"'], found(PROXY, Status.MALFORMED)),
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
def test_forwarded_from_a_trusted_peer(lines: list[str], expected: Found) -> None:
    assert ask(lines, Source.FORWARDED) == expected


@pytest.mark.parametrize("source", HEADERS)
def test_a_header_of_an_untrusted_peer_is_ignored_and_said_so(source: Source) -> None:
    lines = [CLIENT, f"for={CLIENT}"]
    assert ask(lines, source, STRANGER) == found(STRANGER, Status.IGNORED_UNTRUSTED)
    assert ask([], source, STRANGER) == found(STRANGER, Status.CONNECTION)


@pytest.mark.parametrize("source", [Source.CONNECTION, Source.PROXY_PROTOCOL])
@pytest.mark.parametrize("peer", [PROXY, STRANGER, f"::ffff:{STRANGER}"])
def test_without_a_configured_header_the_connection_decides(source: Source, peer: str) -> None:
    result = ask([CLIENT], source, peer)
    assert result == found(peer.removeprefix("::ffff:"), Status.CONNECTION)


def test_a_dual_stack_sockets_name_for_a_trusted_peer_is_trusted() -> None:
    assert ask([CLIENT], Source.X_FORWARDED_FOR, f"::ffff:{PROXY}") == found(CLIENT, Status.HEADER)


@pytest.mark.parametrize(
    ("trusted", "lines", "expected"),
    [
        (["unix"], [CLIENT], found(CLIENT, Status.HEADER)),
        (["unix"], [], found("", Status.MISSING)),
        (["unix"], ["nonsense"], found("", Status.MALFORMED)),
        (["0.0.0.0/0", "::/0"], [CLIENT], found("", Status.IGNORED_UNTRUSTED)),
    ],
    ids=["trusted", "trusted, no header", "trusted, nonsense", "not trusted"],
)
def test_a_peer_on_a_unix_socket_has_no_address_of_its_own(
    trusted: list[str], lines: list[str], expected: Found
) -> None:
    assert client_address(None, lines, Source.X_FORWARDED_FOR, TrustedNetworks(trusted)) == expected


@pytest.mark.parametrize(("source", "form"), [(Source.X_FORWARDED_FOR, "{}"), (Source.FORWARDED, "for={}")], ids=str)
def test_no_more_than_32_hops_are_looked_at(source: Source, form: str) -> None:
    hops = [form.format(f"10.0.1.{hop}") for hop in range(1, MAXIMUM_HOPS + 1)]
    assert ask([", ".join(hops)], source) == found("10.0.1.1", Status.HEADER)
    assert ask([", ".join([form.format(CLIENT), *hops])], source) == found("10.0.1.1", Status.MALFORMED)
    assert ask(["," * 8000], source) == found(PROXY, Status.MALFORMED)


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
    addresses = ClientAddresses(Source.X_FORWARDED_FOR, TRUSTED)
    first = addresses.find(packed(peer), lines)
    assert first == ask(lines, Source.X_FORWARDED_FOR, peer)
    assert addresses.find(packed(peer), lines) is first


def test_a_remembered_result_is_not_given_to_another_peer() -> None:
    addresses = ClientAddresses(Source.X_FORWARDED_FOR, TRUSTED)
    assert addresses.find(packed(PROXY), (CLIENT,)) == found(CLIENT, Status.HEADER)
    assert addresses.find(packed(STRANGER), (CLIENT,)) == found(STRANGER, Status.IGNORED_UNTRUSTED)
    assert addresses.find(None, (CLIENT,)) == found(CLIENT, Status.HEADER)


def test_the_result_of_a_long_header_is_not_kept() -> None:
    addresses = ClientAddresses(Source.X_FORWARDED_FOR, TRUSTED)
    lines = (f"6.6.6.6{' ' * MEMO_LINE_CHARACTERS}, {CLIENT}",)
    first = addresses.find(packed(PROXY), lines)
    assert first == found(CLIENT, Status.HEADER)
    assert addresses.find(packed(PROXY), lines) is not first


def written_by_proxies(source: Source) -> st.SearchStrategy[str]:
    """What honest proxies append for CLIENT: its address, then up to three trusted hops."""
    if source is Source.X_FORWARDED_FOR:
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
    source: Source, data: st.DataObject, earlier_lines: list[str], start: str, *, split: bool
) -> None:
    appended = data.draw(written_by_proxies(source))
    last_lines = [start, appended] if split else [f"{start}, {appended}"]
    assert ask([*earlier_lines, *last_lines], source) == found(CLIENT, Status.HEADER)


@pytest.mark.parametrize("source", HEADERS)
@settings(deadline=None)
@given(lines=st.lists(st.one_of(st.text(), NOISE), max_size=4))
def test_any_text_gives_an_address_and_never_an_exception(source: Source, lines: list[str]) -> None:
    result = ask(lines, source)
    assert len(result.address) in (4, 16)
    assert result.status in {Status.HEADER, Status.HIDDEN, Status.MISSING, Status.MALFORMED}
