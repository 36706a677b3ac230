"""Which header lists are requests (RFC 9113 sections 8.2 and 8.3). The rest is malformed: a stream error."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from dohproxy.authority import is_authority
from dohproxy.http2.static_table import Field

_IN_NAMES: Final = bytes(byte for byte in range(0x21, 0x7F) if byte != 0x3A and not 0x41 <= byte <= 0x5A)
"""Visible ASCII without upper case and colon (RFC 9113 section 8.2.1)."""
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
"""The memory for a request's head, and for each of its fields, without their texts: a tuple of two strings is 154."""
MOST_KEPT_FIELDS: Final = 24
"""The most fields of a header list that is kept as it was read: twice what browsers send. One that nobody sends again
would only cost to be looked for, and would push another out."""


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
    """What the frontend wants to find again when it sees the same rest."""
    _held: int = field(default=0, compare=False, repr=False)

    @property
    def held_bytes(self) -> int:
        """What it takes in memory, added up once: else a POST costs 8 % more."""
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
    """What the frontend wants to find again when it sees the same head."""

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
    before, behind = tuple(fields[:place]), tuple(fields[place + 1 :])
    is_kept = len(fields) <= MOST_KEPT_FIELDS
    pseudo, rest = _read_rest_and_keep(before, behind) if is_kept else _read_rest(before, behind)
    if path is not None and place > len(pseudo):
        raise MalformedRequest
    return RequestHead(rest, _target(path, pseudo))


def check_trailers(fields: Sequence[Field]) -> None:
    """Raise MalformedRequest unless these fields may follow a body: no pseudo-header, and well-formed."""
    _check_regular(fields)


def _read_rest(before: tuple[Field, ...], behind: tuple[Field, ...]) -> tuple[dict[bytes, bytes], RestOfHead]:
    """Return the pseudo-header fields before and behind the path, and what all the fields there are."""
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


_read_rest_and_keep = lru_cache(maxsize=128)(_read_rest)
"""A client sends the same with each request, as do all clients of one kind: kept, at most 128 header lists. Without
them a new connection costs a third more, and a name that is asked for the first time 28 %."""


def _without_default_port(authority: bytes, scheme: bytes) -> bytes:
    """Return an authority as it is written if it says no more than it must (RFC 3986 sections 6.2.2.1 and 6.2.3)."""
    return authority.lower().removesuffix(_DEFAULT_PORTS.get(scheme, b":")).removesuffix(b":")


def _read_pseudo(fields: Sequence[Field]) -> dict[bytes, bytes]:
    """Return the pseudo-header fields, which stand before the others; the path is not among them."""
    pseudo: dict[bytes, bytes] = {}
    for name, value in fields:
        if not name.startswith(b":"):
            break
        if name in pseudo or name not in _PSEUDO_BUT_PATH:
            raise MalformedRequest
        pseudo[name] = value
    method = pseudo.get(b":method")
    if not method or method.lower().translate(None, _IN_NAMES):
        raise MalformedRequest
    _values_as_lines(list(pseudo.values()))
    return pseudo


def _check_regular(fields: Sequence[Field]) -> tuple[dict[bytes, bytes], tuple[tuple[str, str], ...]]:
    """Hold regular fields against section 8.2; return those that mean something to HTTP, and all as text."""
    names = b"\n".join([b"", *[name for name, _ in fields], b""])
    # Without what names are made of, their line ends are left, and nothing else.
    if names.translate(None, _IN_NAMES) != b"\n" * (len(fields) + 1) or b"\n\n" in names:
        raise MalformedRequest
    values = _values_as_lines([value for _, value in fields])
    once: dict[bytes, bytes] = {}
    for name, value in [one for one in fields if one[0] in _SPECIAL]:
        is_again = name in _ONCE and name in once
        if name in _CONNECTION_SPECIFIC or is_again or (name == b"te" and value.lower() != b"trailers"):
            raise MalformedRequest
        once[name] = value
    # Before the first line end stands nothing, and behind the last: of these two nothing is made.
    texts = zip(names.decode("ascii").split("\n"), values.decode("latin-1").split("\n"), strict=True)
    return once, tuple(texts)[1:-1]


def _values_as_lines(values: Sequence[bytes]) -> bytes:
    """Return values with a line end around each, once they are held against section 8.2.1 all at once.

    One by one, or by a regular expression, this would cost more than all that follows.
    """
    lines = b"\n".join([b"", *values, b""])
    if (
        b"\x00" in lines
        or b"\r" in lines
        or b"\n " in lines
        or b"\n\t" in lines
        or b" \n" in lines
        or b"\t\n" in lines
        or lines.count(b"\n") != len(values) + 1
    ):
        raise MalformedRequest
    return lines


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
