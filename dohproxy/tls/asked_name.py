"""The name that a client asks for in its handshake (SNI): kept where it may be a member's, and of nobody else."""

import ssl
from typing import Any

from dohproxy.member_token import LABEL_CHARACTERS


def note_members_names(context: ssl.SSLContext) -> None:
    """Have what may be a member's name kept with each connection of this context from now on."""
    context.sni_callback = _note


def asked_name(connection: Any) -> str | None:
    """Return the name that a TLS connection's client has asked for, if it may be a member's."""
    name: str | None = getattr(connection, "asked_name", None)
    return name


def _note(connection: Any, name: str | None, _: ssl.SSLContext) -> None:
    if name is not None and name.find(".") == LABEL_CHARACTERS:
        connection.asked_name = name
