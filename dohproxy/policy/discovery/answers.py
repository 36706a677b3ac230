"""Answers to clients that ask this service about itself, made beforehand.

| who asks | for | is told |
|---|---|---|
| who knows a resolver by its address alone (RFC 9462 section 4) | `_dns.resolver.arpa` SVCB | the ways to ask |
| who knows its name (RFC 9462 section 5, RFC 9461) | `_dns.HOST` SVCB | the same |
| who wants to know what it does (RFC 9606) | `HOST` and `resolver.arpa` RESINFO | exactly one record |
| whose browser shows the members' page | a name of `policy.discovery.proof` | where this service is |

All else below resolver.arpa exists and has no records (`policy.special_names`), and so has this while there is nothing
to tell. It is told whatever route the name of the service has: the answer is about who is asked.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Final

from dohproxy.config import Config
from dohproxy.outcomes import Reason
from dohproxy.policy.discovery.information import information_of
from dohproxy.policy.discovery.proof import ProofNames, Proving, proving_of
from dohproxy.policy.discovery.records import Record, address_records, service_records
from dohproxy.policy.discovery.served import Served, covered, served_of
from dohproxy.policy.special_names import LocalAnswer, asked_record
from dohproxy.wire.name import from_text
from dohproxy.wire.numbers import CLASS_IN, Qtype, Rcode
from dohproxy.wire.query import Query, key_of
from dohproxy.wire.reply import Content

RESOLVER_ARPA: Final = "resolver.arpa."
_FIXED: Final = struct.Struct("!HHIH")

Answers = Mapping[bytes, LocalAnswer]
"""By the key of the query."""


class Discovery:
    """What is told now. It holds four answers, of 1 KiB together as a rule and 10 KiB at most, and three short ones for
    names that prove who is asked."""

    def __init__(self, config: Config | None = None) -> None:
        """Without a configuration nothing is told."""
        self._config = config
        self._covers: Callable[[str], bool] | None = None
        self._answers: Answers = {}
        self._proving: Proving | None = None
        self._proof: ProofNames | None = None
        self._renew()

    def adopt(self, config: Config) -> bool:
        """Tell what another configuration serves; return whether that is anything else."""
        self._config = config
        return self._renew()

    def use(self, covers: Callable[[str], bool]) -> bool:
        """Tell of no name that the certificate is not for, as `covers` says; return whether that changes anything.
        Where TLS is this service's own, nothing is told before."""
        self._covers = covers
        return self._renew()

    @property
    def proof_domain(self) -> str:
        """Below which names prove that this service is asked; "" while there are none."""
        return "" if self._proving is None else self._proving.domain

    def answer(self, query: Query, refused: Reason | None = None) -> LocalAnswer | None:
        """Return the answer to a question about this service, None to all others. A question that would be `refused`
        is answered only if it lacks nothing but RD: who asks for RESINFO has to leave that out (RFC 9606 section 3),
        and what we say of ourselves tells nobody what others have asked."""
        if refused is not None and refused is not Reason.RECURSION_NOT_DESIRED:
            return None
        answer = self._answers.get(query.key)
        if answer is None and self._proof is not None and refused is None:
            return self._proof.answer(query)
        return answer

    def _renew(self) -> bool:
        before, config = (self._answers, self._proving), self._config
        served = None if config is None else self._served(config)
        self._answers = {} if config is None or served is None else answers_of(config, served)
        self._proving = None if config is None else proving_of(config, self._covers)
        self._proof = None if self._proving is None else ProofNames(self._proving)
        return (self._answers, self._proving) != before

    def _served(self, config: Config) -> Served | None:
        """Return what may be told, None if there is nothing."""
        if not config.discovery.enabled:
            return None
        if config.tls is None:
            # The certificate of a front proxy is not known here: whoever switches this on knows it.
            return served_of(config)
        return None if self._covers is None else covered(served_of(config), self._covers)


def answers_of(config: Config, served: Served) -> Answers:
    """Return the answers of a service that is `served`, and does what its configuration says."""
    ttl = config.discovery.ttl_seconds
    host = from_text(served.host)
    information = asked_record(Qtype.RESINFO, ttl, information_of(config))
    about = _local(Content(Rcode.NOERROR, (1, 0, 0), information, authoritative=True), ttl)
    # A client that validates needs the signatures of the host's own zone, so what it asks goes the ordinary way. For
    # RESINFO there is no other way: it is not what any zone says (RFC 9606 section 3).
    answers = {key: about for name in (host, from_text(RESOLVER_ARPA)) for key in _keys(name, Qtype.RESINFO)}
    # Those of one name: two with eight addresses each would be more than some stubs take, and hints say the rest.
    addresses = [one for one in address_records(served, ttl) if one.owner == f"{served.host}."]
    designations = _designations(service_records(served, RESOLVER_ARPA, ttl), addresses)
    counts = (len(served.services), 0, len(addresses))
    local = Content(Rcode.NOERROR, counts, designations, authoritative=True)
    answers |= dict.fromkeys(_keys(from_text(f"_dns.{RESOLVER_ARPA}"), Qtype.SVCB), _local(local, ttl))
    # This one is not ours to answer alone: it stands in for what is published.
    public = Content(Rcode.NOERROR, counts, designations)
    answers[key_of(from_text(f"_dns.{served.host}"), Qtype.SVCB)] = _local(public, ttl)
    return answers


def _keys(name: bytes, qtype: int) -> list[bytes]:
    """Return the keys of a question with and without DO and CD."""
    return [
        key_of(name, qtype, dnssec_ok=dnssec_ok, checking_disabled=checking_disabled)
        for dnssec_ok in (False, True)
        for checking_disabled in (False, True)
    ]


def _local(content: Content, ttl: int) -> LocalAnswer:
    return LocalAnswer(Reason.LOCAL, content, ttl)


def _designations(services: list[Record], addresses: list[Record]) -> bytes:
    """Return SVCB for the name that is asked about, and behind them the addresses of where they lead, so that nobody
    has to ask for these (RFC 9462 section 4)."""
    answer = b"".join(asked_record(one.rtype, one.ttl, one.rdata) for one in services)
    additional = b"".join(
        from_text(one.owner) + _FIXED.pack(one.rtype, CLASS_IN, one.ttl, len(one.rdata)) + one.rdata
        for one in addresses
    )
    return answer + additional
