"""Which header lists are requests (RFC 9113 sections 8.2 and 8.3). The rest is malformed: a stream error."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from dohproxy.http2.hpack import Field

_NAME: Final = re.compile(rb"[!-9;-@\[-~]+")
"""Visible ASCII without upper case and colon (RFC 9113 section 8.2.1)."""
_FORBIDDEN_IN_VALUE: Final = re.compile(rb"[\x00\r\n]|^[ \t]|[ \t]$")
_PSEUDO: Final = frozenset({b":method", b":scheme", b":authority", b":path"})
_CONNECTION_SPECIFIC: Final = frozenset({
    b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade",
})  # fmt: skip
_ONCE: Final = frozenset({b"host", b"content-length"})
_DIGITS: Final = re.compile(rb"[0-9]{1,10}")
_VISIBLE: Final = re.compile(rb"[!-~]+")


class MalformedRequest(Exception):
    """The header list is no request."""


@dataclass(slots=True)
class RequestHead:
    """A request without its body. Equal header blocks may share one: only the note on it may change."""

    method: str
    path: str
    """The target: ":path", for CONNECT the authority."""
    authority: str | None
    fields: tuple[tuple[str, str], ...]
    """Regular fields, names in lower case, in their order."""
    content_length: int | None
    note: Any = field(default=None, compare=False, repr=False)
    """What the door wants to find again when it sees the same head."""


def read_head(fields: Sequence[Field]) -> RequestHead:
    """Return the request that a header list is. Raises MalformedRequest."""
    pseudo: dict[bytes, bytes] = {}
    for name, value in fields:
        if not name.startswith(b":"):
            break
        if name in pseudo or name not in _PSEUDO or _FORBIDDEN_IN_VALUE.search(value):
            raise MalformedRequest
        pseudo[name] = value
    regular, host, content_length = _read_regular(tuple(fields[len(pseudo) :]))
    method, path = _method_and_path(pseudo)
    authority = pseudo.get(b":authority")
    # RFC 9113 section 8.3.1: one of the two is what we are asked for; if they differ, it is anybody's guess.
    if authority is not None and host is not None and authority.lower() != host.lower():
        raise MalformedRequest
    named = authority if authority is not None else host
    return RequestHead(
        method=method.decode("latin-1"),
        path=path.decode("latin-1"),
        authority=named.decode("latin-1") if named is not None else None,
        fields=regular,
        content_length=content_length,
    )


def check_trailers(fields: Sequence[Field]) -> None:
    """Raise MalformedRequest unless these fields may follow a body: no pseudo-header, and well-formed."""
    _check_regular(fields)


@lru_cache(maxsize=128)
def _read_regular(fields: tuple[Field, ...]) -> tuple[tuple[tuple[str, str], ...], bytes | None, int | None]:
    """Return the regular fields, the host and the content length of a request.

    A client sends the same with each request, as do all clients of one kind: kept, at most 128 header lists.
    """
    once = _check_regular(fields)
    return (
        tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in fields),
        once.get(b"host"),
        _content_length(once.get(b"content-length")),
    )


def _check_regular(fields: Sequence[Field]) -> dict[bytes, bytes]:
    """Hold regular fields against section 8.2; return those that may stand there once only."""
    once: dict[bytes, bytes] = {}
    for name, value in fields:
        if not _NAME.fullmatch(name) or name in _CONNECTION_SPECIFIC or _FORBIDDEN_IN_VALUE.search(value):
            raise MalformedRequest
        if name == b"te" and value.lower() != b"trailers":
            raise MalformedRequest
        if name in _ONCE:
            if name in once:
                raise MalformedRequest
            once[name] = value
    return once


def _method_and_path(pseudo: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    method = pseudo.get(b":method")
    if not method or not _NAME.fullmatch(method.lower()):
        raise MalformedRequest
    if method == b"CONNECT":
        # RFC 9113 section 8.5: the authority alone says where to.
        if b":scheme" in pseudo or b":path" in pseudo or not pseudo.get(b":authority"):
            raise MalformedRequest
        return method, pseudo[b":authority"]
    path = pseudo.get(b":path")
    if not path or not pseudo.get(b":scheme"):
        raise MalformedRequest
    if not path.startswith(b"/") and not (path == b"*" and method == b"OPTIONS"):
        raise MalformedRequest
    if not _VISIBLE.fullmatch(path):
        raise MalformedRequest
    return method, path


def _content_length(value: bytes | None) -> int | None:
    if value is None:
        return None
    if not _DIGITS.fullmatch(value):
        raise MalformedRequest
    return int(value)
