"""The records to publish: which there are, and that a zone of them is one to dnspython."""

from dataclasses import replace
from ipaddress import ip_address

import dns.rdata
import dns.zone
import pytest

from dohproxy.policy.discovery.records import Record
from dohproxy.policy.discovery.served import DOT, H2, Served, Service
from dohproxy.tools.publication import Publication, above, caa_name, publication_of, questions_of, zone_lines
from dohproxy.wire.numbers import Qtype

HOST = "doh.example.net"
SERVED = Served(HOST, (Service((H2,), 443, "/dns-query"),), (ip_address("192.0.2.1"), ip_address("2001:db8::1")))
UNKNOWN = replace(SERVED, addresses=())
LETS_ENCRYPT = "CN=E7,O=Let's Encrypt,C=US"
WAYS = '1 doh.example.net. alpn="h2" ipv4hint=192.0.2.1 ipv6hint=2001:db8::1 key7="/dns-query{?dns}"'


def _lines(records: tuple[Record, ...]) -> list[str]:
    return [record.line for record in records]


def test_the_usual_service() -> None:
    publication = publication_of(SERVED, LETS_ENCRYPT, 3_600)
    assert _lines(publication.records) == [
        "doh.example.net. 3600 IN A 192.0.2.1",
        "doh.example.net. 3600 IN AAAA 2001:db8::1",
        'doh.example.net. 3600 IN HTTPS 1 . alpn="h2"',
        f"_dns.doh.example.net. 3600 IN SVCB {WAYS}",
        'doh.example.net. 3600 IN CAA 0 issue "letsencrypt.org"',
    ]
    assert _lines(publication.for_own_network) == [f"_dns.resolver.arpa. 3600 IN SVCB {WAYS}"]
    assert publication.remarks == ()


def test_what_is_not_known_is_a_remark() -> None:
    publication = publication_of(UNKNOWN, "CN=Our own authority", 3_600)
    assert {record.rtype for record in publication.records} == {Qtype.HTTPS, Qtype.SVCB}
    assert len(publication.remarks) == 2
    assert "--address" in publication.remarks[0]


BOTH = replace(SERVED, services=(Service((H2,), 8443, "/q"), Service((DOT,), 853)))


@pytest.mark.parametrize("served", [SERVED, UNKNOWN, BOTH], ids=["usual", "no addresses", "another port and DoT"])
@pytest.mark.parametrize("issuer", [LETS_ENCRYPT, None], ids=["a known authority", "none"])
def test_dnspython_reads_a_zone_of_it(served: Served, issuer: str | None) -> None:
    publication = publication_of(served, issuer, 60)
    head = "@ 60 IN SOA ns x 1 3600 900 604800 300\n@ 60 IN NS ns\n"
    text = head + "\n".join(zone_lines(publication)) + "\n"
    zone = dns.zone.from_text(text, "example.net.", relativize=False)
    found = {
        (name.to_text(), rdata.to_wire())
        for name, _, rdata in zone.iterate_rdatas()
        if rdata.rdtype > 6 or rdata.rdtype == 1
    }
    assert found == {(record.owner, record.rdata) for record in publication.records}


def test_what_is_not_for_the_zone_is_a_comment_in_it() -> None:
    lines = list(zone_lines(publication_of(UNKNOWN, None, 60)))
    records = [line for line in lines if line and not line.startswith(";")]
    assert all(line.endswith(('alpn="h2"', '{?dns}"')) for line in records)
    assert [line for line in lines if "resolver.arpa" in line] == [
        '; _dns.resolver.arpa. 60 IN SVCB 1 doh.example.net. alpn="h2" key7="/dns-query{?dns}"'
    ]
    assert sum("CAA" in line or "AAAA" in line for line in lines) == 2
    assert list(zone_lines(Publication(()))) == ["; records to publish, ready for a zone file"]


def test_another_name_of_one_way_is_published_and_asked_for_too() -> None:
    dot = Service((DOT,), 853, host="dot.example.net", addresses=(ip_address("192.0.2.7"),))
    publication = publication_of(replace(SERVED, services=(*SERVED.services, dot)), LETS_ENCRYPT, 3_600)
    assert publication.hosts == (HOST, "dot.example.net")
    assert "dot.example.net. 3600 IN A 192.0.2.7" in _lines(publication.records)
    assert {("dot.example.net.", Qtype.A), ("dot.example.net.", Qtype.AAAA)} <= set(questions_of(publication, HOST))
    homeless = replace(SERVED, services=(*SERVED.services, replace(dot, addresses=())))
    [remark] = publication_of(homeless, LETS_ENCRYPT, 3_600).remarks
    assert remark.startswith("A and AAAA of dot.example.net are missing here")


ISSUERS = {
    LETS_ENCRYPT: "letsencrypt.org",
    "CN=WE1,O=Google Trust Services,C=US": "pki.goog",
    "CN=ZeroSSL ECC Domain Secure Site CA,O=ZeroSSL,C=AT": "sectigo.com",
    "CN=our own": None,
}


@pytest.mark.parametrize(("issuer", "name"), ISSUERS.items(), ids=ISSUERS)
def test_how_a_caa_record_calls_an_authority(issuer: str, name: str | None) -> None:
    assert caa_name(issuer) == name


def test_what_is_asked_for() -> None:
    publication = publication_of(replace(SERVED, addresses=SERVED.addresses[:1]), LETS_ENCRYPT, 3_600)
    assert questions_of(publication, HOST) == [
        ("doh.example.net.", Qtype.A),
        ("doh.example.net.", Qtype.HTTPS),
        ("_dns.doh.example.net.", Qtype.SVCB),
        ("doh.example.net.", Qtype.CAA),
        ("doh.example.net.", Qtype.AAAA),
        ("example.net.", Qtype.CAA),
        ("net.", Qtype.CAA),
    ]


def test_the_names_above() -> None:
    assert above("a.b.example.") == ["a.b.example.", "b.example.", "example."]
