"""Which part of a name somebody has registered, and which top-level domains there are: by the list, on any bytes."""

import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publicsuffixlist import PublicSuffixList

from dohproxy.policy.suffixes import (
    FEWEST_RULES,
    FEWEST_TOP_LEVEL_DOMAINS,
    BadList,
    PublicSuffixes,
    check_plausible,
    parse_suffixes,
)
from dohproxy.wire.name import from_text, label_offsets
from tests.data import corpora as foreign
from tests.data.names import popular_names
from tests.wire import messages as m
from tests.wire.strategies import deterministic, qnames

LAST_CHANGED = 1_234_567_890.0
LIST = """\
// VERSION: 2026-10-22_08-36-41_UTC
// ===BEGIN ICANN DOMAINS===
com
uk
co.uk
*.ck
!www.ck
рф
// a comment between two rules
公司.cn // one behind a rule
// ===END ICANN DOMAINS===
// ===BEGIN PRIVATE DOMAINS===
cdn.com
*.compute.cdn.com
!own.compute.cdn.com
// ===END PRIVATE DOMAINS===
"""
INSTALLED_TEXT = resources.files("publicsuffixlist").joinpath("public_suffix_list.dat").read_text(encoding="utf-8")
INSTALLED = parse_suffixes(INSTALLED_TEXT, last_changed=0.0)
SMALL = parse_suffixes(LIST, last_changed=LAST_CHANGED)
VECTOR = re.compile(r"^checkPublicSuffix\('([^']+)', (?:null|'([^']+)')\);", re.MULTILINE)


def wire(text: str) -> bytes:
    """A name with U-labels as it stands on the wire."""
    labels = (label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in text.split("."))
    return from_text(".".join(labels))


def vectors() -> list[tuple[str, str]]:
    """The list's own test cases: a name and its registered domain, which is the name itself where it has none."""
    text = resources.files("publicsuffixlist").joinpath("test_psl.txt").read_text(encoding="utf-8")
    return [(name, registered or name) for name, registered in VECTOR.findall(text) if not name.startswith(".")]


def test_the_list_s_own_vectors_are_found() -> None:
    assert len(vectors()) > 70


@pytest.mark.parametrize(("name", "registered"), vectors())
def test_the_list_s_own_vectors(name: str, registered: str) -> None:
    assert INSTALLED.registered_domain(wire(name.lower())) == wire(registered.lower())


def test_the_package_s_own_matcher_agrees_on_every_rule_and_what_is_near_it() -> None:
    theirs, ours = PublicSuffixList(), INSTALLED
    rules = [line.split()[0] for line in INSTALLED_TEXT.split("\n") if line.strip() and not line.startswith("//")]
    for rule in rules:
        for front in ("", "a.", "a.b.", "a.b.c."):
            name = front + rule.lstrip("!").replace("*", "wild")
            registered = theirs.privatesuffix(name) or name
            assert ours.registered_domain(wire(name)) == wire(registered), name


@pytest.fixture(params=["made up", pytest.param("of a public list", marks=pytest.mark.foreign)])
def popular(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Ten thousand names such as are registered."""
    if request.param == "made up":
        return popular_names(10_000)
    request.getfixturevalue("corpora")
    return foreign.popular_names()


def test_popular_names_are_cut_as_the_package_cuts_them(popular: tuple[str, ...]) -> None:
    theirs, ours = PublicSuffixList(), INSTALLED
    for line in popular:
        name = f"www.{line.lower()}"
        assert ours.registered_domain(from_text(name)) == from_text(theirs.privatesuffix(name) or name)
        assert ours.is_delegated(from_text(name)), name


@pytest.mark.parametrize(
    ("name", "registered", "registrant"),
    [
        ("www.example.com", "example.com", "example.com"),
        ("example.com", "example.com", "example.com"),
        ("com", "com", "com"),
        (".", ".", "."),
        ("a.b.example.co.uk", "example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk", "co.uk"),
        ("a.example.uk", "example.uk", "example.uk"),
        ("a.b.c.ck", "b.c.ck", "b.c.ck"),
        ("b.ck", "b.ck", "b.ck"),
        ("a.www.ck", "www.ck", "www.ck"),
        ("a.b.unlisted", "b.unlisted", "b.unlisted"),
        ("unlisted", "unlisted", "unlisted"),
        ("a.customer.cdn.com", "customer.cdn.com", "cdn.com"),
        ("cdn.com", "cdn.com", "cdn.com"),
        ("a.b.zone.compute.cdn.com", "b.zone.compute.cdn.com", "cdn.com"),
        ("a.own.compute.cdn.com", "own.compute.cdn.com", "cdn.com"),
        ("a.b.公司.cn", "b.公司.cn", "b.公司.cn"),
        ("a.b.рф", "b.рф", "b.рф"),
    ],
)
def test_the_registered_domain_and_whoever_runs_a_private_suffix(name: str, registered: str, registrant: str) -> None:
    assert SMALL.registered_domain(wire(name)) == wire(registered)
    assert SMALL.registrant_domain(wire(name)) == wire(registrant)


@pytest.mark.parametrize("name", ["com", "www.example.com", "a.co.uk", "b.ck", "рф", "公司.cn", "."])
def test_a_top_level_domain_of_the_icann_section_exists(name: str) -> None:
    assert SMALL.is_delegated(wire(name))


@pytest.mark.parametrize("name", ["net", "www.example.net", "com.net", "abcdefghijklmnop.test.dnscrypt"])
def test_another_does_not(name: str) -> None:
    assert not SMALL.is_delegated(wire(name))


def test_the_installed_list_holds_what_the_root_does() -> None:
    check_plausible(INSTALLED)
    assert INSTALLED.top_level_domains > 1_400
    for name in ("arpa", "gb", "su", "xn--p1ai", "xn--mgberp4a5d4ar", "xn--fzc2c9e2c", "amsterdam", "zw", "google"):
        assert INSTALLED.is_delegated(from_text(name)), name
    for name in ("dnscrypt", "dnscrypt-test", "lan", "home", "corp", "example", "root"):
        assert not INSTALLED.is_delegated(from_text(name)), name


@pytest.mark.parametrize(
    ("labels", "registered", "delegated"),
    [
        ([b"www.example", b"com"], 2, True),
        ([b"a", b"\x07example\x03com", b"com"], 2, True),
        ([b"a", b"b", b"x\x03com"], 2, False),
        ([b"a", b"\x00", b"com"], 2, True),
        ([b"a", b"b", b"com\x00"], 2, False),
        ([b"a", b"b", b"\x02co", b"uk"], 2, True),
        ([b"a", b"*", b"ck"], 3, True),
        ([b"\xff" * 63, b"\xff" * 63, b"com"], 2, True),
        ([b"a", b"b", b".com"], 2, False),
    ],
    ids=[
        *("a dot", "another name", "a name at the end", "a zero", "a zero at the end", "a suffix with its length"),
        *("the wildcard itself", "high bytes", "a leading dot"),
    ],
)
def test_any_bytes_in_a_label_are_part_of_it(labels: list[bytes], registered: int, delegated: bool) -> None:
    parts = [bytes([len(label)]) + label for label in labels]
    qname = b"".join(parts) + m.ROOT
    assert SMALL.registered_domain(qname) == b"".join(parts[-registered:]) + m.ROOT
    assert SMALL.is_delegated(qname) is delegated


@given(qnames(), st.sampled_from([m.ROOT, *(wire(name) for name in ("com", "co.uk", "ck", "www.ck", "cdn.com"))]))
@deterministic
def test_whatever_the_name_its_domain_is_made_of_its_own_last_labels(front: bytes, ending: bytes) -> None:
    qname = front[:-1].lower() + ending
    if len(qname) > 255:
        return
    for domain in (SMALL.registered_domain(qname), SMALL.registrant_domain(qname)):
        assert qname[len(qname) - len(domain) :] == domain
        assert len(qname) - len(domain) in [*label_offsets(qname), len(qname) - 1]
        assert SMALL.registered_domain(domain) in (domain, SMALL.registered_domain(qname))


def test_the_longest_name_of_the_shortest_labels_costs_no_more_than_a_walk_over_it() -> None:
    longest = b"\x01a" * 127 + m.ROOT
    assert SMALL.registered_domain(longest) == b"\x01a\x01a" + m.ROOT
    assert not SMALL.is_delegated(longest)


# ---------------------------------------------------------------- reading


def test_the_list_says_of_when_it_is() -> None:
    assert SMALL.published == 1_792_627_200.0  # 2026-10-22
    assert (SMALL.rules, SMALL.top_level_domains) == (10, 5)


@pytest.mark.parametrize("version", ["", "// VERSION: yesterday", "// VERSION: 2026-13-22_08-36-41_UTC"])
def test_a_list_that_does_not_is_as_old_as_its_file(version: str) -> None:
    text = LIST.replace("// VERSION: 2026-10-22_08-36-41_UTC", version)
    assert parse_suffixes(text, last_changed=LAST_CHANGED).published == LAST_CHANGED


def test_line_ends_of_another_system_are_read() -> None:
    assert parse_suffixes(LIST.replace("\n", "\r\n"), last_changed=LAST_CHANGED).rules == SMALL.rules


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "both sections"),
        ("<html>\n<h1>404</h1>", "no rule of public suffixes in line 1"),
        ("com\n" + LIST, "no rule of public suffixes in line 1"),
        (LIST[: LIST.index("cdn.com")], "both sections"),
        (LIST[: LIST.index("// ===BEGIN PRIVATE")], "both sections"),
        (LIST.replace("co.uk", "co..uk"), "in line 5"),
        (LIST.replace("co.uk", "co_%.uk"), "in line 5"),
        (LIST.replace("co.uk", "*"), "in line 5"),
        (LIST.replace("co.uk", "a.*.uk"), "in line 5"),
        (LIST.replace("co.uk", "!"), "in line 5"),
        (LIST.replace("co.uk", "!uk"), "in line 5"),
        (LIST.replace("co.uk", "!www.ck"), "in line 5"),
        (LIST.replace("co.uk", "a" * 64 + ".uk"), "in line 5"),
        (LIST.replace("co.uk", "п" * 1_000_000), "in line 5"),
        (LIST.replace("co.uk", "п" * 63), "in line 5"),
        (LIST.replace("co.uk", "п.\x00"), "in line 5"),
    ],
    ids=[
        *("nothing", "a page", "a rule outside", "cut short", "half of it", "an empty label", "another letter"),
        *("the whole tree", "a wildcard in the middle", "no name", "an exception to nothing"),
        *("an exception before its wildcard", "a long label", "an endless label"),
        *("a label too long on the wire", "a zero"),
    ],
)
def test_what_is_no_list_is_refused_with_a_reason(text: str, complaint: str) -> None:
    with pytest.raises(BadList, match=complaint):
        parse_suffixes(text, last_changed=LAST_CHANGED)


def big(rules: int, top_level_domains: int) -> PublicSuffixes:
    names = {from_text(f"rule{number}.com"): 1 for number in range(rules)}
    return PublicSuffixes(names, frozenset(from_text(f"tld{number}") for number in range(top_level_domains)), 0.0)


def test_a_list_that_holds_much_less_than_there_is_is_not_plausible() -> None:
    check_plausible(big(FEWEST_RULES, FEWEST_TOP_LEVEL_DOMAINS))
    with pytest.raises(BadList, match="4999 rules"):
        check_plausible(big(FEWEST_RULES - 1, FEWEST_TOP_LEVEL_DOMAINS))
    with pytest.raises(BadList, match="999 top-level domains"):
        check_plausible(big(FEWEST_RULES, FEWEST_TOP_LEVEL_DOMAINS - 1))


@pytest.mark.parametrize(
    ("name", "is_there"),
    [
        ("uk", True),
        ("co.uk", True),
        ("рф", True),
        ("cdn.com", True),
        ("example.uk", False),
        ("ck", True),
        ("www.ck", False),
        ("x.ck", False),
        ("net", False),
    ],
)
def test_the_list_has_what_it_names_itself(name: str, *, is_there: bool) -> None:
    assert SMALL.has(wire(name)) is is_there


def test_the_root_is_there() -> None:
    assert SMALL.has(m.ROOT)
