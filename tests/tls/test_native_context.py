"""OpenSSL is called by hand only where that is proved to be safe; else nothing happens."""

import ctypes
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from dohproxy.tls import native_context
from dohproxy.tls.local_handshake import FINITE_FIELDS, P256, X25519, Reaction, attempt, hello
from dohproxy.tls.native_context import NotProved, set_groups


@pytest.fixture
def context() -> ssl.SSLContext:
    """A server's, as Python makes it."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def test_the_groups_are_those_that_were_named(context: ssl.SSLContext) -> None:
    options = context.options
    assert set_groups(context, "ffdhe3072")
    assert attempt(context, hello([], [FINITE_FIELDS["ffdhe3072"]])).reaction is not Reaction.ANSWERS
    assert set_groups(context, "P-256")
    assert attempt(context, hello([], [X25519])).reaction is Reaction.REFUSES
    assert context.options == options


def test_a_group_that_openssl_does_not_know_is_told_and_the_old_ones_stay(context: ssl.SSLContext) -> None:
    assert set_groups(context, "P-256")
    assert not set_groups(context, "P-256:Curve1")
    assert attempt(context, hello([], [X25519])).reaction is Reaction.REFUSES
    # What OpenSSL says of it is not heard by whoever uses it next.
    assert ssl.MemoryBIO().read() == b""
    context.set_ciphers("ECDHE+AESGCM")


def test_every_context_has_an_address_of_its_own() -> None:
    one, other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert set_groups(one, "P-256")
    assert set_groups(other, "X25519")
    assert attempt(one, hello([], [P256])).reaction is not Reaction.ANSWERS


def _another_python(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sys, "implementation", SimpleNamespace(name="pypy"))


def _a_later_python(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(native_context, "LAST_KNOWN_PYTHON", (3, 10))


def _another_openssl(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ssl, "OPENSSL_VERSION_NUMBER", 0x10101000)


def _no_map(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(native_context, "MAPS", Path("/nowhere/maps"))


def _no_openssl(patch: pytest.MonkeyPatch) -> None:
    # A library there is, but without these functions.
    patch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())


def _no_library(patch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise OSError("cannot open shared object file")

    patch.setattr(ctypes, "CDLL", refuse)


def _nothing_is_mapped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(native_context, "_is_writable_memory", lambda _: False)


def _an_odd_address(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(native_context, "_pointer_at", lambda address: id(native_context) + 1)


def _another_field(patch: pytest.MonkeyPatch) -> None:
    # Memory that may be read, and holds something else: that of an object of Python.
    somewhere = ctypes.create_string_buffer(65_536)
    patch.setattr(native_context, "_pointer_at", lambda _: ctypes.addressof(somewhere))
    patch.setattr(native_context, "_options_at", lambda *_: 0)


@pytest.mark.parametrize(
    "differ",
    [
        *(_another_python, _a_later_python, _another_openssl, _no_map, _no_openssl, _no_library),
        *(_nothing_is_mapped, _an_odd_address, _another_field),
    ],
    ids=lambda differ: differ.__name__.strip("_").replace("_", " "),
)
def test_what_is_not_proved_is_not_done(
    differ: Callable[[pytest.MonkeyPatch], None], context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = context.options
    differ(monkeypatch)
    with pytest.raises(NotProved):
        set_groups(context, "P-256")
    monkeypatch.undo()
    assert context.options == options
    assert attempt(context, hello([], [P256])).reaction is Reaction.REFUSES  # There is no certificate.
