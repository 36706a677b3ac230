"""Where an upstream is, in the system's form.

An address of one link has an interface with it, which is looked up by its name each time, as it may come and go.
"""

import errno
import os
import socket

from dohproxy.config.addresses import UpstreamAddress


def socket_address_of(address: UpstreamAddress) -> tuple[str, int] | tuple[str, int, int, int]:
    """Return what a socket connects to. Raises OSError (ENODEV) if there is no such interface."""
    if not address.interface:
        return address.host, address.port
    return address.bare_host, address.port, 0, _index_of(address.interface)


def host_of(address: UpstreamAddress) -> str:
    """Return the address as text that getaddrinfo() takes. Raises OSError (ENODEV) if there is no such interface."""
    # By name it takes an interface for addresses of a link alone, not for loopback.
    return f"{address.bare_host}%{_index_of(address.interface)}" if address.interface else address.host


def _index_of(interface: str) -> int:
    if interface.isdigit():
        return int(interface)
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from None
