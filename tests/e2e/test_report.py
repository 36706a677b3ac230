"""The report of a service that has run: what was asked is in its sums, and in no other way."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import pytest

from tests.conftest import FindProgram
from tests.e2e.answers import A
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.proxy import PROJECT, Proxy, ProxySettings, environment, run_dohproxy, running_proxy
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply

SECRETS = ("a-very-secret-name", "another-secret-name")
ASKED = [f"{label}.example.org" for label in SECRETS]


@pytest.fixture
def ended(authority: CertificateAuthority, tmp_path: Path) -> Iterator[Proxy]:
    """A service that was asked some questions and has ended as systemd ends it."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    with answering(make_reply) as port:
        sections = {"server": {"state_directory": str(state), "host": "doh.example.net"}}
        settings = ProxySettings((f"udp://127.0.0.1:{port}",), authority, sections=sections)
        with running_proxy(tmp_path, settings) as proxy:
            with proxy.client() as client:
                for name in [*ASKED, *ASKED, *ASKED]:
                    assert client.get(dns.message.make_query(name, A, id=0).to_wire()).status == 200
                assert client.get(b"\x00").status == 400
            assert proxy.child.terminate() == 0
            yield proxy


def _report(proxy: Proxy, *words: str) -> str:
    ended = run_dohproxy("report", "--config", str(proxy.file), "--since", "2h", *words)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_what_was_asked_is_counted_without_a_running_service(ended: Proxy) -> None:
    told: dict[str, Any] = json.loads(_report(ended, "--json"))
    assert told["requests"] == 7
    assert (told["groups"]["cache"], told["groups"]["upstream"], told["groups"]["malformed"]) == (4, 2, 1)
    assert told["dialects"] == {"rfc-get": 7}
    assert told["sends"]["answered"] >= 2
    assert told["starts"] == 1
    assert told["networks_busiest_day"] == 1
    assert any(line.split()[:2] == ["requests", "7"] for line in _report(ended).splitlines())
    assert _report(ended, "--format", "html").startswith("<!doctype html>")


def test_no_name_and_no_address_is_in_the_file_or_in_the_report(ended: Proxy) -> None:
    path = ended.file.parent / "state" / "hours.sqlite"
    assert path.stat().st_mode & 0o777 == 0o600
    texts = [path.read_bytes(), _report(ended).encode(), _report(ended, "--format", "html").encode()]
    for text in texts:
        for word in (*SECRETS, "example.org", "127.0.0", "udp://", "ns0"):
            assert word.encode() not in text
        assert bytes((127, 0, 0, 1)) not in text
    with sqlite3.connect(path) as database:
        [row] = database.execute("SELECT * FROM hours")
    database.close()
    assert {type(number) for number in row} == {int}


def test_the_example_of_the_documentation_sends_it(ended: Proxy, find_program: FindProgram, tmp_path: Path) -> None:
    bash = find_program("bash", "bash")
    page = (PROJECT / "docs" / "report.md").read_text(encoding="utf-8")
    [line] = [line for line in page.splitlines() if line.startswith("0 6 * * 1 ")]
    command = line.split(maxsplit=6)[6]
    assert "| mail -s" in command
    sent = tmp_path / "sent"
    (tmp_path / "mail").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {sent}\ncat >> {sent}\n', encoding="ascii")
    (tmp_path / "mail").chmod(0o755)
    command = command.replace("/opt/dohproxy/.venv/bin/dohproxy", f"{sys.executable} -P -m dohproxy")
    command = command.replace("/etc/dohproxy/dohproxy.toml", str(ended.file))
    variables = {**environment(), "PATH": f"{tmp_path}:{environment()['PATH']}"}
    subprocess.run([bash, "-c", command], check=True, env=variables, cwd=PROJECT, timeout=30)
    text = sent.read_text(encoding="utf-8")
    assert text.startswith("-s\n")
    assert "DNS over HTTPS at doh.example.net" in text
