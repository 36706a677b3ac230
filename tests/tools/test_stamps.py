"""The stamps of a configuration: where clients connect, and what the operator should know."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from dohproxy.config import (
    ClientsConfig,
    Config,
    DiscoveryConfig,
    ServerConfig,
    UpstreamAddress,
    UpstreamConfig,
)
from dohproxy.config.addresses import parse_listen
from dohproxy.doh.stamp import BadStamp, Properties, Protocol, Stamp
from dohproxy.doh.stamp_codec import decode
from dohproxy.tls.certificates import read_chain
from dohproxy.tools.stamps import StampAddress, pin_remark, places_of, service_stamp, stamp_sheet
from tests.frontends.issuer import INTERMEDIATE, ROOT, issue

HOST = "doh.example.net"
NOTHING = Properties(0)


KNOWN = DiscoveryConfig(addresses=(ip_address("192.0.2.1"), ip_address("2001:db8::1")))


def config_of(
    *listen: str,
    host: str = HOST,
    address_from: str = "connection",
    path: str = "/dns-query",
    discovery: DiscoveryConfig | None = None,
) -> Config:
    return Config(
        (UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53)),),
        ServerConfig(tuple(parse_listen(text, Path("/run")) for text in listen), path, host),
        clients=ClientsConfig(address_from=address_from),  # type: ignore[arg-type]
        discovery=discovery or DiscoveryConfig(),
    )


@pytest.mark.parametrize(
    ("config", "given", "places", "remark"),
    [
        pytest.param(
            config_of("192.0.2.1:443", "[2001:db8::1]:443"),
            [],
            [StampAddress("192.0.2.1", 443), StampAddress("2001:db8::1", 443)],
            "",
            id="the addresses that are listened on",
        ),
        pytest.param(
            config_of("192.0.2.1:8443", "127.0.0.1:8443", "unix:h1.sock"),
            [],
            [StampAddress("192.0.2.1", 8443)],
            "",
            id="but for those that only this machine can reach",
        ),
        pytest.param(
            config_of("[::]:443", "0.0.0.0:443"),
            [],
            [StampAddress("", 443)],
            "[::]:443 and 0.0.0.0:443: every address of this machine, which a stamp cannot say",
            id="wildcards",
        ),
        pytest.param(
            config_of("[::]:443", "0.0.0.0:8443", "192.0.2.1:443"),
            [],
            [StampAddress("192.0.2.1", 443), StampAddress("", 443), StampAddress("", 8443)],
            "give --address",
            id="wildcards on two ports beside an address",
        ),
        pytest.param(
            config_of("[::]:8443"),
            ["192.0.2.1", "2001:db8::1", "[2001:db8::2]", "[2001:db8::3]:443", "192.0.2.4:9443"],
            [
                StampAddress("192.0.2.1", 8443),
                StampAddress("2001:db8::1", 8443),
                StampAddress("2001:db8::2", 8443),
                StampAddress("2001:db8::3", 443),
                StampAddress("192.0.2.4", 9443),
            ],
            "",
            id="the addresses given, on the port that is listened on",
        ),
        pytest.param(
            config_of("127.0.0.1:8443", address_from="proxy-protocol"),
            [],
            [StampAddress("", 443)],
            "Behind a front proxy its address is not known here",
            id="behind a front proxy",
        ),
        pytest.param(
            config_of("192.0.2.1:8080", address_from="forwarded"),
            ["192.0.2.9"],
            [StampAddress("192.0.2.9", 443)],
            "",
            id="the front proxy's address, on its port",
        ),
        pytest.param(
            config_of("127.0.0.1:8443"),
            [],
            [StampAddress("127.0.0.1", 8443)],
            "Only this machine can connect",
            id="loopback alone",
        ),
        pytest.param(
            config_of("127.0.0.1:8443"),
            ["192.0.2.1"],
            [StampAddress("192.0.2.1", 443)],
            "",
            id="loopback behind something",
        ),
        pytest.param(
            config_of("unix:h1.sock"),
            [],
            [StampAddress("", 443)],
            "No address that clients connect to",
            id="a Unix socket",
        ),
        pytest.param(
            config_of("192.0.2.1:0"), [], [StampAddress("", 443)], "192.0.2.1:0 takes any free port", id="any free port"
        ),
        pytest.param(
            config_of("[fe80::1%eth0]:443", "192.0.2.1:443"),
            [],
            [StampAddress("192.0.2.1", 443)],
            "has a meaning on its own network alone",
            id="an address of one interface",
        ),
        pytest.param(
            config_of("127.0.0.1:8443", address_from="forwarded", discovery=KNOWN),
            [],
            [StampAddress("192.0.2.1", 443), StampAddress("2001:db8::1", 443)],
            "",
            id="the addresses that the configuration names",
        ),
        pytest.param(
            config_of("192.0.2.1:8443", "[::]:8443", discovery=DiscoveryConfig(port=443)),
            [],
            [StampAddress("192.0.2.1", 443), StampAddress("", 443)],
            "give --address",
            id="the port that the configuration names",
        ),
        pytest.param(
            config_of("[::]:443", host="2001:db8::1"),
            [],
            [StampAddress("2001:db8::1", 443)],
            "",
            id="an address as host",
        ),
    ],
)
def test_clients_connect_to(config: Config, given: list[str], places: list[StampAddress], remark: str) -> None:
    found = places_of(config, given)
    assert list(found.found) == places
    assert remark in " ".join(found.remarks)
    assert bool(found.remarks) is bool(remark)


@pytest.mark.parametrize("text", ["", "doh.example.net", "192.0.2.1:0", "192.0.2.1:x", "[192.0.2.1]", "fe80::1%eth0"])
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(BadStamp, match="no IP address with or without a port"):
        places_of(config_of("[::]:443"), [text])


@pytest.mark.parametrize(
    ("place", "host", "address", "stamp_host"),
    [
        (StampAddress("192.0.2.1", 443), HOST, "192.0.2.1", HOST),
        (StampAddress("192.0.2.1", 8443), HOST, "192.0.2.1", f"{HOST}:8443"),
        (StampAddress("2001:db8::1", 443), HOST, "[2001:db8::1]", HOST),
        (StampAddress("2001:db8::1", 8443), "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:8443"),
        (StampAddress("", 443), HOST, "", HOST),
        (StampAddress("", 8443), HOST, "", f"{HOST}:8443"),
    ],
)
def test_the_port_is_written_with_the_host_alone_unless_it_is_that_of_https(
    place: StampAddress, host: str, address: str, stamp_host: str
) -> None:
    stamp = service_stamp(config_of("[::]:443", host=host, path="/q").server, place, Properties.DNSSEC, None)
    assert stamp == Stamp(Protocol.DOH, Properties.DNSSEC, address, host=stamp_host, path="/q")


LEAF = issue(INTERMEDIATE, (HOST,))
CHAIN = read_chain(LEAF.pem + INTERMEDIATE.pem + ROOT.pem)
ALONE = read_chain(LEAF.pem)
DIRECT = issue(ROOT, (HOST,))


def stamps_in(text: str) -> list[Stamp]:
    return [decode(line) for line in text.splitlines() if not line.startswith("#")]


def test_each_place_has_a_stamp_without_hash_and_one_with_that_of_the_intermediate_certificate() -> None:
    config = config_of("192.0.2.1:443", "[2001:db8::1]:443")
    sheet = stamp_sheet(config, CHAIN, (), NOTHING, with_plain=True)
    assert [(stamp.address, stamp.hashes) for stamp in stamps_in(sheet.text)] == [
        ("192.0.2.1", ()),
        ("192.0.2.1", (CHAIN.certificates[1].tbs_hash,)),
        ("[2001:db8::1]", ()),
        ("[2001:db8::1]", (CHAIN.certificates[1].tbs_hash,)),
    ]
    assert sheet.text.splitlines()[2] == "# 192.0.2.1; only with CN=intermediate in the certificate chain"
    assert len(sheet.remarks) == 1
    assert "from the day on which its authority signs with another one" in sheet.remarks[0]


def test_only_what_is_asked_for_is_shown() -> None:
    config = config_of("192.0.2.1:443")
    plain = stamp_sheet(config, None, (), NOTHING, with_plain=True)
    assert [stamp.hashes for stamp in stamps_in(plain.text)] == [()]
    assert plain.remarks == ()
    pinned = stamp_sheet(config, CHAIN, (), NOTHING, with_plain=False)
    assert [stamp.hashes for stamp in stamps_in(pinned.text)] == [(CHAIN.pinned.tbs_hash,)]


def test_the_hash_of_the_servers_own_certificate_is_warned_of() -> None:
    sheet = stamp_sheet(config_of("192.0.2.1:443"), ALONE, (), NOTHING, with_plain=False)
    assert "the next renewal ends every stamp" in sheet.remarks[0]
    assert stamps_in(sheet.text)[0].hashes == (ALONE.server.tbs_hash,)


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        pytest.param(LEAF.pem, "as no other is in its file:", id="alone"),
        pytest.param(DIRECT.pem + ROOT.pem, "as nothing else in its file is below a root", id="beside its root"),
        pytest.param(issue(None, (HOST,)).pem, "as no other is in its file:", id="its own root"),
    ],
)
def test_it_is_told_why_it_is_the_servers_own(pem: bytes, why: str) -> None:
    chain = read_chain(pem)
    assert chain.pinned is chain.server
    assert why in pin_remark(chain)


def test_a_service_without_a_public_name_is_told() -> None:
    sheet = stamp_sheet(config_of("192.0.2.1:443", host="localhost"), None, (), NOTHING, with_plain=True)
    assert 'server.host is "localhost"' in sheet.remarks[0]


def test_a_place_to_be_looked_up_is_told_in_words() -> None:
    sheet = stamp_sheet(config_of("[::]:8443"), None, (), NOTHING, with_plain=True)
    assert sheet.text.startswith("# an address to be looked up, port 8443; any certificate that clients trust\nsdns://")


def test_the_longest_path_that_can_be_configured_fits() -> None:
    config = config_of("192.0.2.1:443", path="/" + "p" * 254)
    assert stamps_in(stamp_sheet(config, None, (), NOTHING, with_plain=True).text)[0].path == config.server.path
