"""TLS as the frontend offers it: what is refused, and in which groups keys are agreed on."""

import asyncio
import contextlib
import datetime
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dohproxy.config import TlsConfig
from dohproxy.frontends.connections import Closing
from dohproxy.tls.certificate_pair import server_context
from dohproxy.tls.local_handshake import Reaction, attempt, dheat_hello, ordinary_hello
from tests.conftest import FindProgram
from tests.frontends.client import get
from tests.frontends.served import Certificate, Setting, open_frontend


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
async def test_current_versions_are_spoken(certificate: Certificate, version: ssl.TLSVersion) -> None:
    context = certificate.client_context()
    context.minimum_version = context.maximum_version = version
    async with open_frontend(Setting(certificate=certificate)) as frontend:
        client = await frontend.connect(context=context)
        assert (await client.ask(get())).status == 200
        spoken = client._writer.get_extra_info("ssl_object")
        assert spoken.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
        assert spoken.selected_alpn_protocol() == "http/1.1"
        assert spoken.compression() is None


def _only(version: ssl.TLSVersion | None, suites: str) -> Callable[[ssl.SSLContext], None]:
    def narrow(context: ssl.SSLContext) -> None:
        context.minimum_version = version or ssl.TLSVersion.TLSv1_2
        context.maximum_version = version or ssl.TLSVersion.TLSv1_2
        context.set_ciphers(suites)

    return narrow


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    "narrow",
    [
        _only(ssl.TLSVersion.TLSv1, "ALL:@SECLEVEL=0"),
        _only(ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
        _only(None, "AES128-GCM-SHA256:AES256-SHA:@SECLEVEL=0"),
        _only(None, "ECDHE+AES:!AESGCM:@SECLEVEL=0"),
        _only(None, "DHE+AESGCM:@SECLEVEL=0"),
        _only(None, "aNULL:@SECLEVEL=0"),
    ],
    ids=["TLS 1.0", "TLS 1.1", "no forward secrecy", "CBC", "DHE", "anonymous"],
)
async def test_refused(certificate: Certificate, narrow: Callable[[ssl.SSLContext], None]) -> None:
    context = certificate.client_context()
    narrow(context)
    async with open_frontend(Setting(certificate=certificate)) as frontend:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await frontend.connect(context=context)
        await frontend.until(lambda: frontend.closed == {Closing.HANDSHAKE: 1}, "the count")


async def test_renegotiation_does_not_happen(certificate: Certificate, find_program: FindProgram) -> None:
    # CVE-2011-1473, CVE-2021-3449; TLS 1.3 has none
    openssl = find_program("openssl", "openssl")
    async with open_frontend(Setting(certificate=certificate).with_connections(idle_seconds=1.0)) as frontend:
        client = await asyncio.create_subprocess_exec(
            *(openssl, "s_client", "-connect", f"127.0.0.1:{frontend.port}", "-tls1_2", "-legacy_renegotiation"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            assert client.stdin is not None
            client.stdin.write(b"R\n")
            async with asyncio.timeout(15):
                said, _ = await client.communicate()
        finally:
            if client.returncode is None:
                client.kill()
        assert b"RENEGOTIATING" in said
        assert b"no renegotiation" in said
        await frontend.until(lambda: frontend.register.slots_taken == 0, "the end")


@pytest.mark.parametrize(
    ("offer", "chosen"),
    [
        ([], None),
        (["h2"], "h2"),
        (["http/1.1", "h2"], "h2"),
        (["spdy/1", "http/1.1"], "http/1.1"),
        (["spdy/1"], None),
    ],
    ids=["none", "h2 alone", "both", "http/1.1 and a stranger", "a stranger alone"],
)
async def test_the_application_protocol_is_chosen(
    certificate: Certificate, offer: list[str], chosen: str | None
) -> None:
    context = ssl.create_default_context(cafile=str(certificate.file))
    if offer:
        context.set_alpn_protocols(offer)
    async with open_frontend(Setting(certificate=certificate)) as frontend:
        client = await frontend.connect(context=context)
        assert client._writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
        if chosen != "h2":
            assert (await client.ask(get())).status == 200


async def test_a_second_connection_resumes_the_first(certificate: Certificate) -> None:
    context = certificate.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = certificate.server_context()
    client, session = _handshake(server, context, None)
    client, _ = _handshake(server, context, session)
    assert client.session_reused


def _handshake(
    server_side: ssl.SSLContext, client_side: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[ssl.SSLObject, ssl.SSLSession | None]:
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(to_client, to_server, server_hostname="localhost", session=session)
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return client, client.session


# --- Groups ---


def write_pair(directory: Path, curve: ec.EllipticCurve | None = None, password: bytes | None = None) -> TlsConfig:
    """Write a certificate and its key, locked if there is a password."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    files = TlsConfig(directory / "other.pem", directory / "other.key")
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password)
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return files


@pytest.mark.parametrize("group", ["ffdhe2048", "ffdhe3072", "ffdhe8192", "secp384r1", "secp521r1", "X448"])
async def test_no_key_is_agreed_on_where_it_costs_more_than_it_costs_the_client(
    certificate: Certificate, group: str
) -> None:
    context = certificate.client_context()
    context.set_ecdh_curve(group)
    async with open_frontend(Setting(certificate=certificate)) as frontend:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await frontend.connect(context=context)
        await frontend.until(lambda: frontend.closed == {Closing.HANDSHAKE: 1}, "the count")


@pytest.mark.parametrize(
    ("version", "group"),
    [
        (ssl.TLSVersion.TLSv1_3, "X25519"),
        (ssl.TLSVersion.TLSv1_3, "prime256v1"),
        # In TLS 1.2 a client says by its groups as well which certificates it can read; this one is on P-256.
        (ssl.TLSVersion.TLSv1_2, "prime256v1"),
    ],
    ids=["X25519", "P-256", "P-256 in TLS 1.2"],
)
async def test_keys_are_agreed_on_in_the_groups_that_clients_have(
    certificate: Certificate, group: str, version: ssl.TLSVersion
) -> None:
    context = certificate.client_context()
    context.minimum_version = context.maximum_version = version
    context.set_ecdh_curve(group)
    async with open_frontend(Setting(certificate=certificate)) as frontend:
        client = await frontend.connect(context=context)
        assert (await client.ask(get())).status == 200


def test_a_share_in_a_finite_field_costs_less_than_an_ordinary_handshake(certificate: Certificate) -> None:
    # D(HE)at, CVE-2022-40735: 1,156 bytes that cost 150 ms with what OpenSSL 3.0 has by default.
    context = certificate.server_context()
    ordinary = attempt(context, ordinary_hello())
    refused = min((attempt(context, dheat_hello()) for _ in range(3)), key=lambda one: one.cpu_seconds)
    assert (ordinary.reaction, refused.reaction) == (Reaction.ANSWERS, Reaction.REFUSES)
    assert refused.cpu_seconds < ordinary.cpu_seconds


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_certificate_on_another_curve_is_shown(tmp_path: Path, version: ssl.TLSVersion) -> None:
    server = server_context(write_pair(tmp_path, ec.SECP384R1()))
    client = ssl.create_default_context(cafile=str(tmp_path / "other.pem"))
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    client.minimum_version = client.maximum_version = version
    finished, _ = _handshake(server, client, None)
    assert finished.version() is not None
    assert finished.cipher() is not None
