"""What is said in DNS terms to who gets no answer: the face of the table of outcomes for a transport without statuses.

An rcode with its reason as Extended DNS Error (RFC 8914), or nothing at all where there is no query to reply to: then
the connection is closed.
"""

from dohproxy.outcomes import OUTCOMES, Reason
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.query import Query, parse_query
from dohproxy.wire.reply import Content, write_reply, write_reply_to_refused


def refuse_message(wire: bytes, reason: Reason) -> bytes | None:
    """Return the reply to a message that nobody has read yet, None if the connection is to be closed.

    Who has sent an OPT gets one back even so: a stub resolver that finds none takes it for a server without EDNS, and
    asks without it from then on (RFC 6891 section 7).
    """
    if OUTCOMES[reason].rcode is None:
        return None
    try:
        query = parse_query(wire)
    except Malformed:
        return _refuse_unreadable(wire, reason)
    return refuse_query(query, reason)


def refuse_query(query: Query, reason: Reason) -> bytes | None:
    """Return the reply to a query, None if the connection is to be closed."""
    ending = OUTCOMES[reason]
    if ending.rcode is None:
        return None
    return write_reply(query, Content(ending.rcode, errors=ending.errors))


def _refuse_unreadable(wire: bytes, reason: Reason) -> bytes | None:
    rcode = OUTCOMES[reason].rcode
    # Without a whole header there is no ID to reply to, and to a response nobody replies.
    if rcode is None or len(wire) < 12 or wire[2] & 0x80:
        return None
    return write_reply_to_refused(wire, rcode)
