"""What is wrong with a stamp of a list, and what should stand there."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import Final

import pytest

from dohproxy.config import ClientsConfig, Config, ServerConfig, UpstreamAddress, UpstreamConfig
from dohproxy.doh.path_token import member_path
from dohproxy.doh.stamp import Properties, Protocol, Stamp
from dohproxy.doh.stamp_codec import SCHEME, decode, encode
from dohproxy.dot.member_name import member_name
from dohproxy.member_token import TOKEN_BYTES, token_of
from dohproxy.tls.certificates import Chain, read_chain
from dohproxy.tools.doctor.findings import Finding, Severity
from dohproxy.tools.listing.doors import Door
from dohproxy.tools.listing.promises import promises_of
from dohproxy.tools.listing.stamp_audit import Service, audit_stamp, is_ours, led_to, readable
from dohproxy.tools.stamps import StampAddress
from tests.frontends.issuer import INTERMEDIATE, issue

HOST: Final = "doh.example.net"
UPSTREAM: Final = UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53), validates=True)
CONFIG: Final = Config((UPSTREAM,), ServerConfig(host=HOST), clients=ClientsConfig())
PLACES: Final = (StampAddress("192.0.2.1", 443), StampAddress("2001:db8::1", 443), StampAddress("192.0.2.2", 8443))
GOOD: Final = Stamp(Protocol.DOH, Properties.DNSSEC, "192.0.2.1", host=HOST, path="/dns-query")
ISSUED: Final = issue(INTERMEDIATE, (HOST, "dns.example.net"))
DOT_HOST: Final = "dot.example.net"
DOT: Final = Stamp(Protocol.DOT, Properties.DNSSEC, "192.0.2.1", host=DOT_HOST)
TOKEN: Final = token_of(bytes(TOKEN_BYTES))
MEMBERS: Final = member_path("/dns-query", TOKEN)


def service(
    *,
    config: Config = CONFIG,
    places: tuple[StampAddress, ...] = PLACES,
    chain: Chain | None = None,
    wanted: dict[Properties, bool] | None = None,
    has_dot: bool = True,
) -> Service:
    doors = {Protocol.DOH: Door(Protocol.DOH, HOST, "server.host", "/dns-query", places)}
    if has_dot:
        doors[Protocol.DOT] = Door(Protocol.DOT, DOT_HOST, "dot.host", "", (StampAddress("192.0.2.1", 853),))
    return Service(config, doors, chain, promises_of(config, wanted or {}))


def chain() -> Chain:
    return read_chain(ISSUED.pem + INTERMEDIATE.pem)


def looked_at(stamp: Stamp | str, known: Service) -> tuple[list[Finding], list[str]]:
    """Return what is told of a stamp, but for what is right, and what should stand there."""
    findings: list[Finding] = []
    stamps = audit_stamp("stamp", encode(stamp) if isinstance(stamp, Stamp) else stamp, known, findings)
    return [one for one in findings if one.severity is not Severity.OK], stamps


@pytest.mark.parametrize(
    "stamp",
    [
        GOOD,
        replace(GOOD, host="DOH.example.net"),
        replace(GOOD, host=f"{HOST}."),
        replace(GOOD, host=f"{HOST}:443"),
        replace(GOOD, address="[2001:DB8::0:1]"),
        replace(GOOD, address="192.0.2.2", host=f"{HOST}:8443"),
        replace(GOOD, properties=Properties(0)),
        DOT,
        replace(DOT, host=f"{DOT_HOST}:853"),
    ],
    ids=[
        *("ours", "in capitals", "with a final dot", "with its port", "IPv6", "another port", "no promise"),
        *("for DNS over TLS", "for DNS over TLS, with its port"),
    ],
)
def test_a_stamp_that_leads_here_is_left_as_it_is(stamp: Stamp) -> None:
    assert looked_at(stamp, service()) == ([], [encode(stamp)])


@pytest.mark.parametrize(
    ("stamp", "told", "corrected"),
    [
        (replace(GOOD, host="old.example.net"), 'the host is "old.example.net", and the service is', GOOD),
        (replace(GOOD, host=f"{HOST}:8443"), "the port is 8443, and clients connect to 443", GOOD),
        (replace(GOOD, address="198.51.100.1"), "the address is 198.51.100.1, and clients connect to 192.0.2.1", GOOD),
        (
            replace(GOOD, address="[2001:db8::9]"),
            "the address is 2001:db8::9",
            replace(GOOD, address="[2001:db8::1]"),
        ),
        (replace(GOOD, path="/resolve"), 'the path is "/resolve", and the service answers at /dns-query', GOOD),
    ],
    ids=["another host", "another port", "another address", "another IPv6 address", "another path"],
)
def test_a_stamp_that_leads_elsewhere_is_corrected(stamp: Stamp, told: str, corrected: Stamp) -> None:
    found, stamps = looked_at(stamp, service())
    assert [one.severity for one in found] == [Severity.FAULT]
    assert found[0].what.startswith(told)
    assert stamps == [encode(corrected)]
    assert looked_at(stamps[0], service()) == ([], stamps)


def test_a_port_in_the_address_is_told_and_written_where_it_belongs() -> None:
    # As it was written until 2026; nothing here writes it, so the bytes are made by hand.
    text = encode(replace(GOOD, address="192.0.2.2")).removeprefix(SCHEME)
    payload = urlsafe_b64decode(text + "=" * (-len(text) % 4)).replace(b"\x09192.0.2.2", b"\x0e192.0.2.2:8443")
    found, stamps = looked_at(SCHEME + urlsafe_b64encode(payload).decode().rstrip("="), service())
    assert [one.severity for one in found] == [Severity.FAULT]
    assert "its address names a port" in found[0].what
    assert stamps == [encode(replace(GOOD, address="192.0.2.2", host=f"{HOST}:8443"))]


def test_the_certificate_of_another_host_is_mentioned_if_it_is_for_both() -> None:
    (found,), _ = looked_at(replace(GOOD, host="dns.example.net"), service(chain=chain()))
    assert found.what.endswith("its certificate is for both")


# --- What is not known ---


def test_an_address_that_is_not_known_here_is_a_note_and_stays() -> None:
    known = service(places=(StampAddress("", 8443),))
    found, stamps = looked_at(replace(GOOD, address="198.51.100.1", host=f"{HOST}:8443"), known)
    assert [one.severity for one in found] == [Severity.NOTE]
    assert stamps == [encode(replace(GOOD, address="198.51.100.1", host=f"{HOST}:8443"))]
    _, stamps = looked_at(replace(GOOD, address="198.51.100.1"), known)
    assert decode(stamps[0]).address == "198.51.100.1"


def test_a_stamp_without_address_is_good_enough() -> None:
    found, stamps = looked_at(replace(GOOD, address=""), service())
    assert [one.severity for one in found] == [Severity.NOTE]
    assert stamps == [encode(replace(GOOD, address=""))]


# --- Hashes ---


def test_a_hash_of_a_certificate_that_is_shown_is_right_and_another_is_not() -> None:
    known = service(chain=chain())
    for certificate in chain().certificates:
        assert looked_at(replace(GOOD, hashes=(bytes(32), certificate.tbs_hash)), known)[0] == []
    found, stamps = looked_at(replace(GOOD, hashes=(bytes(32),)), known)
    assert [one.severity for one in found] == [Severity.FAULT]
    assert "they refuse the service" in found[0].what
    assert decode(stamps[0]).hashes == (chain().pinned.tbs_hash,)


def test_a_hash_is_not_judged_where_the_certificate_is_not_known() -> None:
    found, stamps = looked_at(replace(GOOD, hashes=(bytes(32),)), service())
    assert [one.severity for one in found] == [Severity.NOTE]
    assert decode(stamps[0]).hashes == (bytes(32),)


def test_what_is_corrected_keeps_the_hashes_that_are_right() -> None:
    right = chain().certificates[0].tbs_hash
    _, stamps = looked_at(replace(GOOD, path="/other", hashes=(bytes(32), right)), service(chain=chain()))
    assert decode(stamps[0]).hashes == (right,)


# --- Promises ---


@pytest.mark.parametrize(
    ("properties", "wanted", "severity", "becomes"),
    [
        (Properties.NO_LOGS, None, Severity.NOTE, Properties.NO_LOGS),
        (Properties.NO_LOGS, True, None, Properties.NO_LOGS),
        (Properties.NO_LOGS, False, Severity.FAULT, Properties(0)),
        (Properties(0), True, Severity.WARNING, Properties.NO_LOGS),
        (Properties(0), False, None, Properties(0)),
        (Properties(0), None, None, Properties(0)),
        (Properties(8), False, None, Properties(8)),
    ],
    ids=["unsaid", "kept", "broken", "not claimed", "not made", "nothing", "something unknown"],
)
def test_a_promise_is_compared_with_what_the_operator_says(
    properties: Properties, wanted: bool | None, severity: Severity | None, becomes: Properties
) -> None:
    known = service(wanted={} if wanted is None else {Properties.NO_LOGS: wanted})
    found, stamps = looked_at(replace(GOOD, properties=properties), known)
    assert [one.severity for one in found] == ([] if severity is None else [severity])
    assert decode(stamps[0]).properties == becomes


def test_a_promise_that_the_configuration_breaks_is_a_fault_whatever_anybody_says() -> None:
    config = replace(CONFIG, upstreams=(replace(UPSTREAM, validates=False),))
    for wanted in ({}, {Properties.DNSSEC: True}):
        found, stamps = looked_at(GOOD, service(config=config, wanted=wanted))
        assert [one.severity for one in found] == [Severity.FAULT]
        assert "which does not hold, because ns0 is not trusted" in found[0].what
        assert decode(stamps[0]).properties == Properties(0)


# --- What is no stamp of ours ---


def test_a_damaged_stamp_is_told_why_and_replaced_by_one_for_each_place() -> None:
    found, stamps = looked_at(encode(GOOD)[:-3], service(wanted={Properties.DNSSEC: True}))
    assert [one.severity for one in found] == [Severity.FAULT]
    assert found[0].what.startswith("it cannot be read: ")
    assert [(decode(one).address, decode(one).host) for one in stamps] == [
        ("192.0.2.1", HOST),
        ("[2001:db8::1]", HOST),
        ("192.0.2.2", f"{HOST}:8443"),
    ]
    assert {decode(one).properties for one in stamps} == {Properties.DNSSEC}


def test_what_dohproxy_does_not_speak_is_removed() -> None:
    found, stamps = looked_at(Stamp(Protocol.PLAIN, address="192.0.2.1"), service())
    assert (found[0].severity, stamps) == (Severity.FAULT, [])
    assert "plain DNS" in found[0].what


def test_dns_over_tls_is_judged_by_its_own_host_and_port() -> None:
    found, stamps = looked_at(replace(DOT, host=f"{HOST}:443"), service())
    assert [one.what for one in found] == [
        f'the host is "{HOST}", and the service is {DOT_HOST} (dot.host)',
        "the port is 443, and clients connect to 853",
    ]
    assert stamps == [encode(DOT)]


def test_dns_over_tls_is_removed_where_it_is_not_served() -> None:
    found, stamps = looked_at(DOT, service(has_dot=False))
    assert (found[0].severity, found[0].what, stamps) == (
        Severity.FAULT,
        "it is for DNS over TLS, which is not served (dot.listen)",
        [],
    )


@pytest.mark.parametrize(
    ("stamp", "corrected"),
    [
        (replace(GOOD, path=MEMBERS), GOOD),
        (replace(DOT, host=member_name(DOT_HOST, TOKEN)), DOT),
    ],
    ids=["in the path", "in the name"],
)
def test_a_members_own_stamp_is_told_and_replaced_by_everybodys(stamp: Stamp, corrected: Stamp) -> None:
    found, stamps = looked_at(stamp, service())
    assert found[0].what == "it is the one of a single member: whoever reads the list is taken for him"
    assert "dohproxy member revoke" in found[0].remedy
    assert stamps == [encode(corrected)]


def test_a_stamp_is_ours_by_its_host_or_by_its_address() -> None:
    for stamp, is_here in (
        (GOOD, True),
        (replace(GOOD, address=""), True),
        (replace(GOOD, host="old.example.net"), True),
        (replace(GOOD, host="old.example.net", address="198.51.100.1"), False),
        (replace(GOOD, host="old.example.net", address=""), False),
        (replace(DOT, address=""), True),
    ):
        assert is_ours(led_to(stamp), service()) is is_here
    assert list(readable([encode(GOOD), "sdns://x"])) == [GOOD]
