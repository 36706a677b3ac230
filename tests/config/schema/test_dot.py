"""[dot]: where DoT is spoken, under which name."""

from pathlib import Path

import pytest

from dohproxy.config import Config, ConfigError, DotConfig, read

UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "tls://192.0.2.53#ns0.example.net"\n'


def read_with(text: str) -> Config:
    return read(f"{text}\n{UPSTREAM}", directory=Path("/etc/dohproxy"))


def test_without_addresses_there_is_no_dot() -> None:
    config = read_with("")
    assert config.dot == DotConfig(listen=(), host=None, max_in_flight=64)
    assert [key for key, _ in config.public_listen] == ["server.listen #1"]


def test_its_name_is_that_of_the_service_unless_it_has_one() -> None:
    assert read_with('[server]\nhost = "doh.example.net"').dot_host == "doh.example.net"
    assert read_with('[dot]\nhost = "dot.example.net"').dot_host == "dot.example.net"


@pytest.mark.parametrize("listen", ["127.0.0.1:8853", "[::1]:8853", "unix:/run/dohproxy/dot.sock"])
def test_behind_a_front_proxy_it_needs_no_certificate(listen: str) -> None:
    config = read_with(f'[dot]\nlisten = ["{listen}"]')
    assert str(config.dot.listen[0]) == listen
    assert not config.is_public


@pytest.mark.parametrize(("key", "value"), [("max_in_flight", "0"), ("max_in_flight", "1001"), ("host", '"a b"')])
def test_what_cannot_be_is_told_by_its_key(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"dot\.{key}"):
        read_with(f"[dot]\n{key} = {value}")
