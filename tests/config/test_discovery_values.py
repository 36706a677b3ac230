"""Values of [discovery]."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from dohproxy.config.addresses import Unusable
from dohproxy.config.discovery_values import LONGEST_TOLD_HOST, parse_own_address, why_untold
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
