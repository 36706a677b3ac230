"""What requests are to the walk, and what becomes of bytes that are none."""

import pytest

from dohproxy.frontends.http1.parsing import REASONS, read_message
from dohproxy.http1.errors import Fault
from dohproxy.http1.head import RequestHead, read_head
from dohproxy.outcomes import OUTCOMES

LINE = b"GET /dns-query?dns=AAAA HTTP/1.1"


def head(*fields: bytes) -> RequestHead:
    """A GET with these fields besides its Host."""
    return read_head(LINE, b"".join(field + b"\r\n" for field in (b"Host: localhost", *fields)))


def test_repeated_fields_are_joined() -> None:
    request = read_message(head(b"Accept: a/b", b"X-Other: c", b"ACCEPT: */*"), b"")
    assert (request.method, request.target, request.accept) == ("GET", "/dns-query?dns=AAAA", "a/b, */*")


def test_what_is_not_there_is_told_from_what_is_empty() -> None:
    request = read_message(head(b"Content-Type:", b"X-Pad: aaaa"), b"body")
    assert (request.accept, request.content_type, request.content_encoding) == (None, "", None)
    assert (request.pad_header, request.body) == (True, b"body")


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_a_status(fault: Fault) -> None:
    statuses = {Fault.MALFORMED: 400, Fault.LONG_LINE: 414, Fault.LARGE_HEADER: 431, Fault.UNKNOWN_CODING: 501}
    assert OUTCOMES[REASONS[fault]].status == statuses[fault]


@pytest.mark.parametrize(("agent", "is_stub"), [(b"dnscrypt-proxy", True), (b"Mozilla/5.0", False)])
def test_stubs_of_public_lists_are_known_by_their_name(agent: bytes, is_stub: bool) -> None:
    assert read_message(head(b"User-Agent: " + agent), b"").list_stub is is_stub


def test_what_a_page_depends_on_is_read_too() -> None:
    request = read_message(head(b"Accept-Language: fr", b"accept-language: en;q=0.5", b'If-None-Match: "a"'), b"")
    assert (request.accept_language, request.if_none_match) == ("fr, en;q=0.5", '"a"')
