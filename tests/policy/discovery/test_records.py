"""The records by which clients find a service: their words and their bytes are the same to dnspython."""

from dataclasses import replace
from ipaddress import ip_address

import dns.rdata
import dns.rdtypes.svcbbase
import dns.zone
import pytest

from dohproxy.policy.discovery.records import (
    Record,
    address_records,
    character_strings,
    https_records,
    service_records,
)
from dohproxy.policy.discovery.served import DOT, H2, H3, Served, Service
from dohproxy.wire.numbers import Qtype

DOH = Service((H2,), 443, "/dns-query")
SERVED = Served("doh.example.net", (DOH,), (ip_address("192.0.2.1"), ip_address("2001:db8::1")))
OWNER = "_dns.doh.example.net."


def lines(records: list[Record]) -> list[str]:
    return [record.line for record in records]


def test_the_addresses_of_the_name() -> None:
    assert lines(address_records(SERVED, 3_600)) == [
        "doh.example.net. 3600 IN A 192.0.2.1",
        "doh.example.net. 3600 IN AAAA 2001:db8::1",
    ]


def test_one_way_to_ask() -> None:
    assert lines(https_records(SERVED, 600)) == ['doh.example.net. 600 IN HTTPS 1 . alpn="h2"']
    assert lines(service_records(SERVED, OWNER, 600)) == [
        '_dns.doh.example.net. 600 IN SVCB 1 doh.example.net. alpn="h2" ipv4hint=192.0.2.1 ipv6hint=2001:db8::1'
        ' key7="/dns-query{?dns}"'
    ]


def test_the_preferred_way_has_the_lowest_priority_and_one_without_http_no_path() -> None:
    both = Served("doh.example.net", (Service((H3, H2), 8443, "/q"), Service((DOT,), 853)))
    assert lines(https_records(both, 60)) == [
        '_8443._https.doh.example.net. 60 IN HTTPS 1 doh.example.net. alpn="h3,h2" port=8443'
    ]
    assert lines(service_records(both, OWNER, 60)) == [
        '_dns.doh.example.net. 60 IN SVCB 1 doh.example.net. alpn="h3,h2" port=8443 key7="/q{?dns}"',
        '_dns.doh.example.net. 60 IN SVCB 2 doh.example.net. alpn="dot"',
    ]


def test_a_way_under_another_name_leads_there() -> None:
    other = Served("doh.example.net", (DOH, Service((DOT,), 853, host="dot.example.net")))
    assert (
        lines(service_records(other, OWNER, 60))[1] == '_dns.doh.example.net. 60 IN SVCB 2 dot.example.net. alpn="dot"'
    )
    web = Served("doh.example.net", (replace(DOH, host="www.example.net"),))
    assert lines(https_records(web, 60)) == ['www.example.net. 60 IN HTTPS 1 . alpn="h2"']


def test_a_way_that_is_elsewhere_leads_there_and_its_name_too() -> None:
    dot = Service((DOT,), 853, host="dot.example.net", addresses=(ip_address("192.0.2.7"),))
    other = replace(SERVED, services=(DOH, dot))
    assert lines(address_records(other, 60)) == [
        "doh.example.net. 60 IN A 192.0.2.1",
        "doh.example.net. 60 IN AAAA 2001:db8::1",
        "dot.example.net. 60 IN A 192.0.2.7",
    ]
    assert lines(service_records(other, OWNER, 60))[1] == (
        '_dns.doh.example.net. 60 IN SVCB 2 dot.example.net. alpn="dot" ipv4hint=192.0.2.7'
    )
    unknown = replace(other, services=(DOH, replace(dot, addresses=())))
    assert "hint" not in lines(service_records(unknown, OWNER, 60))[1]


SERVICES = {
    "at the usual port": (DOH,),
    "at another port": (Service((H2,), 8443, "/dns-query"),),
    "with a path of every character": (Service((H2,), 443, "/a,b;c=$&'()*+!~@"),),
    "with HTTP/3": (Service((H3, H2), 443, "/"),),
    "with DoT": (DOH, Service((DOT,), 853)),
    "with DoT at another port": (DOH, Service((DOT,), 8530)),
}


@pytest.mark.parametrize("services", SERVICES.values(), ids=SERVICES)
@pytest.mark.parametrize("count", [0, 1, 8], ids=["no address", "two", "sixteen"])
def test_dnspython_reads_the_words_as_the_bytes(services: tuple[Service, ...], count: int) -> None:
    addresses = [ip_address(text) for n in range(count) for text in (f"192.0.2.{n}", f"2001:db8::{n}")]
    served = replace(SERVED, services=services, addresses=tuple(addresses))
    records = [*address_records(served, 60), *https_records(served, 60), *service_records(served, OWNER, 60)]
    assert len(records) == 2 * count + 1 + len(services)
    for record in records:
        zone = dns.zone.from_text(f"{record.line}\n", "example.net.", relativize=False, check_origin=False)
        [(name, ttl, found)] = list(zone.iterate_rdatas())
        assert (name.to_text(), ttl, found.to_wire()) == (record.owner, 60, record.rdata)
        assert dns.rdata.from_wire("IN", record.rtype.name, record.rdata, 0, len(record.rdata)) == found


def test_dnspython_reads_the_parameters_as_they_were_meant() -> None:
    [record] = service_records(replace(SERVED, services=(Service((H3, H2), 8443, "/q"),)), OWNER, 60)
    found = dns.rdata.from_wire("IN", "SVCB", record.rdata, 0, len(record.rdata))
    assert isinstance(found, dns.rdtypes.svcbbase.SVCBBase)
    key = dns.rdtypes.svcbbase.ParamKey
    assert (found.priority, found.target.to_text()) == (1, "doh.example.net.")
    assert {number: param.to_text() for number, param in found.params.items() if param is not None} == {
        key.ALPN: '"h3,h2"',
        key.PORT: '"8443"',
        key.IPV4HINT: '"192.0.2.1"',
        key.IPV6HINT: '"2001:db8::1"',
        key.DOHPATH: '"/q{?dns}"',
    }
    assert record.rtype is Qtype.SVCB


def test_each_string_stands_behind_its_length() -> None:
    assert character_strings(b"", b"ab", b"x" * 255) == b"\x00\x02ab\xff" + b"x" * 255
    with pytest.raises(OverflowError):
        character_strings(b"x" * 256)
