"""Verbs, exit codes and sentences, as a person at a terminal or a service manager meets them."""

import base64
import gc
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click.testing
import dns.message
import pytest

from dohproxy.cli import EXIT_CONFIG, VERSION, freezing, main, system_upstreams, trial_text
from dohproxy.config import ConfigError, UpstreamConfig, default_config
from dohproxy.tls import policy as tls
from dohproxy.tls.throwaway import tbs_hash, write_throwaway_certificate
from tests.e2e.processes import free_port
from tests.tls.test_policy import write_pair

PROJECT = Path(__file__).parents[1]
START_SECONDS = 20.0
UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "udp://127.0.0.1:9"\n'


def _run(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, list(arguments), catch_exceptions=False)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a certificate and its key."""
    write_throwaway_certificate(tmp_path, "localhost")
    return tmp_path


def _write(directory: Path, text: str) -> str:
    file = directory / "dohproxy.toml"
    file.write_text(text + UPSTREAM, encoding="utf-8")
    return str(file)


# --- Words ---


def test_the_version_is_told() -> None:
    run = _run("--version")
    assert (run.exit_code, run.output.strip()) == (0, f"dohproxy, version {VERSION}")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["serve", "--help"], ["check", "-h"], ["healthcheck", "-h"]])
def test_help_is_given(arguments: list[str]) -> None:
    run = _run(*arguments)
    assert run.exit_code == 0
    assert run.output.startswith("Usage: ")


def test_help_names_every_verb() -> None:
    assert {"serve", "check", "healthcheck"} <= set(re.findall(r"^  (\w+)", _run("--help").output, re.MULTILINE))


@pytest.mark.parametrize(
    "arguments",
    [["sevre"], ["check"], ["healthcheck"], ["serve", "--config"], ["check", "--confg", "x"], ["serve", "extra"]],
    ids=" ".join,
)
def test_a_command_line_that_cannot_be_understood_is_2(arguments: list[str]) -> None:
    assert _run(*arguments).exit_code == 2


# --- check ---

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
    run = _run(verb, "--config", _write(directory, text))
    assert run.exit_code == EXIT_CONFIG
    assert [what for what in told if what not in run.stderr] == [], run.stderr
    assert run.stdout == ""
    assert "Traceback" not in run.stderr


def _subdirectory(directory: Path) -> Path:
    (directory / "elsewhere").mkdir()
    return directory / "elsewhere"


@pytest.mark.parametrize("verb", ["check", "serve", "healthcheck"])
@pytest.mark.parametrize(("name", "told"), [("absent.toml", "does not exist"), ("binary.toml", "UTF-8")])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, verb: str, name: str, told: str) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    run = _run(verb, "--config", str(tmp_path / name))
    # 2 and above mean something else to what runs health checks.
    code = 1 if verb == "healthcheck" else EXIT_CONFIG
    assert (run.exit_code, told in run.stderr, name in run.stderr) == (code, True, True)


@pytest.mark.parametrize("verb", ["check", "healthcheck"])
def test_a_directory_is_no_file(tmp_path: Path, verb: str) -> None:
    assert _run(verb, "--config", str(tmp_path)).exit_code in (1, 2, EXIT_CONFIG)


def test_a_good_file_is_called_fine(directory: Path) -> None:
    file = _write(directory, '[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n')
    run = _run("check", "--config", file)
    assert (run.exit_code, run.stderr) == (0, "")
    assert run.stdout == f"{file}: fine, 1 upstream(s), listening on 127.0.0.1:8443\n"


def test_what_is_hardly_meant_is_warned_of_and_no_error(directory: Path) -> None:
    run = _run("check", "--config", _write(directory, '[server]\nlisten = ["0.0.0.0:8053"]\n'))
    assert run.exit_code == 0
    assert "warning: server.listen (line 2) is open to other machines without TLS" in run.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[server]\nlisten = ["[::]:8053"]\n', 'server.listen #1 (line 2) is "[::]:8053", which is every IPv6 address'),
        ('[clients]\nmember_networks = ["0.0.0.0/0"]\n', "clients.member_networks (line 2) makes a member of every"),
        ('[admin]\nsocket = "/run/dohproxy-of-nobody/a.sock"\n', "RuntimeDirectory=dohproxy-of-nobody"),
    ],
    ids=["IPv6 alone", "everybody a member", "a directory made at the start"],
)
def test_what_works_and_is_hardly_meant_is_warned_of_with_its_line(directory: Path, text: str, told: str) -> None:
    run = _run("check", "--config", _write(directory, text))
    assert (run.exit_code, told in run.stderr) == (0, True), run.stderr


def test_a_file_saved_with_a_byte_order_mark_is_fine(directory: Path) -> None:
    assert _run("check", "--config", _write(directory, "\ufeff[server]\n")).exit_code == 0


def test_handshakes_that_would_take_more_of_a_core_than_they_may_are_warned_of(directory: Path) -> None:
    text = '[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n[connections]\nstranger_handshake_percent = 1\n'
    run = _run("check", "--config", _write(directory, text))
    assert run.exit_code == 0
    said = "warning: connections.new_per_second (line 4) is 400, and a handshake with this certificate costs"
    assert said in run.stderr


@pytest.mark.parametrize("verb", ["check", "serve"])
def test_an_openssl_that_agrees_on_keys_in_finite_fields_is_not_served_with(
    directory: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "name_groups", lambda *_: True)
    text = '[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'
    run = _run(verb, "--config", _write(directory, text))
    assert (run.exit_code, run.stdout) == (EXIT_CONFIG, "")
    assert run.stderr.startswith("OpenSSL agrees on keys in ffdhe2048, ")


def test_a_snapshot_that_cannot_be_saved_is_an_error_to_check_and_no_reason_not_to_serve(directory: Path) -> None:
    text = '[server]\nlisten = ["127.0.0.1:0"]\n[cache]\nsnapshot_file = "absent/cache.snapshot"\n'
    file = _write(directory, text)
    run = _run("check", "--config", file)
    told = (
        f"cache.snapshot_file (line 4) names {directory}/absent/cache.snapshot, and {directory}/absent is no directory"
    )
    assert (run.exit_code, run.stdout, told in run.stderr) == (EXIT_CONFIG, "", True)
    with _started("serve", "--config", file) as process:
        assert " serves on " in _first_line(process)
        process.terminate()
        _, written = process.communicate(timeout=START_SECONDS)
    assert (process.returncode, f"warning: {told}" in written) == (0, True)


def test_a_state_directory_that_is_none_is_an_error_to_check(directory: Path) -> None:
    file = _write(directory, '[server]\nstate_directory = "absent"\n')
    run = _run("check", "--config", file)
    assert (run.exit_code, run.stdout) == (EXIT_CONFIG, "")
    assert f"server.state_directory (line 2) names {directory}/absent, and there is no such directory" in run.stderr


def test_healthcheck_does_not_read_the_certificate(directory: Path) -> None:
    # it runs as another user, perhaps in another container
    text = f'[server]\nlisten = ["127.0.0.1:{free_port()}"]\n[tls]\ncertificate = "absent.pem"\nkey = "absent.pem"\n'
    run = _run("healthcheck", "--config", _write(directory, text))
    assert run.exit_code == 1
    assert "unhealthy: no answer from 127.0.0.1:" in run.stderr


# --- serve ---


@contextmanager
def _started(*arguments: str, code: str | None = None) -> Iterator["subprocess.Popen[str]"]:
    """Start a process and give it once it has said that it serves; kill it if it is still there."""
    start = ["-c", code] if code is not None else ["-m", "dohproxy"]
    process = subprocess.Popen(
        [sys.executable, *start, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        assert process.stderr is not None
        raise AssertionError(process.stderr.read())
    return line


def _ask(port: int, certificate: Path | None, name: str = "localhost") -> dns.message.Message:
    connection: http.client.HTTPConnection
    if certificate is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
    else:
        context = ssl.create_default_context(cafile=certificate)
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=START_SECONDS, context=context)
    try:
        headers = {"content-type": "application/dns-message"}
        connection.request("POST", "/dns-query", dns.message.make_query(name, "A", id=0).to_wire(), headers)
        response = connection.getresponse()
        assert response.status == 200
        return dns.message.from_wire(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_it_says_where_it_serves_and_ends_with_0(directory: Path, number: signal.Signals) -> None:
    text = '[server]\nlisten = ["127.0.0.1:0"]\n[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'
    with _started("serve", "--config", _write(directory, text)) as process:
        said = re.fullmatch(rf"dohproxy {re.escape(VERSION)} serves on 127\.0\.0\.1:(\d+)\n", _first_line(process))
        assert said is not None
        assert _ask(int(said[1]), directory / "certificate.pem").answer
        process.send_signal(number)
        _, written = process.communicate(timeout=START_SECONDS)
        assert process.returncode == 0, written
        assert "Traceback" not in written


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("source", ["connection", "proxy-protocol", "x-forwarded-for"])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_healthcheck_tells_a_live_service_from_a_dead_one(directory: Path, tls: bool, source: str, kind: str) -> None:
    listen = f"127.0.0.1:{free_port()}" if kind == "tcp" else f"unix:{directory}/h1.sock"
    text = f'[server]\nlisten = ["{listen}"]\n'
    if source != "connection":
        text += f'[clients]\naddress_from = "{source}"\ntrusted_proxies = ["127.0.0.0/8", "unix"]\n'
    if tls:
        text += '[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'
    file = _write(directory, text)
    with _started("serve", "--config", file) as process:
        _first_line(process)
        alive = _run("healthcheck", "--config", file)
        assert alive.exit_code == 0
        assert re.fullmatch(r"healthy: the event loop was at most \d+ ms late\n", alive.output)
    dead = _run("healthcheck", "--config", file)
    assert dead.exit_code == 1
    assert dead.stderr.startswith("unhealthy: no answer from ")


def _serve_to_its_end(file: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "dohproxy", "serve", "--config", file],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        cwd=PROJECT,
        check=False,
    )


@pytest.mark.parametrize("section", ["server", "metrics"])
def test_a_busy_port_is_told_in_a_sentence(directory: Path, section: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = f"127.0.0.1:{taken.getsockname()[1]}"
        text = {
            "server": f'[server]\nlisten = ["{busy}"]\n',
            "metrics": f'[server]\nlisten = ["127.0.0.1:0"]\n[metrics]\nlisten = "{busy}"\n',
        }[section]
        run = _serve_to_its_end(_write(directory, text))
    assert run.returncode == 1
    line = {"server": 2, "metrics": 4}[section]
    assert run.stderr.strip() == (
        f"- {section}.listen (line {line}) cannot listen on {busy}: Address already in use;"
        " choose a free address and port"
    )


def test_every_line_is_json_from_the_first_to_the_last(directory: Path) -> None:
    text = '[server]\nlisten = ["127.0.0.1:0"]\n[clients]\nmember_networks = ["0.0.0.0/0"]\n[log]\nformat = "json"\n'
    with _started("serve", "--config", _write(directory, text)) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline()]
        while " serves on " not in lines[-1]:
            lines.append(process.stderr.readline())
        process.terminate()
        said, written = process.communicate(timeout=START_SECONDS)
    told = [json.loads(line) for line in (*lines, *written.splitlines())]
    assert [one["level"] for one in told] == ["warning", "info", "info"]
    assert told[0]["event"].startswith("clients.member_networks (line 4) makes a member")
    assert (said, process.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("text", "faults"),
    [('[log]\nformat = "json"\nlevel = "warn"\n[server]\nlisten = 8\n', 2), ('[server\n[log]\nformat = "json"\n', 1)],
    ids=["two faults", "no TOML"],
)
def test_why_it_does_not_start_is_json_too(directory: Path, text: str, faults: int) -> None:
    run = _serve_to_its_end(_write(directory, text))
    assert (run.returncode, run.stdout) == (EXIT_CONFIG, "")
    told = [json.loads(line) for line in run.stderr.splitlines()]
    assert [one["level"] for one in told] == ["error"] * faults


@pytest.mark.parametrize("verb", ["check", "serve"])
def test_in_the_journal_errors_have_their_priority(directory: Path, verb: str) -> None:
    file = _write(directory, '[log]\nlevel = "warn"\n')
    journal = directory / "journal"
    with journal.open("w") as opened:
        found = os.fstat(opened.fileno())
        run = subprocess.run(
            [sys.executable, "-m", "dohproxy", verb, "--config", file],
            stdout=opened,
            stderr=opened,
            env={**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"},
            timeout=START_SECONDS,
            cwd=PROJECT,
            check=False,
        )
    assert run.returncode == EXIT_CONFIG
    [line] = journal.read_text().splitlines()
    assert line.startswith("<3>")
    assert "log.level (line 2)" in line


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
    run = _run(verb, "--config", _write(directory, text))
    line = 3 if key == "server.listen #1" else 4
    assert (run.exit_code, run.stdout) == (EXIT_CONFIG, "")
    assert f"- {key} (line {line}) names {directory / file}, {told}" in run.stderr
    assert (directory / "plain").read_text() == "kept"


def test_socket_files_go_with_a_clean_stop(directory: Path) -> None:
    text = '[server]\nlisten = ["unix:h1.sock"]\n[metrics]\nlisten = "unix:m.sock"\n[admin]\nsocket = "a.sock"\n'
    files = [directory / name for name in ("h1.sock", "m.sock", "a.sock")]
    with _started("serve", "--config", _write(directory, text)) as process:
        _first_line(process)
        assert all(file.is_socket() for file in files)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=START_SECONDS)
    assert process.returncode == 0
    assert [file for file in files if file.exists()] == []


def test_usage_names_the_program_however_it_was_started() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "dohproxy", "check"],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        cwd=PROJECT,
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr.startswith("Usage: dohproxy check ")


# --- serve, without a file ---

# As a newcomer runs it, but on any free port, with resolvers of which nobody may be asked.
TRIAL = """
import dataclasses, pathlib, sys
import dohproxy.cli as cli
from dohproxy.config import ListenAddress, ServerConfig
default = cli.default_config
free = ServerConfig((ListenAddress("tcp", host="127.0.0.1", port=0),))
cli.default_config = lambda upstreams: dataclasses.replace(default(upstreams), server=free)
cli.RESOLV_CONF = pathlib.Path(sys.argv.pop())
cli.main()
"""


def _decode_stamp(stamp: str) -> tuple[int, str, list[bytes], str, str]:
    """Return properties, address, hashes, host and path of a DoH stamp, read as its draft says."""
    payload = base64.urlsafe_b64decode(stamp.removeprefix("sdns://") + "==")
    assert payload[0] == 2
    properties, rest = int.from_bytes(payload[1:9], "little"), payload[9:]

    def take() -> tuple[bytes, bool]:
        nonlocal rest
        length = rest[0] & 0x7F
        value, more, rest = rest[1 : 1 + length], bool(rest[0] & 0x80), rest[1 + length :]
        return value, more

    address, _ = take()
    hashes, more = [], True
    while more:
        value, more = take()
        hashes.append(value)
    host, _ = take()
    path, _ = take()
    assert rest == b""
    return properties, address.decode(), hashes, host.decode(), path.decode()


def test_without_a_file_it_shows_what_to_try_and_serves(tmp_path: Path) -> None:
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("search example.net\nnameserver 192.0.2.53\n")
    with _started("serve", str(resolv_conf), code=TRIAL) as process:
        assert process.stdout is not None
        lines = [_first_line(process)]
        while not lines[-1].startswith("Ctrl-C"):
            lines.append(process.stdout.readline())
        shown = "".join(lines)
        url = re.search(r"serves (https://127\.0\.0\.1:(\d+)/dns-query)\n", shown)
        assert url is not None
        assert "asking udp://192.0.2.53" in shown
        port = int(url[2])
        certificate = ssl.get_server_certificate(("127.0.0.1", port), timeout=START_SECONDS)
        shown_file = tmp_path / "shown.pem"
        shown_file.write_text(certificate)
        stamp = re.search(r"stamp: +(sdns://[\w-]+)\n", shown)
        assert stamp is not None
        assert _decode_stamp(stamp[1]) == (
            *(0, "127.0.0.1", [tbs_hash(shown_file)], f"localhost:{port}", "/dns-query"),
        )
        assert f"curl --doh-insecure --doh-url {url[1]} https://example.com/" in shown
        query = re.search(rf"'{re.escape(url[1])}\?dns=([\w-]+)'", shown)
        assert query is not None
        asked = dns.message.from_wire(base64.urlsafe_b64decode(query[1] + "=="))
        assert [str(question) for question in asked.question] == ["example.com. IN A"]
        assert _ask(port, shown_file).answer
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=START_SECONDS)
        assert process.returncode == 0


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("nameserver 192.0.2.1\n", ["192.0.2.1"]),
        ("nameserver 192.0.2.1\nnameserver 2001:db8::1\n", ["192.0.2.1", "2001:db8::1"]),
        ("nameserver 192.0.2.1\nnameserver 192.0.2.1\n", ["192.0.2.1"]),
        ("".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 9)), ["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
        ("# nameserver 192.0.2.9\n;nameserver 192.0.2.8\nnameserver\t192.0.2.1 # own\n\xe9\n", ["192.0.2.1"]),
    ],
    ids=["one", "two families", "twice", "too many", "comments"],
)
def test_the_system_s_resolvers_are_those_of_resolv_conf(tmp_path: Path, text: str, hosts: list[str]) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(text, encoding="latin-1")
    upstreams = system_upstreams(file)
    assert [upstream.url.host for upstream in upstreams] == hosts
    assert {(upstream.url.transport, upstream.url.port) for upstream in upstreams} == {("udp", 53)}
    assert len({upstream.name for upstream in upstreams}) == len(hosts)


@pytest.mark.parametrize(
    ("text", "told"), [(None, "No such file"), ("", "names no resolver"), ("nameserver\n", "names no")]
)
def test_a_machine_without_resolvers_is_told_what_to_write(tmp_path: Path, text: str | None, told: str) -> None:
    file = tmp_path / "resolv.conf"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=told) as caught:
        system_upstreams(file)
    assert "[[upstream]]" in str(caught.value)


def test_the_trial_text_fits_a_terminal(directory: Path) -> None:
    config = default_config(system_upstreams_of(directory))
    text = trial_text(config, "127.0.0.1:8443", directory / "certificate.pem")
    assert "https://127.0.0.1:8443/dns-query" in text
    assert not text.endswith("\n")


def system_upstreams_of(directory: Path) -> tuple[UpstreamConfig, ...]:
    """Return the upstreams of a made-up machine."""
    (directory / "resolv.conf").write_text("nameserver 192.0.2.53\n")
    return system_upstreams(directory / "resolv.conf")


def test_without_uvloop_it_serves_all_the_same(directory: Path) -> None:
    text = '[server]\nlisten = ["127.0.0.1:0"]\n[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'
    code = "import sys; sys.modules['uvloop'] = None; import dohproxy.cli; dohproxy.cli.main()"
    with _started("serve", "--config", _write(directory, text), code=code) as process:
        port = int(_first_line(process).rpartition(":")[2])
        assert _ask(port, directory / "certificate.pem").answer


def test_the_garbage_collector_leaves_alone_what_is_there_when_everything_listens() -> None:
    announced: list[tuple[str, ...]] = []
    try:
        freezing(announced.append)(("127.0.0.1:8443",))
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
    assert announced == [("127.0.0.1:8443",)]
