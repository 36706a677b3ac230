"""Which request lines and header fields are a request (RFC 9112 sections 2 to 6), and what they say of its body."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from dohproxy.authority import is_authority
from dohproxy.http1.errors import BadRequest, Fault
from dohproxy.http1.limits import LARGEST_HEADER, LONGEST_FIELD, LONGEST_LINE, MOST_FIELDS

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_FIELD: Final = _TOKEN + rb"++:[^\x00-\x08\x0a-\x1f\x7f]*+"
_LINE: Final = re.compile(rb"(" + _TOKEN + rb"++) ([!-~]++) HTTP/1\.([0-9])")
_FIELD_LINE: Final = re.compile(_FIELD)
_FIELD_LINES: Final = re.compile(rb"(?:" + _FIELD + rb"\r\n)*+")
_BEGUN_LINE: Final = re.compile(_TOKEN + rb"++(?: (?:[!-~]++(?: [!-~]*+)?)?)?\r?")
_BEGUN_FIELD_LINE: Final = re.compile(rb"(?:" + _TOKEN + rb"++(?::[^\x00-\x08\x0a-\x1f\x7f]*+)?)?\r?")
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]+)[/?#]?.*")
_DIGITS: Final = re.compile(r"[0-9]{1,19}")
_CLOSE: Final = re.compile(r"close(?<![^, \t]close)(?![^, \t])")
"""One of the words in a list of them. Begins with what is looked for, so that a list of 8,000 commas costs little."""

_ABOUT_THE_MESSAGE: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "expect"})
LARGEST_KEPT: Final = 1_024
"""Bytes of fields that are kept read, of 128 kinds of client; other clients are read each time."""


@dataclass(slots=True)
class RestOfHead:
    """What the fields of a request say. Requests of clients of one kind share it: nothing in it changes."""

    fields: tuple[tuple[str, str], ...]
    """Names in lower case, in their order."""
    has_host: bool
    content_length: int | None
    is_chunked: bool
    says_close: bool
    """The client wants this request to be the connection's last (RFC 9112 section 9.6)."""
    expects_continue: bool
    """The client waits to be told to send its body (RFC 9110 section 10.1.1)."""


@dataclass(slots=True)
class RequestHead:
    """A request without its body."""

    method: str
    """The method, in whatever case it was sent."""
    target: str
    is_old: bool
    """Whether it is HTTP/1.0, which knows neither chunks nor connections that go on."""
    rest: RestOfHead


def read_head(line: bytes, block: bytes) -> RequestHead:
    """Return the request of this line and these fields, each with the end of its line. Raises BadRequest."""
    method, target, is_old = read_line(line)
    rest = _read_again(block) if len(block) <= LARGEST_KEPT else read_fields(block)
    if is_old:
        if rest.is_chunked:
            raise BadRequest(Fault.MALFORMED)  # Some proxy before us has not understood it (section 6.1).
    elif not rest.has_host:
        raise BadRequest(Fault.MALFORMED)
    return RequestHead(method, target, is_old, rest)


def read_line(line: bytes) -> tuple[str, str, bool]:
    """Return method, target, and whether the version is 1.0. Raises BadRequest."""
    if len(line) > LONGEST_LINE:
        raise BadRequest(Fault.LONG_LINE)
    match = _LINE.fullmatch(line)
    if match is None:
        raise BadRequest(Fault.MALFORMED)
    method, target = match.group(1).decode("ascii"), match.group(2).decode("ascii")
    if not target.startswith("/"):
        _check_rarer_target(method, target)
    return method, target, match.group(3) == b"0"  # Later ones are as 1.1 (RFC 9110 section 2.5).


def _check_rarer_target(method: str, target: str) -> None:
    """Raise BadRequest unless this is the absolute form, or that of OPTIONS or CONNECT (section 3.2)."""
    if method == "CONNECT":
        is_good = is_authority(target)
    else:
        match = _ABSOLUTE.fullmatch(target)
        is_good = is_authority(match.group(1)) if match is not None else target == "*" and method == "OPTIONS"
    if not is_good:
        raise BadRequest(Fault.MALFORMED)


def check_begun_line(begun: bytes) -> None:
    """Raise BadRequest if no request line can begin so."""
    if len(begun.removesuffix(b"\r")) > LONGEST_LINE:
        raise BadRequest(Fault.LONG_LINE)
    if begun and _BEGUN_LINE.fullmatch(begun) is None:
        raise BadRequest(Fault.MALFORMED)


def check_field_line(line: bytes, *, is_begun: bool = False) -> None:
    """Raise BadRequest unless this is a field line without its end, or the beginning of one."""
    if len(line.removesuffix(b"\r")) > LONGEST_FIELD:
        raise BadRequest(Fault.LARGE_HEADER)
    if (_BEGUN_FIELD_LINE if is_begun else _FIELD_LINE).fullmatch(line) is None:
        raise BadRequest(Fault.MALFORMED)


def read_fields(block: bytes) -> RestOfHead:
    """Return what field lines say, each with its end. Raises BadRequest."""
    if len(block) > LARGEST_HEADER:
        raise BadRequest(Fault.LARGE_HEADER)
    if _FIELD_LINES.fullmatch(block) is None:
        raise BadRequest(Fault.MALFORMED)
    lines = block.decode("latin-1").split("\r\n")
    lines.pop()
    if len(lines) > MOST_FIELDS or (len(block) > LONGEST_FIELD and max(map(len, lines)) > LONGEST_FIELD):
        raise BadRequest(Fault.LARGE_HEADER)
    fields: list[tuple[str, str]] = []
    about: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name = name.lower()
        value = value.strip(" \t")
        fields.append((name, value))
        if name in _ABOUT_THE_MESSAGE:
            about.setdefault(name, []).append(value)
    return _judge(tuple(fields), about)


@lru_cache(maxsize=128)  # Without it a name that is asked for the first time costs 11 % more.
def _read_again(block: bytes) -> RestOfHead:
    return read_fields(block)


def _judge(fields: tuple[tuple[str, str], ...], about: Mapping[str, Sequence[str]]) -> RestOfHead:
    hosts = about.get("host", ())
    if len(hosts) > 1 or (hosts and not is_authority(hosts[0])):
        raise BadRequest(Fault.MALFORMED)
    lengths, codings = about.get("content-length", ()), about.get("transfer-encoding", ())
    if lengths and (codings or len(lengths) > 1 or _DIGITS.fullmatch(lengths[0]) is None):
        raise BadRequest(Fault.MALFORMED)
    if codings:
        _check_codings(",".join(codings))
    return RestOfHead(
        fields,
        has_host=bool(hosts),
        content_length=int(lengths[0]) if lengths else None,
        is_chunked=bool(codings),
        says_close=_CLOSE.search(",".join(about.get("connection", ())).lower()) is not None,
        expects_continue=[value.lower() for value in about.get("expect", ())] == ["100-continue"],
    )


def _check_codings(codings: str) -> None:
    """Raise BadRequest unless a body is chunked and nothing else; where it ends is known only then (section 6.3)."""
    codings = codings.lower()
    if codings == "chunked":
        return
    others = codings.removesuffix("chunked").rstrip(" \t")
    is_chunked_at_last = codings.endswith("chunked") and others.endswith(",")
    is_coded = bool(others.strip(" \t,")) and "chunked" not in others
    raise BadRequest(Fault.UNKNOWN_CODING if is_chunked_at_last and is_coded else Fault.MALFORMED)
