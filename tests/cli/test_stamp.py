"""`dohproxy stamp`, and what `check` and `serve` say about a certificate."""

import re
from pathlib import Path

import click.testing
import pytest

from dohproxy.cli import main, serve
from dohproxy.cli.terminal import EXIT_CONFIG
from dohproxy.doh.stamp import NO_PROMISES, Properties
from dohproxy.doh.stamp_codec import decode
from dohproxy.tls.certificates import read_chain_file
from tests.frontends.issuer import INTERMEDIATE, Files, Issued, issue

UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "udp://127.0.0.1:9"\n'
TLS = '[tls]\ncertificate = "fullchain.pem"\nkey = "privkey.pem"\n'
HOST = "doh.example.net"
RELAYED = (
    "sdns://gRIyMTIuNDcuMjI4LjEzNjo0NDM/"
    "AQcAAAAAAAAACTEyNy4wLjAuMSDDhGvyS56TymQnTA7GfB7MXgJP_KzS10AZNQ6B_lRq5BkyLmRuc2NyeXB0LWNlcnQubG9jYWxob3N0"
)


def _run(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def _write(directory: Path, *, listen: str = "192.0.2.1:8443", tls: str = TLS, issued: Issued | None = None) -> str:
    Files(directory / "fullchain.pem", directory / "privkey.pem").write(issued or issue(INTERMEDIATE, (HOST,)))
    file = directory / "dohproxy.toml"
    file.write_text(f'[server]\nlisten = ["{listen}"]\nhost = "{HOST}"\n{tls}{UPSTREAM}', encoding="utf-8")
    return str(file)


def _stamps(run: click.testing.Result) -> list[str]:
    return [line for line in run.stdout.splitlines() if not line.startswith("#")]


# --- stamp ---


def test_the_stamps_of_the_configuration_are_printed_and_remarks_are_apart(tmp_path: Path) -> None:
    run = _run("stamp", "--config", _write(tmp_path))
    assert run.exit_code == 0
    plain, pinned = map(decode, _stamps(run))
    assert (plain.address, plain.host, plain.path) == ("192.0.2.1", f"{HOST}:8443", "/dns-query")
    assert plain.hashes == ()
    assert pinned.hashes == (read_chain_file(tmp_path / "fullchain.pem").certificates[1].tbs_hash,)
    assert run.stderr.startswith("remark: The hash is that of CN=intermediate")


@pytest.mark.parametrize(
    ("flags", "properties"),
    [
        ([], NO_PROMISES),
        (["--dnssec"], Properties.DNSSEC),
        (["--no-logs"], Properties.NO_LOGS),
        (["--no-filter"], Properties.NO_FILTER),
        (["--no-filter", "--dnssec", "--no-logs"], Properties(7)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_nothing_is_promised_but_what_is_asked_for(tmp_path: Path, flags: list[str], properties: Properties) -> None:
    run = _run("stamp", "--config", _write(tmp_path), "--no-hash", *flags)
    assert [decode(stamp).properties for stamp in _stamps(run)] == [properties]


@pytest.mark.parametrize(("flag", "hashes"), [("--hash", [1]), ("--no-hash", [0])])
def test_stamps_with_or_without_hash_can_be_asked_for(tmp_path: Path, flag: str, hashes: list[int]) -> None:
    run = _run("stamp", "--config", _write(tmp_path), flag)
    assert [len(decode(stamp).hashes) for stamp in _stamps(run)] == hashes


def test_addresses_can_be_given(tmp_path: Path) -> None:
    file = _write(tmp_path, listen="[::]:443")
    run = _run("stamp", "--config", file, "--no-hash", "--address", "192.0.2.7", "--address", "[2001:db8::7]:8443")
    stamps = [decode(stamp) for stamp in _stamps(run)]
    assert [(stamp.address, stamp.host) for stamp in stamps] == [("192.0.2.7", HOST), ("[2001:db8::7]", f"{HOST}:8443")]
    assert run.stderr == ""


def test_a_wildcard_gives_a_stamp_without_address_and_a_remark(tmp_path: Path) -> None:
    run = _run("stamp", "--config", _write(tmp_path, listen="[::]:443"), "--no-hash")
    assert [decode(stamp).address for stamp in _stamps(run)] == [""]
    assert "give --address" in run.stderr


def test_without_tls_there_are_stamps_without_hash(tmp_path: Path) -> None:
    run = _run("stamp", "--config", _write(tmp_path, tls=""))
    assert (run.exit_code, len(_stamps(run))) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "tls", "sentence"),
    [
        (["--address", "doh.example.net"], TLS, "no IP address"),
        (["--hash"], "", r"Without \[tls\]"),
        (["--hash"], TLS.replace("fullchain", "absent"), "No such file"),
        ([], TLS.replace("fullchain", "privkey"), "no certificate in PEM form"),
        ([], "[tls]\n", "tls.certificate"),
    ],
    ids=["no address", "no TLS", "no certificate", "no PEM", "a bad configuration"],
)
def test_what_is_in_the_way_of_a_stamp_is_told(tmp_path: Path, arguments: list[str], tls: str, sentence: str) -> None:
    run = _run("stamp", "--config", _write(tmp_path, tls=tls), *arguments)
    assert (run.exit_code, run.stdout) == (1, "")
    assert re.search(sentence, run.stderr)


def test_stamp_alone_says_what_it_needs() -> None:
    run = _run("stamp")
    assert run.exit_code == 2
    assert "'--config', or 'decode URI'" in run.stderr


def test_a_stamp_is_explained(tmp_path: Path) -> None:
    (stamp,) = _stamps(_run("stamp", "--config", _write(tmp_path), "--no-hash", "--dnssec"))
    run = _run("stamp", "decode", f" {stamp}\n")
    assert run.exit_code == 0
    assert run.stdout.splitlines() == [
        "protocol: DNS over HTTPS (0x02)",
        "promises: validates DNSSEC",
        "address: 192.0.2.1, port 8443",
        "certificate hashes: none, any certificate that the client trusts for the host will do",
        f"host: {HOST}:8443",
        "path: /dns-query",
    ]


def test_a_relay_and_its_server_are_explained() -> None:
    run = _run("stamp", "decode", RELAYED)
    assert run.stdout.startswith("protocol: DNSCrypt relay (0x81)\naddress: 212.47.228.136:443\n\nprotocol: DNSCrypt ")


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("https://doh.example.net/", 'This does not begin with "sdns://".'),
        ("sdns://AAEAAAAAAAAADlsyMDAxOmRiODo6MV0", "The stamp ends within its address."),
    ],
    ids=["a URL", "a damaged one"],
)
def test_what_is_no_stamp_is_told_why(uri: str, sentence: str) -> None:
    run = _run("stamp", "decode", uri)
    assert (run.exit_code, run.stdout, run.stderr) == (1, "", f"{sentence}\n")


# --- check ---


@pytest.mark.parametrize(
    ("issued", "sentence"),
    [
        (issue(INTERMEDIATE, ("other.example.net",)), "is for other.example.net and not for doh.example.net"),
        (issue(INTERMEDIATE, (HOST,), days=(-61, -1)), "expired on "),
        (issue(INTERMEDIATE, (HOST,), days=(1, 61)), "is the clock of this machine right?"),
    ],
    ids=["another host", "expired", "not yet valid"],
)
def test_a_certificate_that_clients_refuse_is_an_error_to_check(tmp_path: Path, issued: Issued, sentence: str) -> None:
    run = _run("check", "--config", _write(tmp_path, issued=issued))
    assert (run.exit_code, run.stdout) == (EXIT_CONFIG, "")
    assert run.stderr.startswith("- tls.certificate ")
    assert sentence in run.stderr


def test_check_is_silent_about_a_good_certificate(tmp_path: Path) -> None:
    run = _run("check", "--config", _write(tmp_path))
    assert (run.exit_code, run.stderr) == (0, "")


def test_check_warns_of_what_clients_still_accept(tmp_path: Path) -> None:
    file = _write(tmp_path, issued=issue(INTERMEDIATE, (HOST,), kind="RSA", days=(-84, 6)))
    (tmp_path / "privkey.pem").chmod(0o644)
    run = _run("check", "--config", file)
    assert run.exit_code == 0
    told = [line.split(" ")[:5] for line in run.stderr.splitlines()]
    assert told == [["warning:", "tls.certificate", "(line", "5)", word] for word in ("expires", "has")] + [
        ["warning:", "tls.key", "(line", "6)", str(tmp_path / "privkey.pem")]
    ]


def test_serve_only_warns_of_a_certificate_that_clients_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A service that comes back from a power cut with yesterday's certificate is better than none.
    served = []
    monkeypatch.setattr(serve, "run", lambda config, _announce, _file: served.append(config))
    run = _run("serve", "--config", _write(tmp_path, issued=issue(INTERMEDIATE, (HOST,), days=(-61, -1))))
    assert (run.exit_code, len(served)) == (0, 1)
    assert run.stderr.startswith("warning: tls.certificate (line 5) expired on ")
