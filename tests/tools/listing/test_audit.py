"""What is wrong with an entry of a list, beside its stamps, and how it should read."""

from dataclasses import replace
from typing import Final

import pytest

from dohproxy.config import AboutConfig, Config, ServerConfig, UpstreamAddress, UpstreamConfig
from dohproxy.doh.stamp import Properties, Protocol, Stamp
from dohproxy.doh.stamp_codec import encode
from dohproxy.tools.doctor.findings import Finding, Severity
from dohproxy.tools.listing.audit import Audit, audit, leads_to
from dohproxy.tools.listing.doors import Door
from dohproxy.tools.listing.entries import Entry
from dohproxy.tools.listing.promises import promises_of
from dohproxy.tools.listing.stamp_audit import Service
from dohproxy.tools.stamps import StampAddress

HOST: Final = "doh.example.net"
ABOUT: Final = AboutConfig(name="Example Association", url="https://example.org/", contact="dns@example.org")
UPSTREAM: Final = UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53), preset="own")
CONFIG: Final = Config((UPSTREAM,), ServerConfig(host=HOST), about=ABOUT)
PLACES: Final = (StampAddress("192.0.2.1", 443), StampAddress("2001:db8::1", 443))
STAMP: Final = encode(Stamp(Protocol.DOH, address="192.0.2.1", host=HOST, path="/dns-query"))
STAMP6: Final = encode(Stamp(Protocol.DOH, address="[2001:db8::1]", host=HOST, path="/dns-query"))
OLD: Final = encode(Stamp(Protocol.DOH, address="192.0.2.1", host="old.example.net", path="/dns-query"))
FOREIGN: Final = encode(Stamp(Protocol.DOH, address="198.51.100.1", host="other.example.org", path="/dns-query"))
GOOD: Final = Entry("example", "DoH of Example Association, in Paris.", (STAMP,))


def service(config: Config = CONFIG, *, name: str = "", wanted: dict[Properties, bool] | None = None) -> Service:
    doors = {Protocol.DOH: Door(Protocol.DOH, HOST, "server.host", "/dns-query", PLACES)}
    return Service(config, doors, None, promises_of(config, wanted or {}), name)


def told(one: Audit, subject: str) -> list[Finding]:
    return [finding for finding in one.findings if finding.subject == subject and finding.severity is not Severity.OK]


def test_a_good_entry_is_left_as_it_is() -> None:
    found = audit(GOOD, service())
    assert found.corrected == GOOD
    assert {one.severity for one in found.findings} == {Severity.OK}
    assert {one.subject for one in found.findings} == {"stamp", "name", "owner"}


def test_each_stamp_of_several_is_told_by_its_number() -> None:
    found = audit(replace(GOOD, stamps=(STAMP, OLD)), service())
    assert [one.what for one in told(found, "stamp 2")] == [
        f'the host is "old.example.net", and the service is {HOST} (server.host)'
    ]
    assert told(found, "stamp 1") == []
    # What has become the same stands there once.
    assert found.corrected.stamps == (STAMP,)


@pytest.mark.parametrize(
    ("name", "stamps", "becomes"),
    [
        ("example", (STAMP,), "example"),
        ("example-ipv6", (STAMP6,), "example-ipv6"),
        ("example", (STAMP6,), "example-ipv6"),
        ("example-ipv6", (STAMP,), "example"),
        ("-ipv6", (STAMP,), "-ipv6"),
    ],
    ids=["IPv4", "IPv6", "IPv6 without the end", "IPv4 with the end", "nothing but the end"],
)
def test_a_name_says_whether_it_is_of_ipv6(name: str, stamps: tuple[str, ...], becomes: str) -> None:
    found = audit(replace(GOOD, name=name, stamps=stamps), service())
    assert found.corrected.name == becomes
    assert [one.severity for one in told(found, "name")] == ([] if name == becomes else [Severity.WARNING])


def test_both_families_want_entries_of_their_own() -> None:
    found = audit(replace(GOOD, stamps=(STAMP, STAMP6)), service())
    (finding,) = told(found, "name")
    assert (finding.severity, found.corrected.name) == (Severity.WARNING, "example")
    assert "make two of it" in finding.remedy


def test_a_name_is_compared_with_the_one_that_is_given() -> None:
    found = audit(GOOD, service(name="example-doh"))
    assert [one.severity for one in told(found, "name")] == [Severity.FAULT]
    assert found.corrected.name == "example-doh"
    assert told(audit(GOOD, service(name="example")), "name") == []


@pytest.mark.parametrize(
    "description",
    ["Run by EXAMPLE ASSOCIATION.", "See https://example.org for more.", "Write to dns@example.org\nabout it."],
    ids=["the name", "the site", "the contact"],
)
def test_the_owner_is_known_by_name_site_or_contact(description: str) -> None:
    assert told(audit(replace(GOOD, description=description), service()), "owner") == []


@pytest.mark.parametrize(
    ("about", "line"),
    [
        (ABOUT, "Operated by Example Association (https://example.org/)"),
        (AboutConfig(name="Example Association"), "Operated by Example Association"),
        (AboutConfig(contact="dns@example.org"), "Operator: dns@example.org"),
    ],
    ids=["all of it", "the name", "the contact"],
)
def test_a_description_without_the_owner_gets_a_line(about: AboutConfig, line: str) -> None:
    known = service(replace(CONFIG, about=about))
    found = audit(replace(GOOD, description="A resolver of somebody's."), known)
    assert [one.severity for one in told(found, "owner")] == [Severity.WARNING]
    assert found.corrected.description == f"A resolver of somebody's.\n\n{line}"
    assert told(audit(found.corrected, known), "owner") == []


def test_where_nobody_says_who_runs_it_that_is_a_note() -> None:
    found = audit(GOOD, service(replace(CONFIG, about=AboutConfig())))
    assert [one.severity for one in told(found, "owner")] == [Severity.NOTE]
    assert found.corrected == GOOD


def test_a_front_end_of_somebody_elses_is_told_that_the_list_takes_none() -> None:
    config = replace(CONFIG, upstreams=(replace(UPSTREAM, preset="associative"),))
    (finding,) = told(audit(GOOD, service(config)), "admission")
    assert finding.severity is Severity.NOTE
    assert "ns0 is none of yours" in finding.what
    assert "--remove" in finding.remedy


def test_a_stamp_alone_is_judged_alone() -> None:
    found = audit(Entry("", "", (OLD,)), service())
    assert {one.subject for one in found.findings} == {"stamp"}
    assert str(found.corrected) == STAMP


def test_of_a_list_the_entries_are_known_that_lead_here() -> None:
    entries = [GOOD, replace(GOOD, stamps=(OLD,)), replace(GOOD, stamps=(FOREIGN, STAMP6))]
    assert all(leads_to(entry, service()) for entry in entries)
    assert not leads_to(replace(GOOD, stamps=(FOREIGN, "sdns://damaged")), service())


def test_nothing_is_wrong_with_what_was_corrected() -> None:
    bad = Entry("x", "Somebody's.", (OLD, FOREIGN, "sdns://AgcAAAA"))
    known = service(wanted={Properties.NO_LOGS: True})
    once = audit(bad, known).corrected
    assert audit(once, known).corrected == once
    assert not [one for one in audit(once, known).findings if one.severity is Severity.FAULT]
