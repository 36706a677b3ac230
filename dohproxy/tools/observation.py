"""What can be seen of an upstream with one query: the words that `upstream_probe` and `upstream_report` share."""

from dataclasses import dataclass
from enum import StrEnum

from dohproxy.config import UpstreamConfig
from dohproxy.config.additions import Addition
from dohproxy.wire.answer import UpstreamReply
from dohproxy.wire.query import Query


class Trouble(StrEnum):
    """Why there is no reply to speak of; the value is the sentence that follows the upstream's name."""

    NOBODY = "nobody listens there: the port is closed"
    NO_WAY = "cannot be reached from this machine"
    NO_CONNECTION = (
        "does not answer to the attempt to connect: it is down, or a firewall drops what this machine sends, as it does"
        " with a banned address"
    )
    NO_HANDSHAKE = "accepts the connection and then says nothing to TLS: it is overloaded, or this is no TLS port"
    CLOSED_AT_ACCEPT = "closes the connection as soon as it is open: a limit on connections, or a ban"
    TLS_ALERT = "refuses the TLS handshake"
    NOT_TLS = "does not speak TLS at this port"
    TLS_FAILED = "speaks TLS that cannot be used"
    CERTIFICATE = "has a certificate that is refused"
    CLOSED_ON_QUERY = "closes the connection instead of answering: a limit on queries, or a ban"
    SILENT = (
        "says nothing: it is down, or a firewall drops what this machine sends, as it does with a banned address, or it"
        " answers this machine no more for a while"
    )
    NOT_DNS = "answers with something that is not DNS, or no answer to the question"
    UNREADABLE = "answers with a broken DNS message"


@dataclass(frozen=True, slots=True)
class TlsSeen:
    """What was seen of TLS; `names` is the certificate's."""

    version: str
    names: tuple[str, ...]
    not_after: float | None
    """Unix seconds; None where the certificate cannot be read."""
    pin: str = ""
    """The pin of its key, as `upstream.pins` has it; empty where the key cannot be read."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One upstream and what became of the one query to it."""

    upstream: UpstreamConfig
    query: Query
    trouble: Trouble | None = None
    detail: str = ""
    """What the system or OpenSSL says of the trouble."""
    connect_seconds: float | None = None
    """The time until a query could be sent, TLS included; None over UDP."""
    answer_seconds: float | None = None
    tls: TlsSeen | None = None
    reply: UpstreamReply | None = None
    cookie: bytes = b""
    """The COOKIE option that was sent."""
    repeats_question: bool = True
    """False: the reply is the header of one, as of servers that will not read a query."""
    says_when_it_cuts: bool = True
    """False: the reply ends within a record, and has no TC."""
    repeats_case: bool = False
    """Whether the reply has the name as it was sent, in mixed case over UDP."""
    added: frozenset[Addition] = frozenset(Addition)
    """What the query had, as far as its transport has it at all."""
    not_stood: tuple[tuple[Addition, str], ...] = ()
    """What had to be left out for an answer, and what came where it was not: everything else here was seen without."""
