"""Profiles for Apple's systems, read back as a property list and held against the vendor's own description of the keys
(apple/device-management, mdm/profiles/com.apple.dnsSettings.managed.yaml)."""

import plistlib
import uuid
from dataclasses import replace
from typing import Any

import pytest

from dohproxy.profiles.apple import https_profile, tls_profile
from dohproxy.profiles.offer import NO_WISHES, Offer, Wishes
from tests.profiles.offers import FULL, LEAST, MEMBERS

# Keys and their types as Apple has them; "!" behind a type: it must be there.
COMMON = {
    "PayloadType": "str!",
    "PayloadVersion": "int!",
    "PayloadIdentifier": "str!",
    "PayloadUUID": "str!",
    "PayloadDisplayName": "str",
    "PayloadDescription": "str",
    "PayloadOrganization": "str",
}
TOP_LEVEL = COMMON | {"PayloadContent": "list!", "PayloadScope": "str", "PayloadRemovalDisallowed": "bool"}
PAYLOAD = COMMON | {"DNSSettings": "dict!", "OnDemandRules": "list", "ProhibitDisablement": "bool"}
SETTINGS = {"DNSProtocol": "str!", "ServerURL": "str", "ServerName": "str", "ServerAddresses": "list"}
RULE = {"Action": "str!", "InterfaceTypeMatch": "str", "SSIDMatch": "list"}
MAKERS = {"HTTPS": https_profile, "TLS": tls_profile}


def _check(found: dict[str, Any], keys: dict[str, str]) -> None:
    for key, value in found.items():
        assert type(value).__name__ == keys[key].removesuffix("!"), key
    assert {key for key, kind in keys.items() if kind.endswith("!")} <= set(found)


def _read(profile: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    whole = plistlib.loads(profile, fmt=plistlib.FMT_XML)
    (payload,) = whole["PayloadContent"]
    return whole, payload


@pytest.mark.parametrize("protocol", MAKERS)
@pytest.mark.parametrize("wishes", [NO_WISHES, Wishes(except_wifi=("Maison", "Café & bar"))], ids=["plain", "wifi"])
def test_every_key_is_one_that_apple_knows_and_none_is_missing(protocol: str, wishes: Wishes) -> None:
    whole, payload = _read(MAKERS[protocol](FULL, wishes))
    _check(whole, TOP_LEVEL)
    _check(payload, PAYLOAD)
    _check(payload["DNSSettings"], SETTINGS)
    for rule in payload.get("OnDemandRules", ()):
        _check(rule, RULE)
    assert (whole["PayloadType"], payload["PayloadType"]) == ("Configuration", "com.apple.dnsSettings.managed")
    assert payload["DNSSettings"]["DNSProtocol"] == protocol


def test_over_https_it_has_the_url_and_the_addresses() -> None:
    _, payload = _read(https_profile(FULL, NO_WISHES))
    assert payload["DNSSettings"] == {
        "DNSProtocol": "HTTPS",
        "ServerURL": "https://doh.example.net/dns-query",
        "ServerAddresses": ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:1::"],
    }


def test_over_tls_it_has_the_name_that_is_verified() -> None:
    _, payload = _read(tls_profile(replace(MEMBERS, dot=replace(MEMBERS.over_tls(), port=853)), NO_WISHES))
    assert payload["DNSSettings"] == {
        "DNSProtocol": "TLS",
        "ServerName": "aaaqeayeaudaocajbifqydiob4.doh.example.net",
    }


def test_without_an_address_the_device_looks_up_the_host() -> None:
    _, payload = _read(https_profile(LEAST, NO_WISHES))
    assert "ServerAddresses" not in payload["DNSSettings"]


@pytest.mark.parametrize("protocol", MAKERS)
def test_it_can_be_switched_off_and_removed(protocol: str) -> None:
    whole, payload = _read(MAKERS[protocol](FULL, NO_WISHES))
    assert (whole["PayloadRemovalDisallowed"], payload["ProhibitDisablement"]) == (False, False)
    assert "OnDemandRules" not in payload


def test_named_wireless_networks_are_left_to_their_own_resolvers() -> None:
    _, payload = _read(https_profile(FULL, Wishes(except_wifi=("Maison", "Café & bar"))))
    assert payload["OnDemandRules"] == [
        {"Action": "Disconnect", "InterfaceTypeMatch": "WiFi", "SSIDMatch": ["Maison", "Café & bar"]},
        {"Action": "Connect"},
    ]


def test_a_renewed_profile_comes_in_the_place_of_the_one_before() -> None:
    old, new = _read(https_profile(FULL, NO_WISHES)), _read(https_profile(MEMBERS, NO_WISHES))
    for before, after in zip(old, new, strict=True):
        assert before["PayloadIdentifier"] == after["PayloadIdentifier"]
        assert before["PayloadUUID"] != after["PayloadUUID"]
    assert old[0]["PayloadIdentifier"] == "net.example.doh.dns.https"


def test_both_protocols_stand_beside_each_other() -> None:
    https, tls = _read(https_profile(FULL, NO_WISHES)), _read(tls_profile(FULL, NO_WISHES))
    identifiers = {part["PayloadIdentifier"] for part in (*https, *tls)}
    uuids = {str(uuid.UUID(part["PayloadUUID"])) for part in (*https, *tls)}
    assert (len(identifiers), len(uuids)) == (4, 4)


def test_the_same_offer_makes_the_same_file() -> None:
    assert https_profile(FULL, NO_WISHES) == https_profile(FULL, NO_WISHES)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_a_service_without_a_name_has_an_identifier_too(host: str) -> None:
    whole, _ = _read(https_profile(Offer(host, host, f"https://{host}/dns-query"), NO_WISHES))
    assert whole["PayloadIdentifier"] == f"address.{host.replace(':', '-')}.dns.https"


def test_what_people_call_the_service_is_shown_whatever_is_in_it() -> None:
    whole, payload = _read(https_profile(replace(FULL, title="<Été> & Cie"), NO_WISHES))
    assert whole["PayloadDisplayName"] == payload["PayloadDisplayName"] == "<Été> & Cie"
