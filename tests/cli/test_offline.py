"""Members while no service runs: the verbs write the file, which a service reads when it is started."""

import json
import re
from pathlib import Path

import pytest

from dohproxy.cli.terminal import EXIT_CONFIG, EXIT_FAILED, EXIT_UNREACHABLE, EXIT_USAGE
from dohproxy.jobs.member_file import read_members
from dohproxy.member_token import digest_of
from dohproxy.policy.members import Members
from tests.cli.running import run, write

CLIENTS = '[clients]\nmember_file = "members.json"\n'
ADMIN = '[admin]\nsocket = "admin.sock"\n'


@pytest.fixture(params=["", ADMIN], ids=["without a socket for commands", "with one that nobody serves"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A configuration of a service that does not run."""
    return write(tmp_path, CLIENTS + request.param)


def _members(directory: Path) -> Members:
    found = read_members(directory / "members.json")
    assert isinstance(found, Members)
    return found


def test_a_member_is_added_listed_and_revoked(config: str, tmp_path: Path) -> None:
    added = run("member", "add", "alice", "--config", config, "--expires", "90d")
    assert added.exit_code == 0, added.output
    (token,) = re.findall(r"https://localhost/dns-query/(\S+)", added.stdout)
    (member,) = _members(tmp_path).all()
    assert (member.name, member.digest) == ("alice", digest_of(token))
    assert "sdns://" in added.stdout
    assert "\u2588" in added.stdout  # the code for a camera
    listed = run("member", "list", "--config", config)
    assert "alice: since" in listed.stdout
    assert token not in listed.stdout
    assert run("member", "revoke", "alice", "--config", config).exit_code == 0
    assert len(_members(tmp_path)) == 0


def test_a_program_reads_json_without_a_picture(config: str) -> None:
    added = json.loads(run("member", "add", "alice", "--config", config, "--json").stdout)
    assert set(added) == {"sentence", "well", "name", "url", "stamps", "dot_name", "expires"}


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("add", "a b"), EXIT_USAGE, "is no name for a member"),
        (("add", "alice", "--expires", "soon"), EXIT_USAGE, "90d"),
        (("revoke", "alice"), EXIT_FAILED, "Nobody called"),
    ],
    ids=["a bad name", "a bad end", "nobody to revoke"],
)
def test_what_cannot_be_done_is_told(config: str, arguments: tuple[str, ...], code: int, told: str) -> None:
    result = run("member", *arguments, "--config", config)
    assert (result.exit_code, told in result.stderr) == (code, True), result.output


def test_a_file_that_is_no_list_is_left_alone(config: str, tmp_path: Path) -> None:
    file = tmp_path / "members.json"
    file.write_text("something else", encoding="utf-8")
    result = run("member", "add", "alice", "--config", config)
    assert (result.exit_code, "no JSON" in result.stderr) == (EXIT_FAILED, True)
    assert file.read_text(encoding="utf-8") == "something else"


def test_a_configuration_without_a_file_for_members_is_told_what_to_write(tmp_path: Path) -> None:
    result = run("member", "add", "alice", "--config", write(tmp_path, ""))
    assert (result.exit_code, "member_file = " in result.stderr) == (EXIT_FAILED, True)


def test_a_configuration_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    result = run("member", "list", "--config", write(tmp_path, "[clients]\nmember_hours = -1\n"))
    assert (result.exit_code, "clients.member_hours" in result.stderr) == (EXIT_FAILED, True)


def test_without_the_configuration_a_service_has_to_run(tmp_path: Path) -> None:
    result = run("member", "list", "--socket", str(tmp_path / "nowhere.sock"))
    assert result.exit_code == EXIT_UNREACHABLE


def test_among_several_nodes_members_are_changed_at_one_that_runs(tmp_path: Path) -> None:
    nodes = '[nodes]\nstore = "unix:store.sock"\nkey_file = "nodes.key"\n'
    (tmp_path / "nodes.key").write_bytes(bytes(32))
    config = write(tmp_path, CLIENTS + nodes)
    refused = run("member", "add", "alice", "--config", config)
    assert refused.exit_code == EXIT_FAILED
    assert "give the command at a node that runs" in refused.stderr
    assert run("member", "list", "--config", config).exit_code == 0
    elsewhere = run("member", "revoke", "alice", "--config", config, "--node", "lyon")
    assert elsewhere.exit_code in (EXIT_UNREACHABLE, EXIT_CONFIG)
