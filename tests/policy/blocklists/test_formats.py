"""The formats of blocklists: lines as they stand in lists that people use, and what each means."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.policy.blocklists.formats import Format, guess, reader_of
from dohproxy.policy.blocklists.lines import EXCEPTED, NETWORK, BadLine, LeftOut
from dohproxy.policy.blocklists.name_set import BELOW, BOTH, EXACT
from dohproxy.wire.name import from_text
from tests.fakes.steps import result_of

NAME = from_text("ads.example.net")
OTHER = from_text("track.example.org")
NAMES_FILE = b"""# Title: somebody's list
# Entries: 4

ads.example.net
Track.Example.ORG   # it tracks
*.cdn.example.net
.both.example.net
example.net.
b\xc3\xbccher.example
"""
HOSTS_FILE = b"""# This hosts file is a merged collection of hosts
127.0.0.1 localhost
127.0.0.1 localhost.localdomain
255.255.255.255 broadcasthost
::1 ip6-localhost ip6-loopback
fe80::1%lo0 localhost
ff02::1 ip6-allnodes
0.0.0.0 0.0.0.0

0.0.0.0 ads.example.net
0.0.0.0 track.example.org # it tracks
127.0.0.1\tone.example\ttwo.example
:: six.example
"""
DNSMASQ_FILE = b"""# dnsmasq
address=/ads.example.net/0.0.0.0
address=/track.example.org/#
address=/one.example/two.example/
local=/three.example/
server=/four.example/
"""
ADBLOCK_FILE = b"""[Adblock Plus]
! Title: a filter for DNS
||ads.example.net^
||track.example.org^$important
||*.below.example^
||other.example^|
@@||good.example^
@@||better.example^$important
# a comment
plain.example
0.0.0.0 hosts.example
"""
RPZ_FILE = b"""$TTL 300
@ SOA localhost. root.localhost. (
      2027010100 ; serial
      3600 900 604800 300 )
  NS localhost.
; a comment
ads.example.net CNAME .
*.ads.example.net IN CNAME .
track.example.org 300 IN CNAME *.
dropped.example CNAME rpz-drop.
good.example CNAME rpz-passthru.
own.example CNAME own.example.
local.example A 192.0.2.1
              AAAA 2001:db8::1
"""
NETWORKS_FILE = b"""; a list that is to be dropped, 2027/01/01
192.0.2.0/24 ; SBL1
198.51.100.7
# IPv6
2001:db8::/32
"""


def read_all(written: Format, text: bytes) -> list[tuple[bytes, int]]:
    reader = reader_of(written, EXACT)
    return [meant for line in text.split(b"\n") for meant in reader.read(line)]


def both(*names: str) -> list[tuple[bytes, int]]:
    return [(from_text(name), BOTH) for name in names]


def exact(*names: str) -> list[tuple[bytes, int]]:
    return [(from_text(name), EXACT) for name in names]


FILES = [
    (
        Format.NAMES,
        NAMES_FILE,
        [
            (NAME, EXACT),
            (OTHER, EXACT),
            (from_text("cdn.example.net"), BELOW),
            (from_text("both.example.net"), BOTH),
            (from_text("example.net"), EXACT),
            (from_text("xn--bcher-kva.example"), EXACT),
        ],
    ),
    (
        Format.HOSTS,
        HOSTS_FILE,
        exact("ads.example.net", "track.example.org", "one.example", "two.example", "six.example"),
    ),
    (
        Format.DNSMASQ,
        DNSMASQ_FILE,
        both("ads.example.net", "track.example.org", "one.example", "two.example", "three.example", "four.example"),
    ),
    (
        Format.ADBLOCK,
        ADBLOCK_FILE,
        [
            (NAME, BOTH),
            (OTHER, BOTH),
            (from_text("below.example"), BELOW),
            (from_text("other.example"), BOTH),
            (from_text("good.example"), BOTH | EXCEPTED),
            (from_text("better.example"), BOTH | EXCEPTED),
            *exact("plain.example", "hosts.example"),
        ],
    ),
    (
        Format.RPZ,
        RPZ_FILE,
        [
            (NAME, EXACT),
            (NAME, BELOW),
            (OTHER, EXACT),
            (from_text("dropped.example"), EXACT),
            (from_text("good.example"), EXACT | EXCEPTED),
            (from_text("own.example"), EXACT | EXCEPTED),
            *exact("local.example", "local.example"),
        ],
    ),
    (
        Format.NETWORKS,
        NETWORKS_FILE,
        [
            (b"\x04\x18\xc0\x00\x02\x00", NETWORK),
            (b"\x04\x20\xc6\x33\x64\x07", NETWORK),
            (b"\x10\x20\x20\x01\x0d\xb8" + bytes(12), NETWORK),
        ],
    ),
]


@pytest.mark.parametrize(("written", "text", "meant"), FILES, ids=[str(file[0]) for file in FILES])
def test_a_file_means_what_its_format_says(written: Format, text: bytes, meant: list[tuple[bytes, int]]) -> None:
    assert read_all(written, text) == meant
    assert read_all(written, text.replace(b"\n", b"\r\n")) == meant


def guessed(lines: list[bytes]) -> Format:
    return result_of(guess(lines))[0]


@pytest.mark.parametrize(("written", "text", "meant"), FILES, ids=[str(file[0]) for file in FILES])
def test_a_format_is_guessed_by_the_lines_of_a_file(written: Format, text: bytes, meant: object) -> None:
    assert guessed(text.split(b"\n")) is written


def test_a_format_is_guessed_although_some_lines_are_bad() -> None:
    assert guessed([b"nonsense = 1", *DNSMASQ_FILE.split(b"\n")]) is Format.DNSMASQ


@pytest.mark.parametrize("written", [Format.NAMES, Format.HOSTS, Format.ADBLOCK], ids=str)
def test_a_name_alone_means_all_below_it_where_the_operator_says_so(written: Format) -> None:
    line = b"0.0.0.0 ads.example.net" if written is Format.HOSTS else b"ads.example.net"
    assert reader_of(written, BOTH).read(line) == [(NAME, BOTH)]


@pytest.mark.parametrize(
    ("written", "line", "why"),
    [
        (Format.NAMES, b"two words", "has no name"),
        (Format.NAMES, b"exa mple", "has no name"),
        (Format.NAMES, b"a..example", "has no name"),
        (Format.NAMES, b"ex\x00ample", "has no name"),
        (Format.NAMES, b"\xff\xfe.example", "has no name"),
        (Format.NAMES, b"x" * 64 + b".example", "has no name"),
        (Format.NAMES, b"192.0.2.1", "looks like an address"),
        (Format.NAMES, b".".join([b"x" * 50] * 6), "more than 253"),
        (Format.NAMES, b"*", "has no name"),
        (Format.NAMES, b"*.*.example", "has no name"),
        (Format.HOSTS, b"ads.example.net", "does not begin with an address"),
        (Format.HOSTS, b"0.0.0.0", "no name behind it"),
        (Format.HOSTS, b"192.0.2.1 nas.example", "gives a name an address"),
        (Format.DNSMASQ, b"ads.example.net", "is no address="),
        (Format.DNSMASQ, b"address=ads.example.net", "is no address="),
        (Format.DNSMASQ, b"address=/#/0.0.0.0", "has no name"),
        (Format.DNSMASQ, b"conf-dir=/etc/dnsmasq.d", "is no address="),
        (Format.ADBLOCK, b"foo bar", "is no rule"),
        (Format.ADBLOCK, b"||exa_mple..net^", "has no name"),
        (Format.RPZ, b"ads.example.net", "has no record"),
        (Format.RPZ, b"ads.example.net CNAME", "has no record"),
        (Format.RPZ, b"ads.example.net KEY x", "a record that no rule is made of"),
        (Format.RPZ, b"$INCLUDE other.zone", "is of no use here"),
        (Format.RPZ, b"$ORIGIN", "is of no use here"),
        (Format.NETWORKS, b"ads.example.net", "has no network"),
        (Format.NETWORKS, b"192.0.2.1/24", "has bits set after its prefix"),
        (Format.NETWORKS, b"0.0.0.0 ads.example.net", "has no network"),
        (Format.NETWORKS, b"0.0.0.0/0", "is every client there is"),
        (Format.NETWORKS, b"\xff", "has no network"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_line_that_cannot_be_used_says_why(written: Format, line: bytes, why: str) -> None:
    with pytest.raises(BadLine, match=why):
        reader_of(written, EXACT).read(line)


@pytest.mark.parametrize(
    ("written", "line"),
    [
        (Format.DNSMASQ, b"server=/intern.example/192.0.2.53"),
        (Format.ADBLOCK, b"||example.net/ads/*"),
        (Format.ADBLOCK, b"||ads.example.net^$third-party"),
        (Format.ADBLOCK, b"||ads.example.net"),
        (Format.ADBLOCK, b"example.net##.banner"),
        (Format.ADBLOCK, b"##.banner > div"),
        (Format.ADBLOCK, b"example.net#@#.banner > div"),
        (Format.ADBLOCK, b"/banner[0-9]+/"),
        (Format.ADBLOCK, b"@@||example.net^$document"),
        (Format.RPZ, b"32.1.2.0.192.rpz-ip CNAME ."),
        (Format.RPZ, b"ns.example.rpz-nsdname CNAME ."),
        (Format.RPZ, b"slow.example CNAME rpz-tcp-only."),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else str(value),
)
def test_what_no_list_of_names_can_follow_is_left_out(written: Format, line: bytes) -> None:
    with pytest.raises(LeftOut):
        reader_of(written, EXACT).read(line)


@given(st.sampled_from(list(Format)), st.lists(st.binary(max_size=60), max_size=8))
def test_no_bytes_lead_to_anything_but_names_and_the_two_faults(written: Format, lines: list[bytes]) -> None:
    reader = reader_of(written, EXACT)
    for line in lines:
        try:
            meant = reader.read(line)
        except (BadLine, LeftOut):
            continue
        names = [(name, kind) for name, kind in meant if kind != NETWORK]
        assert all(name[-1] == 0 and len(name) <= 255 and kind & BOTH for name, kind in names)


@pytest.mark.parametrize("written", list(Format), ids=str)
@pytest.mark.parametrize(
    "part", [b"1", b"a.", b"a-", b"/", b"|", b"#", b"*.", b"$", b" 1h", b"(", b"\xc3\xbc", b"1.1."], ids=str
)
def test_a_line_takes_time_in_proportion_to_its_length(written: Format, part: bytes) -> None:
    # A pattern that tries all ways to cut it would not come to an end.
    reader = reader_of(written, EXACT)
    for head in (b"", b"x ", b"||", b"address=/", b"0.0.0.0 "):
        with contextlib.suppress(BadLine, LeftOut):
            reader.read(head + part * (4_000 // len(part)) + b"!")
