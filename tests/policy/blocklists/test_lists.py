"""All blocklists together: which one counts, what is let through, and when one is over."""

import math
from dataclasses import replace
from datetime import date
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.config import BlocklistConfig
from dohproxy.outcomes import NOBODY, Reason
from dohproxy.policy.blocklists.by_hand import HandEntry
from dohproxy.policy.blocklists.lists import MOST_JUDGED, REASONS, Blocklist, Blocklists, Withheld
from dohproxy.policy.blocklists.name_set import BELOW, BOTH, EXACT, NameSet, set_of
from dohproxy.policy.blocklists.network_set import set_of_networks
from dohproxy.policy.blocklists.reading import LoadedNames
from dohproxy.wire.name import from_text, suffixes

NOW = 1_800_000_000.0


def listed(
    config: BlocklistConfig, names: dict[str, int] | None = None, excepted: dict[str, int] | None = None
) -> Blocklist:
    return Blocklist(config, LoadedNames(made_of(names), made_of(excepted), set_of_networks(*config.networks)))


def made_of(names: dict[str, int] | None) -> NameSet:
    return set_of([(from_text(name), kind) for name, kind in (names or {}).items()])


def together(*lists: Blocklist, now: float = NOW) -> Blocklists:
    found = Blocklists()
    found.adopt(lists, now)
    return found


def who_withholds(blocklists: Blocklists, name: str) -> str | None:
    found = blocklists.find(from_text(name))
    return None if found is None else found.by


ADS = BlocklistConfig("ads")
COURT = BlocklistConfig("court", reason="law", reference="27/1")
GOOD = BlocklistConfig("good", action="allow")


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (EXACT, ("ads.example",)),
        (BELOW, ("www.ads.example", "a.b.ads.example")),
        (BOTH, ("ads.example", "www.ads.example", "a.b.ads.example")),
    ],
    ids=["the name", "all below", "both"],
)
def test_a_name_means_what_it_says(kind: int, found: tuple[str, ...]) -> None:
    blocklists = together(listed(ADS, {"ads.example": kind}))
    asked = ("ads.example", "www.ads.example", "a.b.ads.example", "xads.example", "example")
    assert tuple(name for name in asked if who_withholds(blocklists, name)) == found
    assert blocklists.find(b"\x00") is None


def test_it_is_told_where_in_the_name_that_begins_which_is_listed() -> None:
    blocklists = together(listed(ADS, {"ads.example": BOTH}))
    positions = {}
    for name in ("ads.example", "www.ads.example", "a.bcd.ads.example"):
        found = blocklists.find(from_text(name))
        assert isinstance(found, Withheld)
        positions[name] = found.position
    assert positions == {"ads.example": 0, "www.ads.example": 4, "a.bcd.ads.example": 6}


def test_the_first_list_that_has_a_name_counts() -> None:
    lists = (listed(COURT, {"a.example": EXACT}), listed(ADS, {"example": BOTH}))
    assert who_withholds(together(*lists), "a.example") == "the list court"
    assert who_withholds(together(*reversed(lists)), "a.example") == "the list ads"


def test_a_list_that_lets_through_wins_wherever_it_stands() -> None:
    lists = (listed(ADS, {"example": BOTH}), listed(GOOD, {"good.example": BOTH}))
    for order in (lists, lists[::-1]):
        assert who_withholds(together(*order), "www.good.example") is None
        assert who_withholds(together(*order), "www.example") == "the list ads"


def test_what_a_list_excepts_is_excepted_from_that_list_alone() -> None:
    lists = (listed(ADS, {"example": BOTH}, {"good.example": BOTH}), listed(COURT, {"www.good.example": EXACT}))
    assert who_withholds(together(*lists), "other.good.example") is None
    assert who_withholds(together(*lists), "www.good.example") == "the list court"


def test_a_word_by_hand_stands_above_all_lists() -> None:
    blocklists = together(listed(ADS, {"ads.example": BOTH}), listed(GOOD, {"good.example": EXACT}))
    for name, is_block in (("ads.example", False), ("good.example", True)):
        assert blocklists.by_hand.put(HandEntry(from_text(name), is_block, False, math.inf))
    blocklists.changed_by_hand(NOW)
    assert who_withholds(blocklists, "ads.example") is None
    assert who_withholds(blocklists, "www.ads.example") == "the list ads"
    assert who_withholds(blocklists, "good.example") == "an entry by hand"


def test_nobody_need_ask_where_nothing_is_withheld() -> None:
    blocklists = together()
    assert not blocklists.is_active
    blocklists.adopt([listed(GOOD, {"good.example": EXACT}), listed(ADS)], NOW)
    assert not blocklists.is_active
    blocklists.by_hand.put(HandEntry(from_text("a.example"), False, False, math.inf))
    blocklists.changed_by_hand(NOW)
    assert not blocklists.is_active
    blocklists.by_hand.put(HandEntry(from_text("b.example"), True, False, math.inf))
    blocklists.changed_by_hand(NOW)
    assert blocklists.is_active


def test_a_list_holds_to_the_end_of_its_last_day_and_no_longer() -> None:
    config = replace(COURT, ends=date(2027, 5, 31))
    ends = 1_811_808_000.0  # 2027-06-01 00:00 UTC
    blocklists = together(listed(config, {"a.example": EXACT}), now=ends - 1)
    assert not blocklists.expire(ends - 0.1)
    assert who_withholds(blocklists, "a.example") == "the list court"
    assert blocklists.expire(ends)
    assert who_withholds(blocklists, "a.example") is None
    assert not blocklists.is_active
    assert not blocklists.expire(ends + 1)
    assert [one.name for one in blocklists.lists] == ["court"]


def test_a_word_by_hand_ends_too() -> None:
    blocklists = together()
    blocklists.by_hand.put(HandEntry(from_text("a.example"), True, False, NOW + 60))
    blocklists.changed_by_hand(NOW)
    assert not blocklists.expire(NOW + 59)
    assert blocklists.is_active
    assert blocklists.expire(NOW + 60)
    assert not blocklists.is_active


def test_a_hit_is_counted_for_what_withheld_it() -> None:
    ads = listed(ADS, {"ads.example": EXACT})
    blocklists = together(ads)
    blocklists.by_hand.put(HandEntry(from_text("b.example"), True, False, math.inf))
    for name in ("ads.example", "ads.example", "b.example"):
        found = blocklists.find(from_text(name))
        assert found is not None
        found.count()
    assert (ads.hits, blocklists.by_hand.hits) == (2, 1)


def test_a_client_of_a_listed_network_is_not_served_unless_another_list_lets_it() -> None:
    refusing = listed(replace(ADS, networks=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))))
    serving = listed(replace(GOOD, networks=(ip_network("192.0.2.64/26"),)))
    blocklists = together(refusing, serving)
    assert blocklists.has_networks
    assert not blocklists.is_active
    served = [bytes([192, 0, 2, 65]), bytes([192, 0, 3, 1]), b""]
    assert [blocklists.refuses(replace(NOBODY, address=address)) for address in served] == [None] * 3
    for address in (bytes([192, 0, 2, 1]), bytes.fromhex("20010db8") + bytes(12)):
        assert blocklists.refuses(replace(NOBODY, address=address)) is refusing


def test_who_is_served_is_remembered_of_so_many_and_no_longer_than_the_lists_hold() -> None:
    refusing = listed(replace(ADS, networks=(ip_network("192.0.2.0/24"),)))
    blocklists = together(refusing)
    for number in range(2 * MOST_JUDGED):
        blocklists.refuses(replace(NOBODY, address=number.to_bytes(4)))
        assert len(blocklists._judged) <= MOST_JUDGED
    client = replace(NOBODY, address=bytes([192, 0, 2, 1]))
    assert blocklists.refuses(client) is refusing
    blocklists.adopt([], NOW)
    assert blocklists.refuses(client) is None


def test_a_network_is_served_again_when_its_list_is_over() -> None:
    config = replace(ADS, networks=(ip_network("192.0.2.0/24"),), ends=date(2027, 5, 31))
    blocklists = together(listed(config))
    assert blocklists.expire(1_811_808_000.0)
    assert not blocklists.has_networks


def test_each_reason_of_the_configuration_has_its_own() -> None:
    assert list(REASONS.values()) == [Reason.BLOCKED, Reason.CENSORED, Reason.HARMFUL, Reason.FILTERED]


NAMES = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map(".".join)


@given(st.dictionaries(NAMES, st.sampled_from([EXACT, BELOW, BOTH]), max_size=6), NAMES)
def test_it_finds_what_a_plain_search_finds(names: dict[str, int], asked: str) -> None:
    found = together(listed(ADS, names)).find(from_text(asked))
    above = suffixes(from_text(asked))
    wanted = [
        number
        for number, name in enumerate(above)
        if {from_text(one): kind for one, kind in names.items()}.get(name, 0) & (BELOW if number else EXACT)
    ]
    position = None if not wanted else len(above[0]) - len(above[wanted[0]])
    assert (None if found is None else found.position) == position


# ---------------------------------------------------------------- held otherwise

IN_NET = {"ads.example": BOTH}


def in_shadow(config: BlocklistConfig) -> BlocklistConfig:
    return replace(config, mode="shadow")


def shadow_of(blocklists: Blocklists, name: str) -> str | None:
    found = blocklists.find_shadow(from_text(name), blocklists.find(from_text(name)))
    return None if found is None else found.name


def test_a_list_that_is_only_tried_withholds_nothing_and_is_told() -> None:
    blocklists = together(listed(in_shadow(ADS), IN_NET))
    assert (blocklists.is_active, blocklists.has_shadows) == (True, True)
    assert who_withholds(blocklists, "www.ads.example") is None
    assert (shadow_of(blocklists, "www.ads.example"), shadow_of(blocklists, "example")) == ("ads", None)


def test_a_list_that_is_off_is_not_looked_at() -> None:
    blocklists = together(listed(replace(ADS, mode="off", networks=(ip_network("192.0.2.0/24"),)), IN_NET))
    assert (blocklists.is_active, blocklists.has_shadows, blocklists.has_networks) == (False, False, False)
    assert not blocklists.expire(NOW)


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ([listed(COURT, IN_NET)], None),
        ([listed(GOOD, IN_NET)], None),
        ([listed(in_shadow(GOOD), IN_NET)], None),
        ([listed(in_shadow(COURT), IN_NET)], "ads"),
    ],
    ids=["withheld by another", "let through by another", "let through by another in shadow", "two in shadow"],
)
def test_it_counts_only_where_it_would_have_decided_otherwise(others: list[Blocklist], told: str | None) -> None:
    assert shadow_of(together(listed(in_shadow(ADS), IN_NET), *others), "ads.example") == told


def test_one_that_lets_through_is_told_where_another_withholds() -> None:
    blocklists = together(listed(ADS, IN_NET), listed(in_shadow(GOOD), {"www.ads.example": EXACT}))
    assert who_withholds(blocklists, "www.ads.example") == "the list ads"
    assert (shadow_of(blocklists, "www.ads.example"), shadow_of(blocklists, "ads.example")) == ("good", None)


@pytest.mark.parametrize("is_block", [True, False])
def test_what_was_said_by_hand_no_list_would_have_changed(is_block: bool) -> None:
    blocklists = together(listed(in_shadow(ADS), IN_NET), listed(in_shadow(GOOD), {"www.ads.example": EXACT}))
    blocklists.by_hand.put(HandEntry(from_text("www.ads.example"), is_block, False, math.inf))
    blocklists.changed_by_hand(NOW)
    assert shadow_of(blocklists, "www.ads.example") is None


def test_clients_of_a_list_that_is_only_tried_are_served_and_told() -> None:
    network = (ip_network("192.0.2.0/24"),)
    client = replace(NOBODY, address=bytes((192, 0, 2, 1)))
    tried = together(listed(in_shadow(replace(ADS, networks=network))))
    assert (tried.has_networks, tried.refuses(client)) == (True, None)
    assert [found and found.name for found in (tried.shadow_of(client), tried.shadow_of(NOBODY))] == ["ads", None]
    refused = together(listed(replace(COURT, networks=network)), listed(in_shadow(replace(ADS, networks=network))))
    assert refused.shadow_of(client) is None
    served = together(listed(replace(GOOD, networks=network)), listed(in_shadow(replace(ADS, networks=network))))
    assert served.shadow_of(client) is None
    would_serve = together(listed(replace(ADS, networks=network)), listed(in_shadow(replace(GOOD, networks=network))))
    assert (would_serve.shadow_of(client) or ADS).name == "good"


def test_so_many_clients_are_remembered_in_shadow() -> None:
    blocklists = together(listed(in_shadow(replace(ADS, networks=(ip_network("10.0.0.0/8"),)))))
    for number in range(MOST_JUDGED + 10):
        blocklists.shadow_of(replace(NOBODY, address=number.to_bytes(4)))
    assert len(blocklists._judged_in_shadow) <= MOST_JUDGED
