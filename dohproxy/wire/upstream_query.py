"""The query we send in our own name: nothing of the client's message but its question and three bits."""

import struct
from typing import Final

from dohproxy.wire.edns import OPT_FIXED_BYTES, QUERY_PADDING_BLOCK, option, padding_bytes, write_opt
from dohproxy.wire.numbers import AD, CD, HEADER_BYTES, RD, OptionCode
from dohproxy.wire.query import Query

_HEADER = struct.Struct("!6H")
_OPTION_HEAD_BYTES: Final = 4


def upstream_question(query: Query) -> bytes:
    """Return the question that goes upstream: lower case, so that it tells nothing about who asked first."""
    return query.qname + query.question[-4:]


def write_upstream_query(
    query: Query,
    identifier: int,
    *,
    padded: bool,
    question: bytes = b"",
    cookie: bytes = b"",
    has_edns: bool = True,
    asks_ad: bool = True,
) -> bytes:
    """Return the query for an upstream: RD and AD set, CD and DO copied, our own OPT.

    AD asks for the validation result (RFC 6840 section 5.7), so one stored answer serves clients that want it and
    clients that do not. `padded` fills it up to a multiple of 128 bytes (RFC 8467 section 4.1): for encrypted
    upstreams only. `question` is that of `upstream_question` in another case; `cookie` is the data of our own COOKIE
    option (RFC 7873 section 4). ECS is never sent (RFC 7871 section 11.1). Without `has_edns` there is no OPT, and so
    no DO, cookie or padding either; without `asks_ad` the bit is left clear.
    """
    question = question or upstream_question(query)
    flags = RD | (AD if asks_ad else 0) | query.flags & CD
    if not has_edns:
        return _HEADER.pack(identifier, flags, 1, 0, 0, 0) + question
    options = option(OptionCode.COOKIE, cookie) if cookie else b""
    if padded:
        size = HEADER_BYTES + len(question) + OPT_FIXED_BYTES + len(options) + _OPTION_HEAD_BYTES
        options += option(OptionCode.PADDING, bytes(padding_bytes(size, QUERY_PADDING_BLOCK)))
    head = _HEADER.pack(identifier, flags, 1, 0, 0, 1)
    return head + question + write_opt(options, dnssec_ok=query.dnssec_ok)
