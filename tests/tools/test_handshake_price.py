"""What an operator is told of a certificate with which handshakes are dear."""

from dohproxy.config import ConnectionsConfig
from dohproxy.tools.handshake_price import price_warnings


def test_a_price_that_the_machine_can_afford_is_not_spoken_of() -> None:
    assert price_warnings(ConnectionsConfig(), 0.00035) == ()


def test_a_dear_key_is_told_with_what_strangers_get_and_the_remedy() -> None:
    [problem] = price_warnings(ConnectionsConfig(), 0.0084)
    assert problem.path == "connections.new_per_second"
    assert "is 400, and a handshake with this certificate costs this machine 8.4 ms" in problem.sentence
    assert "strangers will get 60 connections a second" in problem.sentence
    assert "--key-type ecdsa" in problem.sentence
