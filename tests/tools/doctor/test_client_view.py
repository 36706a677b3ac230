"""What a client meets, judged: places, families of addresses, the chain it is shown."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from dohproxy.doh.media import DNS_MESSAGE
from dohproxy.tls.certificates import Certificate, Chain, KeyKind
from dohproxy.tools.doctor.client_view import (
    NOBODY,
    SILENT,
    Met,
    TlsShown,
    judge_certificate,
    judge_families,
    judge_listeners,
)
from dohproxy.tools.doctor.findings import Severity

NOW = 1_800_000_000.0
DAY = 86_400.0
HOST = "doh.example.net"
SERVER = Certificate(
    subject="CN=doh.example.net",
    issuer="CN=E7,O=Let's Encrypt",
    not_before=NOW - 30 * DAY,
    not_after=NOW + 60 * DAY,
    names=(HOST,),
    addresses=(),
    key_kind=KeyKind.ECDSA,
    is_self_signed=False,
    tbs_hash=b"1" * 32,
)
ISSUER = replace(SERVER, subject=SERVER.issuer, issuer="CN=root", tbs_hash=b"2" * 32)
WHOLE = Chain((SERVER, ISSUER), is_in_order=True)
ALONE = Chain((SERVER,), is_in_order=True)
UNKNOWN_ISSUER = "unable to get local issuer certificate"
ANSWER = bytes(12) + b"\x09localhost\x00\x00\x01\x00\x01"


def shown(chain: Chain = WHOLE, refusal: str = "", protocol: str | None = "h2") -> TlsShown:
    return TlsShown(chain, refusal, "TLSv1.3", protocol)


def met(**changed: Any) -> Met:
    """Return what is met at a place that is well, but for what a test changes."""
    return replace(Met("[::]:443", tls=shown(), status=200, media=DNS_MESSAGE, body=ANSWER), **changed)


PLACES = {
    "over TLS": (met(), Severity.OK, "over TLSv1.3 and HTTP/2"),
    "in the clear": (met(tls=None), Severity.OK, "in the clear"),
    "without HTTP/2": (met(tls=shown(protocol="http/1.1")), Severity.WARNING, "does not offer HTTP/2"),
    "nobody": (met(trouble=NOBODY, tls=None, status=None), Severity.FAULT, "has nobody who listens"),
    "silence": (met(trouble=SILENT, tls=None, status=None), Severity.FAULT, "does not answer"),
    "something else": (met(trouble="cannot be reached: x", status=None), Severity.FAULT, "cannot be reached"),
    "another path": (met(status=404), Severity.FAULT, "HTTP status 404"),
    "members only": (met(status=403), Severity.WARNING, "HTTP status 403"),
    "a page": (met(media="text/html", body=b"<html>"), Severity.FAULT, "something else than an address"),
    "a failure": (met(body=bytes((0, 0, 0x81, 2)) + bytes(20)), Severity.FAULT, "something else than an address"),
}


@pytest.mark.parametrize(("one", "severity", "words"), PLACES.values(), ids=PLACES)
def test_a_place(one: Met, severity: Severity, words: str) -> None:
    [found] = judge_listeners([one])
    assert found.severity is severity
    assert words in found.what
    assert bool(found.remedy) is (severity is not Severity.OK)


OWN = {4: ip_address("9.9.9.9"), 6: ip_address("2620:fe::9")}
FAMILIES = {
    "both": ({4, 6}, {4, 6}, []),
    "IPv6 is there and not listened on": ({4}, {4, 6}, [(Severity.WARNING, 'add "[::]:443" to server.listen')]),
    "IPv4 is there and not listened on": ({6}, {4, 6}, [(Severity.WARNING, 'add "0.0.0.0:443" to server.listen')]),
    "IPv6 is listened on and not there": ({4, 6}, {4}, [(Severity.NOTE, "if it should have one")]),
    "loopback alone": (set(), {4, 6}, []),
}


@pytest.mark.parametrize(("listened", "has", "expected"), FAMILIES.values(), ids=FAMILIES)
def test_families_of_addresses(listened: set[int], has: set[int], expected: Sequence[tuple[Severity, str]]) -> None:
    found = list(judge_families([met()], frozenset(listened), [OWN[version] for version in has], 443))
    assert [one.severity for one in found] == [severity for severity, _ in expected]
    assert all(words in one.remedy for one, (_, words) in zip(found, expected, strict=True))


CHAINS = {
    "well": (shown(), Severity.OK, "is trusted for doh.example.net, and valid for 60 more days"),
    "expired": (
        shown(Chain((replace(SERVER, not_after=NOW - 1), ISSUER), True), "certificate has expired"),
        Severity.FAULT,
        "expired on 2027-01-15",
    ),
    "of tomorrow": (
        shown(Chain((replace(SERVER, not_before=NOW + 1), ISSUER), True), "certificate is not yet valid"),
        Severity.FAULT,
        "not valid yet",
    ),
    "of another": (
        shown(Chain((replace(SERVER, names=("www.example.net",)), ISSUER), True), "Hostname mismatch"),
        Severity.FAULT,
        "is for www.example.net and not for doh.example.net",
    ),
    "without the intermediate": (
        shown(ALONE, UNKNOWN_ISSUER), Severity.FAULT, "comes alone, and CN=E7,O=Let's Encrypt has issued it"
    ),
    "alone, and yet trusted": (shown(ALONE), Severity.OK, "is trusted"),
    "of an authority of one's own": (
        shown(WHOLE, "self-signed certificate in certificate chain"), Severity.WARNING, "not trusted by this machine"
    ),
    "about to expire": (
        shown(Chain((replace(SERVER, not_after=NOW + 3 * DAY), ISSUER), True)), Severity.WARNING, "3 more days"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("tls", "severity", "words"), CHAINS.values(), ids=CHAINS)
def test_a_chain(tls: TlsShown, severity: Severity, words: str) -> None:
    [found] = judge_certificate([met(tls=tls), met(tls=tls, place="127.0.0.1:443")], HOST, NOW, None)
    assert found.severity is severity
    assert words in found.what
    assert bool(found.remedy) is (severity is not Severity.OK)


def test_the_missing_intermediate_has_its_remedy() -> None:
    [found] = judge_certificate([met(tls=shown(ALONE, UNKNOWN_ISSUER))], HOST, NOW, None)
    assert "fullchain.pem" in found.remedy
    assert "--ca-file" in found.remedy


def test_two_certificates_are_told_with_their_places() -> None:
    other = shown(Chain((replace(SERVER, tbs_hash=b"3" * 32), ISSUER), True))
    found = list(judge_certificate([met(), met(tls=other, place="192.0.2.1:443")], HOST, NOW, None))
    assert [one.what.partition(" it ")[0] for one in found] == ["at [::]:443", "at 192.0.2.1:443"]


def test_a_renewal_that_was_not_taken_up_is_told() -> None:
    renewed = Chain((replace(SERVER, tbs_hash=b"4" * 32), ISSUER), True)
    found = list(judge_certificate([met()], HOST, NOW, renewed))
    assert [one.severity for one in found] == [Severity.OK, Severity.WARNING]
    assert "another certificate lies on the disk" in found[1].what
    assert [one.severity for one in judge_certificate([met()], HOST, NOW, WHOLE)] == [Severity.OK]


def test_in_the_clear_there_is_no_certificate_to_speak_of() -> None:
    assert list(judge_certificate([met(tls=None)], HOST, NOW, WHOLE)) == []
