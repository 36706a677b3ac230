"""What is published against what should be: every way to be right, and every way to be wrong."""

from dataclasses import replace
from ipaddress import ip_address

import dns.rdata
import pytest

from dohproxy.policy.discovery.served import DOT, H2, H3, Served, Service
from dohproxy.tools.doctor.findings import Finding, Severity
from dohproxy.tools.doctor.published import Lookup, Lookups, LookupStatus, judge, judge_designation, judge_names
from dohproxy.tools.publication import publication_of, questions_of
from dohproxy.wire.numbers import Qtype

HOST = "doh.example.net"
OWNER = f"{HOST}."
DOH = Service((H2,), 443, "/dns-query")
SERVED = Served(HOST, (DOH,), (ip_address("192.0.2.1"), ip_address("2001:db8::1")))
WANTED = publication_of(SERVED, "O=Let's Encrypt", 3_600)
NONE = Lookup(LookupStatus.NONE)
UNKNOWN = Lookup(LookupStatus.UNKNOWN, why="does not answer (SERVFAIL)")


def found(rtype: Qtype, *texts: str) -> Lookup:
    """Return what a resolver says of records, as dnspython writes them."""
    rdatas = (dns.rdata.from_text("IN", rtype.name, text).to_wire() for text in texts)
    return Lookup(LookupStatus.FOUND, tuple(rdata for rdata in rdatas if rdata is not None))


ALL_WELL: Lookups = {
    **dict.fromkeys(questions_of(WANTED, HOST), NONE),
    (OWNER, Qtype.A): found(Qtype.A, "192.0.2.1"),
    (OWNER, Qtype.AAAA): found(Qtype.AAAA, "2001:db8::1"),
    (OWNER, Qtype.HTTPS): found(Qtype.HTTPS, "1 . alpn=h2"),
    (f"_dns.{OWNER}", Qtype.SVCB): found(Qtype.SVCB, "1 doh.example.net. alpn=h2 dohpath=/dns-query{?dns}"),
    (OWNER, Qtype.CAA): found(Qtype.CAA, '0 issue "letsencrypt.org"'),
}


def _judge(changed: Lookups, wanted: object = WANTED) -> list[Finding]:
    assert wanted is WANTED
    return [one for one in judge(WANTED, HOST, {**ALL_WELL, **changed}) if one.severity is not Severity.OK]


def test_all_is_published() -> None:
    found_well = list(judge(WANTED, HOST, ALL_WELL))
    assert [one.severity for one in found_well] == [Severity.OK] * 4
    assert found_well[0].what == "doh.example.net. leads to 192.0.2.1, 2001:db8::1"


ADDRESSES = {
    "nothing": ({Qtype.A: NONE, Qtype.AAAA: NONE}, Severity.FAULT, "has neither A nor AAAA"),
    "one missing": ({Qtype.AAAA: NONE}, Severity.WARNING, "does not lead to 2001:db8::1"),
    "one too many": (
        {Qtype.A: found(Qtype.A, "192.0.2.1", "192.0.2.9")},
        Severity.WARNING,
        "leads to 192.0.2.9 too",
    ),
}


@pytest.mark.parametrize(("changed", "severity", "words"), ADDRESSES.values(), ids=ADDRESSES)
def test_addresses(changed: dict[Qtype, Lookup], severity: Severity, words: str) -> None:
    [one] = _judge({(OWNER, rtype): lookup for rtype, lookup in changed.items()})
    assert one.severity is severity
    assert words in one.what


def test_another_address_is_both_missing_and_too_many() -> None:
    told = _judge({(OWNER, Qtype.A): found(Qtype.A, "192.0.2.9")})
    assert [one.what.partition(" ")[2][:13] for one in told] == ["does not lead", "leads to 192."]


def test_where_it_is_not_known_who_is_right_any_address_will_do() -> None:
    open_wanted = replace(WANTED, records=tuple(one for one in WANTED.records if one.rtype > Qtype.AAAA))
    assert {one.severity for one in judge(open_wanted, HOST, ALL_WELL)} == {Severity.OK}


DOH_TEXT = "1 doh.example.net. alpn=h2 dohpath=/dns-query{?dns}"
SERVICES = {
    "hints beside it": ("1 . alpn=h2 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1", None),
    "one of the hints": ("1 . alpn=h2 ipv6hint=2001:db8::1", None),
    "a hint of another address": ("1 . alpn=h2 ipv4hint=192.0.2.1,192.0.2.99", "leads elsewhere"),
    "its own name for itself": ("1 doh.example.net. alpn=h2,h3", None),
    "port 443 by its number": ("1 . alpn=h2 port=443", None),
    "without HTTP/2": ("1 . alpn=h3", "leads elsewhere"),
    "without protocols": ("1 .", "leads elsewhere"),
    "another port": ("1 . alpn=h2 port=8443", "leads elsewhere"),
    "another host": ("1 www.example.net. alpn=h2", "leads elsewhere"),
    "an alias": ("0 www.example.net.", "leads elsewhere"),
}


@pytest.mark.parametrize(("text", "words"), SERVICES.values(), ids=SERVICES)
def test_https_records(text: str, words: str | None) -> None:
    told = _judge({(OWNER, Qtype.HTTPS): found(Qtype.HTTPS, text)})
    assert [words in one.what for one in told if words] == ([True] if words else [])
    assert bool(told) is (words is not None)


@pytest.mark.parametrize("path", ["/other{?dns}", "/dns-query"])
def test_another_path_leads_elsewhere(path: str) -> None:
    record = found(Qtype.SVCB, f"1 doh.example.net. alpn=h2 dohpath={path}")
    [one] = _judge({(f"_dns.{OWNER}", Qtype.SVCB): record})
    assert one.severity is Severity.WARNING


def test_where_addresses_are_not_known_hints_are_believed() -> None:
    wanted = publication_of(replace(SERVED, addresses=()), None, 3_600)
    lookups = {**ALL_WELL, (OWNER, Qtype.HTTPS): found(Qtype.HTTPS, "1 . alpn=h2 ipv4hint=192.0.2.99")}
    assert [one.severity for one in judge(wanted, HOST, lookups) if "HTTPS" in one.what] == [Severity.OK]


DOT_RECORDS = {
    "both": ([DOH_TEXT, "2 doh.example.net. alpn=dot"], ["ok", "ok"]),
    "DoT at its port by its number": ([DOH_TEXT, "2 doh.example.net. alpn=dot port=853"], ["ok", "ok"]),
    "DoT missing": ([DOH_TEXT], ["ok", "warning"]),
    "DoT at another port": ([DOH_TEXT, "2 doh.example.net. alpn=dot port=443"], ["ok", "warning"]),
}


@pytest.mark.parametrize(("texts", "severities"), DOT_RECORDS.values(), ids=DOT_RECORDS)
def test_each_way_to_ask_is_looked_for(texts: list[str], severities: list[str]) -> None:
    wanted = publication_of(replace(SERVED, services=(DOH, Service((DOT,), 853))), "O=Let's Encrypt", 3_600)
    lookups = {**ALL_WELL, (f"_dns.{OWNER}", Qtype.SVCB): found(Qtype.SVCB, *texts)}
    assert [one.severity for one in judge(wanted, HOST, lookups) if "SVCB" in one.what] == severities


def test_each_way_to_ask_is_told_by_its_protocol() -> None:
    wanted = publication_of(replace(SERVED, services=(Service((H3, H2), 443, "/q"), Service((DOT,), 853))), None, 60)
    lookups = {**ALL_WELL, (f"_dns.{OWNER}", Qtype.SVCB): NONE}
    doh, dot = (one.what for one in judge(wanted, HOST, lookups) if "SVCB" in one.what)
    assert doh.startswith(f"_dns.{OWNER} SVCB for h3 and h2 is not published; with it clients")
    assert "find the path" in doh
    assert dot.startswith(f"_dns.{OWNER} SVCB for dot is not published; with it clients")
    assert dot.endswith("find that there is DNS over TLS, and at which port")


DOT_HOST = "dot.example.net."
TWO_HOSTS = publication_of(
    replace(SERVED, services=(DOH, Service((DOT,), 853, host=DOT_HOST[:-1], addresses=(ip_address("192.0.2.7"),)))),
    "O=Let's Encrypt",
    3_600,
)
DOT_THERE = "2 dot.example.net. alpn=dot"


@pytest.mark.parametrize(
    ("addresses", "text", "told"),
    [
        (found(Qtype.A, "192.0.2.7"), DOT_THERE, []),
        (found(Qtype.A, "192.0.2.7"), f"{DOT_THERE} ipv4hint=192.0.2.7", []),
        (found(Qtype.A, "192.0.2.7"), f"{DOT_THERE} ipv4hint=192.0.2.1", ["SVCB for dot is published and leads"]),
        (NONE, DOT_THERE, [f"{DOT_HOST} has neither A nor AAAA"]),
        (found(Qtype.A, "192.0.2.1"), DOT_THERE, ["does not lead to 192.0.2.7", "leads to 192.0.2.1 too"]),
    ],
    ids=["as it should be", "with a hint", "with the other's address", "without an address", "at the other's address"],
)
def test_another_name_of_one_way_is_looked_at_too(addresses: Lookup, text: str, told: list[str]) -> None:
    lookups = {
        **ALL_WELL,
        **dict.fromkeys(questions_of(TWO_HOSTS, HOST), NONE),
        **{key: lookup for key, lookup in ALL_WELL.items() if key[1] is not Qtype.SVCB},
        (DOT_HOST, Qtype.A): addresses,
        (f"_dns.{OWNER}", Qtype.SVCB): found(Qtype.SVCB, DOH_TEXT, text),
    }
    wrong = [one.what for one in judge(TWO_HOSTS, HOST, lookups) if one.severity is not Severity.OK]
    assert [words in one for words, one in zip(told, wrong, strict=True)] == [True] * len(told)


def test_a_certificate_that_is_not_for_another_name_of_one_way_is_a_warning() -> None:
    [one] = judge_names(TWO_HOSTS, lambda host: host == HOST)
    assert (one.severity, "is not for dot.example.net" in one.what) == (Severity.WARNING, True)
    assert list(judge_names(TWO_HOSTS, lambda _: True)) == []
    assert list(judge_names(WANTED, lambda _: False)) == []


def test_a_certificate_that_is_not_for_an_address_is_a_note() -> None:
    [one] = judge_designation(SERVED.addresses, lambda host: host == "192.0.2.1")
    assert (one.severity, "not for 2001:db8::1: a device" in one.what) == (Severity.NOTE, True)
    assert list(judge_designation(SERVED.addresses, lambda _: True)) == []
    assert list(judge_designation((), lambda _: False)) == []


def test_the_good_one_of_several_is_enough() -> None:
    both = found(Qtype.HTTPS, "1 www.example.net. alpn=h2", "2 . alpn=h2")
    assert _judge({(OWNER, Qtype.HTTPS): both}) == []


def test_bytes_that_are_no_service_are_not_ours() -> None:
    [one] = _judge({(OWNER, Qtype.HTTPS): Lookup(LookupStatus.FOUND, (b"\x00\x01\x00\x00\x01\x00",))})
    assert one.severity is Severity.WARNING


@pytest.mark.parametrize(("name", "rtype"), [(OWNER, Qtype.HTTPS), (f"_dns.{OWNER}", Qtype.SVCB)])
def test_a_record_that_may_be_missing_is_a_note_when_it_is(name: str, rtype: Qtype) -> None:
    [one] = _judge({(name, rtype): NONE})
    assert one.severity is Severity.NOTE
    assert one.remedy == "publish the record below"


CAA = {
    "another authority": (['0 issue "pki.goog"'], Severity.WARNING, "lets pki.goog issue"),
    "nobody": (['0 issue ";"'], Severity.WARNING, "lets nobody issue"),
    "wildcards alone": (['0 issuewild "pki.goog"', '0 iodef "mailto:x@example.net"'], None, ""),
    "ours with a parameter": (['0 issue "letsencrypt.org; validationmethods=http-01"'], None, ""),
    "ours beside another": (['0 issue "pki.goog"', '0 ISSUE "letsencrypt.org"'], None, ""),
}


@pytest.mark.parametrize(("texts", "severity", "words"), CAA.values(), ids=CAA)
def test_who_may_issue(texts: list[str], severity: Severity | None, words: str) -> None:
    told = _judge({(OWNER, Qtype.CAA): found(Qtype.CAA, *texts)})
    assert [one.severity for one in told] == ([] if severity is None else [severity])
    assert all(words in one.what for one in told)


def test_the_nearest_name_with_any_decides() -> None:
    above = {(OWNER, Qtype.CAA): NONE, ("example.net.", Qtype.CAA): found(Qtype.CAA, '0 issue "letsencrypt.org"')}
    assert _judge({**above, ("net.", Qtype.CAA): found(Qtype.CAA, '0 issue "pki.goog"')}) == []


def test_no_caa_at_all_is_a_note() -> None:
    [one] = _judge({(OWNER, Qtype.CAA): NONE})
    assert one.severity is Severity.NOTE
    assert "every authority may issue" in one.what


def test_an_authority_that_is_not_known_here_is_not_compared() -> None:
    wanted = publication_of(SERVED, "CN=our own", 3_600)
    told = [one for one in judge(wanted, HOST, ALL_WELL) if "CAA" in one.what]
    assert [one.severity for one in told] == [Severity.OK]


def test_a_resolver_that_says_nothing_is_one_note() -> None:
    [one] = judge(WANTED, HOST, dict.fromkeys(ALL_WELL, UNKNOWN))
    assert one.severity is Severity.NOTE
    assert one.what == "what is published is not known: the resolver does not answer (SERVFAIL)"


@pytest.mark.parametrize("question", [(OWNER, Qtype.HTTPS), (OWNER, Qtype.CAA)])
def test_what_it_does_not_say_is_no_reproach(question: tuple[str, Qtype]) -> None:
    [one] = _judge({question: UNKNOWN})
    assert one.severity is Severity.NOTE
    assert "is not known" in one.what


def test_a_missing_address_that_nobody_spoke_of_is_no_fault() -> None:
    told = _judge({(OWNER, Qtype.A): NONE, (OWNER, Qtype.AAAA): UNKNOWN})
    assert Severity.FAULT not in [one.severity for one in told]
