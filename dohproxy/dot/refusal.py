"""What is said in DNS terms to who gets no answer: the face of the table of outcomes for a transport without statuses.

An rcode with its reason as Extended DNS Error (RFC 8914), or nothing at all where there is no query to reply to: then
the connection is closed.
"""

from dohproxy.outcomes import OUTCOMES, Reason
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.numbers import HEADER_BYTES, QR
from dohproxy.wire.query import Query, parse_query
from dohproxy.wire.reply import Content, write_reply, write_reply_to_refused


def refuse_message(wire: bytes, reason: Reason) -> bytes | None:
    """Return the reply to a message that nobody has read yet, None if the connection is to be closed.

    Who has sent an OPT gets one back even so: a stub resolver that finds none takes it for a server without EDNS, and
    asks without it from then on (RFC 6891 section 7).
    """
    rcode = OUTCOMES[reason].rcode
    if rcode is None:
        return None
    try:
        return refuse_query(parse_query(wire), reason)
    except Malformed:
        # Without a whole header there is no ID to reply to, and to a response nobody replies.
        if len(wire) < HEADER_BYTES or int.from_bytes(wire[2:4]) & QR:
            return None
        return write_reply_to_refused(wire, rcode)


def refuse_query(query: Query, reason: Reason) -> bytes | None:
    """Return the reply to a query, None if the connection is to be closed."""
    ending = OUTCOMES[reason]
    if ending.rcode is None:
        return None
    return write_reply(query, Content(ending.rcode, errors=ending.errors))
