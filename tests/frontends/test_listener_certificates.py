"""Members by a certificate that they show: who is one, whose limits hold, and who is not served."""

import ssl
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509

from dohproxy.config import TlsConfig
from dohproxy.frontends.client_resolver import ClientResolver
from dohproxy.frontends.connections import Closing
from dohproxy.jobs.certificate_watch import CertificateWatch
from dohproxy.policy.standing import Standing
from dohproxy.tls.policy import frontend_context
from tests.frontends.client import get
from tests.frontends.issuer import INTERMEDIATE, NOW, ROOT, Files, Issued, issue
from tests.frontends.served import NO_LIMITS, Certificate, RunningFrontend, Setting, open_frontend

ALICE, BOB = issue(ROOT, ("alice",)), issue(ROOT, ("bob",))
FOREIGN = issue(issue(None, (), subject="root", is_authority=True), ("mallory",))
"""Signed by another authority that goes by the same name."""
EXPIRED = issue(ROOT, ("carol",), days=(-9, -2))
VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])


@pytest.fixture
def setting(certificate: Certificate) -> Setting:
    """A frontend that asks its clients for a certificate."""
    return Setting(certificate=certificate, member_authorities=ROOT.pem.decode(), gated=True)


def showing(
    setting: Setting, issued: Issued | None, directory: Path, *, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> ssl.SSLContext:
    """Return the context of a client who shows a certificate, or has none."""
    assert setting.certificate is not None
    context = setting.certificate.client_context()
    context.minimum_version = context.maximum_version = version
    if issued is not None:
        file = directory / "client.pem"
        file.write_bytes(issued.pem + issued.key_pem)
        context.load_cert_chain(file)
    return context


async def status_of(frontend: RunningFrontend, context: ssl.SSLContext) -> int:
    """Ask on a new connection."""
    return (await (await frontend.connect(context=context)).ask(get())).status


@VERSIONS
async def test_who_shows_one_of_these_certificates_is_a_member(
    setting: Setting, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    async with open_frontend(setting) as frontend:
        context = showing(setting, ALICE, tmp_path, version=version)
        client = await frontend.connect(context=context)
        assert [(await client.ask(get())).status for _ in range(3)] == [200] * 3
        assert [one.member for one in frontend.asked_limits] == [True] * 3
        assert frontend.register.slots.statistics().by_standing[Standing.MEMBER] == 1
        # Networks may change, and it stays one.
        frontend.register.identify_all()
        assert (await client.ask(get())).status == 200
        assert frontend.asked_limits[-1].member


@VERSIONS
async def test_who_has_none_is_served_as_anybody(setting: Setting, tmp_path: Path, version: ssl.TLSVersion) -> None:
    async with open_frontend(setting) as frontend:
        assert await status_of(frontend, showing(setting, None, tmp_path, version=version)) == 200
        assert [one.member for one in frontend.asked_limits] == [False]
        assert frontend.register.slots.statistics().by_standing[Standing.MEMBER] == 0


@VERSIONS
@pytest.mark.parametrize("issued", [FOREIGN, EXPIRED], ids=["another authority's", "expired"])
async def test_who_shows_another_is_not_served(
    setting: Setting, tmp_path: Path, version: ssl.TLSVersion, issued: Issued
) -> None:
    async with open_frontend(setting) as frontend:
        with pytest.raises((OSError, EOFError)):
            await status_of(frontend, showing(setting, issued, tmp_path, version=version))
        await frontend.until(lambda: frontend.closed == {Closing.HANDSHAKE: 1}, "the end of the handshake")
        assert frontend.asked_limits == []


async def test_where_nobody_is_asked_a_certificate_makes_nobody_a_member(setting: Setting, tmp_path: Path) -> None:
    setting = replace(setting, member_authorities=None)
    async with open_frontend(setting) as frontend:
        assert await status_of(frontend, showing(setting, ALICE, tmp_path)) == 200
        assert [one.member for one in frontend.asked_limits] == [False]


async def test_each_has_limits_of_his_own_though_they_share_an_address(setting: Setting, tmp_path: Path) -> None:
    setting = replace(setting, limits=replace(NO_LIMITS, requests_per_second=0.001, requests_burst=2))
    async with open_frontend(setting) as frontend:
        for number, issued in enumerate((ALICE, BOB, None)):
            (tmp_path / str(number)).mkdir()
            client = await frontend.connect(context=showing(setting, issued, tmp_path / str(number)))
            assert [(await client.ask(get())).status for _ in range(3)] == [200, 200, 429]


@VERSIONS
async def test_who_resumes_a_session_is_still_a_member(
    setting: Setting, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    async with open_frontend(setting) as frontend:
        context = showing(setting, ALICE, tmp_path, version=version)
        client = await frontend.connect(context=context)
        assert (await client.ask(get())).status == 200
        shown = client._writer.get_extra_info("ssl_object")
        assert shown.session.has_ticket
        again = ssl.MemoryBIO(), ssl.MemoryBIO()
        resumed = context.wrap_bio(*again, server_hostname="localhost", session=shown.session)
        digest = await _shake_hands(frontend, resumed, *again)
        assert resumed.session_reused
        assert digest


async def _shake_hands(
    frontend: RunningFrontend, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
) -> bool:
    """Shake hands by hand, ask, and tell whether that was a member's request."""
    client = await frontend.connect(tls=False)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            await client.send(outgoing.read())
            incoming.write(await client.read())
    tls.write(get())
    await client.send(outgoing.read())
    await frontend.until(lambda: len(frontend.asked_limits) == 2, "the request")
    return frontend.asked_limits[-1].member


async def test_the_address_is_known_before_tls_the_next_time(setting: Setting, tmp_path: Path) -> None:
    async with open_frontend(setting) as frontend:
        assert await status_of(frontend, showing(setting, ALICE, tmp_path)) == 200
        resolver: ClientResolver = frontend.client_resolver
        client = resolver.of_connection(bytes((127, 0, 0, 1)))
        assert not client.member
        assert frontend.server.connection_limiter.standing(client, frontend.clock()) is Standing.MEMBER


async def test_a_renewal_with_another_kind_of_key_asks_too(tmp_path: Path) -> None:
    files = Files(tmp_path / "certificate.pem", tmp_path / "key.pem")
    files.write(issue(INTERMEDIATE))
    authorities = ROOT.pem.decode()
    setting = Setting(certificate=Certificate(files.certificate, files.key), member_authorities=authorities)
    async with open_frontend(setting) as frontend:
        assert frontend.tls is not None
        tls, make_context = TlsConfig(files.certificate, files.key), partial(frontend_context, authorities)
        watch = CertificateWatch(tls, "localhost", frontend.tls, make_context)
        renewed = issue(INTERMEDIATE, kind="RSA")
        files.write(renewed)
        watch.poll(NOW)
        context = showing(setting, ALICE, tmp_path)
        context.load_verify_locations(cadata=authorities)
        client = await frontend.connect(context=context)
        assert (await client.ask(get())).status == 200
        shown = client._writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        assert x509.load_der_x509_certificate(shown) == renewed.certificate
        assert frontend.asked_limits[-1].member
