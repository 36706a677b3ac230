"""Scripts for Windows 11. There is no Windows here: they are held against the syntax in Microsoft's reference of
`netsh dnsclient` (add encryption [server=]<IP> [dohtemplate=]<string> [dothost=]<host>:<port> ...)."""

import re
from collections.abc import Callable

import pytest

from dohproxy.profiles.offer import NO_WISHES, Offer, Wishes
from dohproxy.profiles.windows import https_script, tls_script
from tests.profiles.offers import FULL

Make = Callable[[Offer, Wishes], bytes]
ADD = re.compile(
    r"netsh dns add encryption server=(?P<server>\S+) (?:dohtemplate=\"(?P<template>https://[^\"]+)\"|dothost=(?P<host>[\w.-]+):853)"
    r" autoupgrade=yes udpfallback=no"
)


def _lines(script: bytes) -> list[str]:
    text = script.decode("ascii")
    assert "\n" not in text.replace("\r\n", "")
    return text.split("\r\n")


@pytest.mark.parametrize("make", [https_script, tls_script])
def test_every_address_is_told_to_speak_no_plain_dns(make: Make) -> None:
    lines = _lines(make(FULL, NO_WISHES))
    added = [found for line in lines if (found := ADD.fullmatch(line))]
    assert [found["server"] for found in added] == list(FULL.addresses)
    assert len(added) == sum("add encryption" in line for line in lines)


def test_over_https_the_template_is_the_url() -> None:
    found = {found["template"] for line in _lines(https_script(FULL, NO_WISHES)) if (found := ADD.fullmatch(line))}
    assert found == {"https://doh.example.net/dns-query"}


def test_over_tls_the_name_is_verified_and_the_protocol_switched_on() -> None:
    lines = _lines(tls_script(FULL, NO_WISHES))
    assert {found["host"] for line in lines if (found := ADD.fullmatch(line))} == {"doh.example.net"}
    assert "netsh dns add global dot=yes" in lines


@pytest.mark.parametrize("make", [https_script, tls_script])
def test_what_is_there_already_is_taken_away_first(make: Make) -> None:
    lines = _lines(make(FULL, NO_WISHES))
    for address in FULL.addresses:
        taken = lines.index(f"netsh dns delete encryption server={address} >nul 2>&1")
        assert f"server={address} " in lines[taken + 1]


def test_it_says_which_addresses_to_type_into_settings() -> None:
    shown = [line.strip() for line in _lines(https_script(FULL, NO_WISHES)) if "DNS:" in line]
    assert shown == [
        "echo   IPv4, Preferred DNS: 192.0.2.1",
        "echo   IPv4, Alternate DNS: 192.0.2.2",
        "echo   IPv6, Preferred DNS: 2001:db8::1",
        "echo   IPv6, Alternate DNS: 2001:db8:1::",
    ]


@pytest.mark.parametrize("make", [https_script, tls_script])
def test_what_it_says_is_only_said(make: Make) -> None:
    # In a line that is shown, these would be redirections, joined commands or variables.
    shown = [line for line in _lines(make(FULL, NO_WISHES)) if line.startswith("echo ")]
    assert [line for line in shown if re.search(r"[<>&|%^]", line)] == []
