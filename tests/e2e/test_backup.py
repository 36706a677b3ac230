"""A service is lost with its machine, and built again from its backup: who was a member is one, who was not is none."""

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import dns.message
import dns.rcode
import pytest

from dohproxy.tools.backup.proof import rooted
from tests.e2e.answers import A, ede_codes
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.http1 import Http1Client
from tests.e2e.processes import Child
from tests.e2e.proxy import PROJECT, SERVING, Proxy, ProxySettings, environment, run_dohproxy
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply

pytestmark = pytest.mark.long


@dataclass(frozen=True, slots=True)
class Lost:
    """What is left of a service: its backup, and what it had promised to whom."""

    backup: Path
    configuration: Path
    port: int
    member: str
    revoked: str


def added(proxy: Proxy, name: str) -> str:
    """Make somebody a member; return the path of his URL."""
    run = run_dohproxy("member", "add", name, "--config", str(proxy.file), "--json")
    return str(urlsplit(json.loads(run.stdout)["url"]).path)


def typed(file: Path, *words: str) -> str:
    """Give a command; return what is said."""
    run = run_dohproxy(*words, "--config", str(file))
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.fixture
def lost(authority: CertificateAuthority, tmp_path: Path) -> Iterator[Lost]:
    """A service with a member, a revoked one, a block, an announcement and a network that has been here, and nothing
    left of it."""
    house = tmp_path / "house"
    (house / "state").mkdir(parents=True)
    # The name of a socket may have 107 bytes.
    with answering(make_reply) as upstream, tempfile.TemporaryDirectory() as short:
        settings = ProxySettings(
            (f"udp://127.0.0.1:{upstream}",),
            authority,
            authority.issue(["localhost", "127.0.0.1"]),
            {
                "admin": {"socket": f"{short}/a.sock"},
                "server": {"host": "localhost", "state_directory": str(house / "state")},
                "clients": {"member_file": "state/members.json", "member_networks": []},
            },
            limited=True,
        )
        (house / "ads.txt").write_text("ads.example.com\n", encoding="utf-8")
        proxy = Proxy(house, settings, '[[blocklist]]\nname = "ads"\nfile = "ads.txt"\n')
        with running(proxy):
            member, revoked = added(proxy, "alice"), added(proxy, "mallory")
            typed(proxy.file, "member", "revoke", "mallory")
            typed(proxy.file, "block", "blocked.example.com")
            typed(proxy.file, "announce", "Maintenance tonight.", "--for", "1d")
            assert status(proxy.port, authority, "/dns-query") == 200
        # The next one has all of it in its file, and is backed up while it runs.
        port = proxy.port
        with serving(proxy.file, authority):
            assert proxy.metric("dohproxy_state_restored_slots") > 0
            typed(proxy.file, "backup", str(tmp_path / "backup.tar.gz"), "--with-keys")
        configuration = proxy.file
        shutil.rmtree(house)
        yield Lost(tmp_path / "backup.tar.gz", configuration, port, member, revoked)


@contextmanager
def running(proxy: Proxy) -> Iterator[None]:
    """Run a service to its clean end."""
    try:
        proxy.start()
        yield
        assert proxy.child.terminate() == 0
    finally:
        proxy.stop()


@contextmanager
def serving(file: Path, authority: CertificateAuthority) -> Iterator[Child]:
    """Serve by a file as it lies there."""
    child = Child(
        [sys.executable, "-P", "-m", "dohproxy", "serve", "--config", str(file)],
        file.with_name("log"),
        environment={**environment(), "SSL_CERT_FILE": str(authority.file)},
        directory=PROJECT,
    )
    try:
        child.wait_until_ready(lambda: SERVING in child.log_text())
        yield child
        assert child.terminate() == 0
    finally:
        child.kill()


def ask(port: int, authority: CertificateAuthority, path: str, name: str) -> "tuple[int, dns.message.Message | None]":
    """Ask at a path; return the status and the answer."""
    context = authority.client_context()
    with Http1Client(port, context=context, path=path) as client:
        answer = client.get(dns.message.make_query(name, A, use_edns=0).to_wire())
        return answer.status, answer.message() if answer.status == 200 else None


def status(port: int, authority: CertificateAuthority, path: str) -> int:
    """Return how a question for an ordinary name ends."""
    return ask(port, authority, path, "example.com")[0]


def test_what_was_promised_holds_on_the_new_machine(
    lost: Lost, authority: CertificateAuthority, tmp_path: Path
) -> None:
    root = tmp_path / "new"
    run = run_dohproxy("restore", str(lost.backup), "--into", str(root))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "The list of members: 1, of whom 1 may ask." in run.stdout
    file = rooted(root, lost.configuration)
    with serving(file, authority) as child:
        assert status(lost.port, authority, lost.member) == 200
        assert status(lost.port, authority, lost.revoked) == 404
        for name in ("blocked.example.com", "ads.example.com"):
            _, answer = ask(lost.port, authority, "/dns-query", name)
            assert answer is not None
            assert (answer.rcode(), ede_codes(answer)) == (dns.rcode.REFUSED, [15])
        assert "Maintenance tonight." in typed(file, "announce")
        assert "the state of the last run is back" in child.log_text()
        assert re.search(r"slots=[1-9]", child.log_text()), "nobody has been here before"
