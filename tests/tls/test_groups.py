"""Groups are named for every context, by whichever way this Python has, and finite fields are never among them."""

import ssl
from typing import Any, ClassVar

import pytest

from dohproxy.tls import groups
from dohproxy.tls.groups import FRONTEND_GROUPS, UPSTREAM_GROUPS, name_groups
from dohproxy.tls.native_context import NotProved


def _offered(context: ssl.SSLContext) -> bytes:
    """Return the extension supported_groups of a client with this context (RFC 8446 section 4.2.7)."""
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    said = out.read()
    start = said.index(b"\x00\x0a", said.index(b"localhost"))
    return said[start + 6 : start + 4 + int.from_bytes(said[start + 2 : start + 4])]


@pytest.fixture
def client() -> ssl.SSLContext:
    """A client's, as Python makes it."""
    return ssl.create_default_context()


def test_what_python_offers_by_itself_has_finite_fields(client: ssl.SSLContext) -> None:
    # Else this module is for nothing.
    assert b"\x01\x00" in _offered(client)


def test_an_upstream_may_choose_among_curves_alone(client: ssl.SSLContext) -> None:
    assert name_groups(client, UPSTREAM_GROUPS)
    assert _offered(client) == bytes.fromhex("001d 0017 0018 0019")


def test_a_list_with_a_group_that_is_not_known_gives_way_to_the_next(client: ssl.SSLContext) -> None:
    assert name_groups(client, ["Curve1:X25519", "P-256:X25519"])
    assert _offered(client) == bytes.fromhex("0017 001d")


def test_a_python_that_can_be_told_one_group_only_is_told_p_256(
    client: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        raise NotProved("the layout of this Python is not known")

    monkeypatch.setattr(groups, "set_groups", refuse)
    assert not name_groups(client, FRONTEND_GROUPS)
    assert _offered(client) == bytes.fromhex("0017")


def test_a_python_that_can_be_told_is_told_its_own_way() -> None:
    class Later(ssl.SSLContext):
        """A context of Python 3.15."""

        told: ClassVar[list[str]] = []

        def set_groups(self, groups: str, /) -> None:
            self.told.append(groups)
            if "MLKEM" in groups:
                raise ssl.SSLError("unrecognized group")

    context: Any = Later(ssl.PROTOCOL_TLS_SERVER)
    assert name_groups(context, FRONTEND_GROUPS)
    assert context.told == list(FRONTEND_GROUPS)
