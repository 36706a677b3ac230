"""What to give where a question cannot be answered and its equal with other DO and CD bits was.

Answers are kept apart by these bits, as they have other records or were not validated. A failure is worse for a client
than an answer that is honest about what it lacks. So in place of a failure, and never of an answer:

| asked with | given | because |
|---|---|---|
| neither | what was given with DO, without signatures and proofs | it was validated alike |
| DO | what was given without, and no AD | who trusts us is served, who validates is no worse off than by a failure |
| CD | what was given without CD | who takes even what is bogus can have what is not |
| CD | what was given with DO and CD, without signatures and proofs | it was validated as little |
| DO, CD | what was given with DO | it has its signatures; without, it is of no use to who validates |

What was given with CD is never for those who asked without: it may be bogus, and they rely on its having been checked.
"""

from dataclasses import replace
from typing import Final

from dohproxy.cache.entry import Entry
from dohproxy.wire.query import Query
from dohproxy.wire.reply import Content
from dohproxy.wire.unsigned import without_proofs

_DO: Final = 1
SUBSTITUTES: Final = ((_DO,), (0,), (0, _DO, 3), (_DO,))
"""For the last byte of a key (DO is 1, CD is 2), the last bytes of the keys whose answers may be given in its place."""


def keys_instead(key: bytes) -> list[bytes]:
    """Return the keys whose answers may be given in place of one to `key`, the best first."""
    return [key[:-1] + bytes((bits,)) for bits in SUBSTITUTES[key[-1]]]


def content_instead(entry: Entry, key: bytes, query: Query, *, ttl: int, is_fresh: bool) -> Content | None:
    """Return what to say to `query` by the entry of `key`, every TTL set to `ttl` seconds; None if nothing can be said.

    AD is not said of what lacks the signatures that were asked for, and that it is old only if it is.
    """
    content = entry.stale_content(ttl)
    if is_fresh:
        content = replace(content, errors=content.errors[:-1])
    is_signed, wants_signed = bool(key[-1] & _DO), bool(query.key[-1] & _DO)
    if wants_signed and not is_signed:
        return replace(content, authentic=False)
    if wants_signed or not is_signed:
        return content
    unsigned = without_proofs(content.records, content.counts, query.qname + query.question[-4:])
    return None if unsigned is None else replace(content, counts=unsigned.counts, records=unsigned.records)
