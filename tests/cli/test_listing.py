"""`dohproxy listing`: an entry of a list, compared with a configuration."""

import json
from pathlib import Path
from typing import Final

import click.testing
import pytest

from dohproxy.cli import main
from dohproxy.cli.terminal import EXIT_CONFIG, EXIT_USAGE
from dohproxy.doh.stamp import Properties, Protocol, Stamp
from dohproxy.doh.stamp_codec import encode
from dohproxy.tls.certificates import read_chain_file
from dohproxy.tools.listing.entries import MOST_BYTES
from tests.frontends.issuer import INTERMEDIATE, Files, issue

HOST: Final = "doh.example.net"
FILE: Final = f"""[server]
listen = ["192.0.2.1:443", "[2001:db8::1]:443"]
host = "{HOST}"
[tls]
certificate = "fullchain.pem"
key = "privkey.pem"
[about]
name = "Example Association"
[[upstream]]
name = "ns0"
url = "udp://127.0.0.1:9"
preset = "own"
validates = true
"""
OURS: Final = Stamp(Protocol.DOH, Properties.DNSSEC, "192.0.2.1", host=HOST, path="/dns-query")
STAMP: Final = encode(OURS)
OLD: Final = encode(Stamp(Protocol.DOH, Properties(7), "192.0.2.1", host="old.example.net", path="/dns-query"))
FOREIGN: Final = encode(Stamp(Protocol.DOH, address="198.51.100.1", host="other.example.org", path="/dns-query"))
ENTRY: Final = f"## example\n\nOf Example Association.\n\n{STAMP}"
LIST: Final = f"# public-resolvers\n\n--\n\n## foreign\n\nNot here.\n\n{FOREIGN}\n\n\n"


@pytest.fixture
def config(tmp_path: Path) -> str:
    Files(tmp_path / "fullchain.pem", tmp_path / "privkey.pem").write(issue(INTERMEDIATE, (HOST,)))
    (tmp_path / "dohproxy.toml").write_text(FILE, encoding="utf-8")
    return str(tmp_path / "dohproxy.toml")


def run(config: str, *arguments: str, given: str | None = None) -> click.testing.Result:
    argv = ["listing", "--config", config, *arguments]
    return click.testing.CliRunner().invoke(main, argv, input=given, catch_exceptions=False)


def test_a_stamp_that_leads_here_is_all_right(config: str) -> None:
    found = run(config, STAMP)
    assert found.exit_code == 0
    assert f"ok       stamp: the host is {HOST}." in found.stdout.splitlines()
    assert "How it should read" not in found.stdout


def test_a_stamp_that_leads_elsewhere_is_corrected(config: str) -> None:
    found = run(config, OLD, "--no-logs", "--filter")
    assert found.exit_code == 1
    assert f'fault    stamp: the host is "old.example.net", and the service is {HOST} (server.host).' in found.stdout
    corrected = encode(Stamp(Protocol.DOH, Properties(3), "192.0.2.1", host=HOST, path="/dns-query"))
    assert found.stdout.endswith(f"How it should read:\n\n{corrected}\n")
    assert run(config, corrected, "--no-logs", "--filter").exit_code == 0


def test_a_hash_is_compared_with_the_certificate(config: str, tmp_path: Path) -> None:
    right = read_chain_file(tmp_path / "fullchain.pem").pinned.tbs_hash
    for hashes, code in (((right,), 0), ((bytes(32),), 1)):
        stamp = Stamp(Protocol.DOH, address="192.0.2.1", host=HOST, path="/dns-query", hashes=hashes)
        assert run(config, encode(stamp)).exit_code == code


def test_an_entry_is_read_from_a_file_or_from_standard_input(config: str, tmp_path: Path) -> None:
    (tmp_path / "entry.md").write_text(ENTRY.replace(STAMP, OLD), encoding="utf-8")
    from_file = run(config, str(tmp_path / "entry.md"), "--dnssec", "--no-logs", "--no-filter")
    assert from_file.exit_code == 1
    corrected = ENTRY.replace(STAMP, OLD)[: -len(OLD)] + encode(
        Stamp(Protocol.DOH, Properties(7), "192.0.2.1", host=HOST, path="/dns-query")
    )
    assert from_file.stdout.endswith(f"How it should read:\n\n{corrected}\n")
    assert run(config, "-", "--dnssec", "--no-logs", "--no-filter", given=corrected).exit_code == 0


def test_of_a_list_only_what_leads_here_is_told(config: str) -> None:
    found = run(config, "-", given=f"{LIST}{ENTRY}\n")
    assert found.exit_code == 0
    assert "# example" in found.stdout
    assert "foreign" not in found.stdout


def test_a_list_in_which_nothing_leads_here_is_good_news(config: str) -> None:
    found = run(config, "-", given=f"{LIST}{LIST}")
    assert (found.exit_code, found.stdout) == (0, f"Nothing in the list leads to {HOST}.\n")
    assert json.loads(run(config, "-", "--json", given=f"{LIST}{LIST}").stdout) == {
        "sentence": f"Nothing in the list leads to {HOST}.",
        "well": True,
        "entries": [],
    }


def test_the_request_for_removal_is_written_and_nothing_else(config: str) -> None:
    found = run(config, "-", "--remove", given=ENTRY.replace(STAMP, OLD))
    assert found.exit_code == 0
    assert found.stdout.startswith(f"Remove the entry `example` ({HOST})\n\n")
    assert OLD in found.stdout
    assert "I run this service for Example Association." in found.stdout


def test_programs_are_told_the_same(config: str) -> None:
    found = run(config, "-", "--json", "--remove", "--name", "example-doh", given=ENTRY)
    assert found.exit_code == 0
    values = json.loads(found.stdout)
    assert (values["well"], values["request"][:6]) == (False, "Remove")
    (entry,) = values["entries"]
    assert (entry["name"], entry["well"], entry["is_changed"]) == ("example", False, True)
    assert entry["corrected"] == ENTRY.replace("example", "example-doh", 1)
    assert [one["severity"] for one in entry["findings"] if one["subject"] == "name"] == ["fault"]
    right = run(config, "-", "--json", given=ENTRY)
    assert (right.exit_code, json.loads(right.stdout)["well"], "request" in right.stdout) == (0, True, False)


@pytest.mark.parametrize(
    ("entry", "given", "sentence"),
    [
        ("sdns://AgcAAAA", None, ""),
        ("-", "## lonely\n\nA line.\n", 'The entry "lonely" has no stamp.'),
        ("-", "A text.\nOf two lines.", "There is no entry in it."),
        ("/nowhere/list.md", None, "'/nowhere/list.md' is no sdns:// stamp, and as a file it cannot be read: No such"),
        ("/dev/null", None, "'/dev/null' is no sdns:// stamp, and as a file it cannot be read: Not a regular file."),
        ("-", "x" * (MOST_BYTES + 1), "'-' is longer than 4,194,304 bytes, so it is hardly a list of resolvers."),
    ],
    ids=["a damaged stamp", "no stamp", "a text", "no file", "a device", "far too much"],
)
def test_what_cannot_be_read_is_told_in_a_sentence(config: str, entry: str, given: str | None, sentence: str) -> None:
    found = run(config, entry, given=given)
    if sentence:
        assert (found.exit_code, found.stdout) == (EXIT_USAGE, "")
        assert found.stderr.startswith(sentence)
    else:
        # It is an entry all the same, of which it is known what should stand there.
        assert found.exit_code == 1
        assert "it cannot be read: " in found.stdout
        assert encode(Stamp(Protocol.DOH, address="192.0.2.1", host=HOST, path="/dns-query")) in found.stdout


def test_an_address_that_is_none_is_told(config: str) -> None:
    found = run(config, STAMP, "--address", "here")
    assert (found.exit_code, found.stderr[:21]) == (EXIT_USAGE, "This is no IP address")


def test_a_bad_configuration_is_told(config: str) -> None:
    Path(config).write_text("[server]\nhost = 1\n", encoding="utf-8")
    found = run(config, STAMP)
    assert (found.exit_code, found.stdout) == (EXIT_CONFIG, "")
    assert "server.host" in found.stderr
