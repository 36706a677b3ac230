"""What a stamp may say, and how it is told to people."""

from typing import Any

import pytest

from dohproxy.doh.stamp import (
    MAX_PART_BYTES,
    PARTS,
    BadStamp,
    Part,
    Properties,
    Protocol,
    Stamp,
    explain,
    is_address,
    promised,
    refusal,
)

HASH = bytes(range(32))
DOH: dict[str, Any] = {
    "protocol": Protocol.DOH,
    "address": "192.0.2.1",
    "host": "doh.example.net",
    "path": "/dns-query",
}
DNSCRYPT: dict[str, Any] = {
    "protocol": Protocol.DNSCRYPT,
    "address": "192.0.2.1",
    "public_key": HASH,
    "provider": "2.dnscrypt-cert.example.net",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", True),
        ("192.0.2.1:8443", True),
        ("[2001:db8::1]", True),
        ("[2001:db8::1]:65535", True),
        ("", False),
        (":443", False),
        ("192.0.2", False),
        ("192.0.2.1:", False),
        ("192.0.2.1:0", False),
        ("192.0.2.1:0443", False),
        ("192.0.2.1:65536", False),
        ("2001:db8::1", False),
        ("[2001:db8::1", False),
        ("[2001:db8::1]x", False),
        ("[fe80::1%eth0]", False),
        ("[192.0.2.1]", False),
        ("192.0.2.\N{ARABIC-INDIC DIGIT ONE}", False),
        ("doh.example.net", False),
    ],
)
def test_an_address_is_one_that_every_client_reads_alike(text: str, *, expected: bool) -> None:
    assert is_address(text) is expected


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="address, host and path"),
        pytest.param({"address": ""}, id="no address"),
        pytest.param({"address": ":8443"}, id="a port alone"),
        pytest.param({"host": "doh.example.net:8443"}, id="a host with a port"),
        pytest.param({"host": "[2001:db8::1]:8443"}, id="an address as host"),
        pytest.param({"host": "h" * MAX_PART_BYTES}, id="a host as long as a byte can count"),
        pytest.param({"path": "/" + "p" * (MAX_PART_BYTES - 1)}, id="a path as long as a byte can count"),
        pytest.param({"hashes": (HASH, HASH)}, id="two hashes"),
        pytest.param({"bootstrap": ("192.0.2.2", "[2001:db8::2]")}, id="bootstrap resolvers"),
        pytest.param({"properties": Properties(1 << 63)}, id="a property that is not defined yet"),
    ],
)
def test_a_stamp_may_have(change: dict[str, Any]) -> None:
    assert explain(Stamp(**(DOH | change)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"host": ""}, "The host is empty", id="no host"),
        pytest.param({"host": ":443"}, "The host is empty", id="a port without host"),
        pytest.param({"host": "doh.example.net:"}, "no host name", id="a host with an empty port"),
        pytest.param({"host": "doh.example.net:70000"}, "no host name", id="a host with a port too large"),
        pytest.param({"host": "2001:db8::1"}, "no host name", id="IPv6 without brackets as host"),
        pytest.param({"host": "doh.example.net/x"}, "no host name", id="a path in the host"),
        pytest.param({"host": "user@doh.example.net"}, "no host name", id="a user in the host"),
        pytest.param({"host": "doh example"}, "visible ASCII", id="a space in the host"),
        pytest.param({"host": "döh.example.net"}, "visible ASCII", id="a letter outside ASCII"),
        pytest.param({"path": "/\x1b[2J"}, "visible ASCII", id="an escape sequence in the path"),
        pytest.param({"path": ""}, 'does not begin with "/"', id="no path"),
        pytest.param({"path": "dns-query"}, 'does not begin with "/"', id="a path without its slash"),
        pytest.param({"host": "h" * 256}, "256 bytes, and a stamp can hold 255", id="a host too long"),
        pytest.param({"path": "/" * 256}, "256 bytes, and a stamp can hold 255", id="a path too long"),
        pytest.param({"address": "doh.example.net"}, "no IP address", id="a name as address"),
        pytest.param({"address": "2001:db8::1"}, "no IP address", id="IPv6 without brackets"),
        pytest.param({"address": ":0"}, "no IP address", id="port 0"),
        pytest.param({"hashes": (bytes(31),)}, "31 bytes instead of 32", id="a hash too short"),
        pytest.param({"hashes": (HASH, b"")}, "0 bytes instead of 32", id="an empty hash beside another"),
        pytest.param({"bootstrap": ("dns.example.net",)}, "no IP address", id="a name as bootstrap resolver"),
        pytest.param({"bootstrap": ("",)}, "no IP address", id="an empty bootstrap resolver"),
        pytest.param({"provider": "x"}, "has no provider", id="a provider, which is DNSCrypt's"),
        pytest.param({"public_key": HASH}, "has no public key", id="a public key, which is DNSCrypt's"),
        pytest.param({"properties": Properties(1 << 64)}, "64 bits", id="more properties than there are bits"),
    ],
)
def test_a_doh_stamp_cannot_have(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadStamp, match=sentence):
        Stamp(**(DOH | change))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"public_key": HASH[:31]}, "31 bytes instead of 32", id="a short key"),
        pytest.param({"provider": ""}, "provider is empty", id="no provider"),
        pytest.param({"address": ""}, "no IP address", id="no address, as there is no host to look up"),
        pytest.param({"address": ":443"}, "no IP address", id="a port alone"),
        pytest.param({"host": "x"}, "has no host", id="a host"),
        pytest.param({"hashes": (HASH,)}, "has no hashes", id="certificate hashes"),
    ],
)
def test_a_dnscrypt_stamp_cannot_have(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadStamp, match=sentence):
        Stamp(**(DNSCRYPT | change))


def test_every_protocol_has_its_parts_in_one_order() -> None:
    order = list(Part)
    assert set(PARTS) == set(Protocol)
    assert all(list(parts) == sorted(parts, key=order.index) for parts in PARTS.values())


def test_promises_are_made_by_name() -> None:
    assert promised({"dnssec": True, "no_logs": False, "no_filter": True}) == Properties.DNSSEC | Properties.NO_FILTER
    assert promised({}) == Properties(0)


@pytest.mark.parametrize(
    ("stamp", "lines"),
    [
        pytest.param(
            Stamp(**DOH),
            [
                "protocol: DNS over HTTPS (0x02)",
                "promises: nothing",
                "address: 192.0.2.1, port 443",
                "certificate hashes: none, any certificate that the client trusts for the host will do",
                "host: doh.example.net",
                "path: /dns-query",
            ],
            id="a plain one",
        ),
        pytest.param(
            Stamp(
                Protocol.DOT,
                Properties.DNSSEC | Properties.NO_LOGS | Properties(0x100),
                hashes=(HASH,),
                host="dot.example.net:8853",
                bootstrap=("192.0.2.2",),
            ),
            [
                "protocol: DNS over TLS (0x03)",
                "promises: validates DNSSEC, keeps no logs, something that is not defined (0x100)",
                "address: none, the client looks up the host and connects to port 8853",
                f"certificate hash (SHA-256 of a TBSCertificate): {HASH.hex()}",
                "host: dot.example.net:8853",
                "bootstrap resolver: 192.0.2.2",
            ],
            id="one with everything",
        ),
        pytest.param(
            Stamp(**DNSCRYPT),
            [
                "protocol: DNSCrypt (0x01)",
                "promises: nothing",
                "address: 192.0.2.1, port 443",
                f"public key: {HASH.hex()}",
                "provider: 2.dnscrypt-cert.example.net",
            ],
            id="DNSCrypt",
        ),
        pytest.param(
            Stamp(Protocol.PLAIN, address="[2001:db8::1]"),
            ["protocol: plain DNS (0x00)", "promises: nothing", "address: [2001:db8::1], port 53"],
            id="plain DNS",
        ),
        pytest.param(
            Stamp(Protocol.DNSCRYPT_RELAY, address="[2001:db8::1]:4443"),
            ["protocol: DNSCrypt relay (0x81)", "address: [2001:db8::1]:4443"],
            id="a relay, which promises nothing",
        ),
        pytest.param(
            Stamp(Protocol.ODOH_TARGET, host="odoh.example.net", path="/target"),
            ["protocol: Oblivious DoH target (0x05)", "promises: nothing", "host: odoh.example.net", "path: /target"],
            id="an Oblivious DoH target",
        ),
    ],
)
def test_people_are_told(stamp: Stamp, lines: list[str]) -> None:
    assert explain(stamp).splitlines() == lines


def test_a_stamp_without_address_is_told_so() -> None:
    shown = explain(Stamp(**(DOH | {"address": ""})))
    assert "address: none, the client looks up the host and connects to port 443\n" in shown


@pytest.mark.parametrize(
    ("change", "shown", "remedy"),
    [
        pytest.param(
            {"address": "192.0.2.1:8443"},
            "address: 192.0.2.1:8443",
            'the address "192.0.2.1" and the host "doh.example.net:8443".',
            id="a port with the address",
        ),
        pytest.param(
            {"address": "192.0.2.1:443"},
            "address: 192.0.2.1:443",
            'the address "192.0.2.1" and the host "doh.example.net:443".',
            id="the protocol's own port",
        ),
        pytest.param(
            {"address": "[2001:db8::1]:8443", "host": "doh.example.net:8443"},
            "address: [2001:db8::1]:8443",
            'the address "[2001:db8::1]" and the host "doh.example.net:8443".',
            id="a port with both",
        ),
        pytest.param(
            {"address": ":8443", "host": "[2001:db8::1]"},
            "address: none, the client looks up the host and connects to port 8443",
            'the address "" and the host "[2001:db8::1]:8443".',
            id="a port alone",
        ),
        *(
            pytest.param(
                {"protocol": protocol, "path": path, "address": "192.0.2.1:853"},
                "address: 192.0.2.1:853",
                'the host "doh.example.net:853".',
                id=f"a port with the address, {protocol.name}",
            )
            for protocol, path in [(Protocol.DOT, ""), (Protocol.DOQ, ""), (Protocol.ODOH_RELAY, "/relay")]
        ),
    ],
)
def test_what_todays_clients_refuse_is_remarked_with_what_to_write(
    change: dict[str, Any], shown: str, remedy: str
) -> None:
    stamp = Stamp(**(DOH | change))
    assert shown in explain(stamp).splitlines()
    assert explain(stamp).endswith(f"\nremark: {refusal(stamp)}")
    assert refusal(stamp).startswith("dnscrypt-proxy 2.1.17 and later, as their authors build them, refuse")
    assert refusal(stamp).endswith(remedy)


@pytest.mark.parametrize(
    "stamp",
    [
        pytest.param(Stamp(**DOH), id="an address alone"),
        pytest.param(Stamp(**(DOH | {"host": "doh.example.net:8443"})), id="a port with the host"),
        pytest.param(Stamp(**(DOH | {"address": "[2001:db8::1]"})), id="IPv6"),
        pytest.param(Stamp(**(DOH | {"address": ""})), id="no address"),
        pytest.param(Stamp(**(DNSCRYPT | {"address": "192.0.2.1:8443"})), id="DNSCrypt with a port, having no host"),
        pytest.param(Stamp(Protocol.PLAIN, address="[2001:db8::1]:5353"), id="plain DNS with a port"),
        pytest.param(Stamp(Protocol.DNSCRYPT_RELAY, address="192.0.2.1:443"), id="a relay with a port"),
        pytest.param(Stamp(Protocol.ODOH_TARGET, host="odoh.example.net:8443", path="/"), id="no address at all"),
    ],
)
def test_the_others_have_no_such_remark(stamp: Stamp) -> None:
    assert refusal(stamp) == ""
    assert "remark" not in explain(stamp)


def test_the_port_of_the_host_is_that_of_the_address() -> None:
    shown = explain(Stamp(**(DOH | {"host": "doh.example.net:8443"}))).splitlines()
    assert "address: 192.0.2.1, port 8443" in shown
