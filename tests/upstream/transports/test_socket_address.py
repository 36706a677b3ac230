"""Where an upstream is: with an interface, where its address has one."""

import errno
import socket

import pytest

from dohproxy.config.addresses import UpstreamAddress
from dohproxy.upstream.transports.socket_address import host_of, socket_address_of


def _at(host: str) -> UpstreamAddress:
    return UpstreamAddress("udp", host, 53)


@pytest.mark.parametrize("host", ["192.0.2.53", "2001:db8::53"])
def test_an_address_is_where_it_says(host: str) -> None:
    assert socket_address_of(_at(host)) == (host, 53)
    assert host_of(_at(host)) == host


def test_an_interface_is_looked_up() -> None:
    index = socket.if_nametoindex("lo")
    for interface in ("lo", str(index)):
        assert socket_address_of(_at(f"fe80::53%{interface}")) == ("fe80::53", 53, 0, index)
        assert host_of(_at(f"fe80::53%{interface}")) == f"fe80::53%{index}"


def test_one_that_is_not_there_is_no_way() -> None:
    for look_up in (socket_address_of, host_of):
        with pytest.raises(OSError, match="No such device") as caught:
            look_up(_at("fe80::53%nowhere"))
        assert caught.value.errno == errno.ENODEV
