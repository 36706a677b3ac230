"""The request by which an entry is removed from a list."""

from dataclasses import replace
from typing import Final

from dohproxy.config import AboutConfig, Config, PagesConfig, ServerConfig, UpstreamAddress, UpstreamConfig
from dohproxy.tools.listing.entries import Entry
from dohproxy.tools.listing.removal import removal_request

UPSTREAM: Final = UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53))
CONFIG: Final = Config((UPSTREAM,), ServerConfig(host="doh.example.net"))
ENTRY: Final = Entry("example", "A resolver.", ("sdns://one", "sdns://two"))


def test_it_says_what_is_to_go_why_and_how_to_be_sure_of_who_asks() -> None:
    title, what, stamps, why, who = removal_request([ENTRY], CONFIG).split("\n\n")
    assert title == "Remove the entry `example` (doh.example.net)"
    assert what.startswith("Please remove the entry `example` from the list of public resolvers. It leads to")
    assert stamps == "    sdns://one\n    sdns://two"
    assert why.startswith("It is a front end of a resolver that other people run")
    assert "several times a day" in why
    assert who == (
        "I run this service. If you want a proof, name a text, and it will stand in a TXT record of that host."
    )


def test_two_entries_are_one_request() -> None:
    request = removal_request([ENTRY, replace(ENTRY, name="example-ipv6")], CONFIG)
    assert request.startswith("Remove the entries `example`, `example-ipv6` (doh.example.net)\n")
    assert "They lead to doh.example.net" in request


def test_for_a_stamp_alone_the_host_is_named() -> None:
    assert removal_request([Entry("", "", ("sdns://one",))], CONFIG).startswith(
        "Remove the entry for doh.example.net\n"
    )


def test_who_has_a_resolver_of_his_own_gives_no_reason_that_is_none() -> None:
    own = replace(CONFIG, upstreams=(replace(UPSTREAM, preset="own"),))
    assert "front end" not in removal_request([ENTRY], own)


def test_who_says_who_he_is_can_be_looked_up() -> None:
    config = replace(
        CONFIG, about=AboutConfig("Example Association", contact="dns@example.org"), pages=PagesConfig(enabled=True)
    )
    request = removal_request([ENTRY], config)
    assert "I run this service for Example Association. You can reach us at dns@example.org." in request
    assert "https://doh.example.net/policy says the same of us" in request
