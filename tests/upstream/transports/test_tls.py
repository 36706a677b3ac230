"""TLS: whom we believe, and what an onlooker sees."""

import asyncio
import base64
import hashlib
import ssl
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dohproxy.tls.throwaway import write_throwaway_certificate
from dohproxy.upstream.budget.connections import ConnectionBudget
from dohproxy.upstream.health.signals import ConnectFailure, Signal
from dohproxy.upstream.results import SendStatus, Unproven
from dohproxy.upstream.transports.stream import StreamTransport
from dohproxy.upstream.transports.tls import context_for, make_context, pin_of, read_certificate
from dohproxy.wire.answer import Answer
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.fakes import upstream as fakes
from tests.fakes.asking import exchange
from tests.fakes.upstream import FakeUpstream, make_query
from tests.fakes.upstream_health import connections
from tests.frontends.issuer import DAY, NOW, ROOT, issue

NAME = "ns0.example.net"
QUERY = make_query()
LONG = 10.0
SOON = 0.3


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """A private authority."""
    return CertificateAuthority(tmp_path_factory.mktemp("upstream-authority"))


def _server_context(files: CertificateFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    context.set_alpn_protocols(["dot"])
    return context


async def _ask(
    fake: FakeUpstream,
    server: ssl.SSLContext,
    client: ssl.SSLContext,
    *,
    verify_name: str | None = None,
    seconds: float = LONG,
    times: int = 1,
    at_once: int = 1,
    budget: ConnectionBudget | None = None,
) -> list[Answer | Unproven | SendStatus]:
    async with fake.running(server), asyncio.TaskGroup() as tasks:
        url = replace(fake.config("tls").url, verify_name=verify_name)
        transport = StreamTransport(
            url, budget or connections(2), idle_seconds=60, context=client, tasks=tasks, clock=time.monotonic
        )
        try:
            outcomes: list[Answer | Unproven | SendStatus] = []
            for _ in range(times):
                until = time.monotonic() + seconds
                outcomes += await asyncio.gather(*(exchange(transport, QUERY, until=until) for _ in range(at_once)))
            return outcomes
        finally:
            await transport.close()


@pytest.mark.parametrize(
    ("certified", "verify_name", "is_believed"),
    [
        pytest.param([NAME], NAME, True, id="the name that was configured"),
        pytest.param(["other.example.net"], NAME, False, id="another name"),
        pytest.param(["127.0.0.1"], None, True, id="the address where no name was configured"),
        pytest.param([NAME], None, False, id="a name where the address must stand"),
        pytest.param(["127.0.0.1"], NAME, False, id="the address where a name was configured"),
    ],
)
async def test_the_certificate_must_bear(
    authority: CertificateAuthority, certified: list[str], verify_name: str | None, is_believed: bool
) -> None:
    fake = FakeUpstream()
    server = _server_context(authority.issue(certified))
    [outcome] = await _ask(fake, server, make_context(authority.file), verify_name=verify_name)
    assert isinstance(outcome, Answer) if is_believed else outcome is SendStatus.UNTRUSTED
    assert fake.asked == is_believed


async def test_an_authority_nobody_knows_is_refused(authority: CertificateAuthority) -> None:
    fake = FakeUpstream()
    server = _server_context(authority.issue([NAME]))
    assert await _ask(fake, server, make_context(), verify_name=NAME) == [SendStatus.UNTRUSTED]
    assert fake.asked == 0


async def test_old_tls_is_refused(authority: CertificateAuthority) -> None:
    server = _server_context(authority.issue([NAME]))
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        server.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        server.maximum_version = ssl.TLSVersion.TLSv1_1
    server.set_ciphers("DEFAULT@SECLEVEL=0")
    assert await _ask(FakeUpstream(), server, make_context(authority.file), verify_name=NAME) == [
        SendStatus.UNREACHABLE
    ]


async def test_queries_are_padded_and_share_a_connection(authority: CertificateAuthority) -> None:
    fake = FakeUpstream()
    server = _server_context(authority.issue([NAME]))
    outcomes = await _ask(fake, server, make_context(authority.file), verify_name=NAME, times=3)
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert [len(wire) % 128 for wire in fake.asked_over_stream] == [0, 0, 0]
    assert fake.connections_made == 1


async def test_one_that_closes_after_each_answer_is_asked_once_on_each_connection(
    authority: CertificateAuthority,
) -> None:
    fake = FakeUpstream(answers_to_a_connection=1)
    server = _server_context(authority.issue([NAME]))
    outcomes = await _ask(fake, server, make_context(authority.file), verify_name=NAME, times=2, at_once=6)
    assert outcomes[:6].count(SendStatus.LOST) in (5, 6)
    assert all(isinstance(outcome, Answer) for outcome in outcomes[6:])
    assert fake.connections_made == 1 + 6


async def test_a_handshake_that_never_comes_ends_with_the_attempt(authority: CertificateAuthority) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, asyncio.TaskGroup() as tasks:
        url = replace(fakes.FakeUpstream(port=port).config("tls").url)
        context = make_context(authority.file)
        transport = StreamTransport(
            url, connections(1), idle_seconds=60, context=context, tasks=tasks, clock=time.monotonic
        )
        assert await exchange(transport, QUERY, until=time.monotonic() + SOON) is SendStatus.UNREACHABLE
        await transport.close()


def test_the_application_protocol_is_offered_and_the_name_is_checked() -> None:
    context = make_context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.hostname_checks_common_name


def test_a_private_authority_is_trusted_besides_the_system_s(authority: CertificateAuthority) -> None:
    assert make_context(authority.file).cert_store_stats()["x509"] == make_context().cert_store_stats()["x509"] + 1


def test_a_missing_authority_file_is_an_error_at_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        make_context(tmp_path / "missing.pem")


@pytest.mark.parametrize(
    ("names", "read"),
    [
        ((NAME, "192.0.2.53", "2001:db8::53"), (NAME, "192.0.2.53", "2001:db8::53")),
        (("*.example.net",), ("*.example.net",)),
        ((), ()),
    ],
    ids=["names and addresses", "a wildcard", "none"],
)
def test_names_and_end_of_a_certificate_are_read(names: tuple[str, ...], read: tuple[str, ...]) -> None:
    issued = issue(ROOT, names, subject="anybody", days=(-1, 9))
    assert read_certificate(issued.certificate.public_bytes(Encoding.DER)) == (read, NOW + 9 * DAY)


@pytest.mark.parametrize("der", [b"", b"\x30\x03\x02\x01\x01", bytes(1000)], ids=["nothing", "no certificate", "zeros"])
def test_what_is_no_certificate_says_nothing(der: bytes) -> None:
    assert read_certificate(der) == ((), None)


def test_a_certificate_with_names_that_cannot_be_read_says_nothing() -> None:
    der = issue(ROOT, (NAME,)).certificate.public_bytes(Encoding.DER)
    name = NAME.encode()
    # Not ASCII, which a DNS name must be.
    broken = der.replace(b"\x82" + bytes([len(name)]) + name, b"\x82" + bytes([len(name)]) + b"\xff" * len(name))
    x509.load_der_x509_certificate(broken)
    assert read_certificate(broken) == ((), None)


@pytest.mark.parametrize("group", ["ffdhe2048", "ffdhe8192"])
async def test_an_upstream_cannot_make_us_compute_in_a_finite_field(
    authority: CertificateAuthority, group: str
) -> None:
    server = _server_context(authority.issue([NAME]))
    server.set_ecdh_curve(group)
    assert await _ask(FakeUpstream(), server, make_context(authority.file), verify_name=NAME) == [
        SendStatus.UNREACHABLE
    ]


@pytest.mark.parametrize("group", ["X25519", "prime256v1", "secp384r1", "secp521r1"])
async def test_an_upstream_may_have_any_of_the_usual_curves(authority: CertificateAuthority, group: str) -> None:
    server = _server_context(authority.issue([NAME]))
    server.set_ecdh_curve(group)
    [outcome] = await _ask(FakeUpstream(), server, make_context(authority.file), verify_name=NAME)
    assert isinstance(outcome, Answer)


async def test_an_upstream_with_finite_fields_alone_in_tls_1_2_is_not_taken(authority: CertificateAuthority) -> None:
    server = _server_context(authority.issue([NAME]))
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    server.set_ciphers("DHE+AESGCM")
    assert await _ask(FakeUpstream(), server, make_context(authority.file), verify_name=NAME) == [
        SendStatus.UNREACHABLE
    ]
    assert not [suite for suite in make_context().get_ciphers() if "DHE-" in suite["name"].replace("ECDHE-", "")]


class TestTrust:
    """By whose word, and by which key, one upstream is believed."""

    @pytest.mark.parametrize(
        ("name", "has_authority", "pins", "is_believed"),
        [
            pytest.param(NAME, True, (), True, id="a name and its own authority"),
            pytest.param("other.example", True, (), False, id="another name"),
            pytest.param(NAME, False, (), False, id="an authority that the system does not know"),
            pytest.param(NAME, True, ("right",), True, id="a name, an authority and the key"),
            pytest.param(NAME, True, ("wrong",), False, id="another key"),
            pytest.param(NAME, True, ("wrong", "right"), True, id="one of two keys"),
            pytest.param(None, False, ("right",), True, id="the key alone"),
            pytest.param(None, False, ("wrong",), False, id="another key alone"),
            pytest.param(NAME, False, ("right",), False, id="the key, but a name that nobody vouches for"),
            pytest.param(None, True, ("right",), False, id="the key, but an authority that vouches for no address"),
        ],
    )
    async def test_one_is_believed_with(
        self,
        authority: CertificateAuthority,
        name: str | None,
        *,
        has_authority: bool,
        pins: tuple[str, ...],
        is_believed: bool,
    ) -> None:
        fake = FakeUpstream()
        files = authority.issue([NAME])
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes()).public_bytes(Encoding.DER)
        keys = {"right": pin_of(certificate), "wrong": "A" * 43 + "="}
        config = replace(
            fake.config("tls", verify_name=name),
            ca_file=authority.file if has_authority else None,
            pins=tuple(keys[pin] for pin in pins),
        )
        [outcome] = await _ask(fake, _server_context(files), context_for(config), verify_name=name)
        assert isinstance(outcome, Answer) if is_believed else outcome is SendStatus.UNTRUSTED
        assert fake.asked == is_believed

    async def test_a_certificate_may_be_its_own_authority(self, tmp_path: Path) -> None:
        certificate, key = write_throwaway_certificate(tmp_path, NAME)
        fake = FakeUpstream()
        config = replace(fake.config("tls", verify_name=NAME), ca_file=certificate)
        server = _server_context(CertificateFiles(certificate, key))
        [outcome] = await _ask(fake, server, context_for(config), verify_name=NAME)
        assert isinstance(outcome, Answer)

    def test_its_own_authorities_stand_in_place_of_the_systems(self, authority: CertificateAuthority) -> None:
        config = replace(FakeUpstream().config("tls"), ca_file=authority.file)
        assert context_for(config).cert_store_stats()["x509"] == 1

    def test_without_any_of_it_all_is_verified(self) -> None:
        context = context_for(FakeUpstream().config("tls"))
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED

    def test_the_pin_is_what_openssl_makes_of_the_key(self, authority: CertificateAuthority) -> None:
        files = authority.issue([NAME])
        key = subprocess.run(
            ["openssl", "x509", "-in", files.certificate, "-noout", "-pubkey"], check=True, capture_output=True
        ).stdout
        der = subprocess.run(
            ["openssl", "pkey", "-pubin", "-outform", "der"], input=key, check=True, capture_output=True
        ).stdout
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes()).public_bytes(Encoding.DER)
        assert pin_of(certificate) == base64.b64encode(hashlib.sha256(der).digest()).decode()

    def test_what_cannot_be_read_has_no_pin(self) -> None:
        assert pin_of(b"no certificate") == ""


async def test_why_tls_came_to_nothing_is_known(authority: CertificateAuthority) -> None:
    for names, context, signal, words in (
        (["other.example"], make_context(authority.file), Signal.CERTIFICATE, f"certificate is not valid for '{NAME}'"),
        ([NAME], make_context(), Signal.CERTIFICATE, "unable to get local issuer certificate"),
    ):
        budget = connections(2)
        await _ask(FakeUpstream(), _server_context(authority.issue(names)), context, verify_name=NAME, budget=budget)
        assert budget.refusal is not None
        assert budget.refusal.signal is signal
        assert words in budget.refusal.words
        assert budget.signal(time.monotonic()) is signal


async def test_an_answer_ends_what_was_known_of_failed_handshakes(authority: CertificateAuthority) -> None:
    budget = connections(2)
    budget.failed(time.monotonic(), nobody_listens=False, refusal=ConnectFailure(Signal.CERTIFICATE, "expired"))
    server = _server_context(authority.issue([NAME]))
    await _ask(FakeUpstream(), server, make_context(authority.file), verify_name=NAME, budget=budget)
    assert (budget.refusal, budget.signal(time.monotonic())) == (None, None)
