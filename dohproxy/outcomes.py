"""The words that all stages share: who asks, what became of the request, and the one table of outcomes.

A `Reason` is a value from a closed set. What depends on it stands in one row of `OUTCOMES`: metric label, whether the
request counts against its client, and both faces, the HTTP status and what a transport without statuses says. Which
header fields go with a status is HTTP's, and stands in `dohproxy.doh.response`.
"""

from enum import Enum, StrEnum, auto
from typing import Any, Final

from dohproxy.value import value
from dohproxy.wire.malformed import Fault
from dohproxy.wire.numbers import ExtendedError, Rcode


@value
class Client:
    """Who asks, as the limits see it: never a name, never a log line."""

    address: bytes
    """Packed, 4 or 16 bytes; b"" for a peer without address (a Unix socket)."""
    hashes: tuple[tuple[int, int], ...]
    """One pair of keyed hashes for each prefix that limits are kept for, narrow to wide: /32 and /24, or /64, /56 and
    /48; of a member the first alone, so that no neighbour can use up what it may have."""
    prefixes: tuple[tuple[int, int], ...]
    """The hashes of all prefixes, narrow to wide: /32 and /24, or /64, /56, /48 and /32; one for a peer without
    address."""
    path: tuple[int, ...]
    """The first hashes of the same, the widest first."""
    exempt: bool = False
    """Inside one of the operator's exempt networks: client limits do not apply."""
    member: bool = False
    """Inside one of the networks that the operator calls members': first in line at every bound."""
    proxy: bool = False
    """One of the operator's front proxies, which speak for others: never banned, whatever they send."""


NOBODY: Final = Client(b"", (), ((0, 0),), (0,), exempt=True)
"""For questions of our own, which are nobody's; no client's limit is asked about it."""


class Reason(Enum):
    """Why a request ended as it did."""

    FORWARDED = auto()
    CACHED = auto()
    STALE = auto()
    LOCAL = auto()
    UNDELEGATED = auto()
    MINIMAL_ANY = auto()

    BLOCKED = auto()
    CENSORED = auto()
    HARMFUL = auto()
    FILTERED = auto()
    PROHIBITED = auto()

    WRONG_PATH = auto()
    UNKNOWN_TOKEN = auto()
    PREFLIGHT = auto()
    METHOD_NOT_ALLOWED = auto()
    METHOD_UNKNOWN = auto()
    TARGET_TOO_LONG = auto()
    HEADERS_TOO_LARGE = auto()
    BODY_TOO_LARGE = auto()
    MEDIA_TYPE = auto()
    NOT_ACCEPTABLE = auto()
    DNS_PARAMETER = auto()
    BASE64 = auto()
    EMPTY_BODY = auto()
    BAD_HTTP = auto()
    TRANSFER_CODING = auto()
    SLOW_REQUEST = auto()
    DIALECT_REFUSED = auto()

    UNREADABLE = auto()
    FORMAT_ERROR = auto()
    NOT_IMPLEMENTED = auto()
    BAD_VERSION = auto()
    CLASS_REFUSED = auto()
    TYPE_REFUSED = auto()
    RECURSION_NOT_DESIRED = auto()

    MEMBERS_ONLY = auto()
    LIST_STUB = auto()
    BANNED = auto()
    CLIENT_LIMIT = auto()
    SERVICE_LIMIT = auto()
    MISS_LIMIT = auto()
    DOMAIN_LIMIT = auto()

    BUDGET_SPENT = auto()
    UPSTREAM_TIMEOUT = auto()
    UPSTREAM_UNREACHABLE = auto()
    UPSTREAM_REFUSED = auto()
    FAILURE_REMEMBERED = auto()

    BUG = auto()


@value
class OutcomeRow:
    """What one reason means on the wire and in the books."""

    label: str
    """Metric label."""
    status: int
    """HTTP status; 200 carries a DNS reply, nothing else does."""
    rcode: Rcode | None = None
    """The reply's rcode where it does not come with the answer. Of a refusal it is what a transport without statuses
    replies with; with None it has nothing to say, and closes."""
    errors: tuple[ExtendedError, ...] = ()
    """EDE info codes (RFC 8914) that go with the rcode, for clients with EDNS."""
    counts: bool = False
    """The request counts against its client's limit although it was refused before the limit was looked at."""
    weight: float = 0.0
    """What it costs its client, in points; too many of them ban it (`policy/penalties.py`). What an upstream's trouble,
    or another client, could bring upon it costs nothing."""
    keep_seconds: int = 0
    """Freshness of an error response, for HTTP caches and clients that would repeat what can never work: only where the
    target alone decides. What depends on a field, on who asks or on when is not to be kept at all, or a cache before us
    would give one client's refusal to the next."""

    @property
    def is_refusal(self) -> bool:
        """Whether it ends without a DNS message wherever there is another way to say so."""
        return self.status != 200

    @property
    def closes(self) -> bool:
        """Whether a transport without statuses closes the connection for it."""
        return self.is_refusal and self.rcode is None


_DAY: Final = 86_400
"""For bytes that are no query by any reading of the standards, now or later."""
_FIVE_MINUTES: Final = 300
"""For what a later release or another configuration may serve: other paths, laxer encodings."""

_MALFORMED: Final = 1.0
"""The measure of all weights."""
_SLOW: Final = 2.0
"""It has held a connection for seconds."""
_UNSERVED: Final = 0.2
"""Well formed, and what other servers may serve: monitors ask so, and stubs that try what works."""
_OVER_LIMIT: Final = 0.005
"""Sixty people behind one address who open a page at once, and ask for each name three times, have 17,000 of these."""
_WITHHELD: Final = 0.005
"""A page has dozens of names that lists of advertisers withhold, and nobody has asked for them knowingly."""
_MISS_LIMIT: Final = 0.02
"""Fewer can come, as the limit on requests has let them through: a page of new names brings some, random names all."""

OUTCOMES: Final[dict[Reason, OutcomeRow]] = {
    Reason.FORWARDED: OutcomeRow("forwarded", 200),
    Reason.CACHED: OutcomeRow("cached", 200),
    Reason.STALE: OutcomeRow("stale", 200),
    Reason.LOCAL: OutcomeRow("local", 200),
    Reason.UNDELEGATED: OutcomeRow("undelegated", 200),
    Reason.MINIMAL_ANY: OutcomeRow("minimal_any", 200, Rcode.NOERROR),
    # Names that are withheld have the rcode of their list's action; REFUSED alone says nothing about the name.
    Reason.BLOCKED: OutcomeRow("blocked", 200, Rcode.REFUSED, (ExtendedError.BLOCKED,), weight=_WITHHELD),
    Reason.CENSORED: OutcomeRow("censored", 200, Rcode.REFUSED, (ExtendedError.CENSORED,), weight=_WITHHELD),
    # The operator's own decision too (RFC 8914 section 4.16), and told apart in the metrics alone.
    Reason.HARMFUL: OutcomeRow("harmful", 200, Rcode.REFUSED, (ExtendedError.BLOCKED,), weight=_WITHHELD),
    Reason.FILTERED: OutcomeRow("filtered", 200, Rcode.REFUSED, (ExtendedError.FILTERED,), weight=_WITHHELD),
    # Not the name but who asks: "recursive queries from IP addresses outside the network, blocklisted IP addresses"
    # (RFC 8914 section 4.19).
    Reason.PROHIBITED: OutcomeRow("prohibited", 200, Rcode.REFUSED, (ExtendedError.PROHIBITED,)),
    Reason.WRONG_PATH: OutcomeRow("wrong_path", 404, counts=True, weight=_MALFORMED, keep_seconds=_FIVE_MINUTES),
    # A path where a member's token stands, and none that is valid now. It may be within the second, when a damaged list
    # of members is mended: so nobody keeps it, and a member is not banned for what happened to the list.
    Reason.UNKNOWN_TOKEN: OutcomeRow("unknown_token", 404, counts=True),
    # A browser asks whether a script may ask (server.cors). Honest, and no query: it counts as a request all the same.
    Reason.PREFLIGHT: OutcomeRow("preflight", 204, counts=True),
    Reason.METHOD_NOT_ALLOWED: OutcomeRow("method_not_allowed", 405, counts=True, weight=_MALFORMED),
    Reason.METHOD_UNKNOWN: OutcomeRow("method_unknown", 501, counts=True, weight=_MALFORMED),
    Reason.TARGET_TOO_LONG: OutcomeRow("target_too_long", 414, counts=True, weight=_MALFORMED),
    Reason.HEADERS_TOO_LARGE: OutcomeRow("headers_too_large", 431, counts=True, weight=_MALFORMED),
    Reason.BODY_TOO_LARGE: OutcomeRow("body_too_large", 413, counts=True, weight=_MALFORMED),
    Reason.MEDIA_TYPE: OutcomeRow("media_type", 415, counts=True, weight=_MALFORMED),
    Reason.NOT_ACCEPTABLE: OutcomeRow("not_acceptable", 406, counts=True, weight=_MALFORMED),
    Reason.DNS_PARAMETER: OutcomeRow("dns_parameter", 400, counts=True, weight=_MALFORMED),
    Reason.BASE64: OutcomeRow("base64", 400, counts=True, weight=_MALFORMED, keep_seconds=_FIVE_MINUTES),
    Reason.EMPTY_BODY: OutcomeRow("empty_body", 400, counts=True, weight=_MALFORMED),
    Reason.BAD_HTTP: OutcomeRow("bad_http", 400, counts=True, weight=_MALFORMED),
    Reason.TRANSFER_CODING: OutcomeRow("transfer_coding", 501, counts=True, weight=_MALFORMED),
    Reason.SLOW_REQUEST: OutcomeRow("slow_request", 408, counts=True, weight=_SLOW),
    Reason.DIALECT_REFUSED: OutcomeRow("dialect_refused", 400, counts=True, weight=_UNSERVED),
    Reason.UNREADABLE: OutcomeRow("unreadable", 400, weight=_MALFORMED, keep_seconds=_DAY),
    Reason.FORMAT_ERROR: OutcomeRow("format_error", 200, Rcode.FORMERR, weight=_MALFORMED),
    Reason.NOT_IMPLEMENTED: OutcomeRow("not_implemented", 200, Rcode.NOTIMP, weight=_UNSERVED),
    Reason.BAD_VERSION: OutcomeRow("bad_version", 200, Rcode.BADVERS, weight=_UNSERVED),
    Reason.CLASS_REFUSED: OutcomeRow(
        "class_refused", 200, Rcode.REFUSED, (ExtendedError.NOT_SUPPORTED,), weight=_UNSERVED
    ),
    Reason.TYPE_REFUSED: OutcomeRow(
        "type_refused", 200, Rcode.REFUSED, (ExtendedError.NOT_SUPPORTED,), weight=_UNSERVED
    ),
    Reason.RECURSION_NOT_DESIRED: OutcomeRow(
        "recursion_not_desired", 200, Rcode.REFUSED, (ExtendedError.NOT_AUTHORITATIVE,), weight=_UNSERVED
    ),
    # 403 and not a reply: it is decided before a byte of the message is read, and stubs of public lists leave out a
    # server that says so until they read their list again.
    Reason.MEMBERS_ONLY: OutcomeRow("members_only", 403, Rcode.REFUSED, (ExtendedError.PROHIBITED,)),
    Reason.LIST_STUB: OutcomeRow("list_stub", 403, Rcode.REFUSED, (ExtendedError.PROHIBITED,)),
    Reason.BANNED: OutcomeRow("banned", 429, Rcode.REFUSED, (ExtendedError.PROHIBITED,)),
    Reason.CLIENT_LIMIT: OutcomeRow(
        "client_limit", 429, Rcode.REFUSED, (ExtendedError.PROHIBITED,), weight=_OVER_LIMIT
    ),
    # Nobody is forbidden anything: the next second may have room, and another server has.
    Reason.SERVICE_LIMIT: OutcomeRow("service_limit", 503, Rcode.SERVFAIL, (ExtendedError.NOT_READY,)),
    Reason.MISS_LIMIT: OutcomeRow("miss_limit", 200, Rcode.REFUSED, (ExtendedError.PROHIBITED,), weight=_MISS_LIMIT),
    Reason.DOMAIN_LIMIT: OutcomeRow("domain_limit", 200, Rcode.REFUSED, (ExtendedError.PROHIBITED,)),
    # Nobody was asked: it says nothing about the name, and the next second may do better.
    Reason.BUDGET_SPENT: OutcomeRow("budget_spent", 200, Rcode.SERVFAIL, (ExtendedError.NOT_READY,)),
    Reason.UPSTREAM_TIMEOUT: OutcomeRow(
        "upstream_timeout", 200, Rcode.SERVFAIL, (ExtendedError.NO_REACHABLE_AUTHORITY,)
    ),
    Reason.UPSTREAM_UNREACHABLE: OutcomeRow(
        "upstream_unreachable", 200, Rcode.SERVFAIL, (ExtendedError.NETWORK_ERROR,)
    ),
    # Where the upstream has not said why, nor do we.
    Reason.UPSTREAM_REFUSED: OutcomeRow("upstream_refused", 200, Rcode.SERVFAIL),
    Reason.FAILURE_REMEMBERED: OutcomeRow("failure_remembered", 200),
    Reason.BUG: OutcomeRow("bug", 500, Rcode.SERVFAIL),
}


def told_as(reason: Reason) -> str:
    """Return how a reason is told to its client, whichever way it asks: "403 over DoH, REFUSED over DoT"."""
    row = OUTCOMES[reason]
    return f"{row.status} over DoH, {'the end of the connection' if row.rcode is None else row.rcode.name} over DoT"


def reason_of_fault(fault: Fault) -> Reason:
    """Return what becomes of a query with this fault: 400 where no header can be answered, else a DNS reply."""
    match fault:
        case Fault.TOO_SHORT | Fault.TOO_LONG | Fault.RESPONSE | Fault.LENGTH_PREFIX:
            return Reason.UNREADABLE
        case Fault.OPCODE:
            return Reason.NOT_IMPLEMENTED
        case _:
            return Reason.FORMAT_ERROR


class Purpose(Enum):
    """What a query is for that nobody waits for."""

    REVALIDATION = auto()
    """A stale answer has been given; the next client shall have a fresh one."""
    PREFETCH = auto()
    """A popular answer is about to expire."""


MEMBER_RANK: Final = 0
"""The rank of members: before all others."""


@value
class Priority:
    """Where a question stands when there is less budget than there are questions."""

    rank: int
    """Lower goes first, always."""
    path: tuple[int, ...]
    """Keyed hashes of the networks that ask, the widest first; within a rank these take turns, and those within them
    within their turns."""
    reserve: float
    """Part of an upstream's burst that this question must leave to those of a better rank, 0.0 to 1.0."""


class Frontend(StrEnum):
    """Which frontend a request came through; metric label."""

    HTTP1 = "http1"
    HTTP2 = "http2"
    DOT = "dot"


class Said:
    """What is said to one request in the end: a `Reply`, or that it is `Refused`."""

    __slots__ = ("reason", "rendered")

    reason: Reason
    rendered: Any
    """What a frontend has made of it, for when it is said again: else a cached answer costs half as much again.
    Whatever is said belongs to one frontend."""


class Reply(Said):
    """A DNS message for one client, and how long those on the way may keep it."""

    __slots__ = ("max_age", "wire")

    def __init__(self, wire: bytes, reason: Reason, max_age: int) -> None:
        """`max_age`: seconds (RFC 8484 section 5.1)."""
        self.reason = reason
        self.rendered = None
        self.wire = wire
        self.max_age = max_age


class Refused(Said):
    """A request that gets no DNS message wherever there is another way to say so; `OUTCOMES` has what is said."""

    __slots__ = ("retry_seconds",)

    def __init__(self, reason: Reason, retry_seconds: int = 0) -> None:
        """`retry_seconds`: after which it may be asked again, for reasons that pass."""
        self.reason = reason
        self.rendered = None
        self.retry_seconds = retry_seconds


@value
class Outcome:
    """What became of a request; of it and of its duration alone the books are made. Equal ones are counted together."""

    reason: Reason
    frontend: Frontend
    variant: str
    """In which of its protocol's ways a request was sent, one of a closed set: over DoH "GET", "HEAD", "POST" or
    "other", over DoT "query"; it is the metric's label `method`."""
    dialect: str
    """A value of doh.dialects.Dialect."""
    fault: Fault | None = None
    answered_rcode: int | None = None
    shadow: bool = False
    """A dialect set to "count": served, but "refuse" would have refused it."""
