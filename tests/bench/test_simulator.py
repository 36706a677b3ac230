"""The simulated upstream on its sockets: each transport, each way of turning a guest away, the books."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from bench.ban.process import simulator_in_thread, simulator_process
from bench.ban.signals import Signal
from bench.ban.simulator import Behaviour, Simulator
from tests.e2e.certificates import CertificateAuthority

LOOPBACK = "127.0.0.1"
SHORT = 0.3
"""Seconds that a test waits for what must not come."""


def query(name: str = "www.example.net") -> dns.message.Message:
    """Return a query with EDNS."""
    return dns.message.make_query(name, "A", use_edns=0)


def ask_udp(port: int, timeout: float = 5.0, address: str = LOOPBACK) -> dns.message.Message:
    """Ask over UDP."""
    return dns.query.udp(query(), address, port=port, timeout=timeout)


def ask_tcp(port: int, timeout: float = 5.0) -> dns.message.Message:
    """Ask over TCP."""
    return dns.query.tcp(query(), LOOPBACK, port=port, timeout=timeout)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[CertificateAuthority, Behaviour]:
    """An authority, and the behaviour of an upstream that has a certificate of it."""
    authority = CertificateAuthority(tmp_path_factory.mktemp("authority"))
    files = authority.issue([LOOPBACK])
    return authority, Behaviour(certificate=str(files.certificate), key=str(files.key))


@contextmanager
def running(always: Signal | None) -> Iterator[Simulator]:
    """Run an upstream that meets everybody in one way."""
    with simulator_in_thread(Behaviour(always=always)) as simulator:
        yield simulator


def test_it_answers_over_udp_and_tcp_alike() -> None:
    with running(None) as simulator:
        assert ask_udp(simulator.port).answer == ask_tcp(simulator.port).answer != []
        assert simulator.report().received == 2


def test_it_answers_over_tls(certificate: tuple[CertificateAuthority, Behaviour]) -> None:
    authority, behaviour = certificate
    context = ssl.create_default_context(cafile=str(authority.file))
    with simulator_in_thread(behaviour) as simulator:
        answer = dns.query.tls(
            query(), LOOPBACK, port=simulator.tls_port, timeout=5, ssl_context=context, server_hostname=LOOPBACK
        )
    assert answer.answer


def test_all_its_addresses_keep_one_book() -> None:
    with simulator_in_thread(Behaviour(rate=1, burst=2, addresses=(LOOPBACK, "127.0.0.2"))) as simulator:
        ask_udp(simulator.port)
        ask_udp(simulator.port, address="127.0.0.2")
        with pytest.raises(dns.exception.Timeout):
            ask_udp(simulator.port, SHORT)
        assert (simulator.report().received, simulator.report().excess) == (3, 1)


def test_a_guest_that_goes_on_asking_is_banned_and_forgiven() -> None:
    strict = Behaviour(rate=1, burst=1, patience=1, ban_seconds=0.5, ban=Signal.REFUSED, excess=Signal.REFUSED)
    with simulator_in_thread(strict) as simulator:
        assert ask_udp(simulator.port).rcode() == dns.rcode.NOERROR
        assert ask_udp(simulator.port).rcode() == dns.rcode.REFUSED
        assert simulator.report().bans == 1
        time.sleep(1.1)
        assert ask_udp(simulator.port).rcode() == dns.rcode.NOERROR
        assert simulator.report().received_while_banned == 1


@pytest.mark.parametrize("signal", [Signal.RESET, Signal.CLOSING])
def test_connections_are_cut(signal: Signal) -> None:
    with running(signal) as simulator:
        with pytest.raises((EOFError, ConnectionError)):
            ask_tcp(simulator.port)
        assert simulator.report().connections == 1


def test_a_connection_opens_and_nothing_follows() -> None:
    with running(Signal.HANDSHAKE_HANGS) as simulator:
        with pytest.raises(dns.exception.Timeout):
            ask_tcp(simulator.port, SHORT)
        assert simulator.report().received == 0


def test_a_tls_handshake_never_ends(certificate: tuple[CertificateAuthority, Behaviour]) -> None:
    authority, behaviour = certificate
    with simulator_in_thread(behaviour) as simulator:
        simulator.set_signal(Signal.HANDSHAKE_HANGS)
        with socket.create_connection((LOOPBACK, simulator.tls_port), timeout=SHORT) as connection:
            context = ssl.create_default_context(cafile=str(authority.file))
            with pytest.raises(TimeoutError):
                context.wrap_socket(connection, server_hostname=LOOPBACK)


def test_udp_is_silent_while_tcp_works() -> None:
    with running(Signal.UDP_SILENCE) as simulator:
        with pytest.raises(dns.exception.Timeout):
            ask_udp(simulator.port, SHORT)
        assert ask_tcp(simulator.port).answer


def test_rubbish_is_ignored() -> None:
    with running(None) as simulator, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rubbish:
        rubbish.sendto(b"\x00" * 5, (LOOPBACK, simulator.port))
        assert ask_udp(simulator.port).answer
        assert simulator.report().received == 1


def test_as_a_process_it_takes_commands() -> None:
    with simulator_process(Behaviour(rate=5, burst=10, watched=("example.net",))) as simulator:
        assert ask_udp(simulator.port).answer
        simulator.set_signal(Signal.REFUSED)
        assert ask_udp(simulator.port).rcode() == dns.rcode.REFUSED
        simulator.set_signal(None)
        assert ask_udp(simulator.port).answer
        report = simulator.report()
    assert (report.received, report.by_label, sum(report.by_second)) == (3, {"example.net": 3}, 3)
    with suppress(OSError), pytest.raises(dns.exception.Timeout):
        ask_udp(simulator.port, SHORT)
