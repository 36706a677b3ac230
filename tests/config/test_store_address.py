"""Where the store is, as it is written, and what is said of what is no address."""

from pathlib import Path

import pytest

from dohproxy.config.addresses import Unusable
from dohproxy.config.store_address import StoreAddress, parse_store

HERE = Path("/etc/dohproxy")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/valkey.sock", StoreAddress("unix", path="/run/valkey.sock")),
        ("unix:valkey.sock", StoreAddress("unix", path="/etc/dohproxy/valkey.sock")),
        ("valkey://127.0.0.1", StoreAddress("tcp", "127.0.0.1", 6379)),
        ("redis://[2001:db8::7]:6380", StoreAddress("tcp", "2001:db8::7", 6380)),
        (
            "valkeys://192.0.2.7#store.example.net",
            StoreAddress("tls", "192.0.2.7", 6379, verify_name="store.example.net"),
        ),
        ("rediss://192.0.2.7:6390", StoreAddress("tls", "192.0.2.7", 6390)),
    ],
)
def test_an_address_of_a_store_is_read(text: str, address: StoreAddress) -> None:
    assert parse_store(text, HERE) == address


@pytest.mark.parametrize(
    "text", ["unix:/run/valkey.sock", "valkey://[2001:db8::7]:6379", "valkeys://192.0.2.7:6379#a.example"]
)
def test_what_is_shown_of_an_address_can_be_read_again(text: str) -> None:
    assert str(parse_store(text, HERE)) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("127.0.0.1:6379", "is no store"),
        ("http://127.0.0.1", "is no store"),
        ("valkey://store.example.net", "no IP address"),
        ("valkey://user:password@127.0.0.1", "nodes.password_file"),
        ("valkey://127.0.0.1/2", "holds more"),
        ("valkey://127.0.0.1:0", "port 0"),
        ("valkey://127.0.0.1:99999", "no IP address with a port"),
        ("valkey://127.0.0.1#store", "shows no certificate"),
        ("valkeys://127.0.0.1#", "nothing after #"),
        ("unix:@abstract", "abstract"),
    ],
)
def test_what_is_no_address_is_refused_with_what_to_write(text: str, says: str) -> None:
    with pytest.raises(Unusable, match=says):
        parse_store(text, HERE)


@pytest.mark.parametrize(
    ("text", "is_open"),
    [("valkey://192.0.2.7", True), ("valkey://127.0.0.1", False), ("valkeys://192.0.2.7", False), ("unix:/a", False)],
)
def test_only_tcp_to_another_machine_is_an_open_path(text: str, is_open: bool) -> None:
    assert parse_store(text, HERE).is_open_path is is_open
