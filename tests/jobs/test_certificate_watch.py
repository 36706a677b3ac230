"""A certificate that changes under a running service: seen by new connections, felt by none."""

import asyncio
import contextlib
import gc
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from dohproxy.config import ConfigError, TlsConfig
from dohproxy.jobs.certificate_watch import (
    CertificateWatch,
    objection,
)
from dohproxy.jobs.job_figures import CERTIFICATE_FIGURES
from dohproxy.jobs.periodic import repeat
from dohproxy.tls.asked_name import asked_name, note_members_names
from dohproxy.tls.certificate_pair import PairResult
from dohproxy.tls.certificates import Chain, Fault, read_chain
from dohproxy.tls.policy import bare_context
from tests.fakes.samples import samples_of
from tests.frontends.client import RawClient, get
from tests.frontends.issuer import DAY, INTERMEDIATE, NOW, ROOT, Files, Issued, issue
from tests.frontends.served import Certificate, RunningFrontend, Setting, open_frontend, resident_bytes, until

FIRST: Final = issue(INTERMEDIATE)
SECOND: Final = issue(INTERMEDIATE, days=(-1, 90))
RELOADS: Final = 200
WARM_UP: Final = 21
GROWTH_BYTES: Final = 4 * 1_048_576
"""20 KiB a reload, less than one context takes; a heap that is not given back at once is no leak."""


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A good pair, where the service looks for it."""
    found = Files(tmp_path / "fullchain.pem", tmp_path / "privkey.pem")
    found.write(FIRST)
    return found


def tls_of(files: Files) -> TlsConfig:
    return TlsConfig(files.certificate, files.key)


def client_context(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ROOT.pem.decode())
    context.minimum_version = context.maximum_version = version
    return context


@dataclass(frozen=True, slots=True)
class Served:
    """A frontend whose certificate is watched."""

    frontend: RunningFrontend
    watch: CertificateWatch
    files: Files

    async def shown(self, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> x509.Certificate:
        """Return the certificate that a new connection is shown, after it was used."""
        client = await self.frontend.connect(context=client_context(version))
        assert (await client.ask(get())).status == 200
        shown = certificate_of(client)
        client.cut()
        return shown

    def refused(self) -> dict[PairResult, int]:
        """How often pairs were refused, by result."""
        reloads = self.watch.statistics().reloads
        return {result: count for result, count in reloads.items() if count and result is not PairResult.LOADED}


def certificate_of(client: RawClient) -> x509.Certificate:
    return x509.load_der_x509_certificate(tls_object(client).getpeercert(binary_form=True))


def tls_object(client: RawClient) -> Any:
    return client._writer.get_extra_info("ssl_object")


@asynccontextmanager
async def served(files: Files, host: str = "localhost") -> AsyncIterator[Served]:
    setting = Setting(certificate=Certificate(files.certificate, files.key))
    # No deadline is to end a connection while hundreds of pairs are read.
    async with open_frontend(setting.with_connections(handshake_seconds=5.0, idle_seconds=60.0)) as frontend:
        assert frontend.tls is not None
        yield Served(frontend, CertificateWatch(tls_of(files), host, frontend.tls), files)


# --- Decisions ---

GOOD: Final = FIRST.pem + INTERMEDIATE.pem
EXPIRED: Final = issue(INTERMEDIATE, days=(-61, -1))
FUTURE: Final = issue(INTERMEDIATE, days=(1, 61))
STRANGER: Final = issue(INTERMEDIATE, ("other.example.net",))


@pytest.mark.parametrize(
    ("new", "live", "expected"),
    [
        pytest.param(SECOND.pem + INTERMEDIATE.pem, GOOD, None, id="good after good"),
        pytest.param(EXPIRED.pem + INTERMEDIATE.pem, GOOD, Fault.EXPIRED, id="expired after good"),
        pytest.param(FUTURE.pem + INTERMEDIATE.pem, GOOD, Fault.NOT_YET_VALID, id="tomorrow's after good"),
        pytest.param(STRANGER.pem + INTERMEDIATE.pem, GOOD, Fault.WRONG_HOST, id="a stranger's after good"),
        pytest.param(SECOND.pem, GOOD, Fault.INCOMPLETE, id="alone after a chain"),
        pytest.param(SECOND.pem, FIRST.pem, None, id="alone after alone"),
        pytest.param(issue(None).pem, GOOD, None, id="self-signed after a chain"),
        pytest.param(GOOD, EXPIRED.pem + INTERMEDIATE.pem, None, id="good after expired"),
        pytest.param(
            STRANGER.pem + INTERMEDIATE.pem,
            issue(INTERMEDIATE, ("x",)).pem + INTERMEDIATE.pem,
            None,
            id="a stranger's after another's: the host was never configured",
        ),
        pytest.param(
            STRANGER.pem + INTERMEDIATE.pem,
            EXPIRED.pem + INTERMEDIATE.pem,
            Fault.WRONG_HOST,
            id="a stranger's after expired",
        ),
    ],
)
def test_a_new_certificate_must_be_no_worse(new: bytes, live: bytes, expected: Fault | None) -> None:
    assert objection(read_chain(new), read_chain(live), "localhost", NOW) is expected


# --- Over real connections ---


async def test_a_new_certificate_is_shown_and_no_connection_ends(files: Files) -> None:
    async with served(files) as service:
        old = await service.frontend.connect(context=client_context())
        assert (await old.ask(get())).status == 200
        service.files.write(SECOND)
        with structlog.testing.capture_logs() as lines:
            service.watch.poll(NOW)
        assert (await old.ask(get())).status == 200
        assert certificate_of(old) == FIRST.certificate
        assert await service.shown() == SECOND.certificate
        assert (await old.ask(get())).status == 200
    assert [(line["log_level"], line["event"]) for line in lines] == [("info", "a new certificate is in use")]


async def test_a_handshake_that_has_begun_is_finished(files: Files) -> None:
    async with served(files) as service:
        assert service.frontend.tls is not None
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context().wrap_bio(to_client, to_server, server_hostname="localhost")
        server = service.frontend.tls.wrap_bio(to_server, to_client, server_side=True)
        for side in (client, server):
            with pytest.raises(ssl.SSLWantReadError):
                side.do_handshake()
        service.files.write(SECOND)
        service.watch.poll(NOW)
        client.do_handshake()
        server.do_handshake()
        shown = client.getpeercert(binary_form=True)
        assert shown is not None
        assert x509.load_der_x509_certificate(shown) == FIRST.certificate
        assert await service.shown() == SECOND.certificate


async def test_nothing_is_read_while_nothing_changes(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(files) as service:

        def refuse(*_: object) -> None:
            raise AssertionError

        monkeypatch.setattr(Path, "open", refuse)
        service.watch.poll(NOW)


@pytest.mark.parametrize("kinds", [("ECDSA", "RSA"), ("RSA", "ECDSA"), ("ECDSA", "Ed25519")], ids=" to ".join)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
async def test_a_key_of_another_kind_is_shown_too_and_the_first_kind_again(
    files: Files, kinds: tuple[str, str], version: ssl.TLSVersion
) -> None:
    first, second, third = (issue(INTERMEDIATE, kind=kind) for kind in (*kinds, kinds[0]))
    files.write(first)
    async with served(files) as service:
        old = await service.frontend.connect(context=client_context(version))
        for issued in (second, third, second):
            service.files.write(issued)
            service.watch.poll(NOW)
            # Without a context of its own, OpenSSL would go on showing the old ECDSA certificate instead of an RSA one.
            assert await service.shown(version) == issued.certificate
            assert (await old.ask(get())).status == 200
        assert service.watch.statistics().reloads[PairResult.LOADED] == 3


@pytest.mark.parametrize("kind", ["ECDSA", "RSA"], ids=["same kind of key", "another kind"])
def test_names_that_may_be_members_are_noted_under_a_new_certificate_too(files: Files, kind: str) -> None:
    context = bare_context()
    note_members_names(context)
    watch = CertificateWatch(tls_of(files), "localhost", context)
    before = watch.digest
    files.write(issue(INTERMEDIATE, kind=kind))
    watch.poll(NOW)
    assert watch.digest != before
    name = "a" * 26 + ".localhost"
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context().wrap_bio(to_client, to_server, server_hostname=name)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server):
        with pytest.raises(ssl.SSLWantReadError):
            side.do_handshake()
    assert asked_name(server) == name


@pytest.mark.parametrize("comes_first", ["the offer", "the certificate"])
@pytest.mark.parametrize("kind", ["ECDSA", "RSA"], ids=["same kind of key", "another kind"])
def test_what_is_offered_is_so_under_every_certificate_and_changes_none(
    files: Files, kind: str, comes_first: str
) -> None:
    context = bare_context()
    watch = CertificateWatch(tls_of(files), "localhost", context)
    issued = issue(INTERMEDIATE, kind=kind)
    if comes_first == "the offer":
        watch.offer(dot=True)
    files.write(issued)
    watch.poll(NOW)
    watch.offer(dot=True)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    offering = client_context()
    offering.set_alpn_protocols(["dot"])
    client = offering.wrap_bio(to_client, to_server, server_hostname="localhost")
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert server.selected_alpn_protocol() == "dot"
    shown = client.getpeercert(binary_form=True)
    assert shown is not None
    assert x509.load_der_x509_certificate(shown) == issued.certificate


async def test_another_kind_of_key_keeps_to_the_same_policy(files: Files) -> None:
    async with served(files) as service:
        service.files.write(issue(INTERMEDIATE, kind="RSA"))
        service.watch.poll(NOW)
        context = client_context(ssl.TLSVersion.TLSv1_2)
        context.set_alpn_protocols(["http/1.1"])
        client = await service.frontend.connect(context=context)
        assert tls_object(client).selected_alpn_protocol() == "http/1.1"
        context.set_ciphers("ECDHE+AES:!AESGCM:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await service.frontend.connect(context=context)
        await service.frontend.until(lambda: sum(service.frontend.closed.values()) == 1, "the refusal")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("kind", ["ECDSA", "RSA"], ids=["same kind of key", "another kind"])
async def test_a_session_is_resumed_across_a_reload(files: Files, version: ssl.TLSVersion, kind: str) -> None:
    context = client_context(version)
    async with served(files) as service:
        first, session = await _visit(service, context, None)
        assert not first
        resumed, session = await _visit(service, context, session)
        assert resumed
        service.files.write(issue(INTERMEDIATE, kind=kind))
        service.watch.poll(NOW)
        resumed, _ = await _visit(service, context, session)
        assert resumed


async def _visit(
    service: Served, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[bool, ssl.SSLSession | None]:
    """Ask once over a new connection; return whether it resumed a session, and the session to resume next."""

    def visit() -> tuple[bool, ssl.SSLSession | None]:
        with (
            socket.create_connection(("127.0.0.1", service.frontend.port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as client,
        ):
            client.sendall(get())
            assert client.recv(65_536).startswith(b"HTTP/1.1 200")
            return bool(client.session_reused), client.session

    return await asyncio.to_thread(visit)


async def test_hundreds_of_reloads_leave_nothing_behind(files: Files) -> None:
    pairs = [issue(INTERMEDIATE), issue(INTERMEDIATE, kind="RSA"), SECOND]
    async with served(files) as service:
        old = await service.frontend.connect(context=client_context())
        assert (await old.ask(get())).status == 200
        for number in range(WARM_UP):
            _write_and_look(service, pairs[number % len(pairs)])
        gc.collect()
        before = resident_bytes(), len(os.listdir("/proc/self/fd")), _contexts()  # noqa: PTH208 - descriptors
        for number in range(RELOADS):
            _write_and_look(service, pairs[number % len(pairs)])
        gc.collect()
        after = resident_bytes(), len(os.listdir("/proc/self/fd")), _contexts()  # noqa: PTH208
        assert after[0] - before[0] < GROWTH_BYTES
        assert after[1:] == before[1:]
        assert service.watch.statistics().reloads[PairResult.LOADED] == WARM_UP + RELOADS
        assert (await old.ask(get())).status == 200
        assert await service.shown() == pairs[(RELOADS - 1) % len(pairs)].certificate


def _write_and_look(service: Served, issued: Issued) -> None:
    service.files.write(issued)
    service.watch.poll(NOW)


def _contexts() -> int:
    return sum(isinstance(one, ssl.SSLContext) for one in gc.get_objects())


# --- Bad pairs ---


def half_written(files: Files) -> None:
    files.certificate.write_bytes((SECOND.pem + INTERMEDIATE.pem)[:-300])


def without_its_key(files: Files) -> None:
    files.certificate.write_bytes(SECOND.pem + INTERMEDIATE.pem)


def without_the_chain(files: Files) -> None:
    files.certificate.write_bytes(SECOND.pem)
    files.key.write_bytes(SECOND.key_pem)


def gone(files: Files) -> None:
    files.certificate.unlink()


def a_directory(files: Files) -> None:
    files.key.unlink()
    files.key.mkdir()


def expired(files: Files) -> None:
    files.write(EXPIRED)


def not_yet_valid(files: Files) -> None:
    files.write(FUTURE)


def for_another_host(files: Files) -> None:
    files.write(STRANGER)


BAD = [
    (half_written, PairResult.UNUSABLE),
    (without_its_key, PairResult.MISMATCH),
    (without_the_chain, PairResult.INCOMPLETE),
    (gone, PairResult.UNREADABLE),
    (a_directory, PairResult.UNREADABLE),
    (expired, PairResult.EXPIRED),
    (not_yet_valid, PairResult.NOT_YET_VALID),
    (for_another_host, PairResult.WRONG_HOST),
]


@pytest.mark.parametrize(("spoil", "result"), BAD, ids=lambda value: getattr(value, "__name__", None))
async def test_a_bad_pair_changes_nothing_and_the_next_good_one_is_taken(
    files: Files, spoil: Any, result: PairResult
) -> None:
    async with served(files) as service:
        old = await service.frontend.connect(context=client_context())
        with structlog.testing.capture_logs() as lines:
            spoil(service.files)
            for _ in range(3):  # told once, however often it is looked at
                service.watch.poll(NOW)
        assert [(line["log_level"], line["reason"]) for line in lines] == [("warning", result.value)]
        assert service.refused() == {result: 1}
        statistics = service.watch.statistics()
        assert (statistics.last_succeeded, statistics.not_after) == (False, NOW + 60 * DAY)
        assert (await old.ask(get())).status == 200
        assert await service.shown() == FIRST.certificate

        if service.files.key.is_dir():
            service.files.key.rmdir()
        service.files.write(SECOND)
        service.watch.poll(NOW)
        assert await service.shown() == SECOND.certificate
        statistics = service.watch.statistics()
        assert (statistics.last_succeeded, statistics.not_after) == (True, NOW + 90 * DAY)
        assert (await old.ask(get())).status == 200


async def test_the_old_pair_put_back_is_no_reload_and_no_failure(files: Files) -> None:
    async with served(files) as service:
        service.files.key.write_bytes(SECOND.key_pem)
        service.watch.poll(NOW)
        assert not service.watch.statistics().last_succeeded
        service.files.write(FIRST)
        service.watch.poll(NOW)
        assert service.watch.statistics().last_succeeded
        assert service.watch.statistics().reloads[PairResult.LOADED] == 0


async def test_a_certificate_of_tomorrow_is_taken_tomorrow(files: Files) -> None:
    async with served(files) as service:
        service.files.write(FUTURE)
        service.watch.poll(NOW)
        service.watch.poll(NOW + DAY - 1)
        assert service.refused() == {PairResult.NOT_YET_VALID: 1}
        service.watch.poll(NOW + DAY)
        assert service.watch.statistics().reloads[PairResult.LOADED] == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_key_that_becomes_readable_is_taken(files: Files) -> None:
    async with served(files) as service:
        service.files.write(SECOND)
        service.files.key.chmod(0)
        service.watch.poll(NOW)
        assert service.refused() == {PairResult.UNREADABLE: 1}
        service.files.key.chmod(0o600)
        service.watch.poll(NOW)
        assert await service.shown() == SECOND.certificate


async def test_a_service_whose_host_was_never_configured_still_gets_its_renewals(files: Files) -> None:
    async with served(files, host="doh.example.net") as service:
        service.files.write(SECOND)
        service.watch.poll(NOW)
        assert await service.shown() == SECOND.certificate


def test_a_pair_that_became_unusable_before_the_start_is_told(files: Files) -> None:
    files.key.write_bytes(SECOND.key_pem)
    with pytest.raises(ConfigError, match=r"tls\.key .* is not the key of"):
        CertificateWatch(tls_of(files), "localhost", bare_context())


def test_a_pair_that_changes_between_its_check_and_the_adoption_is_read_again(files: Files) -> None:
    watch = CertificateWatch(tls_of(files), "localhost", bare_context())
    first = watch.digest
    checked = watch.check(tls_of(files), "localhost", NOW)
    files.write(SECOND)
    watch.adopt(tls_of(files), "localhost", checked)
    assert watch.digest == first
    watch.poll(NOW)
    assert watch.digest != first
    assert watch.statistics().reloads[PairResult.LOADED] == 1


# --- Forever ---


async def test_it_is_looked_at_again_and_again_whatever_happens(files: Files) -> None:
    async with served(files) as service:
        looks: list[float] = []

        def clock() -> float:
            looks.append(NOW)
            if len(looks) == 1:
                raise RuntimeError
            return NOW

        with structlog.testing.capture_logs() as lines:
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(repeat("the watch", lambda: 0.005, lambda: service.watch.poll(clock())))
                await until(lambda: len(looks) > 2, "two more looks")
                service.files.write(SECOND)
                await until(lambda: service.watch.statistics().reloads[PairResult.LOADED] == 1, "the reload")
                watching.cancel()
        assert (lines[0]["event"], lines[0]["job"]) == ("a job met a bug", "the watch")
        assert await service.shown() == SECOND.certificate


def test_the_figures_are_told(files: Files) -> None:
    watch = CertificateWatch(tls_of(files), "localhost", bare_context())
    files.write(EXPIRED)
    watch.poll(NOW)
    samples = samples_of(CERTIFICATE_FIGURES, watch.statistics())
    assert samples["dohproxy_certificate_not_after_seconds", ()] == NOW + 60 * DAY
    assert samples["dohproxy_certificate_last_reload_success", ()] == 0
    assert samples["dohproxy_certificate_reloads_total", ("expired",)] == 1
    assert samples["dohproxy_certificate_reloads_total", ("loaded",)] == 0
    assert 0 < samples["dohproxy_handshake_cpu_seconds", ()] < 1
    assert len(samples) == 3 + len(PairResult)


def test_the_price_of_a_handshake_is_told_at_once_and_with_each_new_pair(files: Files) -> None:
    watch = CertificateWatch(tls_of(files), "localhost", bare_context())
    prices: list[float] = []
    watch.when_priced(prices.append)
    watch.poll(NOW)
    assert len(prices) == 1
    files.write(SECOND)
    watch.poll(NOW)
    files.write(issue(INTERMEDIATE, key=rsa.generate_private_key(65_537, 4_096)))
    watch.poll(NOW)
    assert len(prices) == 3
    assert min(prices) > 0
    assert prices[2] > 2 * max(prices[:2])
    assert watch.statistics().handshake_seconds == prices[2]


def test_what_clients_are_shown_is_told_at_once_and_with_each_new_pair(files: Files) -> None:
    watch = CertificateWatch(tls_of(files), "localhost", bare_context())
    told: list[Chain] = []
    watch.when_in_use(told.append)
    watch.poll(NOW)
    files.write(STRANGER)
    watch.poll(NOW)
    files.write(SECOND)
    watch.poll(NOW)
    assert [chain.server.not_after for chain in told] == [NOW + 60 * DAY, NOW + 90 * DAY]


@pytest.mark.parametrize(
    ("days", "host", "words"),
    [
        pytest.param(0.0, "localhost", None, id="nothing"),
        pytest.param(
            55.0, "localhost", "expires in 5.0 days and should have been renewed by now", id="a renewal is due"
        ),
        pytest.param(61.0, "localhost", "expired on", id="it has expired"),
        pytest.param(0.0, "doh.example.net", "is for localhost and not for doh.example.net", id="another name"),
    ],
)
def test_what_is_wrong_with_the_one_in_use_is_told(files: Files, days: float, host: str, words: str | None) -> None:
    watch = CertificateWatch(tls_of(files), host, bare_context())
    found = watch.faults(NOW + days * DAY)
    assert (found == ()) is (words is None)
    assert words is None or found[0].startswith(words)


def test_that_the_one_on_the_disk_was_refused_is_told(files: Files) -> None:
    watch = CertificateWatch(tls_of(files), "localhost", bare_context())
    files.write(EXPIRED)
    watch.poll(NOW)
    assert watch.faults(NOW) == ("on the disk is refused, and the one in use goes on: the log says why",)
