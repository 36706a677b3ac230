"""`dohproxy upstream test` against a real Unbound, over each protocol."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e import zones
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import LOOPBACK, free_port
from tests.e2e.proxy import PROJECT, environment
from tests.e2e.unbound import DOT_NAME, Unbound


def run_upstream_test(
    directory: Path, authority: CertificateAuthority, urls: dict[str, str], *arguments: str
) -> "subprocess.CompletedProcess[str]":
    file = directory / "dohproxy.toml"
    file.write_text("".join(f'[[upstream]]\nname = "{name}"\nurl = "{url}"\n' for name, url in urls.items()))
    return subprocess.run(
        [sys.executable, "-m", "dohproxy", "upstream", "test", "--config", str(file), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=PROJECT,
        env={**environment(), "SSL_CERT_FILE": str(authority.file)},
    )


def facts_in(text: str) -> dict[str, dict[str, str]]:
    """What is told of each upstream, by its name and the label of the line."""
    blocks = [block.splitlines() for block in text.split("\n\n")[:-1]]
    return {title.split()[0]: {line[2:12].strip(): line[12:] for line in lines} for title, *lines in blocks}


def test_one_query_over_each_protocol_finds_it_well(
    unbound: Unbound, authority: CertificateAuthority, tmp_path: Path
) -> None:
    urls = {
        "datagrams": f"udp://{LOOPBACK}:{unbound.port}",
        "stream": f"tcp://{LOOPBACK}:{unbound.port}",
        "encrypted": f"tls://{LOOPBACK}:{unbound.tls_port}#{DOT_NAME}",
    }
    before = unbound.queries_received()
    run = run_upstream_test(tmp_path, authority, urls, "--name", ".")
    assert (run.returncode, run.stderr) == (0, "")
    assert unbound.queries_received() == before + 3
    told = facts_in(run.stdout)
    assert {facts["answer"] for facts in told.values()} == {"NOERROR, 1 record(s)"}
    assert {facts["EDNS"] for facts in told.values()} == {"takes 1232 bytes over UDP"}
    assert told["datagrams"]["protocol"] == "UDP"
    assert told["stream"]["protocol"] == "TCP"
    assert re.fullmatch(
        rf"TLSv1\.3, certificate verified for {DOT_NAME}, valid for [12] more days", told["encrypted"]["protocol"]
    )
    assert (told["datagrams"]["padding"], told["stream"]["padding"]) == ("none", "none")
    assert re.fullmatch(r"\d+ bytes", told["encrypted"]["padding"])
    # Debian's Unbound of today knows none; one that does would return ours.
    assert told["datagrams"]["cookies"] in ("none", "returned")


def test_a_name_with_letters_shows_that_it_preserves_case(
    unbound: Unbound, authority: CertificateAuthority, tmp_path: Path
) -> None:
    run = run_upstream_test(tmp_path, authority, {"ns0": f"udp://{LOOPBACK}:{unbound.port}"}, "--name", zones.ORIGIN)
    assert run.returncode == 0, run.stdout
    assert facts_in(run.stdout)["ns0"]["case"] == "preserved"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("#other.example", f"other.example was expected, it is for {DOT_NAME}, valid until", id="a name"),
        pytest.param("", f"{LOOPBACK} was expected, it is for {DOT_NAME}, valid until", id="an address"),
    ],
)
def test_a_certificate_for_somebody_else_is_told_with_its_name(
    unbound: Unbound, authority: CertificateAuthority, tmp_path: Path, name: str, words: str
) -> None:
    before = unbound.queries_received()
    run = run_upstream_test(tmp_path, authority, {"ns0": f"tls://{LOOPBACK}:{unbound.tls_port}{name}"})
    assert run.returncode == 1
    assert words in run.stdout
    assert unbound.queries_received() == before


def test_tls_at_the_plain_port_and_plain_dns_at_the_tls_port_are_told(
    unbound: Unbound, authority: CertificateAuthority, tmp_path: Path
) -> None:
    urls = {
        "swapped": f"tls://{LOOPBACK}:{unbound.port}#{DOT_NAME}",
        "plain": f"tcp://{LOOPBACK}:{unbound.tls_port}",
        "nobody": f"udp://{LOOPBACK}:{free_port()}",
    }
    run = run_upstream_test(tmp_path, authority, urls)
    assert run.returncode == 1
    told = facts_in(run.stdout)
    assert re.search("TLS|closes the connection|nothing to TLS", told["swapped"]["WARNING"])
    assert re.search("not DNS|closes the connection", told["plain"]["WARNING"])
    assert told["nobody"]["WARNING"] == "nobody listens there: the port is closed."
    assert "Traceback" not in run.stdout + run.stderr
