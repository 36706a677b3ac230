"""The service as a client meets it: connection, certificate and chain, protocol, and one answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from dohproxy.doh.media import DNS_MESSAGE
from dohproxy.tls.certificates import DAY_SECONDS, Chain, Fault, faults_of
from dohproxy.tools.doctor.findings import Finding, Severity
from dohproxy.wire.numbers import HEADER_BYTES

LISTENERS: Final = "listeners"
CERTIFICATE: Final = "certificate"
_STATUS_WORDS: Final = {
    403: "it serves members alone now, and this machine is none; dohproxy mode says why",
    404: "another path is served there: compare server.path with what stands in the front proxy",
    429: "this machine is over its limit, or banned; dohproxy bans tells",
    502: "the front proxy does not reach dohproxy behind it",
    503: "the limit of the whole service is spent",
    504: "the front proxy does not reach dohproxy behind it",
}


@dataclass(frozen=True, slots=True)
class TlsShown:
    """What TLS has shown."""

    chain: Chain
    refusal: str
    """Why OpenSSL does not trust it for the service's name, in its own words; "" if it does."""
    version: str
    protocol: str | None
    """Chosen by ALPN."""


@dataclass(frozen=True, slots=True)
class Met:
    """What a client meets at one place."""

    place: str
    """As the operator knows it."""
    trouble: str = ""
    """What kept it from getting on, in words that follow "it"."""
    tls: TlsShown | None = None
    """None in the clear, or if it did not come to that."""
    status: int | None = None
    """Of HTTP."""
    media: str | None = None
    body: bytes = b""


# --- Listeners ---


def judge_listeners(met: Sequence[Met]) -> Iterator[Finding]:
    """Say which places answer a question, and over which protocol."""
    for one in met:
        if one.trouble:
            yield Finding(LISTENERS, Severity.FAULT, f"{one.place} {one.trouble}", _REMEDIES.get(one.trouble, _LOG))
        elif one.status != 200:
            remedy = _STATUS_WORDS.get(one.status or 0, _LOG)
            severity = Severity.WARNING if one.status in (403, 429, 503) else Severity.FAULT
            yield Finding(LISTENERS, severity, f"{one.place} answers with HTTP status {one.status}", remedy)
        elif one.media != DNS_MESSAGE or len(one.body) <= HEADER_BYTES or one.body[3] & 0x0F:
            what = f"{one.place} answers with something else than an address for localhost: it is not dohproxy"
            yield Finding(LISTENERS, Severity.FAULT, what, "see who listens there: ss -ltnp")
        else:
            yield from _judge_protocol(one)


_LOG: Final = "see the log: journalctl -u dohproxy, and systemctl status dohproxy"
NOBODY: Final = "has nobody who listens: the connection is refused"
SILENT: Final = "does not answer within 5 s"
_REMEDIES: Final = {
    NOBODY: "start the service: systemctl start dohproxy; or see that server.listen is what it was started with",
    SILENT: "see whether a firewall of this machine drops it: nft list ruleset; and whether the service hangs",
}


def _judge_protocol(one: Met) -> Iterator[Finding]:
    if one.tls is None:
        yield Finding(LISTENERS, Severity.OK, f"{one.place} answers, in the clear")
        return
    if one.tls.protocol != "h2":
        what = f"{one.place} does not offer HTTP/2, which dig, dnsdist and others insist on"
        yield Finding(LISTENERS, Severity.WARNING, what, "let the front proxy offer it (nginx: http2 on)")
        return
    yield Finding(LISTENERS, Severity.OK, f"{one.place} answers, over {one.tls.version} and HTTP/2")


def judge_families(
    met: Sequence[Met], listened: frozenset[int], own: Sequence[IPv4Address | IPv6Address], port: int
) -> Iterator[Finding]:
    """Say whether both families of addresses lead here: `listened` are those of public listeners, `own` are addresses
    of this machine that others can reach."""
    if not listened or not met:
        return  # A front proxy stands here, and its listeners are not ours.
    has = {address.version for address in own}
    if 6 in has and 6 not in listened:
        what = "this machine has IPv6, and nothing listens there: clients with both wait for it, or go without"
        yield Finding(LISTENERS, Severity.WARNING, what, f'add "[::]:{port}" to server.listen')
    if 4 in has and 4 not in listened:
        what = "this machine has IPv4, and nothing listens there: clients without IPv6 are left out"
        yield Finding(LISTENERS, Severity.WARNING, what, f'add "0.0.0.0:{port}" to server.listen')
    for version in sorted(listened - has):
        what = f"IPv{version} is listened on, and this machine has no address of it that others could reach"
        yield Finding(LISTENERS, Severity.NOTE, what, "if it should have one: ip address, and your provider")


# --- The certificate ---


def judge_certificate(met: Sequence[Met], host: str, now: float, on_disk: Chain | None) -> Iterator[Finding]:
    """Say how clients that ask for `host` take the certificates shown, each once; `now` is in Unix seconds."""
    shown: dict[bytes, tuple[TlsShown, list[str]]] = {}
    for one in met:
        if one.tls is not None:
            shown.setdefault(one.tls.chain.server.tbs_hash, (one.tls, []))[1].append(one.place)
    for tls, places in shown.values():
        where = "" if len(shown) == 1 else f"at {', '.join(places)} it "
        yield from _judge_chain(tls, host, now, where)
    if on_disk is not None and shown and on_disk.server.tbs_hash not in shown:
        what = "another certificate lies on the disk than clients are shown"
        yield Finding(CERTIFICATE, Severity.WARNING, what, "dohproxy reload; if it stays, the log says why")


def _judge_chain(tls: TlsShown, host: str, now: float, where: str) -> Iterator[Finding]:
    chain = tls.chain
    server, faults = chain.server, faults_of(chain, host, now)
    days = (server.not_after - now) / DAY_SECONDS
    until = f"{datetime.fromtimestamp(server.not_after, UTC):%Y-%m-%d %H:%M} UTC"
    if Fault.EXPIRED in faults:
        what, remedy = f"expired on {until}", "renew it: certbot renew; and see why that was not done by itself"
    elif Fault.NOT_YET_VALID in faults:
        what, remedy = "is not valid yet", "see whether the clock of this machine is right"
    elif Fault.WRONG_HOST in faults:
        names = ", ".join([*server.names, *map(str, server.addresses)][:4]) or "no name"
        what = f"is for {names} and not for {host}: every client refuses it"
        remedy = "give the certificate of that name, or the right name in server.host"
    elif tls.refusal and Fault.INCOMPLETE in faults:
        what = f"comes alone, and {server.issuer} has issued it: whoever has not met that one before refuses it"
        remedy = (
            "give the full chain (certbot: fullchain.pem) in tls.certificate or to the front proxy; if that is an"
            " authority of your own, which clients have, say so by --ca-file"
        )
    elif tls.refusal:
        yield Finding(CERTIFICATE, Severity.WARNING, f"{where}is not trusted by this machine: {tls.refusal}", _OWN)
        return
    else:
        yield _judge_time(server.expires_soon(now), f"{where}is trusted for {host}, and valid for {days:.0f} more days")
        return
    yield Finding(CERTIFICATE, Severity.FAULT, f"{where}{what}", remedy)


_OWN: Final = (
    "if the authority is your own, say so by --ca-file, and see that all clients have it; else ask an authority for a"
    " certificate that devices trust"
)


def _judge_time(is_soon: bool, what: str) -> Finding:
    if is_soon:
        remedy = "it should have been renewed by now: certbot renew --dry-run, and systemctl list-timers"
        return Finding(CERTIFICATE, Severity.WARNING, what, remedy)
    return Finding(CERTIFICATE, Severity.OK, what)
