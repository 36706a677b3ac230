"""Values of [discovery]."""

import re
from ipaddress import ip_address
from pathlib import Path

import pytest

from dohproxy.config.addresses import Unusable
from dohproxy.config.discovery_values import LONGEST_TOLD_HOST, parse_own_address, parse_proof_domain, why_untold
from dohproxy.policy.discovery.proof import NO_VIEW, proof_host
from dohproxy.wire.name import LONGEST_NAME_BYTES, from_text

HERE = Path("/etc/dohproxy")


@pytest.mark.parametrize("text", ["192.0.2.1", "2001:db8::1", "10.0.0.1", "127.0.0.1"])
def test_an_address_of_the_service(text: str) -> None:
    assert parse_own_address(text, HERE) == ip_address(text)


REFUSED = {
    "a name": ("doh.example.net", "is no IP address; write 192.0.2.1"),
    "a port": ("192.0.2.1:443", "without port and brackets"),
    "brackets": ("[2001:db8::1]", "without port and brackets"),
    "IPv4 in IPv6 form": ("::ffff:192.0.2.1", 'write "192.0.2.1"'),
    "all addresses": ("0.0.0.0", "no address that clients elsewhere can connect to"),  # noqa: S104 - bound by nobody
    "all of IPv6": ("::", "no address that clients elsewhere can connect to"),
    "an address of one link": ("fe80::1%eth0", "no address that clients elsewhere can connect to"),
    "a group": ("ff02::1", "no address that clients elsewhere can connect to"),
    "everybody": ("255.255.255.255", "no address that clients elsewhere can connect to"),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_address_of_the_service(text: str, words: str) -> None:
    with pytest.raises(Unusable, match=words):
        parse_own_address(text, HERE)


LONGEST = ".".join(["a" * 63] * 3) + "." + "a" * (LONGEST_TOLD_HOST - 192)
HOSTS = {
    "a public name": ("doh.example.net", None),
    "the longest name": (LONGEST, None),
    "one letter more": (LONGEST + "a", "is longer than 226 characters"),
    "an address": ("192.0.2.1", "is an address"),
    "an address of IPv6": ("2001:db8::1", "is an address"),
    "this machine": ("localhost", "leads every client to itself"),
}


@pytest.mark.parametrize(("host", "words"), HOSTS.values(), ids=HOSTS)
def test_of_which_names_clients_can_be_told(host: str, words: str | None) -> None:
    why = why_untold(host)
    assert (why is None) if words is None else (why is not None and why.startswith(words))


def test_the_longest_name_fits_wherever_it_is_told() -> None:
    assert len(LONGEST) == LONGEST_TOLD_HOST
    assert len(from_text(f"_65535._https.{LONGEST}")) <= LONGEST_NAME_BYTES
    assert len(f"infourl=https://{LONGEST}:65535/policy") <= 255


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("check.doh.example.net", "check.doh.example.net"),
        ("Check.Example.NET", "check.example.net"),
        (LONGEST, LONGEST),
    ],
)
def test_a_domain_below_which_names_prove_who_is_asked(text: str, domain: str) -> None:
    assert parse_proof_domain(text, HERE) == domain
    assert len(from_text(proof_host(NO_VIEW, domain))) <= LONGEST_NAME_BYTES


NO_DOMAINS = {
    "a wildcard": ("*.check.example.net", 'write "check.example.net"'),
    "an address": ("192.0.2.1", "is an address, and names have to be below it"),
    "an address of IPv6": ("2001:db8::1", "is an address"),
    "a single label": ("check", 'a single label, for which there is no certificate; write "check'),
    "a final dot": ("check.example.net.", 'write "check.example.net"'),
    "a port": ("check.example.net:443", "names a port"),
    "a URL": ("https://check.example.net/", 'write the name alone: "check.example.net"'),
    "a letter too many": (LONGEST + "a", "leaves no room for names below it"),
    "no name": ("check..net", "is not a host name"),
}


@pytest.mark.parametrize(("text", "words"), NO_DOMAINS.values(), ids=NO_DOMAINS)
def test_what_is_no_such_domain(text: str, words: str) -> None:
    with pytest.raises(Unusable, match=re.escape(words)):
        parse_proof_domain(text, HERE)
