"""`dohproxy profile`: kinds, files, who may read them, and what is said besides."""

import json
import plistlib
import re
import stat
from pathlib import Path

import click.testing
import pytest

from dohproxy.cli import main
from dohproxy.cli.profile import FOR_EVERYBODY, SECRET
from dohproxy.cli.terminal import EXIT_CONFIG, EXIT_FAILED, EXIT_USAGE
from dohproxy.doh.stamp_codec import decode
from dohproxy.profiles.kinds import KINDS, Kind
from tests.cli.running import UPSTREAM, run
from tests.frontends.issuer import INTERMEDIATE, Files, issue

HOST = "doh.example.net"
TLS = '[tls]\ncertificate = "fullchain.pem"\nkey = "privkey.pem"\n'
CLIENTS = '[clients]\nmember_file = "members.json"\n'


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A service with a certificate, an address and members."""
    return _write(tmp_path, TLS + CLIENTS)


def _write(
    directory: Path,
    sections: str,
    *,
    listen: str = "192.0.2.1:443",
    kind: str = "ECDSA",
    names: tuple[str, ...] = (HOST, "dot.example.net", "*.dot.example.net"),
) -> str:
    files = Files(directory / "fullchain.pem", directory / "privkey.pem")
    files.write(issue(INTERMEDIATE, names, kind=kind))
    file = directory / "dohproxy.toml"
    file.write_text(f'[server]\nlisten = ["{listen}"]\nhost = "{HOST}"\n{sections}{UPSTREAM}', encoding="utf-8")
    return str(file)


def _member(config: str, *arguments: str) -> str:
    """Add a member; return the URL."""
    added = run("member", "add", "alice", "--config", config, "--json", *arguments)
    assert added.exit_code == 0, added.output
    url = json.loads(added.stdout)["url"]
    assert isinstance(url, str)
    return url


# --- which kinds there are ---


def test_alone_it_lists_the_kinds_and_needs_no_configuration() -> None:
    ended = run("profile")
    assert ended.exit_code == 0
    assert [line.split()[0] for line in ended.stdout.splitlines()] == [kind.name for kind in KINDS]


def test_a_kind_that_there_is_not_is_refused(config: str) -> None:
    ended = run("profile", "toaster", "--config", config)
    assert ended.exit_code == EXIT_USAGE
    assert "'firefox'" in ended.stderr


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS if not kind.wants_tls])
def test_each_kind_over_https_is_printed_with_what_to_do(config: str, kind: str) -> None:
    ended = run("profile", kind, "--config", config, "--unsigned")
    assert ended.exit_code == 0, ended.output
    assert HOST in ended.stdout
    assert re.search(r"^next: \S", ended.stderr, re.MULTILINE)


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS if kind.wants_tls])
def test_no_kind_over_tls_is_printed_where_that_is_not_served(config: str, kind: str) -> None:
    ended = run("profile", kind, "--config", config)
    assert (ended.exit_code, ended.stdout) == (EXIT_FAILED, "")
    assert "DNS over TLS, which is not served" in ended.stderr


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS if kind.wants_tls])
def test_each_kind_over_tls_is_printed_where_that_is_served(tmp_path: Path, kind: str) -> None:
    config = _write(tmp_path, TLS + '[dot]\nlisten = ["192.0.2.2:853"]\nhost = "dot.example.net"\n')
    ended = run("profile", kind, "--config", config, "--unsigned")
    assert ended.exit_code == 0, ended.output
    assert "dot.example.net" in ended.stdout
    assert "192.0.2.1" not in ended.stdout


@pytest.mark.parametrize(
    ("names", "is_members", "lack"),
    [
        ((HOST,), False, "dot.example.net"),
        ((HOST, "*.dot.example.net"), False, "dot.example.net"),
        ((HOST, "dot.example.net"), True, "*.dot.example.net"),
        ((HOST, "*.example.net"), True, "*.dot.example.net"),
        ((HOST, "*.example.net"), False, ""),
    ],
    ids=["another", "one below", "that above a member's", "one too far above", "one above"],
)
def test_no_profile_over_tls_is_made_for_a_name_that_the_certificate_is_not_for(
    tmp_path: Path, names: tuple[str, ...], is_members: bool, lack: str
) -> None:
    sections = TLS + CLIENTS + '[dot]\nlisten = ["192.0.2.2:853"]\nhost = "dot.example.net"\n'
    config = _write(tmp_path, sections, names=names)
    member = ("--member", _member(config)) if is_members else ()
    ended = run("profile", "android", "--config", config, *member)
    assert ended.exit_code == (EXIT_FAILED if lack else 0)
    if lack:
        assert f"The certificate is not for {lack}, " in ended.stderr
    assert run("profile", "firefox", "--config", config, *member).exit_code == 0


def test_a_member_has_a_name_of_his_own_for_dns_over_tls(tmp_path: Path) -> None:
    config = _write(tmp_path, TLS + CLIENTS + '[dot]\nlisten = ["192.0.2.2:853"]\nhost = "dot.example.net"\n')
    ended = run("profile", "android", "--config", config, "--member", _member(config))
    assert re.fullmatch(r"[a-z2-7]{26}\.dot\.example\.net\n", ended.stdout)


# --- what is in it ---


def test_the_url_and_the_addresses_are_the_configurations(config: str) -> None:
    profile = plistlib.loads(run("profile", "apple", "--config", config, "--unsigned").stdout_bytes)
    settings = profile["PayloadContent"][0]["DNSSettings"]
    assert (settings["ServerURL"], settings["ServerAddresses"]) == (f"https://{HOST}/dns-query", ["192.0.2.1"])


def test_addresses_can_be_given(tmp_path: Path) -> None:
    config = _write(tmp_path, TLS, listen="[::]:443")
    lacking = run("profile", "windows", "--config", config)
    assert (lacking.exit_code, lacking.stdout) == (EXIT_FAILED, "")
    assert "write it into discovery.addresses, or give --address" in lacking.stderr
    given = run("profile", "windows", "--config", config, "--address", "198.51.100.7", "--address", "2001:db8::7")
    assert given.exit_code == 0, given.output
    assert re.findall(r"add encryption server=(\S+)", given.stdout) == ["198.51.100.7", "2001:db8::7"]


def test_what_is_no_address_is_told(config: str) -> None:
    ended = run("profile", "windows", "--config", config, "--address", HOST)
    assert (ended.exit_code, ended.stdout) == (EXIT_FAILED, "")
    assert "no IP address" in ended.stderr


def test_wishes_are_followed(config: str) -> None:
    firefox = json.loads(run("profile", "firefox", "--config", config, "--strict").stdout)
    assert firefox["policies"]["DNSOverHTTPS"]["Fallback"] is False
    apple = run("profile", "apple", "--config", config, "--unsigned", "--except-wifi", "Maison")
    rules = plistlib.loads(apple.stdout_bytes)["PayloadContent"][0]["OnDemandRules"]
    assert rules[0]["SSIDMatch"] == ["Maison"]


def test_a_hash_is_in_the_stamp_if_it_is_asked_for(config: str) -> None:
    for flags, hashes in (([], 0), (["--hash"], 1)):
        ended = run("profile", "dnscrypt-proxy", "--config", config, *flags)
        (stamp,) = re.findall(r"^stamp = '(\S+)'$", ended.stdout, re.MULTILINE)
        assert len(decode(stamp).hashes) == hashes
        assert ("remark: The hash is that of CN=intermediate" in ended.stderr) is bool(hashes)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--except-wifi", "Maison"], "--except-wifi is for apple and apple-dot: curl cannot be told so."),
        (["--hash"], "--hash is for dnscrypt-proxy and stubby: curl cannot be told so."),
    ],
)
def test_what_a_client_cannot_be_told_is_refused(config: str, flags: list[str], sentence: str) -> None:
    ended = run("profile", "curl", "--config", config, *flags)
    assert (ended.exit_code, ended.stdout) == (EXIT_USAGE, "")
    assert sentence in " ".join(ended.stderr.split())


# --- a member's ---


@pytest.mark.parametrize("as_token", [False, True], ids=["URL", "token alone"])
def test_a_members_profile_has_his_url_and_says_that_it_is_secret(config: str, as_token: bool) -> None:
    url = _member(config)
    given = url.rpartition("/")[2] if as_token else url
    ended = run("profile", "curl", "--config", config, "--member", given)
    assert ended.exit_code == 0, ended.output
    assert f'doh-url = "{url}"' in ended.stdout
    assert "is a secret" in ended.stderr
    assert run("profile", "curl", "--config", config).stdout != ended.stdout


def test_the_url_can_be_read_so_that_no_list_of_processes_has_it(config: str) -> None:
    url = _member(config)
    runner = click.testing.CliRunner()
    ended = runner.invoke(main, ["profile", "curl", "--config", config, "--member", "-"], input=f"{url}\n")
    assert ended.exit_code == 0, ended.output
    assert f'doh-url = "{url}"' in ended.stdout


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("alice", "alice is no URL of a member"),
        ("https://doh.example.net/dns-query", "This is no URL of a member"),
        ("https://other.example.net/dns-query/AAECAwQFBgcICQoLDA0ODw", "This is no URL of a member"),
        ("AAECAwQFBgcICQoLDA0ODw", "No member has this URL"),
        ("https://doh.example.net/dns-query/AAECAwQFBgcICQoLDA0ODw", "No member has this URL"),
    ],
    ids=["a name", "everybody's URL", "another service's", "nobody's token", "nobody's URL"],
)
def test_what_is_no_members_url_is_told_why(config: str, given: str, sentence: str) -> None:
    _member(config)
    ended = run("profile", "curl", "--config", config, "--member", given)
    assert (ended.exit_code, ended.stdout) == (EXIT_FAILED, "")
    assert ended.stderr.startswith(sentence)


def test_who_was_revoked_has_no_profile(config: str) -> None:
    url = _member(config)
    assert run("member", "revoke", "alice", "--config", config).exit_code == 0
    ended = run("profile", "curl", "--config", config, "--member", url)
    assert (ended.exit_code, ended.stdout) == (EXIT_FAILED, "")


def test_a_service_without_members_says_what_to_configure(tmp_path: Path) -> None:
    config = _write(tmp_path, TLS)
    ended = run("profile", "curl", "--config", config, "--member", "AAECAwQFBgcICQoLDA0ODw")
    assert (ended.exit_code, ended.stdout) == (EXIT_CONFIG, "")
    assert "member_file" in ended.stderr


def test_a_damaged_list_of_members_is_told(config: str, tmp_path: Path) -> None:
    url = _member(config)
    (tmp_path / "members.json").write_text("{", encoding="ascii")
    ended = run("profile", "curl", "--config", config, "--member", url)
    assert (ended.exit_code, ended.stdout) == (EXIT_FAILED, "")
    assert "members.json is no JSON" in ended.stderr


# --- the file ---


def test_it_is_written_into_a_file_which_only_a_members_profile_keeps_from_others(config: str, tmp_path: Path) -> None:
    file = tmp_path / "curlrc"
    for arguments, mode in (([], FOR_EVERYBODY), (["--member", _member(config)], SECRET)):
        ended = run("profile", "curl", "--config", config, "--output", str(file), *arguments)
        assert (ended.exit_code, ended.stdout) == (0, "")
        assert "curlrc is written" in ended.stderr
        assert "doh-url" in file.read_text(encoding="utf-8")
        assert stat.S_IMODE(file.stat().st_mode) == mode
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.wants_tls], ids=lambda kind: str(kind.name))
def test_in_a_directory_it_has_the_name_that_is_usual(config: str, tmp_path: Path, kind: Kind) -> None:
    directory = tmp_path / "made"
    directory.mkdir()
    ended = run("profile", kind.name, "--config", config, "--output", str(directory))
    assert ended.exit_code == 0, ended.output
    assert [path.name for path in directory.iterdir()] == [kind.file]


def test_a_file_that_cannot_be_written_is_told(config: str, tmp_path: Path) -> None:
    ended = run("profile", "curl", "--config", config, "--output", str(tmp_path / "absent" / "curlrc"))
    assert ended.exit_code == EXIT_FAILED
    assert re.search(r"curlrc cannot be written \(No such file or directory\)", ended.stderr)


def test_a_configuration_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "dohproxy.toml").write_text("[server]\n", encoding="ascii")
    ended = run("profile", "curl", "--config", str(tmp_path / "dohproxy.toml"))
    assert (ended.exit_code, ended.stdout) == (EXIT_CONFIG, "")
    assert "upstream" in ended.stderr


# --- the signature ---


def test_what_devices_show_the_maker_of_is_signed(config: str) -> None:
    ended = run("profile", "apple", "--config", config)
    assert ended.exit_code == 0, ended.output
    assert ended.stdout_bytes.startswith(b"\x30")  # DER, a SEQUENCE
    plain = run("profile", "apple", "--config", config, "--unsigned").stdout_bytes
    assert plain in ended.stdout_bytes
    assert "not signed" not in ended.stderr


@pytest.mark.parametrize(
    ("sections", "kind", "sentence"),
    [
        ("", "ECDSA", r"Without \[tls\] the service's certificate is not known here\."),
        (TLS, "Ed25519", r"privkey\.pem is neither an ECDSA nor an RSA key"),
        (TLS.replace("privkey", "absent"), "ECDSA", r"absent\.pem cannot be read \(No such file or directory\)\."),
    ],
    ids=["no certificate", "another kind of key", "no key"],
)
def test_what_cannot_be_signed_is_given_unsigned_and_told_why(
    tmp_path: Path, sections: str, kind: str, sentence: str
) -> None:
    ended = run("profile", "apple", "--config", _write(tmp_path, sections, kind=kind))
    assert ended.exit_code == 0, ended.output
    assert plistlib.loads(ended.stdout_bytes)["PayloadDisplayName"] == HOST
    assert re.search(rf"^remark: The profile is not signed, .*{sentence}", ended.stderr, re.MULTILINE)


def test_a_hash_needs_a_certificate(tmp_path: Path) -> None:
    ended = run("profile", "dnscrypt-proxy", "--config", _write(tmp_path, ""), "--hash")
    assert (ended.exit_code, ended.stdout) == (EXIT_FAILED, "")
    assert "leave out --hash" in ended.stderr
