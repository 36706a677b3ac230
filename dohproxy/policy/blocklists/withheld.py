"""What is said in place of an answer that is withheld, and on whose account."""

from typing import Final, Literal

from dohproxy.outcomes import OUTCOMES, Reason
from dohproxy.policy.special_names import LocalAnswer, asked_record, soa_record
from dohproxy.value import value
from dohproxy.wire.numbers import Qtype, Rcode
from dohproxy.wire.query import Query
from dohproxy.wire.reply import Content

Action = Literal["refused", "nxdomain", "nodata", "address"]

BLOCKED_TTL: Final = 60
"""Seconds for which clients may keep what they were told: a block that is lifted is lifted for everybody after them."""


@value
class Ruling:
    """Why a name is withheld, and what is said instead."""

    reason: Reason
    """BLOCKED, CENSORED, HARMFUL or FILTERED."""
    action: Action
    text: bytes
    """What clients with EDNS are told, in UTF-8 (RFC 8914 section 2)."""
    addresses: tuple[bytes, ...] = ()
    """Packed, for the action "address"."""


def answer_withheld(query: Query, ruling: Ruling, position: int) -> LocalAnswer:
    """Return what is said; `position` is where in the asked name that begins which is listed."""
    content = _content(query, ruling, position)
    # A refusal has no TTL, and is kept by nobody.
    return LocalAnswer(ruling.reason, content, 0 if ruling.action == "refused" else BLOCKED_TTL)


def _content(query: Query, ruling: Ruling, position: int) -> Content:
    errors = OUTCOMES[ruling.reason].errors
    if ruling.action == "refused":
        return Content(Rcode.REFUSED, errors=errors, error_text=ruling.text)
    records = [asked_record(query.qtype, BLOCKED_TTL, one) for one in ruling.addresses if _fits(one, query.qtype)]
    if records:
        counts = (len(records), 0, 0)
        return Content(Rcode.NOERROR, counts, b"".join(records), errors=errors, error_text=ruling.text)
    rcode = Rcode.NXDOMAIN if ruling.action == "nxdomain" else Rcode.NOERROR
    # Without an SOA nobody could keep it (RFC 2308 section 5), and everybody would ask again at once.
    authority = soa_record(position, BLOCKED_TTL)
    return Content(rcode, (0, 1, 0), authority, errors=errors, error_text=ruling.text)


def _fits(address: bytes, qtype: int) -> bool:
    return qtype == (Qtype.A if len(address) == 4 else Qtype.AAAA)
