"""What is offered, as the configuration has it."""

import base64
import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dohproxy.config import AboutConfig, Config, DotConfig, ListenAddress, ServerConfig, UpstreamAddress, UpstreamConfig
from dohproxy.doh.stamp import BadStamp
from dohproxy.doh.stamp_codec import decode
from dohproxy.member_token import TOKEN_BYTES, token_of
from dohproxy.profiles.offer import DotOffer
from dohproxy.tls.certificates import read_chain
from dohproxy.tools.invitations import invitation_for
from dohproxy.tools.offers import offer_of
from dohproxy.x509 import UnreadableCertificate
from tests.frontends.issuer import INTERMEDIATE, issue

TOKEN = token_of(bytes(range(TOKEN_BYTES)))
UPSTREAM = UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53))
LISTEN = (ListenAddress("tcp", host="192.0.2.1", port=443), ListenAddress("tcp", host="2001:db8::1", port=443))
CONFIG = Config((UPSTREAM,), ServerConfig(LISTEN, host="doh.example.net"))


def test_everybody_is_offered_what_is_listened_on() -> None:
    sheet = offer_of(CONFIG)
    offer = sheet.offer
    assert (offer.host, offer.title, offer.url) == ("doh.example.net",) * 2 + ("https://doh.example.net/dns-query",)
    assert offer.addresses == ("192.0.2.1", "2001:db8::1")
    assert [decode(stamp).address for stamp in offer.stamps] == ["192.0.2.1", "[2001:db8::1]"]
    assert (offer.key_pin, sheet.remarks) == ("", ())


def test_it_has_the_name_by_which_people_know_the_service() -> None:
    assert offer_of(replace(CONFIG, about=AboutConfig(name="Exemple"))).offer.title == "Exemple"


def test_a_member_is_offered_what_his_invitation_says() -> None:
    offer, invitation = offer_of(CONFIG, token=TOKEN).offer, invitation_for(CONFIG, TOKEN)
    assert (offer.url, offer.stamps) == (invitation.url, invitation.stamps)
    assert TOKEN in offer.url


def test_addresses_can_be_given() -> None:
    offer = offer_of(CONFIG, ("198.51.100.7:8443", "198.51.100.7")).offer
    assert offer.addresses == ("198.51.100.7",)
    assert [decode(stamp).host for stamp in offer.stamps] == ["doh.example.net:8443", "doh.example.net"]


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(BadStamp, match="no IP address"):
        offer_of(CONFIG, ("doh.example.net",))


def test_a_wildcard_gives_no_address_and_a_remark() -> None:
    config = replace(CONFIG, server=ServerConfig((ListenAddress("tcp", host="::", port=443),), host="doh.example.net"))
    sheet = offer_of(config)
    assert sheet.offer.addresses == ()
    assert "give --address" in sheet.remarks[0]


def test_a_path_that_is_too_long_for_a_stamp_leaves_the_rest() -> None:
    config = replace(CONFIG, server=replace(CONFIG.server, path="/" + "p" * 250))
    sheet = offer_of(config, token=TOKEN)
    assert (sheet.offer.stamps, sheet.offer.addresses) == ((), ("192.0.2.1", "2001:db8::1"))
    assert any("255" in remark for remark in sheet.remarks)


# --- DNS over TLS ---

DOT = DotConfig((ListenAddress("tcp", host="192.0.2.2", port=853),))


def test_where_dns_over_tls_is_not_served_none_is_offered() -> None:
    assert offer_of(CONFIG).offer.dot is None


def test_dns_over_tls_is_offered_where_it_is_listened_on() -> None:
    assert offer_of(replace(CONFIG, dot=DOT)).offer.dot == DotOffer("doh.example.net", 853, ("192.0.2.2",))


def test_dns_over_tls_may_have_a_name_and_a_port_of_its_own() -> None:
    dot = DotConfig((ListenAddress("tcp", host="::", port=8853),), host="dot.example.net")
    assert offer_of(replace(CONFIG, dot=dot)).offer.dot == DotOffer("dot.example.net", 8853)


def test_a_member_is_offered_a_name_of_his_own() -> None:
    config = replace(CONFIG, dot=DOT)
    offer, invitation = offer_of(config, token=TOKEN).offer, invitation_for(config, TOKEN)
    assert offer.over_tls().name == invitation.dot_name != "doh.example.net"


def test_behind_a_front_proxy_dns_over_tls_is_where_clients_expect_it() -> None:
    clients = replace(CONFIG.clients, address_from="proxy-protocol")
    dot = DotConfig((ListenAddress("tcp", host="127.0.0.1", port=8853),))
    offer = offer_of(replace(CONFIG, clients=clients, dot=dot), ("192.0.2.9",)).offer
    assert offer.dot == DotOffer("doh.example.net", 853, ("192.0.2.9",))


def test_behind_a_front_proxy_for_doh_alone_dns_over_tls_is_where_it_is_listened_on() -> None:
    clients = replace(CONFIG.clients, address_from="x-forwarded-for")
    offer = offer_of(replace(CONFIG, clients=clients, dot=DOT)).offer
    assert (offer.addresses, offer.dot) == ((), DotOffer("doh.example.net", 853, ("192.0.2.2",)))


def test_the_port_of_dns_over_tls_may_be_changed_by_what_is_in_between() -> None:
    dot = DotConfig((ListenAddress("tcp", host="192.0.2.2", port=8853),))
    config = replace(CONFIG, dot=dot, discovery=replace(CONFIG.discovery, dot_port=853))
    assert offer_of(config).offer.dot == DotOffer("doh.example.net", 853, ("192.0.2.2",))


def test_an_address_with_another_port_than_is_told_is_not_offered() -> None:
    dot = DotConfig((*DOT.listen, ListenAddress("tcp", host="192.0.2.3", port=8853)))
    server = ServerConfig((*LISTEN[:1], ListenAddress("tcp", host="2001:db8::1", port=8443)), host="doh.example.net")
    offer = offer_of(replace(CONFIG, server=server, dot=dot)).offer
    assert (offer.addresses, offer.dot) == (("192.0.2.1",), DotOffer("doh.example.net", 853, ("192.0.2.2",)))
    loopback = DotConfig((ListenAddress("tcp", host="127.0.0.1", port=8853),))
    assert offer_of(replace(CONFIG, dot=loopback)).offer.dot == DotOffer("doh.example.net", 853)


def test_a_chain_pins_the_stamp_and_the_key() -> None:
    issued = issue(INTERMEDIATE, ("doh.example.net",))
    pem = issued.pem + INTERMEDIATE.pem
    sheet = offer_of(CONFIG, pinned=pem)
    assert {decode(stamp).hashes for stamp in sheet.offer.stamps} == {(read_chain(pem).pinned.tbs_hash,)}
    info = issued.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert base64.b64decode(sheet.offer.key_pin) == hashlib.sha256(info).digest()
    assert any("The hash is that of" in remark for remark in sheet.remarks)


def test_what_is_no_certificate_is_refused() -> None:
    with pytest.raises(UnreadableCertificate):
        offer_of(CONFIG, pinned=b"nothing")
