"""The name that a client asks for in its handshake (SNI): kept where it may be a member's, and of nobody else."""

import ssl
from typing import Any, Final

MEMBERS_LABEL: Final = 26
"""Characters of the first label of a member's name; other names are not kept with each connection."""


def note_members_names(context: ssl.SSLContext) -> None:
    """Have what may be a member's name kept with each connection of this context from now on."""
    context.sni_callback = _note


def asked_name(connection: Any) -> str | None:
    """Return the name that a TLS connection's client has asked for, if it may be a member's."""
    name: str | None = getattr(connection, "asked_name", None)
    return name


def _note(connection: Any, name: str | None, _: ssl.SSLContext) -> None:
    if name is not None and name.find(".") == MEMBERS_LABEL:
        connection.asked_name = name
