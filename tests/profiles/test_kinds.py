"""The table of kinds: what each needs, and what is said where that is missing."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.profiles.kinds import KINDS, Kind, find_kind, missing, steps_of
from dohproxy.profiles.offer import NO_WISHES, DotOffer, Offer, Wishes
from tests.profiles.offers import FULL, LEAST, MEMBERS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")
EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.name))
OVER_TLS = {kind.name for kind in KINDS if kind.wants_tls}


def _kind(name: str) -> Kind:
    found = find_kind(name)
    assert found is not None
    return found


def test_each_name_is_one_kind() -> None:
    assert len({kind.name for kind in KINDS}) == len({kind.file for kind in KINDS}) == len(KINDS)
    assert find_kind("nothing") is None


@EACH
def test_a_service_that_has_everything_has_a_profile_of_each_kind(kind: Kind) -> None:
    assert missing(kind, FULL) == ""
    assert FULL.host.encode() in kind.make(FULL, NO_WISHES)


@EACH
def test_a_kind_is_made_of_what_it_says_that_it_needs(kind: Kind) -> None:
    # Whatever the offer lacks, it is said, or there is a whole file.
    nowhere = replace(FULL, addresses=(), dot=replace(FULL.over_tls(), addresses=()))
    for offer in (LEAST, MEMBERS, nowhere, replace(FULL, stamps=()), replace(FULL, dot=None)):
        if not missing(kind, offer):
            assert kind.make(offer, NO_WISHES)


@EACH
def test_no_profile_over_tls_is_made_where_that_is_not_served(kind: Kind) -> None:
    told = missing(kind, replace(FULL, dot=None))
    assert bool(told) is kind.wants_tls
    assert not told or "[dot]" in told


@EACH
def test_no_profile_over_https_speaks_of_tls_and_none_over_tls_of_a_url(kind: Kind) -> None:
    content = kind.make(FULL, NO_WISHES)
    assert (FULL.url.encode() in content) is (kind.name in {"apple", "windows", "firefox", "openwrt", "curl"} | CHROMES)
    assert not (kind.wants_tls and FULL.url.encode() in content)


CHROMES = {"chrome", "chrome-windows"}


@pytest.mark.parametrize("name", sorted(OVER_TLS))
def test_a_name_is_needed_to_verify(name: str) -> None:
    assert "write a name there" in missing(_kind(name), replace(FULL, dot=DotOffer("192.0.2.1")))


def test_who_can_be_told_no_port_needs_853() -> None:
    refused = {kind.name for kind in KINDS if missing(kind, replace(FULL, dot=replace(FULL.over_tls(), port=8853)))}
    assert refused == {"apple-dot", "android", "windows-dot"}


def test_who_looks_up_no_name_needs_an_address() -> None:
    nowhere = replace(FULL, addresses=(), dot=replace(FULL.over_tls(), addresses=()))
    refused = {kind.name for kind in KINDS if "--address" in missing(kind, nowhere)}
    assert refused == OVER_TLS - {"apple-dot", "android"} | {"windows"}


def test_who_is_told_a_stamp_needs_one() -> None:
    refused = {kind.name for kind in KINDS if missing(kind, replace(FULL, stamps=()))}
    assert refused == {"dnscrypt-proxy", "dnsmasq"}


@EACH
def test_a_wish_is_heeded_by_those_that_say_so_alone(kind: Kind) -> None:
    wished = kind.make(FULL, Wishes(except_wifi=("Maison",)))
    assert (wished != kind.make(FULL, NO_WISHES)) is kind.heeds_wifi
    pinned: Offer = replace(FULL, key_pin="pin", stamps=("sdns://x",))
    assert (kind.make(pinned, NO_WISHES) != kind.make(FULL, NO_WISHES)) is kind.heeds_hash


@EACH
def test_the_steps_say_what_is_typed_by_hand(kind: Kind) -> None:
    told = steps_of(kind, MEMBERS)
    assert "{" not in told.replace("{?dns}", "")
    if "{url}" in kind.steps or "{template}" in kind.steps:
        assert MEMBERS.url in told
    if kind.name == "android":
        assert told.endswith(MEMBERS.over_tls().name)


@EACH
def test_every_kind_is_documented(kind: Kind) -> None:
    assert re.search(rf"^\| `{kind.name}` \|", DOCUMENT, re.MULTILINE), kind.name
