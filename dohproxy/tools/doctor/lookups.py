"""Asks a resolver which records are published. Few questions, each once, without anything that it might not stand."""

import asyncio
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from dohproxy.config import UpstreamAddress, UpstreamConfig
from dohproxy.config.additions import Addition
from dohproxy.tools.doctor.published import Lookup, Lookups, LookupStatus
from dohproxy.tools.observation import Observation
from dohproxy.tools.upstream_probe import probe_all
from dohproxy.wire.answer import Answer, Kind
from dohproxy.wire.name import from_text
from dohproxy.wire.numbers import CLASS_IN, HEADER_BYTES, RD, Qtype, rcode_name
from dohproxy.wire.query import Query, parse_query
from dohproxy.wire.rdata import spell_out_rdata
from dohproxy.wire.spelled import RECORD

SECONDS: Final = 5.0
"""As long as a stub waits for one answer."""


async def look_up(resolvers: Sequence[UpstreamAddress], questions: Sequence[tuple[str, Qtype]]) -> Lookups:
    """Ask all questions at the same time, each of the first resolver that says something."""
    found = await asyncio.gather(*(_ask_until_answered(resolvers, *question) for question in questions))
    return dict(zip(questions, found, strict=True))


async def _ask_until_answered(resolvers: Sequence[UpstreamAddress], name: str, qtype: Qtype) -> Lookup:
    lookup = Lookup(LookupStatus.UNKNOWN, why="is not known: /etc/resolv.conf names none")
    for address in resolvers:
        lookup = await _ask(address, _query(name, qtype))
        if lookup.status is not LookupStatus.UNKNOWN:
            break
    return lookup


async def _ask(address: UpstreamAddress, query: Query) -> Lookup:
    [seen] = await _probe(address, query)
    if seen.reply is not None and seen.reply.answer.truncated and address.transport == "udp":
        [seen] = await _probe(replace(address, transport="tcp"), query)
    return read(seen)


async def _probe(address: UpstreamAddress, query: Query) -> list[Observation]:
    # With nothing that it could not stand there is nothing to find out by more queries.
    resolver = UpstreamConfig("resolver", address, leave_out=tuple(Addition))
    return await probe_all([resolver], query, seconds=SECONDS)


def _query(name: str, qtype: Qtype) -> Query:
    return parse_query(struct.pack("!6H", 0, RD, 1, 0, 0, 0) + from_text(name) + struct.pack("!HH", qtype, CLASS_IN))


def read(seen: Observation) -> Lookup:
    """Return what an observation says of the record that was asked for."""
    if seen.reply is None:
        return Lookup(LookupStatus.UNKNOWN, why=f"gives no answer ({seen.trouble})")
    answer = seen.reply.answer
    if answer.kind in (Kind.FAILURE, Kind.REFERRAL):
        return Lookup(LookupStatus.UNKNOWN, why=f"does not answer ({rcode_name(answer.rcode)})")
    rdatas = tuple(_rdatas(answer, seen.query))
    return Lookup(LookupStatus.FOUND if rdatas else LookupStatus.NONE, rdatas)


def _rdatas(answer: Answer, query: Query) -> Iterator[bytes]:
    """Yield the rdata of those records of the answer section that have the type asked for."""
    # Pointers are offsets into the message that the records came in.
    wire = bytes(HEADER_BYTES) + query.question + answer.records
    before = HEADER_BYTES + len(query.question)
    for offset in answer.ttl_offsets[: answer.counts[0]]:
        fixed = before + offset - 4
        rtype, _, _, length = RECORD.unpack_from(wire, fixed)
        start = fixed + RECORD.size
        if rtype == query.qtype:
            yield spell_out_rdata(wire, rtype, start, start + length)
