"""What clients are told of this service."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from dohproxy.config import ConfigError, DiscoveryConfig, read

HERE = Path("/etc/dohproxy")
UPSTREAM = '[[upstream]]\nname = "a"\nurl = "udp://127.0.0.1:53"\n'


def read_with(text: str) -> DiscoveryConfig:
    return read(f"{UPSTREAM}[server]\nhost = 'doh.example.net'\n[discovery]\n{text}", directory=HERE).discovery


def test_nothing_is_told_unasked() -> None:
    assert not DiscoveryConfig().enabled
    assert not DiscoveryConfig().qname_minimisation
    assert DiscoveryConfig().addresses == ()


def test_every_key() -> None:
    text = 'enabled = true\naddresses = ["192.0.2.1", "2001:db8::1"]\nport = 443\ndot_port = 853\nttl_seconds = 60\n'
    found = read_with(text + "qname_minimisation = true\nhttp3 = true\n")
    addresses = (ip_address("192.0.2.1"), ip_address("2001:db8::1"))
    assert found == DiscoveryConfig(True, addresses, 443, 853, True, True, 60)


WRONG = {
    "an address with a port": ('addresses = ["192.0.2.1:443"]', r"discovery\.addresses #1 .*without port and brackets"),
    "too many addresses": (
        f"addresses = {[f'192.0.2.{number}' for number in range(9)]}",
        r"discovery\.addresses .*",
    ),
    "no port": ("port = 65536", r"discovery\.port .* outside of 0 to 65535"),
    "a TTL of a second": ("ttl_seconds = 1", r"discovery\.ttl_seconds .* outside of 60 to 86400"),
    "a name of a key of ours": ("qnamemin = true", r"discovery\.qnamemin"),
}


@pytest.mark.parametrize(("text", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_meant_is_told_with_its_path(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_with(text)
