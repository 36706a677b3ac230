"""Which header lists are requests (RFC 9113 sections 8.2 and 8.3). The rest is malformed: a stream error."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from dohproxy.authority import is_authority
from dohproxy.http2.hpack import Field

_NAME: Final = re.compile(rb"[!-9;-@\[-~]+")
"""Visible ASCII without upper case and colon (RFC 9113 section 8.2.1)."""
_FORBIDDEN_IN_VALUE: Final = re.compile(rb"[\x00\r\n]|^[ \t]|[ \t]$")
_NAMES: Final = re.compile(rb"(?:[!-9;-@\[-~]+\n)*")
_FORBIDDEN_IN_VALUES: Final = re.compile(rb"[\x00\r]|(?:^|\n)[ \t]|[ \t](?:\n|\Z)")
"""The same of many at once, each with a line end behind it; how many line ends there are is counted apart. A list of
short fields would cost more to be looked through one by one than all that follows."""
_PSEUDO_BUT_PATH: Final = frozenset({b":method", b":scheme", b":authority"})
_CONNECTION_SPECIFIC: Final = frozenset({
    b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade",
})  # fmt: skip
_ONCE: Final = frozenset({b"host", b"content-length"})
_SPECIAL: Final = _CONNECTION_SPECIFIC | _ONCE | {b"te", b"expect"}
_DEFAULT_PORTS: Final = {b"https": b":443", b"http": b":80"}
_DIGITS: Final = re.compile(rb"[0-9]{1,10}")
_VISIBLE: Final = re.compile(rb"[!-~]+")


REST_BYTES: Final = 400
FIELD_BYTES: Final = 160
"""Of memory for a request's head, and for each of its fields, without their texts: a tuple of two strings is 154."""


class MalformedRequest(Exception):
    """The header list is no request."""


@dataclass(slots=True)
class RestOfHead:
    """A request but for its target. Requests of clients of one kind share it: only the note on it may change."""

    method: str
    authority: str | None
    fields: tuple[tuple[str, str], ...]
    """Regular fields, names in lower case, in their order."""
    content_length: int | None
    expects_continue: bool = False
    """The client waits to be told to send its body."""
    note: Any = field(default=None, compare=False, repr=False)
    """What the door wants to find again when it sees the same rest."""
    _held: int = field(default=0, compare=False, repr=False)

    @property
    def held_bytes(self) -> int:
        """What it takes in memory."""
        if not self._held:
            texts = sum(len(name) + len(value) for name, value in self.fields)
            self._held = REST_BYTES + FIELD_BYTES * len(self.fields) + texts
        return self._held


@dataclass(slots=True)
class RequestHead:
    """A request without its body. Equal header blocks may share one: only the note on it may change."""

    rest: RestOfHead
    path: str
    """The target: ":path", for CONNECT the authority."""
    note: Any = field(default=None, compare=False, repr=False)
    """What the door wants to find again when it sees the same head."""

    @property
    def method(self) -> str:
        """The method, in whatever case it was sent."""
        return self.rest.method

    @property
    def authority(self) -> str | None:
        """ ":authority", or Host in its place."""
        return self.rest.authority

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Regular fields, names in lower case, in their order."""
        return self.rest.fields

    @property
    def content_length(self) -> int | None:
        """What was announced as the body's length."""
        return self.rest.content_length


def read_head(fields: Sequence[Field]) -> RequestHead:
    """Return the request that a header list is. Raises MalformedRequest."""
    path, place = None, len(fields)
    for index, (name, value) in enumerate(fields):
        if name == b":path":
            path, place = value, index
            break
    pseudo, rest = _read_rest(tuple(fields[:place]), tuple(fields[place + 1 :]))
    if path is not None and place > len(pseudo):
        raise MalformedRequest
    return RequestHead(rest, _target(path, pseudo))


def check_trailers(fields: Sequence[Field]) -> None:
    """Raise MalformedRequest unless these fields may follow a body: no pseudo-header, and well-formed."""
    _check_regular(fields)


@lru_cache(maxsize=128)
def _read_rest(before: tuple[Field, ...], behind: tuple[Field, ...]) -> tuple[dict[bytes, bytes], RestOfHead]:
    """Return the pseudo-header fields before and behind the path, and what all the fields there are.

    A client sends the same with each request, as do all clients of one kind: kept, at most 128 header lists.
    """
    fields = before + behind
    pseudo = _read_pseudo(fields)
    regular = fields[len(pseudo) :]
    once, texts = _check_regular(regular)
    authority, host = pseudo.get(b":authority"), once.get(b"host")
    # RFC 9113 section 8.3.1: one of the two is what we are asked for; if they differ, it is anybody's guess.
    if authority is not None and host is not None and authority.lower() != host.lower():
        scheme = pseudo.get(b":scheme", b"").lower()
        if _without_default_port(authority, scheme) != _without_default_port(host, scheme):
            raise MalformedRequest
    named = authority if authority is not None else host
    if named is not None and not is_authority(named.decode("latin-1")):
        raise MalformedRequest
    return pseudo, RestOfHead(
        method=pseudo[b":method"].decode("ascii"),
        authority=named.decode("latin-1") if named is not None else None,
        fields=texts,
        content_length=_content_length(once.get(b"content-length")),
        expects_continue=once.get(b"expect", b"").lower() == b"100-continue",
    )


def _without_default_port(authority: bytes, scheme: bytes) -> bytes:
    """Return an authority as it is written if it says no more than it must (RFC 3986 sections 6.2.2.1 and 6.2.3)."""
    return authority.lower().removesuffix(_DEFAULT_PORTS.get(scheme, b":")).removesuffix(b":")


def _read_pseudo(fields: Sequence[Field]) -> dict[bytes, bytes]:
    """Return the pseudo-header fields, which stand before the others; the path is not among them."""
    pseudo: dict[bytes, bytes] = {}
    for name, value in fields:
        if not name.startswith(b":"):
            break
        if name in pseudo or name not in _PSEUDO_BUT_PATH or _FORBIDDEN_IN_VALUE.search(value):
            raise MalformedRequest
        pseudo[name] = value
    method = pseudo.get(b":method")
    if not method or not _NAME.fullmatch(method.lower()):
        raise MalformedRequest
    return pseudo


def _check_regular(fields: Sequence[Field]) -> tuple[dict[bytes, bytes], tuple[tuple[str, str], ...]]:
    """Hold regular fields against section 8.2; return those that mean something to HTTP, and all as text."""
    names = b"\n".join([*[name for name, _ in fields], b""])
    values = b"\n".join([*[value for _, value in fields], b""])
    if not names.count(b"\n") == values.count(b"\n") == len(fields):
        raise MalformedRequest
    if _NAMES.fullmatch(names) is None or _FORBIDDEN_IN_VALUES.search(values) is not None:
        raise MalformedRequest
    once: dict[bytes, bytes] = {}
    for name, value in [one for one in fields if one[0] in _SPECIAL]:
        is_again = name in _ONCE and name in once
        if name in _CONNECTION_SPECIFIC or is_again or (name == b"te" and value.lower() != b"trailers"):
            raise MalformedRequest
        once[name] = value
    # Behind the last line end stands nothing, of which nothing is made.
    texts = zip(names.decode("ascii").split("\n"), values.decode("latin-1").split("\n"), strict=True)
    return once, tuple(texts)[:-1]


def _target(path: bytes | None, pseudo: dict[bytes, bytes]) -> str:
    method, scheme = pseudo[b":method"], pseudo.get(b":scheme")
    if method == b"CONNECT":
        # RFC 9113 section 8.5: the authority alone says where to.
        authority = pseudo.get(b":authority")
        if scheme is not None or path is not None or not authority:
            raise MalformedRequest
        return authority.decode("latin-1")
    if not path or not scheme:
        raise MalformedRequest
    if not is_target(path) and not (path == b"*" and method == b"OPTIONS"):
        raise MalformedRequest
    return path.decode("ascii")


def is_target(path: bytes) -> bool:
    """Tell whether a ":path" is one for every method that has one."""
    return path.startswith(b"/") and _VISIBLE.fullmatch(path) is not None


def _content_length(value: bytes | None) -> int | None:
    if value is None:
        return None
    if not _DIGITS.fullmatch(value):
        raise MalformedRequest
    return int(value)
