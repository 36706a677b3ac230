"""Configurations of resolvers and forwarders, read back as their programs read them; tests/e2e/test_profiles.py starts
those that Debian has."""

import configparser
import re
import shlex
import tomllib
from dataclasses import replace

import pytest

from dohproxy.profiles import forwarders
from dohproxy.profiles.offer import NO_WISHES, DotOffer, Offer
from tests.profiles.offers import FULL, LEAST, MEMBERS

ELSEWHERE = replace(FULL, dot=DotOffer("doh.example.net", 8853, FULL.addresses))


def at(offer: Offer, *addresses: str) -> Offer:
    """The same at other addresses."""
    return replace(offer, addresses=addresses, dot=replace(offer.over_tls(), addresses=addresses))


PIN = "x" * 43 + "="
# man resolved.conf: "the acceptable full formats are 111.222.333.444:9953%ifname#example.com for IPv4 and
# [1111:2222::3333]:9953%ifname#example.com for IPv6"; brackets only before a port.
RESOLVED = re.compile(
    r"(?:(?P<v4>[\d.]+)|\[(?P<v6>[\da-f:]+)\](?=:)|(?P<bare>[\da-f:]+)(?=#))(?::(?P<port>\d+))?#(?P<name>\S+)"
)


def _text(profile: bytes) -> str:
    return profile.decode("utf-8")


def _settings(text: str) -> list[str]:
    """The lines that are no comment."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


# --- systemd-resolved ---


def _resolved(offer: Offer) -> dict[str, str]:
    reader = configparser.ConfigParser(delimiters=("=",), comment_prefixes=("#",), interpolation=None)
    reader.optionxform = str  # type: ignore[assignment,method-assign]
    reader.read_string(_text(forwarders.systemd_resolved(offer, NO_WISHES)))
    assert reader.sections() == ["Resolve"]
    return dict(reader["Resolve"])


@pytest.mark.parametrize(("offer", "port"), [(FULL, None), (ELSEWHERE, "8853")], ids=["853", "another port"])
def test_resolved_asks_these_addresses_alone_and_verifies_the_name(offer: Offer, port: str | None) -> None:
    settings = _resolved(offer)
    assert (settings["DNSOverTLS"], settings["FallbackDNS"], settings["Domains"]) == ("yes", "", "~.")
    servers = [RESOLVED.fullmatch(one) for one in settings["DNS"].split(" ")]
    found = [(one["v4"] or one["v6"] or one["bare"], one["port"], one["name"]) for one in servers if one]
    assert found == [(address, port, "doh.example.net") for address in FULL.addresses]


# --- NetworkManager ---


def _commands(offer: Offer) -> list[list[str]]:
    text = _text(forwarders.network_manager(offer, NO_WISHES)).replace("\\\n", " ")
    return [shlex.split(line) for line in _settings(text)]


def test_network_manager_is_told_for_one_connection_and_brings_it_up() -> None:
    safe, modify, up = _commands(FULL)
    assert safe == ["set", "-eu"]
    assert modify[:4] == ["nmcli", "connection", "modify", "$1"]
    assert dict(zip(modify[4::2], modify[5::2], strict=True)) == {
        "connection.dns-over-tls": "yes",
        "ipv4.ignore-auto-dns": "yes",
        "ipv4.dns": "192.0.2.1#doh.example.net 192.0.2.2#doh.example.net",
        "ipv6.ignore-auto-dns": "yes",
        "ipv6.dns": "2001:db8::1#doh.example.net 2001:db8:1::#doh.example.net",
    }
    assert up == ["nmcli", "connection", "up", "$1"]


def test_network_manager_is_told_another_port_in_a_uri() -> None:
    modify = _commands(at(ELSEWHERE, "192.0.2.1", "2001:db8::1"))[1]
    settings = dict(zip(modify[4::2], modify[5::2], strict=True))
    assert settings["ipv4.dns"] == "dns+tls://192.0.2.1:8853#doh.example.net"
    assert settings["ipv6.dns"] == "dns+tls://[2001:db8::1]:8853#doh.example.net"


def test_network_manager_asks_no_resolver_of_the_network_over_the_other_version_of_ip() -> None:
    modify = _commands(at(FULL, "192.0.2.1"))[1]
    settings = dict(zip(modify[4::2], modify[5::2], strict=True))
    assert (settings["ipv6.ignore-auto-dns"], settings["ipv6.dns"]) == ("yes", "")


# --- Unbound and stubby ---


@pytest.mark.parametrize(("offer", "port"), [(FULL, 853), (ELSEWHERE, 8853)], ids=["853", "another port"])
def test_unbound_forwards_everything_over_tls(offer: Offer, port: int) -> None:
    lines = _settings(_text(forwarders.unbound(offer, NO_WISHES)))
    zone = lines[lines.index("forward-zone:") + 1 :]
    assert zone[:2] == ['name: "."', "forward-tls-upstream: yes"]
    assert zone[2:] == [f"forward-addr: {address}@{port}#doh.example.net" for address in FULL.addresses]
    assert any(line.startswith("tls-cert-bundle: ") for line in lines)


def _stubby(offer: Offer) -> list[str]:
    lines = _settings(_text(forwarders.stubby(offer, NO_WISHES)))
    assert lines[0] == "resolution_type: GETDNS_RESOLUTION_STUB"
    assert "tls_authentication: GETDNS_AUTHENTICATION_REQUIRED" in lines
    assert [line for line in lines if "TRANSPORT" in line] == ["- GETDNS_TRANSPORT_TLS"]
    return lines[lines.index("upstream_recursive_servers:") + 1 :]


def test_stubby_asks_over_tls_alone_and_verifies_the_name() -> None:
    assert _stubby(at(FULL, "192.0.2.1", "2001:db8::1")) == [
        "- address_data: 192.0.2.1",
        'tls_auth_name: "doh.example.net"',
        "- address_data: 2001:db8::1",
        'tls_auth_name: "doh.example.net"',
    ]


def test_stubby_is_given_no_address_that_it_cannot_read() -> None:
    assert _stubby(at(FULL, "2001:db8:1::"))[0] == "- address_data: 2001:db8:1::0"


def test_stubby_is_told_port_and_key_where_they_matter() -> None:
    offer = replace(at(ELSEWHERE, "192.0.2.1"), key_pin=PIN)
    assert _stubby(offer)[2:] == ["tls_port: 8853", "tls_pubkey_pinset:", '- digest: "sha256"', f"value: {PIN}"]


# --- dnscrypt-proxy and dnsmasq ---


def test_dnscrypt_proxy_knows_this_service_alone() -> None:
    settings = tomllib.loads(_text(forwarders.dnscrypt_proxy(FULL, NO_WISHES)))
    assert settings["server_names"] == ["doh.example.net", "doh.example.net-2"]
    assert {name: one["stamp"] for name, one in settings["static"].items()} == dict(
        zip(settings["server_names"], FULL.stamps, strict=True)
    )
    assert settings["ipv6_servers"] is True
    assert "sources" not in settings


def test_dnscrypt_proxy_needs_no_ipv6_for_a_service_without_it() -> None:
    offer = replace(FULL, addresses=("192.0.2.1",), stamps=FULL.stamps[:1])
    settings = tomllib.loads(_text(forwarders.dnscrypt_proxy(offer, NO_WISHES)))
    assert "ipv6_servers" not in settings
    assert [*settings["static"]] == ["doh.example.net"]


def test_dnsmasq_asks_dnscrypt_proxy_alone() -> None:
    text = _text(forwarders.dnsmasq(FULL, NO_WISHES))
    lines = _settings(text)
    (server,) = [line for line in lines if line.startswith("server=")]
    assert "no-resolv" in lines
    # It names the very port that dnscrypt-proxy is to be given.
    assert f"listen_addresses = ['{server.removeprefix('server=').replace('#', ':')}']" in text


# --- OpenWrt, curl, Android ---


def _uci(text: str) -> dict[str, dict[str, str]]:
    """Read a file of OpenWrt's settings: quotes as in a shell."""
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for line in _settings(text):
        word, *rest = shlex.split(line)
        if word == "config":
            section = found.setdefault(" ".join(rest), {})
        else:
            assert word in ("option", "list")
            section[rest[0]] = rest[1]
    return found


@pytest.mark.parametrize("path", ["/dns-query", "/it's'$x"])
def test_openwrt_asks_this_service_alone(path: str) -> None:
    offer = replace(LEAST, url=f"https://doh.example.net{path}")
    sections = _uci(_text(forwarders.openwrt(offer, NO_WISHES)))
    assert [*sections] == ["main config", "https-dns-proxy"]
    assert sections["https-dns-proxy"]["resolver_url"] == offer.url
    assert sections["main config"]["dnsmasq_config_update"] == "*"


def test_openwrt_is_told_no_other_resolver_unasked() -> None:
    assert "bootstrap_dns" not in _uci(_text(forwarders.openwrt(FULL, NO_WISHES)))["https-dns-proxy"]


def test_curl_is_told_the_url() -> None:
    assert _settings(_text(forwarders.curl(MEMBERS, NO_WISHES))) == [f'doh-url = "{MEMBERS.url}"']


def test_android_is_told_a_name_and_nothing_else() -> None:
    assert forwarders.android(MEMBERS, NO_WISHES) == b"aaaqeayeaudaocajbifqydiob4.doh.example.net\n"
