"""Sockets that were bound before this process began, and stay bound after it: sd_listen_fds(3).

Whoever holds them, systemd or a parent of ours, keeps them listening while one process ends and the next one starts.
So connections wait in the kernel's queue for that moment, and none is refused.

The plain functions decide which of them is for which key of the configuration; `InheritedSockets` holds them.
"""

import os
import socket
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from dohproxy.config import ConfigError, ListenAddress, Problem

FIRST: Final = 3
"""Descriptor of the first of them (SD_LISTEN_FDS_START): 0 to 2 are the standard streams."""
MOST: Final = 64
"""More than listeners can be configured; a larger number is no number of sockets."""
UNNAMED: Final = "unknown"
"""What sd_listen_fds_with_names(3) calls those without a name."""
NAMED_KEYS: Final = {"metrics": "metrics.listen", "admin": "admin.socket", "console": "admin.listen"}
"""Names (FileDescriptorName=) that say alone what a socket is for, wherever it is bound: there is one of each kind."""
SERVER_KEY: Final = "server.listen"
DOT_KEY: Final = "dot.listen"
PUBLIC_KEYS: Final = (SERVER_KEY, DOT_KEY)
"""Of everything else, by its address; `doh` is the name that the shipped unit gives."""


def offered_names(environment: Mapping[str, str], pid: int) -> tuple[str, ...]:
    """Return a name for each socket that is passed to this process, in the order of their descriptors.

    LISTEN_PID says whom they are for: a child that inherited the variables is not meant. Raises ConfigError if the
    variables contradict each other.
    """
    if environment.get("LISTEN_PID", "") != str(pid):
        return ()
    text = environment.get("LISTEN_FDS", "")
    if not (text.isascii() and text.isdigit()) or int(text) > MOST:
        raise _refuse(f'LISTEN_FDS is "{text}", which is no number from 0 to {MOST}.')
    names = environment.get("LISTEN_FDNAMES", "")
    if not names:
        return (UNNAMED,) * int(text)
    named = tuple(names.split(":"))
    if len(named) != int(text):
        raise _refuse(f"LISTEN_FDNAMES has {len(named)} names for {text} sockets.")
    return named


@dataclass(frozen=True, slots=True)
class Offered:
    """One inherited socket."""

    name: str
    address: ListenAddress

    def fits(self, key: str, address: ListenAddress) -> bool:
        """Tell whether it is the one for this key of the configuration, which says that it listens at `address`."""
        if self.name in NAMED_KEYS:
            return key == NAMED_KEYS[self.name]
        return is_same(self.address, address)


def is_same(one: ListenAddress, other: ListenAddress) -> bool:
    """Tell whether two ways to write an address mean one place; any free port is no place."""
    if one.kind != other.kind:
        return False
    if one.kind == "unix":
        return os.path.realpath(one.path) == os.path.realpath(other.path)
    return 0 != one.port == other.port and ip_address(one.host) == ip_address(other.host)


def objection(sock: socket.socket) -> str:
    """Return why nobody can be served on a socket, with the line of a .socket unit that does better; "" if they can."""
    if sock.family not in {socket.AF_INET, socket.AF_INET6, socket.AF_UNIX}:
        return "is neither of TCP nor a Unix socket; write ListenStream="
    if sock.type != socket.SOCK_STREAM:
        return "is no stream socket; write ListenStream="
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return "does not listen; write Accept=no"
    if sock.family == socket.AF_INET6 and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        # Their addresses would all be in one /64, ::ffff:0:0, and share one client's limit.
        return "takes IPv4 clients too, in IPv6 form; write BindIPv6Only=ipv6-only, and a ListenStream= for IPv4"
    return ""


def address_of(sock: socket.socket) -> ListenAddress:
    """Return where a socket is bound."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return ListenAddress("unix", path=os.fsdecode(name))
    return ListenAddress("tcp", host=name[0], port=name[1])


class InheritedSockets:
    """The sockets that this process was started with.

    They stay open, so that a reload may take up what the first configuration did not name.
    """

    def __init__(self, sockets: Sequence[tuple[str, socket.socket]]) -> None:
        """Take over named sockets. Raises ConfigError with what is wrong with any of them."""
        problems = [
            Problem(f"inherited socket {name} ({_place(sock)})", why)
            for name, sock in sockets
            if (why := objection(sock))
        ]
        if problems:
            for _, sock in sockets:
                sock.close()
            raise ConfigError(tuple(problems))
        self._offered = [(Offered(name, address_of(sock)), sock) for name, sock in sockets]
        self._taken: set[Offered] = set()

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str], pid: int) -> "InheritedSockets":
        """Return what the environment names, and take it out of there: no child of ours inherits a socket.

        Raises ConfigError if the variables or the sockets cannot be used.
        """
        names = offered_names(environment, pid)
        for variable in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
            environment.pop(variable, None)
        sockets = []
        for number, name in enumerate(names, start=FIRST):
            os.set_inheritable(number, False)
            try:
                sockets.append((name, socket.socket(fileno=number)))
            except OSError as error:
                raise _refuse(f"descriptor {number} ({name}) is no socket ({error.strerror}).") from None
        return cls(sockets)

    def take(self, key: str, address: ListenAddress) -> socket.socket | None:
        """Return the socket for a key, a descriptor of the caller's own; None if that address was not inherited."""
        for offered, sock in self._offered:
            if offered.fits(key, address):
                self._taken.add(offered)
                return sock.dup()
        return None

    def give_back(self, taken: socket.socket) -> None:
        """Note that nobody serves on a socket any more; it is the caller's to close."""
        if taken.fileno() >= 0:
            address = address_of(taken)
            self._taken = {offered for offered in self._taken if offered.address != address}

    def warnings(self, opened_here: Sequence[tuple[str, ListenAddress]]) -> tuple[Problem, ...]:
        """Return what does not fit, once everything was taken; `opened_here`: what was not inherited.

        Not errors: the service does all that its configuration says. But who connects to a socket that nobody takes
        waits for ever, and a listener that is opened here refuses clients between two processes.
        """
        if not self._offered:
            return ()
        unwanted = tuple(
            Problem(
                f"inherited socket {offered.name} ({offered.address})",
                "is what no key of the configuration wants: whoever connects there waits in vain. Name it in"
                f" {NAMED_KEYS.get(offered.name, SERVER_KEY)}, or take its ListenStream= out of the .socket unit.",
            )
            for offered, _ in self._offered
            if offered not in self._taken
        )
        # Metrics and the admin socket are for few, who can wait: only clients' listeners are told of.
        missing = tuple(
            Problem(
                key,
                f"has {address}, which is not among the inherited sockets and is opened here: clients are refused there"
                f" while the service restarts. Add ListenStream={_as_unit_writes(address)} to the .socket unit.",
            )
            for key, address in opened_here
            if key in PUBLIC_KEYS
        )
        return (*unwanted, *missing)

    def close(self) -> None:
        """Let go of all of them; whoever passed them has them still."""
        for _, sock in self._offered:
            sock.close()
        self._offered.clear()


def _as_unit_writes(address: ListenAddress) -> str:
    return address.path if address.kind == "unix" else str(address)


def _place(sock: socket.socket) -> str:
    if sock.family in {socket.AF_INET, socket.AF_INET6, socket.AF_UNIX}:
        return str(address_of(sock))
    return f"descriptor {sock.fileno()}"


def _refuse(sentence: str) -> ConfigError:
    return ConfigError((Problem("inherited sockets", f"cannot be used: {sentence}"),))
