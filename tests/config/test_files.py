"""The configuration file on disk, and the files it names."""

import hashlib
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.config import (
    AdminConfig,
    AlertsConfig,
    BansConfig,
    BlocklistConfig,
    CacheConfig,
    ClientsConfig,
    Config,
    ConfigError,
    NamesConfig,
    Problem,
    ServerConfig,
    TlsConfig,
    UpstreamAddress,
    UpstreamConfig,
    default_config,
    files,
)
from dohproxy.config.files import (
    MAX_FILE_BYTES,
    check_ban_log,
    check_files,
    check_members,
    check_snapshot,
    check_sockets,
    check_state,
    command_warnings,
    file_warnings,
    find_admin_socket,
    load,
    log_format_of,
    socket_warnings,
)
from dohproxy.config.permissions import Reader
from dohproxy.config.reader import read
from dohproxy.config.schema.admin import ADMIN_SOCKET
from dohproxy.tls.throwaway import write_throwaway_certificate

UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "tls://192.0.2.53#ns0.example.net"\n'
CERTIFICATE = b"-----BEGIN CERTIFICATE-----\n"
KEY = b"-----BEGIN PRIVATE KEY-----\n"


def problem_of(path: Path) -> Problem:
    with pytest.raises(ConfigError) as caught:
        load(path)
    (problem,) = caught.value.problems
    return problem


def with_list(path: Path) -> Config:
    upstreams = (UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53)),)
    return Config(upstreams, names=NamesConfig(public_suffix_file=path))


def with_tls(directory: Path) -> Config:
    return Config(
        upstreams=(UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53)),),
        tls=TlsConfig(certificate=directory / "fullchain.pem", key=directory / "privkey.pem"),
    )


def test_relative_names_start_from_the_directory_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("conf").mkdir()
    Path("conf/dohproxy.toml").write_text(f'[tls]\ncertificate = "a.pem"\nkey = "b.pem"\n{UPSTREAM}')
    tls = load(Path("conf/dohproxy.toml")).tls
    assert tls == TlsConfig(certificate=tmp_path / "conf/a.pem", key=tmp_path / "conf/b.pem")


def test_reading_a_configuration_opens_none_of_the_files_it_names(tmp_path: Path) -> None:
    path = tmp_path / "dohproxy.toml"
    path.write_text(f'[tls]\ncertificate = "absent.pem"\nkey = "absent.pem"\n{UPSTREAM}')
    assert load(path).tls is not None


def test_a_configuration_bears_the_hash_of_its_file_and_is_equal_without(tmp_path: Path) -> None:
    path = tmp_path / "dohproxy.toml"
    path.write_text(UPSTREAM)
    config = load(path)
    assert f"{config.file_hash:012x}" == hashlib.sha256(UPSTREAM.encode()).hexdigest()[:12]
    assert float(config.file_hash) == config.file_hash
    path.write_text(f"# Said once more.\n{UPSTREAM}")
    again = load(path)
    assert (again == config, again.file_hash == config.file_hash) == (True, False)
    assert read(UPSTREAM, directory=tmp_path).file_hash == 0


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    problem = problem_of(tmp_path / "absent.toml")
    assert problem.path == str(tmp_path / "absent.toml")
    assert problem.sentence.startswith("does not exist. Name a file")


def test_a_directory_is_not_a_file(tmp_path: Path) -> None:
    assert problem_of(tmp_path).sentence.startswith("is a directory.")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dohproxy.toml"
    path.write_text(UPSTREAM)
    path.chmod(0)
    assert problem_of(path).sentence.startswith("may not be read by the user ")


def test_permission_denied_is_explained_whoever_runs_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path, _flags: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)
    assert problem_of(tmp_path / "dohproxy.toml").sentence.startswith("may not be read by the user ")


def test_other_failures_are_told_in_the_words_of_the_system(tmp_path: Path) -> None:
    path = tmp_path / "loop.toml"
    path.symlink_to(path)
    assert problem_of(path).sentence.startswith("cannot be read (")


def test_a_name_no_file_can_have_is_explained() -> None:
    assert problem_of(Path("a\0b")).sentence.startswith("is not a file name.")


def test_a_file_in_another_encoding_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "dohproxy.toml"
    path.write_bytes(UPSTREAM.encode() + "# à".encode("latin-1"))
    assert problem_of(path).sentence == f"is not UTF-8 text (byte {len(UPSTREAM) + 2}); save it as UTF-8."


@pytest.mark.parametrize("character", ["#", "é"], ids=["of one byte", "of two bytes"])
def test_a_file_of_any_length_is_not_read_to_its_end(tmp_path: Path, character: str) -> None:
    path = tmp_path / "dohproxy.toml"
    path.write_text(character * (MAX_FILE_BYTES + 1), encoding="utf-8")
    assert "is longer than" in problem_of(path).sentence


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "dohproxy.toml"
    os.mkfifo(path)
    assert problem_of(path).sentence.startswith("is no file, but a named pipe or a device.")
    assert log_format_of(path) == "text"
    with pytest.raises(ConfigError):
        find_admin_socket(path)


def test_no_key_names_a_pipe_that_is_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    config = Config(
        (UpstreamConfig("ns0", UpstreamAddress("tls", "192.0.2.53", 853), ca_file=pipe),),
        tls=TlsConfig(pipe, pipe),
        names=NamesConfig(public_suffix_file=pipe),
        clients=ClientsConfig(member_ca_file=pipe),
        blocklists=(BlocklistConfig("a", file=pipe),),
    )
    problems = check_files(config)
    assert {problem.path for problem in problems} == {
        "tls.certificate",
        "tls.key",
        "names.public_suffix_file",
        "clients.member_ca_file",
        "blocklist #1.file",
        "upstream #1.ca_file",
    }
    assert all("is no file, but a named pipe or a device" in problem.sentence for problem in problems)


def test_an_endless_device_is_not_read_to_its_end() -> None:
    assert problem_of(Path("/dev/zero")).sentence.startswith("is no file, but a named pipe or a device.")


def test_certificate_and_key_in_place_are_no_problem(tmp_path: Path) -> None:
    (tmp_path / "fullchain.pem").write_bytes(CERTIFICATE)
    (tmp_path / "privkey.pem").write_bytes(KEY)
    assert check_files(with_tls(tmp_path)) == ()


def test_without_tls_there_are_no_files_to_check() -> None:
    upstream = UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53))
    assert check_files(Config(upstreams=(upstream,))) == ()


def test_absent_files_are_told_both_at_once(tmp_path: Path) -> None:
    certificate, key = check_files(with_tls(tmp_path))
    assert (certificate.path, key.path) == ("tls.certificate", "tls.key")
    assert certificate.sentence.startswith(f"names {tmp_path}/fullchain.pem, which does not exist.")


def test_swapped_files_are_recognised(tmp_path: Path) -> None:
    (tmp_path / "fullchain.pem").write_bytes(KEY)
    (tmp_path / "privkey.pem").write_bytes(CERTIFICATE)
    sentences = [problem.sentence for problem in check_files(with_tls(tmp_path))]
    assert ["swapped?" in sentence for sentence in sentences] == [True, True]


def test_a_list_of_public_suffixes_in_place_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "public_suffix_list.dat"
    path.write_text("// ===BEGIN ICANN DOMAINS===\ncom\n")
    assert check_files(with_list(path)) == ()


def test_an_absent_list_of_public_suffixes_is_told(tmp_path: Path) -> None:
    (problem,) = check_files(with_list(tmp_path / "absent.dat"))
    assert problem.path == "names.public_suffix_file"
    assert problem.sentence.startswith(f"names {tmp_path}/absent.dat, which does not exist.")


def test_another_file_in_place_of_the_list_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<html>404</html>")
    (problem,) = check_files(with_list(path))
    assert "is no public suffix list" in problem.sentence


def with_snapshot(path: Path | None) -> Config:
    upstream = UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53))
    return Config(upstreams=(upstream,), cache=CacheConfig(snapshot_file=path))


def test_a_snapshot_in_a_directory_of_this_user_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "cache.snapshot"
    assert check_snapshot(with_snapshot(path)) == ()
    path.write_bytes(b"whatever")
    assert check_snapshot(with_snapshot(path)) == ()
    assert check_snapshot(with_snapshot(None)) == ()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("absent/cache.snapshot", "/absent is no directory that this user can see"),
        ("file/cache.snapshot", "/file is no directory that this user can see"),
        ("x" * 300 + "/cache.snapshot", "is no directory that this user can see"),
        ("directory", "/directory, which is a directory"),
    ],
    ids=["absent", "a file", "a name no directory can have", "a directory itself"],
)
def test_a_snapshot_nobody_could_save_is_told_with_its_remedy(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "directory").mkdir()
    (problem,) = check_snapshot(with_snapshot(tmp_path / name))
    assert problem.path == "cache.snapshot_file"
    assert why in problem.sentence
    assert "Name a file in a directory of the service's user" in problem.sentence


def test_a_directory_that_may_not_be_written_to_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path or mode & os.W_OK == 0)
    (problem,) = check_snapshot(with_snapshot(tmp_path / "cache.snapshot"))
    assert f"this user may not write to {tmp_path}" in problem.sentence


def test_a_directory_that_may_not_be_entered_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "stat", refuse)
    (problem,) = check_snapshot(with_snapshot(tmp_path / "cache.snapshot"))
    assert "is no directory that this user can see" in problem.sentence


# --- sockets ---


def with_socket(path: Path) -> Config:
    upstreams = (UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53)),)
    return Config(upstreams, admin=AdminConfig(path))


def test_a_socket_may_be_made_and_one_left_behind_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a.sock"
    assert check_sockets(with_socket(file)) == ()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(file))
    assert check_sockets(with_socket(file)) == ()


def test_a_directory_that_goes_with_the_start_is_told_of_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_RUNTIME", (tmp_path,))
    config = with_socket(tmp_path / "dohproxy" / "admin.sock")
    assert check_sockets(config) == ()
    (warning,) = socket_warnings(config)
    assert warning.path == "admin.socket"
    assert "RuntimeDirectory=dohproxy" in warning.sentence
    (tmp_path / "dohproxy").mkdir()
    assert (check_sockets(config), socket_warnings(config)) == ((), ())
    deeper = with_socket(tmp_path / "other" / "deeper" / "admin.sock")
    assert (len(check_sockets(deeper)), socket_warnings(deeper)) == (1, ())


@pytest.mark.parametrize("key", ["certificate", "key"])
def test_a_binary_certificate_or_key_is_told_how_to_convert(tmp_path: Path, key: str) -> None:
    (tmp_path / "fullchain.pem").write_bytes(CERTIFICATE)
    (tmp_path / "privkey.pem").write_bytes(KEY)
    getattr(with_tls(tmp_path).tls, key).write_bytes(b"\x30\x82\x01\x00")
    (problem,) = check_files(with_tls(tmp_path))
    assert problem.path == f"tls.{key}"
    assert f"openssl {'x509' if key == 'certificate' else 'pkey'} -inform der" in problem.sentence


class TestAuthoritiesOfUpstreams:
    def _check(self, file: Path) -> list[Problem]:
        upstreams = (
            UpstreamConfig("ns0", UpstreamAddress("tls", "192.0.2.53", 853)),
            UpstreamConfig("ns1", UpstreamAddress("tls", "192.0.2.54", 853), ca_file=file),
        )
        return list(check_files(Config(upstreams)))

    def test_certificates_in_place_are_no_problem(self, tmp_path: Path) -> None:
        certificate, _ = write_throwaway_certificate(tmp_path, "ns1.example.net")
        assert self._check(certificate) == []

    def test_an_absent_file_is_told(self, tmp_path: Path) -> None:
        [problem] = self._check(tmp_path / "ca.pem")
        assert (problem.path, "does not exist" in problem.sentence) == ("upstream #2.ca_file", True)

    @pytest.mark.parametrize("content", [b"", KEY, CERTIFICATE, b"\x30\x82binary"])
    def test_a_file_without_a_certificate_is_recognised(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "ca.pem").write_bytes(content)
        [problem] = self._check(tmp_path / "ca.pem")
        assert "holds no certificate in PEM form" in problem.sentence

    def test_a_file_that_is_longer_than_is_read_is_told_and_not_called_damaged(self, tmp_path: Path) -> None:
        certificate, _ = write_throwaway_certificate(tmp_path, "ns1.example.net")
        once = certificate.read_bytes()
        certificate.write_bytes(once * (MAX_FILE_BYTES // len(once) + 1))
        [problem] = self._check(certificate)
        assert f"longer than {MAX_FILE_BYTES} bytes" in problem.sentence


# --- The form of the log, from a file that may be wrong in all else ---


@pytest.mark.parametrize(
    ("text", "written_as"),
    [
        ('[log]\nformat = "json"\n', "json"),
        ('log.format = "json"\n', "json"),
        ('[log]\nformat = "json"\nlevel = "nonsense"\n', "json"),
        ('[server\nlisten = \n[log]\n  format="json"\n', "json"),
        ('[server\n[log]\n#format = "json"\n', "text"),
        ('[log]\nformat = "text"\n', "text"),
        ('[log]\nformat = "xml"\n', "text"),
        ('log = "json"\n', "text"),
        ("", "text"),
    ],
)
def test_the_log_is_written_as_the_file_says(tmp_path: Path, text: str, written_as: str) -> None:
    path = tmp_path / "dohproxy.toml"
    path.write_text(text)
    assert log_format_of(path) == written_as


def test_without_a_file_the_log_is_text(tmp_path: Path) -> None:
    assert log_format_of(tmp_path / "absent.toml") == "text"


# --- What root may read and the service may not ---


def test_root_is_warned_of_what_the_service_may_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = tmp_path / "a.pem", tmp_path / "b.pem"
    for file in (certificate, key):
        file.write_text("")
    config = read(f'[tls]\ncertificate = "a.pem"\nkey = "b.pem"\n{UPSTREAM}', directory=tmp_path)
    service = Reader("dohproxy", 12_345, "dohproxy", frozenset())
    monkeypatch.setattr(files, "obstacle", lambda path, _: path if path == key else None)
    monkeypatch.setattr(files, "service_user", lambda: service)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    [warning] = file_warnings(config)
    assert str(warning).startswith(f"tls.key names {key}, which may not be read by the user dohproxy")
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    assert file_warnings(config) == ()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(files, "service_user", lambda: None)
    assert file_warnings(config) == ()


def with_state(directory: Path | None) -> Config:
    upstream = UpstreamConfig("one", UpstreamAddress("udp", "192.0.2.1", 53))
    return Config(upstreams=(upstream,), server=ServerConfig(state_directory=directory))


def test_a_state_directory_of_this_user_is_no_problem(tmp_path: Path) -> None:
    assert check_state(with_state(tmp_path)) == check_state(with_state(None)) == ()


@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_state_directory_that_is_none_is_told_with_its_remedy(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (problem,) = check_state(with_state(tmp_path / name))
    assert problem.path == "server.state_directory"
    assert "there is no such directory" in str(problem)
    assert "StateDirectory=" in str(problem)


def test_a_state_directory_that_may_not_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    (problem,) = check_state(with_state(tmp_path))
    assert "this user may not write to it" in str(problem)


@pytest.mark.parametrize(
    ("text", "socket"),
    [
        ("", None),
        ("[server]\n", None),
        ("[admin]\n", ADMIN_SOCKET),
        ('[admin]\nsocket = "a.sock"\n', "a.sock"),
        ('[admin]\nsocket = "a.sock"\n[server\nlisten = \n', "a.sock"),
        ('x = \n[admin]\n# where\nsocket = "a.sock"\n', "a.sock"),
        ('x = \n[admin]\n[server]\nsocket = "b.sock"\n', ADMIN_SOCKET),
        ("x = \n[admin]\n", ADMIN_SOCKET),
    ],
)
def test_the_admin_socket_is_found_in_a_file_that_is_half_written(
    tmp_path: Path, text: str, socket: str | Path | None
) -> None:
    file = tmp_path / "dohproxy.toml"
    file.write_text(text)
    expected = None if socket is None else tmp_path / socket
    assert find_admin_socket(file) == expected


def test_a_half_written_file_without_the_section_is_told(tmp_path: Path) -> None:
    file = tmp_path / "dohproxy.toml"
    file.write_text("x = \n[server]\n")
    with pytest.raises(ConfigError, match="is not TOML"):
        find_admin_socket(file)


def test_a_command_for_alerts_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    config = default_config((UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53)),))
    assert command_warnings(config) == ()
    program = tmp_path / "tell"
    config = replace(config, alerts=AlertsConfig(command=(str(program), "x")))
    assert "no file that can be started" in command_warnings(config)[0].sentence
    program.touch(0o600)
    assert len(command_warnings(config)) == 1
    program.chmod(0o700)
    assert command_warnings(config) == ()
    assert len(command_warnings(replace(config, alerts=AlertsConfig(command=(str(tmp_path),))))) == 1


def with_members(path: Path | None) -> Config:
    """A configuration with such a file of members."""
    upstream = UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53))
    return Config((upstream,), clients=ClientsConfig(member_file=path))


def test_a_file_of_members_may_be_there_or_not_yet(tmp_path: Path) -> None:
    path = tmp_path / "members.json"
    assert check_members(with_members(None)) == ()
    assert check_members(with_members(path)) == ()
    path.touch()
    assert check_members(with_members(path)) == ()


@pytest.mark.parametrize("name", ["", "nowhere/members.json"], ids=["a directory", "in no directory"])
def test_where_no_member_could_be_added_it_is_told(tmp_path: Path, name: str) -> None:
    (problem,) = check_members(with_members(tmp_path / name))
    assert problem.path == "clients.member_file"
    assert "StateDirectory=" in problem.sentence


def test_authorities_of_members_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    path = tmp_path / "members.pem"
    upstream = UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53))
    config = Config((upstream,), clients=ClientsConfig(member_ca_file=path))
    (problem,) = check_files(config)
    assert problem.path == "clients.member_ca_file"
    path.write_text("no certificate", encoding="utf-8")
    (problem,) = check_files(config)
    assert problem.path == "clients.member_ca_file"
    certificate, _ = write_throwaway_certificate(tmp_path, "members.example.net")
    assert check_files(Config((upstream,), clients=ClientsConfig(member_ca_file=certificate))) == ()


def with_ban_log(path: Path | None) -> Config:
    upstream = UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53))
    return Config((upstream,), bans=BansConfig(log_file=path))


def test_a_ban_log_may_be_there_or_not_yet(tmp_path: Path) -> None:
    path = tmp_path / "bans.log"
    assert check_ban_log(with_ban_log(None)) == check_ban_log(with_ban_log(path)) == ()
    path.touch()
    assert check_ban_log(with_ban_log(path)) == ()


@pytest.mark.parametrize("kind", ["a named pipe", "a directory", "a link", "in no directory"])
def test_where_no_ban_could_be_written_down_it_is_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bans.log"
    match kind:
        case "a named pipe":
            os.mkfifo(path)
        case "a directory":
            path.mkdir()
        case "a link":
            path.symlink_to(tmp_path / "other")
        case _:
            path = tmp_path / "away" / "bans.log"
    (problem,) = check_ban_log(with_ban_log(path))
    assert problem.path == "bans.log_file"
    assert "no ban would be written down" in problem.sentence
