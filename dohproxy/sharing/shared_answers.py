"""One answer, or one failure, from node to node: what is written, and how little of what is read is believed.

    clear     of it stale  32 bits, milliseconds: how much of the time that the store keeps it it is past its own
    sealed    form         8 bits
              kind         8 bits: an answer, or a failure
              stored at    64 bits, Unix milliseconds on the clock of who wrote it
    answer    as an entry of the cache's snapshot (`cache.snapshot`), of age 0
    failure   rcode        16 bits
              pause        32 bits, milliseconds from then on in which nobody asks
              seconds      32 bits, the pause but for chance: the next one is twice as long
              EDE codes    8 bits, how many of them follow; 16 bits each
    padding   zeros, to a multiple of PADDING_BYTES

All numbers are big-endian. What is clear lets the store tell, by its own clock, whether it is fresh; it decides no more
than who asks first, and is sealed in with the rest.

Who can write to the store cannot make such a value, and who has the key is a node. Still all of it is read like what an
upstream sends (see `cache.snapshot`), as another release may have taken more for an answer than this one.

How old it is, is told by two clocks: the store's, which knows how much of its time is left, and the node's own, by when
it was written. The greater age counts, and none is below zero. So nothing lives longer than it was stored for, though a
clock of any node be off by hours, as long as the store's goes on evenly; and though that steps, as long as the nodes'
are right. A node whose clock is ahead takes what others wrote for older, and asks where it need not: a clock that is
off costs sharing and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from struct import Struct, error, unpack_from
from typing import Final

from dohproxy.cache import Entry, RememberedFailure
from dohproxy.cache.failures import LONGEST_SECONDS
from dohproxy.cache.snapshot import DamagedSnapshot, pack_entry, read_entry
from dohproxy.config import UpstreamConfig
from dohproxy.wire.answer import MOST_ERRORS, Answer
from dohproxy.wire.malformed import Malformed

FORM: Final = 1
"""Of what is sealed. It is part of the name too, so that nodes of two releases do not write over each other."""
PADDING_BYTES: Final = 128
"""The lengths of answers tell names apart: 128 is what queries are padded to (RFC 8467 section 4.1), and leaves a
handful of lengths for most answers. The 468 of replies would double what the store holds."""
MOST_BYTES: Final = 20_480
"""Of one value: an answer of 16 KiB, which is the most that the cache keeps unless told otherwise."""

_CLEAR: Final = Struct("!I")
CLEAR_BYTES: Final = _CLEAR.size
_HEAD: Final = Struct("!BBQ")
_FAILURE: Final = Struct("!HIIB")
_ANSWER_KIND: Final = 1
_FAILURE_KIND: Final = 2
_MILLISECONDS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is to be stored."""

    clear: bytes
    plain: bytes
    """To be sealed."""
    milliseconds: int
    """How long the store is to keep it."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """What the store has given, opened."""

    clear: bytes
    plain: bytes
    left: int
    """Milliseconds that the store will keep it; below zero if it would for ever, as it does with nothing of ours."""


@dataclass(frozen=True, slots=True)
class KeptElsewhere:
    """An answer as another node has it."""

    answer: Answer
    lifetime: int
    """Seconds from `stored_at` on."""
    stored_at: float
    """On our own monotonic clock."""


@dataclass(frozen=True, slots=True)
class FailedElsewhere:
    """A failure as another node remembers it."""

    failure: RememberedFailure
    stored_at: float
    """On our own monotonic clock."""


def route_name(domains: Sequence[str], upstreams: Sequence[UpstreamConfig]) -> bytes | None:
    """Return what a route is called where its answers are shared; None if they are not. That of all names which are in
    no other one has no domains, and is called b"" whoever is asked.

    Else its upstreams belong to its name: of a domain that is somebody's own, others may say something else. And behind
    an address that is not the whole world's there may be another server at each place, so what it says is not for
    others.
    """
    if not domains:
        return b""
    hosts = [one.url.host.partition("%")[0] for one in upstreams]
    if not all(ip_address(host).is_global for host in hosts):
        return None
    return "\n".join((*sorted(domains), "", *sorted(str(one.url) for one in upstreams))).encode()


def name_of(route: bytes, key: bytes) -> bytes:
    """Return what stands for one question of a route, to be hidden; `key` as the cache has it."""
    return bytes([FORM]) + len(route).to_bytes(4) + route + key


def pack_answer(key: bytes, entry: Entry, *, now: float, wall_now: float, stale_seconds: int) -> Outgoing | None:
    """Return what is stored of an answer that the cache has, kept `stale_seconds` past its time; None if it is too
    large, or over already."""
    age = max(now - entry.stored_at, 0.0)
    left = int((entry.lifetime - age) * _MILLISECONDS)
    plain = _head(_ANSWER_KIND, wall_now - age) + pack_entry(key, entry, age=0)
    if left <= 0 or len(plain) > MOST_BYTES - PADDING_BYTES:
        return None
    stale = stale_seconds * _MILLISECONDS
    return Outgoing(_CLEAR.pack(stale), _padded(plain), left + stale)


def pack_failure(failure: RememberedFailure, *, now: float, wall_now: float) -> Outgoing | None:
    """Return what is stored of a failure that is remembered from now on; None if it is over already.

    Beside a stale answer a pause may be longer than a failure may be told for; others may have none.
    """
    pause = int(min(failure.until - now, LONGEST_SECONDS) * _MILLISECONDS)
    if pause <= 0:
        return None
    errors, seconds = failure.errors[:MOST_ERRORS], min(failure.seconds, LONGEST_SECONDS)
    parts = [_head(_FAILURE_KIND, wall_now), _FAILURE.pack(failure.rcode, pause, seconds, len(errors))]
    return Outgoing(_CLEAR.pack(0), _padded(b"".join((*parts, *(code.to_bytes(2) for code in errors)))), pause)


def read_answer(key: bytes, incoming: Incoming, *, now: float, wall_now: float) -> KeptElsewhere | None:
    """Return the answer to the question `key` that this is; None if it is none."""
    stored_at = _stored_at(_ANSWER_KIND, incoming.plain)
    if stored_at is None:
        return None
    try:
        saved, _ = read_entry(incoming.plain, _HEAD.size, len(incoming.plain))
        answer = saved.answer()
    except (DamagedSnapshot, Malformed):
        return None
    if saved.key != key:
        return None
    whole = saved.lifetime * _MILLISECONDS + _CLEAR.unpack(incoming.clear)[0]
    age = _age(stored_at, whole, incoming.left, wall_now) + saved.age
    return KeptElsewhere(answer, saved.lifetime, now - age)


def read_failure(incoming: Incoming, *, now: float, wall_now: float) -> FailedElsewhere | None:
    """Return the failure that this is, if it still forbids asking."""
    stored_at = _stored_at(_FAILURE_KIND, incoming.plain)
    if stored_at is None:
        return None
    try:
        rcode, pause, seconds, count = _FAILURE.unpack_from(incoming.plain, _HEAD.size)
        errors = unpack_from(f"!{count}H", incoming.plain, _HEAD.size + _FAILURE.size)
    except error:
        return None
    if count > MOST_ERRORS or not 0 < seconds <= LONGEST_SECONDS:
        return None
    age = _age(stored_at, pause, incoming.left, wall_now)
    until = now - age + min(pause / _MILLISECONDS, LONGEST_SECONDS)
    return FailedElsewhere(RememberedFailure(rcode, errors, until, seconds), now - age) if until > now else None


def _head(kind: int, stored_at: float) -> bytes:
    return _HEAD.pack(FORM, kind, max(int(stored_at * _MILLISECONDS), 0))


def _padded(plain: bytes) -> bytes:
    return plain + bytes(-len(plain) % PADDING_BYTES)


def _stored_at(kind: int, plain: bytes) -> int | None:
    """Return when what was sealed was written, if it is of this kind and form."""
    if len(plain) < _HEAD.size:
        return None
    form, found, stored_at = _HEAD.unpack_from(plain)
    return stored_at if (form, found) == (FORM, kind) else None


def _age(stored_at: int, whole: int, left: int, wall_now: float) -> float:
    """Return how many seconds ago something was stored that the store keeps for `whole` milliseconds in all."""
    by_store = whole - max(left, 0)
    by_writer = wall_now * _MILLISECONDS - stored_at
    return max(by_store, by_writer, 0) / _MILLISECONDS
