"""The verb `records`: what it prints is a zone to dnspython and to BIND, and what it remarks."""

import subprocess
from pathlib import Path

import dns.zone
import pytest

from dohproxy.cli.terminal import EXIT_CONFIG
from tests.cli.running import run
from tests.conftest import FindProgram
from tests.frontends.issuer import INTERMEDIATE, Files, issue

HOST = "doh.example.net"
UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "udp://127.0.0.1:9"\n'
TLS = '[tls]\ncertificate = "fullchain.pem"\nkey = "privkey.pem"\n'
TOLD = '[discovery]\naddresses = ["192.0.2.1", "2001:db8::1"]\nttl_seconds = 600\n'
WAYS = f'1 {HOST}. alpn="h2" ipv4hint=192.0.2.1 ipv6hint=2001:db8::1 key7="/dns-query{{?dns}}"'
HEAD = "@ 600 IN SOA ns x 1 3600 900 604800 300\n@ 600 IN NS ns\nns 600 IN A 192.0.2.53\n"


def write(directory: Path, more: str = TLS + TOLD, *, host: str = HOST, names: tuple[str, ...] = (HOST,)) -> str:
    Files(directory / "fullchain.pem", directory / "privkey.pem").write(issue(INTERMEDIATE, names))
    file = directory / "dohproxy.toml"
    file.write_text(f'[server]\nlisten = ["127.0.0.1:8443"]\nhost = "{host}"\n{more}{UPSTREAM}', encoding="utf-8")
    return str(file)


def records_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith(";")]


def test_the_records_of_the_configuration_are_printed(tmp_path: Path) -> None:
    ended = run("records", "--config", write(tmp_path))
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert records_in(ended.stdout) == [
        f"{HOST}. 600 IN A 192.0.2.1",
        f"{HOST}. 600 IN AAAA 2001:db8::1",
        f'{HOST}. 600 IN HTTPS 1 . alpn="h2"',
        f"_dns.{HOST}. 600 IN SVCB {WAYS}",
    ]
    assert "; CAA: the documentation of whoever issues the certificate has the name for it" in ended.stdout


def test_a_zone_file_takes_them_as_they_are(tmp_path: Path, find_program: FindProgram) -> None:
    text = HEAD + run("records", "--config", write(tmp_path)).stdout
    assert len(list(dns.zone.from_text(text, "example.net.").iterate_rdatas())) == 3 + 4
    zone = tmp_path / "example.net.zone"
    zone.write_text(text, encoding="ascii")
    checker = find_program("named-checkzone", "bind9-utils")
    checked = subprocess.run([checker, "example.net", str(zone)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.splitlines()[-1] == "OK"
    assert "ignoring" not in checked.stdout


def test_another_name_and_other_addresses_can_be_given(tmp_path: Path) -> None:
    words = ["--host", "dns.example.org", "--address", "192.0.2.9", "--address", "192.0.2.9"]
    ended = run("records", "--config", write(tmp_path, names=("dns.example.org",)), *words)
    assert records_in(ended.stdout)[0] == "dns.example.org. 600 IN A 192.0.2.9"
    assert records_in(ended.stdout)[-1].startswith("_dns.dns.example.org. 600 IN SVCB 1 dns.example.org. ")
    assert ended.stdout.count(" IN A ") == 1


def test_what_else_is_missing_is_remarked(tmp_path: Path) -> None:
    ended = run("records", "--config", write(tmp_path, names=("other.example.net",)))
    assert (ended.exit_code, len(records_in(ended.stdout))) == (0, 4)
    assert ended.stderr.startswith(f"remark: The certificate is not for {HOST}: every client would refuse")
    (tmp_path / "fullchain.pem").unlink()
    ended = run("records", "--config", str(tmp_path / "dohproxy.toml"))
    assert (ended.exit_code, len(records_in(ended.stdout))) == (0, 4)
    assert "remark: " in ended.stderr
    assert "tls.certificate" in ended.stderr


def test_behind_a_front_proxy_the_certificate_is_not_known_and_nothing_is_remarked(tmp_path: Path) -> None:
    ended = run("records", "--config", write(tmp_path, TOLD + "http3 = true\n"))
    assert ended.stderr == ""
    assert f'{HOST}. 600 IN HTTPS 1 . alpn="h3,h2"' in records_in(ended.stdout)


NOWHERE = {
    "this machine": ("localhost", "server.host, or give --host"),
    "an address": ("192.0.2.1", '"192.0.2.1" is an address'),
}


@pytest.mark.parametrize(("host", "words"), NOWHERE.values(), ids=NOWHERE)
def test_without_a_name_there_is_nothing_to_publish(tmp_path: Path, host: str, words: str) -> None:
    ended = run("records", "--config", write(tmp_path, host=host))
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.startswith("There is nothing to publish: ")
    assert words in ended.stderr


def test_a_configuration_that_cannot_be_used_ends_as_everywhere(tmp_path: Path) -> None:
    ended = run("records", "--config", write(tmp_path, "[discovery]\nport = 70000\n"))
    assert (ended.exit_code, ended.stdout) == (EXIT_CONFIG, "")
    assert "discovery.port" in ended.stderr


MEANT_OTHERWISE = {
    "a URL for a name": (
        ["--host", "https://doh.example.net"],
        "doh.example.net holds more than a name",
    ),
    "a port with an address": (["--address", "192.0.2.1:443"], "--address 192.0.2.1:443 is no IP address"),
    "an address of one link": (["--address", "fe80::1%eth0"], "--address fe80::1%eth0 is no address that clients"),
}


@pytest.mark.parametrize(("arguments", "told"), MEANT_OTHERWISE.values(), ids=MEANT_OTHERWISE)
def test_what_cannot_be_meant_is_2(tmp_path: Path, arguments: list[str], told: str) -> None:
    ended = run("records", "--config", write(tmp_path), *arguments)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert told in ended.stderr


def test_what_a_picture_needs_that_proves_who_is_asked_is_remarked(tmp_path: Path) -> None:
    more = TLS + TOLD + '[pages]\nenabled = true\nproof_domain = "check.doh.example.net"\n'
    ended = run("records", "--config", write(tmp_path, more))
    assert (ended.exit_code, len(records_in(ended.stdout))) == (0, 4)
    uncovered, wildcard = ended.stderr.splitlines()
    assert uncovered.startswith("remark: The certificate is not for *.check.doh.example.net: /setup is without")
    assert wildcard.startswith("remark: Publish no wildcard record at *.check.doh.example.net")
    ended = run("records", "--config", write(tmp_path, more, names=(HOST, "*.check.doh.example.net")))
    assert ended.stderr.splitlines() == [wildcard]
