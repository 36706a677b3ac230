"""What `check` finds wrong, and `serve` with it."""

from pathlib import Path

import pytest

from dohproxy.cli.terminal import EXIT_CONFIG
from dohproxy.tls import policy as tls
from dohproxy.tls.throwaway import write_throwaway_certificate
from tests.cli.running import START_SECONDS, first_line, run, started, write
from tests.tls.test_policy import write_pair

FAULTS = {
    "an unknown key": ("[server]\nlisten_on = 1\n", ["server.listen_on"]),
    "several": (
        '[server]\npath = "dns-query"\n[limits]\nmisses_burst = 0\n[cache]\nmax_megabytes = "a"\n',
        ["server.path", "limits.misses_burst", "cache.max_megabytes"],
    ),
    "no TOML": ("[server\n", ["line 1"]),
    "a certificate that is not there": (
        '[tls]\ncertificate = "absent.pem"\nkey = "key.pem"\n',
        ["tls.certificate", "does not exist"],
    ),
    "both files not there": ('[tls]\ncertificate = "a.pem"\nkey = "b.pem"\n', ["tls.certificate", "tls.key"]),
    "the two files swapped": (
        '[tls]\ncertificate = "key.pem"\nkey = "certificate.pem"\n',
        ["tls.certificate", "swapped"],
    ),
    "another key": ('[tls]\ncertificate = "certificate.pem"\nkey = "other.key"\n', ["tls.key", "belongs together"]),
    "a password": ('[tls]\ncertificate = "other.pem"\nkey = "locked.key"\n', ["without a password"]),
    "an authority first": ('[tls]\ncertificate = "upside-down.pem"\nkey = "key.pem"\n', ["(line 2)", "in place 2"]),
    "a key that is garbage": ('[tls]\ncertificate = "certificate.pem"\nkey = "garbage.key"\n', ["(line 3)", "damaged"]),
    "a URL as the name": ('[server]\nhost = "https://doh.example.net"\n', ["server.host (line 2)", "the name alone"]),
    "a section within another": ('[server.tls]\nkey = "a"\n', ["server.tls (line 1)", "write [tls]"]),
    "a level of others": ('[log]\nlevel = "warn"\n', ["log.level (line 2)", 'did you mean "warning"?']),
    "a level in capitals": ('[log]\nlevel = "INFO"\n', ["log.level (line 2)", 'did you mean "info"?']),
    "a header that is not read": (
        '[clients]\naddress_from = "x-real-ip"\n',
        ["clients.address_from (line 2)", 'write "x-forwarded-for"'],
    ),
    "a port for the admin socket": (
        '[admin]\nsocket = "127.0.0.1:9000"\n',
        ["admin.socket (line 2)", "a Unix socket has a file name"],
    ),
    "all addresses and one of them": (
        '[server]\nlisten = [\n"0.0.0.0:8053",\n"127.0.0.1:8053",\n]\n',
        ["server.listen #2 (line 4)", "Remove one of the two"],
    ),
    "a proxy nobody named": ('[clients]\naddress_from = "forwarded"\n', ["clients.trusted_proxies"]),
}


@pytest.mark.parametrize("verb", ["check", "serve"])
@pytest.mark.parametrize(("text", "told"), FAULTS.values(), ids=FAULTS)
def test_every_fault_is_told_in_sentences(directory: Path, verb: str, text: str, told: list[str]) -> None:
    write_pair(directory, password=b"secret")
    (directory / "other.key").rename(directory / "locked.key")
    write_throwaway_certificate(_subdirectory(directory), "localhost")
    (directory / "elsewhere" / "key.pem").replace(directory / "other.key")
    (directory / "garbage.key").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    both = [(directory / name).read_bytes() for name in ("other.pem", "certificate.pem")]
    (directory / "upside-down.pem").write_bytes(b"".join(both))
    ended = run(verb, "--config", write(directory, text))
    assert ended.exit_code == EXIT_CONFIG
    assert [what for what in told if what not in ended.stderr] == [], ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr


def _subdirectory(directory: Path) -> Path:
    (directory / "elsewhere").mkdir()
    return directory / "elsewhere"


@pytest.mark.parametrize("verb", ["check", "serve", "healthcheck"])
@pytest.mark.parametrize(("name", "told"), [("absent.toml", "does not exist"), ("binary.toml", "UTF-8")])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, verb: str, name: str, told: str) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    ended = run(verb, "--config", str(tmp_path / name))
    # 2 and above mean something else to what runs health checks.
    code = 1 if verb == "healthcheck" else EXIT_CONFIG
    assert (ended.exit_code, told in ended.stderr, name in ended.stderr) == (code, True, True)


@pytest.mark.parametrize("verb", ["check", "healthcheck"])
def test_a_directory_is_no_file(tmp_path: Path, verb: str) -> None:
    assert run(verb, "--config", str(tmp_path)).exit_code in (1, 2, EXIT_CONFIG)


def test_a_good_file_is_called_fine(directory: Path) -> None:
    file = write(directory, '[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n')
    ended = run("check", "--config", file)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout == f"{file}: fine, 1 upstream(s), listening on 127.0.0.1:8443\n"


def test_what_is_hardly_meant_is_warned_of_and_no_error(directory: Path) -> None:
    ended = run("check", "--config", write(directory, '[server]\nlisten = ["0.0.0.0:8053"]\n'))
    assert ended.exit_code == 0
    assert "warning: server.listen (line 2) is open to other machines without TLS" in ended.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[server]\nlisten = ["[::]:8053"]\n', 'server.listen #1 (line 2) is "[::]:8053", which is every IPv6 address'),
        ('[clients]\nmember_networks = ["0.0.0.0/0"]\n', "clients.member_networks (line 2) makes a member of every"),
        ('[admin]\nsocket = "/run/dohproxy-of-nobody/a.sock"\n', "RuntimeDirectory=dohproxy-of-nobody"),
        (
            '[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n[discovery]\naddresses = ["127.0.0.1"]\n'
            '[pages]\nenabled = true\nproof_domain = "check.example.net"\n',
            "tls.certificate (line 2) is not for *.check.example.net: /setup is without the picture",
        ),
    ],
    ids=["IPv6 alone", "everybody a member", "a directory made at the start", "a picture that cannot be shown"],
)
def test_what_works_and_is_hardly_meant_is_warned_of_with_its_line(directory: Path, text: str, told: str) -> None:
    ended = run("check", "--config", write(directory, text))
    assert (ended.exit_code, told in ended.stderr) == (0, True), ended.stderr


def test_a_file_saved_with_a_byte_order_mark_is_fine(directory: Path) -> None:
    assert run("check", "--config", write(directory, "\ufeff[server]\n")).exit_code == 0


def test_handshakes_that_would_take_more_of_a_core_than_they_may_are_warned_of(directory: Path) -> None:
    text = '[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n[connections]\nstranger_handshake_percent = 1\n'
    ended = run("check", "--config", write(directory, text))
    assert ended.exit_code == 0
    said = "warning: connections.new_per_second (line 4) is 400, and a handshake with this certificate costs"
    assert said in ended.stderr


@pytest.mark.parametrize("verb", ["check", "serve"])
def test_an_openssl_that_agrees_on_keys_in_finite_fields_is_not_served_with(
    directory: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "name_groups", lambda *_: True)
    text = '[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'
    ended = run(verb, "--config", write(directory, text))
    assert (ended.exit_code, ended.stdout) == (EXIT_CONFIG, "")
    assert ended.stderr.startswith("OpenSSL agrees on keys in ffdhe2048, ")


def test_a_snapshot_that_cannot_be_saved_is_an_error_to_check_and_no_reason_not_to_serve(directory: Path) -> None:
    text = '[server]\nlisten = ["127.0.0.1:0"]\n[cache]\nsnapshot_file = "absent/cache.snapshot"\n'
    file = write(directory, text)
    ended = run("check", "--config", file)
    told = (
        f"cache.snapshot_file (line 4) names {directory}/absent/cache.snapshot, and {directory}/absent is no directory"
    )
    assert (ended.exit_code, ended.stdout, told in ended.stderr) == (EXIT_CONFIG, "", True)
    with started("serve", "--config", file) as process:
        assert " serves on " in first_line(process)
        process.terminate()
        _, written = process.communicate(timeout=START_SECONDS)
    assert (process.returncode, f"warning: {told}" in written) == (0, True)


def test_a_folder_of_public_pages_that_cannot_be_had_is_an_error_to_check(directory: Path) -> None:
    file = write(directory, '[about]\nname = "Us"\n[pages]\nenabled = true\nfolder = "absent/pages"\n')
    ended = run("check", "--config", file)
    told = (
        f"pages.folder (line 5) names {directory}/absent/pages, and there is no directory {directory}/absent; make it."
    )
    assert (ended.exit_code, ended.stdout, told in ended.stderr) == (EXIT_CONFIG, "", True)


def test_a_state_directory_that_is_none_is_an_error_to_check(directory: Path) -> None:
    file = write(directory, '[server]\nstate_directory = "absent"\n')
    ended = run("check", "--config", file)
    assert (ended.exit_code, ended.stdout) == (EXIT_CONFIG, "")
    assert f"server.state_directory (line 2) names {directory}/absent, and there is no such directory" in ended.stderr


@pytest.mark.parametrize("verb", ["check", "serve"])
@pytest.mark.parametrize("key", ["server.listen #1", "metrics.listen", "admin.socket"])
@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("absent/a.sock", "and there is no directory "),
        ("made", "which is a directory; name a file in it"),
        ("plain", "which is a file of another kind"),
    ],
)
def test_a_socket_that_cannot_be_made_is_told_by_check_before_serve_fails(
    directory: Path, verb: str, key: str, file: str, told: str
) -> None:
    (directory / "made").mkdir()
    (directory / "plain").write_text("kept")
    text = {
        "server.listen #1": f'[server]\nlisten = [\n"unix:{file}",\n]\n',
        "metrics.listen": f'[server]\nlisten = ["127.0.0.1:0"]\n[metrics]\nlisten = "unix:{file}"\n',
        "admin.socket": f'[server]\nlisten = ["127.0.0.1:0"]\n[admin]\nsocket = "{file}"\n',
    }[key]
    ended = run(verb, "--config", write(directory, text))
    line = 3 if key == "server.listen #1" else 4
    assert (ended.exit_code, ended.stdout) == (EXIT_CONFIG, "")
    assert f"- {key} (line {line}) names {directory / file}, {told}" in ended.stderr
    assert (directory / "plain").read_text() == "kept"
