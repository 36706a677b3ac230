"""What one query to an upstream has shown, told to the operator: how it answers, and what is wrong.

An upstream that does not want us shows it in many ways, few of them in words: silence, a closed connection, REFUSED,
answers cut to nothing. Here each gets its sentence.
"""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dohproxy.config.additions import ADDITION_NAMES, Addition
from dohproxy.tools.observation import Observation, TlsSeen, Trouble
from dohproxy.upstream.spoofing.cookies import CLIENT_COOKIE_BYTES
from dohproxy.wire.answer import Answer, Kind, UpstreamReply
from dohproxy.wire.name import letters_in
from dohproxy.wire.numbers import Qtype, Rcode, rcode_name

DAY_SECONDS: Final = 86_400.0
NO_EDNS: Final = "none: answers over 512 bytes need TCP, and no DNSSEC"
MOST_NAMES: Final = 4
"""Names of a certificate that are told; large providers have dozens."""

KNOWN_TO_ALL: Final = {b"\x00": "the root", b"\x03com\x00": "com"}
"""Names whose name servers every resolver of the public DNS can tell."""

ERROR_NAMES: Final = (
    *("Other Error", "Unsupported DNSKEY Algorithm", "Unsupported DS Digest Type", "Stale Answer", "Forged Answer"),
    *("DNSSEC Indeterminate", "DNSSEC Bogus", "Signature Expired", "Signature Not Yet Valid", "DNSKEY Missing"),
    *("RRSIGs Missing", "No Zone Key Bit Set", "NSEC Missing", "Cached Error", "Not Ready", "Blocked", "Censored"),
    *("Filtered", "Prohibited", "Stale NXDOMAIN Answer", "Not Authoritative", "Not Supported"),
    *("No Reachable Authority", "Network Error", "Invalid Data"),
)
"""EDE info codes in their order (RFC 8914 section 4)."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is told of one upstream."""

    title: str
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]

    @property
    def is_well(self) -> bool:
        """Whether there is nothing to warn of."""
        return not self.warnings


def report(seen: Observation, now: float) -> Report:
    """Judge one upstream; `now` is in Unix seconds."""
    return Report(
        title=f"{seen.upstream.name}  {seen.upstream.url}",
        facts=tuple(_facts(seen, now)),
        warnings=tuple(_warnings(seen)),
    )


def render(reports: Sequence[Report]) -> str:
    """Return all reports as text, and a last line that sums up."""
    blocks = []
    for one in reports:
        lines = [f"  {label:<9} {text}" for label, text in one.facts]
        lines += [f"  WARNING   {text}." for text in one.warnings]
        blocks.append("\n".join((one.title, *lines)))
    bad = [one for one in reports if not one.is_well]
    blocks.append(f"{len(reports)} upstream(s), {f'{len(bad)} with warnings' if bad else 'all well'}")
    return "\n\n".join(blocks)


# --- What is so ---


def _facts(seen: Observation, now: float) -> Iterator[tuple[str, str]]:
    yield "protocol", _protocol(seen, now)
    if seen.tls is not None and seen.tls.pin:
        yield "key", f"{seen.tls.pin} (as upstream.pins has it)"
    if seen.connect_seconds is not None or seen.answer_seconds is not None:
        yield "latency", _latency(seen)
    if seen.reply is None:
        return
    answer, edns = seen.reply.answer, seen.reply.edns
    if answer.truncated:
        how = "TC" if seen.says_when_it_cuts else "without TC"
        yield "answer", f"cut ({how}), to be asked again over TCP"
    elif answer.rcode == Rcode.BADCOOKIE:
        yield "answer", "BADCOOKIE: it wants its own cookie first, with which the service would ask again"
    elif not seen.repeats_question:
        yield "answer", f"{_rcode(answer)}, in a header alone: it has not read the question"
        return
    else:
        yield "answer", _rcode(answer)
        yield "DNSSEC", _dnssec(seen, answer)
    yield "EDNS", NO_EDNS if edns is None else _edns(edns.payload_bytes)
    yield "padding", _padding(seen.reply)
    yield "cookies", _cookies(seen, seen.reply)
    yield "case", _case(seen)


def _protocol(seen: Observation, now: float) -> str:
    if seen.upstream.url.transport != "tls":
        return seen.upstream.url.transport.upper()
    if seen.tls is None:
        return "TLS"
    if seen.trouble is Trouble.CERTIFICATE:
        return seen.tls.version
    return f"{seen.tls.version}, {_verified(seen)}{_validity(seen.tls, now)}"


def _verified(seen: Observation) -> str:
    """Return by what the upstream is believed."""
    upstream = seen.upstream
    by_name = f"certificate verified for {seen.upstream.url.name_to_verify}"
    if not upstream.pins:
        return by_name
    return f"{by_name}, and its key" if upstream.url.verify_name or upstream.ca_file else "key verified by its pin"


def _validity(tls: TlsSeen, now: float) -> str:
    if tls.not_after is None:
        return ""
    return f", valid for {max(0.0, tls.not_after - now) / DAY_SECONDS:.0f} more days"


def _latency(seen: Observation) -> str:
    parts = (("connection", seen.connect_seconds), ("answer", seen.answer_seconds))
    return ", ".join(f"{what} {1000 * seconds:.1f} ms" for what, seconds in parts if seconds is not None)


def _rcode(answer: Answer) -> str:
    errors = "".join(f", EDE {code} {_error_name(code)}".rstrip() for code in answer.errors)
    return f"{rcode_name(answer.rcode)}{errors}, {answer.counts[0]} record(s)"


def _error_name(code: int) -> str:
    return ERROR_NAMES[code] if code < len(ERROR_NAMES) else ""


def _dnssec(seen: Observation, answer: Answer) -> str:
    signatures = "signatures present" if has_signatures(answer) else "no signatures"
    if not answer.authentic:
        return f"not validated (no AD), {signatures}"
    if not seen.upstream.validates:
        return f"validated (AD), {signatures}; clients are not told of it without validates = true"
    return f"validated (AD), {signatures}"


def has_signatures(answer: Answer) -> bool:
    """Tell whether there is any RRSIG record among the answer's."""
    types = (answer.records[offset - 4 : offset - 2] for offset in answer.ttl_offsets)
    return any(int.from_bytes(rtype) == Qtype.RRSIG for rtype in types)


def _edns(payload_bytes: int) -> str:
    return f"takes {payload_bytes} bytes over UDP"


def _padding(reply: UpstreamReply) -> str:
    padding = None if reply.edns is None else reply.edns.padding
    return "none" if padding is None else f"{padding} bytes"


def _cookies(seen: Observation, reply: UpstreamReply) -> str:
    if Addition.COOKIE not in seen.added and seen.upstream.url.transport == "udp":
        return "left out"
    if not seen.cookie:
        return f"not used over {_transport(seen)}"
    cookie = None if reply.edns is None else reply.edns.cookie
    if cookie is None:
        return "none"
    if cookie[:CLIENT_COOKIE_BYTES] != seen.cookie:
        return "another's instead of ours, as from a cache that does not know cookies: they will not be used"
    return "returned" if len(cookie) > CLIENT_COOKIE_BYTES else "ours returned, without one of its own"


def _case(seen: Observation) -> str:
    if seen.upstream.url.transport != "udp":
        return f"not varied over {_transport(seen)}"
    if Addition.CASE not in seen.added:
        return "left out"
    if not letters_in(seen.query.qname):
        return "not shown by a name without letters; --name com. would show it"
    return "preserved" if seen.repeats_case else "changed: it will not be varied"


def _transport(seen: Observation) -> str:
    return seen.upstream.url.transport.upper()


# --- What is wrong ---


def _warnings(seen: Observation) -> Iterator[str]:
    if seen.trouble is Trouble.CERTIFICATE:
        yield _certificate_warning(seen)
    elif seen.trouble is not None:
        yield f"{seen.trouble}{f' ({seen.detail})' if seen.detail else ''}"
    if seen.reply is None:
        return
    answer = seen.reply.answer
    for addition, how in seen.not_stood:
        yield (
            f"cannot stand {ADDITION_NAMES[addition]} ({how}) and answers without: the service finds out and leaves it"
            f' out; leave_out = ["{addition}"] spares it trials'
        )
    if answer.truncated:
        yield _truncation_warning(seen)
        return
    yield from _rcode_warnings(seen, answer)
    yield from _kind_warnings(seen, answer)
    if seen.upstream.validates and not answer.authentic and answer.rcode == Rcode.NOERROR:
        yield "does not validate this answer (no AD), although validates = true says that it is trusted to"


def _certificate_warning(seen: Observation) -> str:
    expected = f"has a certificate that is refused: {seen.detail}; {seen.upstream.url.name_to_verify} was expected"
    if seen.tls is None or seen.tls.not_after is None:
        return expected
    names = ", ".join(seen.tls.names[:MOST_NAMES]) or "no name"
    if len(seen.tls.names) > MOST_NAMES:
        names += f" and {len(seen.tls.names) - MOST_NAMES} more"
    day = datetime.datetime.fromtimestamp(seen.tls.not_after, datetime.UTC)
    return f"{expected}, it is for {names}, valid until {day:%Y-%m-%d %H:%M} UTC"


def _truncation_warning(seen: Observation) -> str:
    if not seen.says_when_it_cuts:
        return (
            "cuts an answer and does not say so: something on the way has a limit of its own. The service asks again"
            " over TCP, which costs a second query"
        )
    if seen.upstream.url.transport == "udp":
        return (
            "cuts an answer that would fit (TC): so do rate limits, to find out whether an address is forged. The"
            " service asks again over TCP, which costs a second query"
        )
    return "cuts an answer even where everything fits"


def _rcode_warnings(seen: Observation, answer: Answer) -> Iterator[str]:
    said = _rcode(answer)
    match answer.rcode:
        case Rcode.NOERROR | Rcode.BADCOOKIE:
            pass
        case Rcode.REFUSED:
            yield f"refuses to answer ({said}): this address is not among its clients, or it was banned"
        case Rcode.FORMERR | Rcode.NOTIMP:
            yield f"does not understand the query ({said}), nor one without EDNS: something on the way breaks it"
        case Rcode.BADVERS:
            yield f"does not understand the query ({said}): it is too old for EDNS, or something on the way breaks it"
        case Rcode.SERVFAIL:
            yield f"cannot find the answer itself ({said})"
        case Rcode.NXDOMAIN if seen.query.qname not in KNOWN_TO_ALL:
            pass
        case _:
            yield f"gives an answer that no resolver should give ({said})"


def _kind_warnings(seen: Observation, answer: Answer) -> Iterator[str]:
    if answer.kind is Kind.REFERRAL:
        yield "refers to other servers instead of asking them: it resolves nothing for this address"
    elif answer.kind is Kind.NODATA and seen.query.qname in KNOWN_TO_ALL:
        name = KNOWN_TO_ALL[seen.query.qname]
        yield f"does not know the name servers of {name}: it is no resolver of the public DNS"
