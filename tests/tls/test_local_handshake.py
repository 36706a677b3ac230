"""The messages written by hand are what OpenSSL takes them for."""

import ssl

import pytest

from dohproxy.tls.local_handshake import (
    DHE_SUITES_1_2,
    FINITE_FIELDS,
    P256,
    P256_POINT,
    X25519,
    Reaction,
    attempt,
    cheap_hello,
    dheat_hello,
    hello,
    hello_1_2,
    ordinary_hello,
)
from dohproxy.tls.throwaway import write_throwaway_certificate


@pytest.fixture(scope="module")
def inherited(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server with whatever OpenSSL has by default."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write_throwaway_certificate(tmp_path_factory.mktemp("certificate"), "localhost"))
    return context


@pytest.mark.parametrize(
    ("message", "reaction"),
    [
        (ordinary_hello(), Reaction.ANSWERS),
        (cheap_hello(), Reaction.ANSWERS),
        (hello([(P256, P256_POINT)], [P256]), Reaction.ANSWERS),
        (hello([], [X25519]), Reaction.ASKS_AGAIN),
        (hello([], [0xFE00]), Reaction.REFUSES),
        (hello([], FINITE_FIELDS.values()), Reaction.ASKS_AGAIN),
        (hello_1_2([0xC02B, 0xC02F], [P256]), Reaction.ANSWERS),
        (hello_1_2(DHE_SUITES_1_2, [P256]), Reaction.REFUSES),
        (b"GET / HTTP/1.1\r\n\r\n", Reaction.REFUSES),
    ],
    ids=[
        *("X25519 and P-256", "a share of each", "P-256 alone", "no share", "a group of nobody", "finite fields"),
        *("TLS 1.2", "TLS 1.2 in finite fields", "no TLS at all"),
    ],
)
def test_a_server_reacts(inherited: ssl.SSLContext, message: bytes, reaction: Reaction) -> None:
    assert attempt(inherited, message).reaction is reaction


def test_the_attack_is_the_attack(inherited: ssl.SSLContext) -> None:
    # Random bytes are a share that OpenSSL refuses in the end, or one that it does not: it has computed either way.
    ordinary = min(attempt(inherited, ordinary_hello()).cpu_seconds for _ in range(3))
    assert attempt(inherited, dheat_hello()).cpu_seconds > 20 * ordinary
