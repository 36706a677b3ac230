"""Inherited sockets: which are for us, which key each is for, and what is said where they do not fit."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dohproxy.config import ConfigError, ListenAddress
from dohproxy.service_manager.activation import (
    MOST,
    InheritedSockets,
    Offered,
    address_of,
    is_same,
    objection,
    offered_names,
)

PID = 4711
OURS = {"LISTEN_PID": str(PID)}


def _tcp(host: str, port: int) -> ListenAddress:
    return ListenAddress("tcp", host=host, port=port)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is opened in a test and closed with it."""
    with ExitStack() as opened:
        yield opened


def _listening(stack: ExitStack, host: str = "127.0.0.1", *, only_ipv6: bool = True) -> socket.socket:
    """Return a socket as a well-written .socket unit would have it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
    if family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_ipv6)
    opened.bind((host, 0))
    opened.listen()
    return opened


# --- The variables ---


@pytest.mark.parametrize(
    ("told", "names"),
    [
        ({}, ()),
        ({"LISTEN_FDS": "1"}, ()),
        ({"LISTEN_FDS": "1", "LISTEN_PID": "1"}, ()),
        ({**OURS, "LISTEN_FDS": "0"}, ()),
        ({**OURS, "LISTEN_FDS": "2"}, ("unknown", "unknown")),
        ({**OURS, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "doh:metrics"}, ("doh", "metrics")),
        ({**OURS, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "doh:"}, ("doh", "")),
    ],
    ids=["none", "nobody's", "another process's", "no socket", "unnamed", "named", "one named"],
)
def test_sockets_are_ours(told: dict[str, str], names: tuple[str, ...]) -> None:
    assert offered_names(told, PID) == names


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"LISTEN_FDS": "many"}, 'LISTEN_FDS is "many"'),
        ({"LISTEN_FDS": "-1"}, 'LISTEN_FDS is "-1"'),
        ({"LISTEN_FDS": str(MOST + 1)}, "no number from 0 to 64"),
        ({"LISTEN_FDS": "3", "LISTEN_FDNAMES": "doh:metrics"}, "2 names for 3 sockets"),
    ],
    ids=["a word", "negative", "too many", "a name is missing"],
)
def test_variables_that_contradict_each_other_are_told(told: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"inherited sockets cannot be used: .*{sentence}"):
        offered_names({**OURS, **told}, PID)


# --- Which is for what ---


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (_tcp("::", 443), _tcp("::", 443), True),
        (_tcp("2001:db8::1", 443), _tcp("2001:DB8:0::1", 443), True),
        (_tcp("::1", 443), _tcp("127.0.0.1", 443), False),
        (_tcp("127.0.0.1", 443), _tcp("127.0.0.1", 8443), False),
        (_tcp("127.0.0.1", 0), _tcp("127.0.0.1", 0), False),
        (_tcp("127.0.0.1", 443), ListenAddress("unix", path="/run/a"), False),
        (ListenAddress("unix", path="/run/a"), ListenAddress("unix", path="/run/./a"), True),
        (ListenAddress("unix", path="/run/a"), ListenAddress("unix", path="/run/b"), False),
    ],
    ids=["equal", "written otherwise", "families", "ports", "any port", "kinds", "paths", "two paths"],
)
def test_two_addresses_are_one_place(one: ListenAddress, other: ListenAddress, same: bool) -> None:
    assert is_same(one, other) is same


@pytest.mark.parametrize(
    ("name", "key", "fits"),
    [
        ("doh", "server.listen", True),
        ("dohproxy.socket", "server.listen", True),
        ("unknown", "metrics.listen", True),
        ("metrics", "metrics.listen", True),
        ("metrics", "server.listen", False),
        ("admin", "admin.socket", True),
        ("admin", "metrics.listen", False),
        ("console", "admin.listen", True),
        ("console", "admin.socket", False),
    ],
)
def test_a_name_decides_where_there_is_one_of_its_kind(name: str, key: str, fits: bool) -> None:
    assert Offered(name, _tcp("127.0.0.1", 443)).fits(key, _tcp("127.0.0.1", 443)) is fits


def test_a_socket_named_metrics_is_for_metrics_wherever_it_is_bound() -> None:
    assert Offered("metrics", ListenAddress("unix", path="/run/m.sock")).fits("metrics.listen", _tcp("::1", 9153))


# --- What nobody can be served on ---


def test_nothing_is_wrong_with_listening_stream_sockets(stack: ExitStack, tmp_path: Path) -> None:
    unix = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    unix.bind(str(tmp_path / "a.sock"))
    unix.listen()
    opened = [_listening(stack), _listening(stack, "::"), unix]
    assert [objection(sock) for sock in opened] == ["", "", ""]
    assert str(address_of(unix)) == f"unix:{tmp_path}/a.sock"


def test_a_datagram_socket_is_refused(stack: ExitStack) -> None:
    opened = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    assert objection(opened) == "is no stream socket; write ListenStream="


def test_a_connection_is_refused(stack: ExitStack) -> None:
    opened = stack.enter_context(socket.create_connection(_listening(stack).getsockname()))
    assert objection(opened) == "does not listen; write Accept=no"


def test_what_is_of_another_family_is_refused(stack: ExitStack) -> None:
    opened = stack.enter_context(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
    assert objection(opened).startswith("is neither of TCP nor a Unix socket")


def test_what_takes_both_families_is_refused_with_the_line_to_write(stack: ExitStack) -> None:
    opened = _listening(stack, "::", only_ipv6=False)
    with pytest.raises(ConfigError, match=r"inherited socket doh \(\[::\]:\d+\) takes IPv4.*BindIPv6Only=ipv6-only"):
        InheritedSockets([("doh", opened)])
    assert opened.fileno() == -1


# --- Taking ---


def test_each_address_gets_its_own_and_may_take_it_again(stack: ExitStack) -> None:
    first, second = _listening(stack), _listening(stack)
    inherited = InheritedSockets([("doh", first), ("doh", second)])
    for _ in range(2):
        taken = inherited.take("server.listen", address_of(second))
        assert taken is not None
        assert taken.getsockname() == second.getsockname()
        taken.close()
    inherited.close()
    assert first.fileno() == -1


def test_without_inherited_sockets_there_is_nothing_to_say() -> None:
    inherited = InheritedSockets([])
    assert inherited.take("server.listen", _tcp("127.0.0.1", 443)) is None
    assert inherited.warnings([("server.listen", _tcp("127.0.0.1", 443))]) == ()


def test_what_nobody_wants_and_what_is_missing_is_told(stack: ExitStack) -> None:
    doh, metrics = _listening(stack), _listening(stack)
    inherited = InheritedSockets([("doh", doh), ("metrics", metrics)])
    elsewhere = _tcp("::", 8443)
    assert inherited.take("server.listen", elsewhere) is None
    told = [str(one) for one in inherited.warnings([("server.listen", elsewhere), ("admin.socket", elsewhere)])]
    assert told == [
        f"inherited socket doh ({address_of(doh)}) is what no key of the configuration wants: whoever connects there"
        " waits in vain. Name it in server.listen, or take its ListenStream= out of the .socket unit.",
        f"inherited socket metrics ({address_of(metrics)}) is what no key of the configuration wants: whoever connects"
        " there waits in vain. Name it in metrics.listen, or take its ListenStream= out of the .socket unit.",
        "server.listen has [::]:8443, which is not among the inherited sockets and is opened here: clients are refused"
        " there while the service restarts. Add ListenStream=[::]:8443 to the .socket unit.",
    ]
    inherited.close()


# Puts what it was given at descriptor 3, as systemd does, and tells what is left of the variables.
CHILD = """
import os, sys
if int(sys.argv[1]) != 3:
    os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
from dohproxy.config import ListenAddress
from dohproxy.service_manager.activation import InheritedSockets
inherited = InheritedSockets.from_environment(os.environ, os.getpid())
address = ListenAddress("tcp", host="127.0.0.1", port=int(sys.argv[2]))
taken = inherited.take("server.listen", address)
print(taken is not None and taken.getsockname()[1], os.get_inheritable(3), [n for n in os.environ if "LISTEN_" in n])
"""


def _child(descriptor: int, port: int) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(descriptor), str(port)],
        env={**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "doh"},
        pass_fds=[descriptor],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=Path(__file__).parents[2],
    )


def test_a_process_takes_what_it_was_started_with_and_leaves_it_to_no_child(stack: ExitStack) -> None:
    opened = _listening(stack)
    port = opened.getsockname()[1]
    run = _child(opened.fileno(), port)
    assert run.stdout == f"{port} False []\n", run.stderr


def test_a_descriptor_that_is_no_socket_is_told(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        run = _child(file.fileno(), 1)
    assert "descriptor 3 (doh) is no socket" in run.stderr
