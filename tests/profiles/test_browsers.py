"""Policies of browsers; tests/e2e/test_profiles.py has the browsers themselves read them."""

import json
import re

import pytest

from dohproxy.profiles.browsers import chromium_policies, chromium_registry, firefox_policies, template_of
from dohproxy.profiles.offer import NO_WISHES, Wishes
from tests.profiles.offers import FULL, MEMBERS

STRICT = Wishes(is_strict=True)


@pytest.mark.parametrize(("wishes", "fallback"), [(NO_WISHES, True), (STRICT, False)], ids=["usual", "strict"])
def test_firefox_is_told_the_url_and_whether_it_may_ask_others(wishes: Wishes, fallback: bool) -> None:
    assert json.loads(firefox_policies(FULL, wishes)) == {
        "policies": {
            "DNSOverHTTPS": {
                "Enabled": True,
                "ProviderURL": "https://doh.example.net/dns-query",
                "Fallback": fallback,
                "Locked": False,
            }
        }
    }


@pytest.mark.parametrize(("wishes", "mode"), [(NO_WISHES, "automatic"), (STRICT, "secure")], ids=["usual", "strict"])
def test_chromium_is_told_the_template_and_whether_it_may_ask_others(wishes: Wishes, mode: str) -> None:
    assert json.loads(chromium_policies(FULL, wishes)) == {
        "DnsOverHttpsMode": mode,
        "DnsOverHttpsTemplates": "https://doh.example.net/dns-query{?dns}",
    }


def test_a_members_url_stands_in_the_template() -> None:
    assert template_of(MEMBERS) == "https://doh.example.net:8443/dns-query/AAECAwQFBgcICQoLDA0ODw{?dns}"


def test_the_registry_has_the_same_for_chrome_and_edge() -> None:
    text = chromium_registry(MEMBERS, STRICT).decode("ascii")
    lines = text.split("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    assert lines[:2] == ["Windows Registry Editor Version 5.00", ""]
    keys = re.findall(r"\[HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\([^\]]+)\]", text)
    assert keys == [r"Google\Chrome", r"Microsoft\Edge"]
    values = re.findall(r'^"(\w+)"="([^"]*)"\r$', text, re.MULTILINE)
    assert values == [*json.loads(chromium_policies(MEMBERS, STRICT)).items()] * 2
