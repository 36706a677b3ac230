"""The verb `doctor`: what it says, how it exits, and that it changes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from dohproxy.cli.terminal import EXIT_CONFIG
from dohproxy.config import load
from dohproxy.tools.doctor import kernel
from tests.cli.running import first_line, run, started, write
from tests.e2e.processes import free_port
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply

WELL_KERNEL = kernel.KernelSeen({"net.core.somaxconn": 4_096}, ports=28_232)


@pytest.fixture(autouse=True)
def _usual_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's kernel is set to, it is as most are."""
    monkeypatch.setattr(kernel, "see", lambda: WELL_KERNEL)


def _findings(*arguments: str) -> tuple[int, dict[str, Any]]:
    ended = run("doctor", *arguments, "--json")
    assert ended.stderr == ""
    return ended.exit_code, json.loads(ended.stdout)


def _of(told: dict[str, Any], subject: str) -> list[dict[str, str]]:
    return [one for one in told["findings"] if one["subject"] == subject]


def _config(directory: Path, port: int, more: str = "") -> str:
    text = f'[server]\nlisten = ["127.0.0.1:{port}"]\n[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'
    file = write(directory, text + more)
    Path(file).chmod(0o640)
    (directory / "key.pem").chmod(0o600)
    return file


def test_a_running_service_is_looked_at_from_all_sides(directory: Path) -> None:
    admin = f'[admin]\nsocket = "{directory}/a.sock"\n'
    with answering(make_reply) as upstream:
        file = _config(directory, free_port(), admin)
        text = Path(file).read_text(encoding="utf-8").replace("127.0.0.1:9", f"127.0.0.1:{upstream}")
        Path(file).write_text(text, encoding="utf-8")
        with started("serve", "--config", file) as process:
            first_line(process)
            code, told = _findings("--config", file, "--ca-file", str(directory / "certificate.pem"))
    by_subject = {
        subject: [one["severity"] for one in _of(told, subject)]
        for subject in ("listeners", "certificate", "service", "configuration", "permissions", "descriptors", "version")
    }
    assert by_subject == {
        "listeners": ["ok"],
        "certificate": ["ok"],
        "service": ["ok"],
        "configuration": ["ok"],
        "permissions": ["ok"],
        "descriptors": ["ok"],
        "version": ["ok"],
    }
    assert code == (0 if told["well"] else 1)
    assert _of(told, "certificate")[0]["what"].startswith("is trusted for localhost")
    assert _of(told, "records")[0]["severity"] == "note"


def test_a_picture_that_proves_nothing_is_told_with_its_remedy(directory: Path) -> None:
    pages = '[pages]\nenabled = true\nproof_domain = "check.doh.example.net"\n[about]\nname = "us"\n'
    with answering(make_reply) as upstream:
        file = _config(directory, free_port(), pages + '[discovery]\naddresses = ["127.0.0.1"]\n')
        with started("serve", "--config", file) as process:
            first_line(process)
            ca_file = str(directory / "certificate.pem")
            _, told = _findings("--config", file, "--ca-file", ca_file, "--resolver", f"127.0.0.1:{upstream}")
    uncovered, found = _of(told, "proof")
    assert uncovered["what"].startswith("the certificate is not for *.check.doh.example.net")
    assert "everybody finds the picture" in found["what"]
    assert "pages.proof_domain" in found["remedy"]
    assert not _of(told, "configuration")[1:]
    _, offline = _findings("--config", file, "--offline")
    assert [one["severity"] for one in _of(offline, "proof")] == ["note"]


def test_an_upstream_that_is_paused_is_not_asked(directory: Path) -> None:
    asked: list[bytes] = []

    def answer(query: bytes) -> bytes:
        asked.append(query)
        return make_reply(query)

    with answering(answer) as upstream:
        file = _config(directory, free_port(), f'[admin]\nsocket = "{directory}/a.sock"\n')
        text = Path(file).read_text(encoding="utf-8").replace("127.0.0.1:9", f"127.0.0.1:{upstream}")
        Path(file).write_text(text, encoding="utf-8")
        with started("serve", "--config", file) as process:
            first_line(process)
            [name] = _paused(file)
            before = len(asked)
            _, told = _findings("--config", file, "--ca-file", str(directory / "certificate.pem"))
    assert len(asked) == before
    assert [(one["severity"], one["what"]) for one in _of(told, "upstreams")] == [
        ("note", f"{name} was not asked, as it is paused")
    ]


def _paused(file: str) -> list[str]:
    """Pause all upstreams of a running service; return their names."""
    names = [one.name for one in load(Path(file)).upstreams]
    for name in names:
        ended = run("upstream", "pause", name, "--config", file)
        assert ended.exit_code == 0, ended.output
    return names


def test_a_service_that_is_down_is_a_fault_with_its_remedy(directory: Path) -> None:
    port = free_port()
    ended = run("doctor", "--config", _config(directory, port), "--offline")
    assert ended.exit_code == 1
    lines = ended.stdout.splitlines()
    assert lines[0] == f"fault    listeners: 127.0.0.1:{port} has nobody who listens: the connection is refused."
    assert lines[1].startswith("         > start the service")
    assert "note     upstreams: they were not asked, as --offline says." in lines
    assert any(line.startswith("note     service: the running service was not asked") for line in lines)


def test_it_changes_nothing(directory: Path) -> None:
    file = _config(directory, free_port(), f'[admin]\nsocket = "{directory}/a.sock"\n')
    before = {path.name: (path.stat().st_mode, path.stat().st_mtime_ns) for path in directory.iterdir()}
    run("doctor", "--config", file, "--offline")
    assert {path.name: (path.stat().st_mode, path.stat().st_mtime_ns) for path in directory.iterdir()} == before


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "JSON"])
def test_a_configuration_that_cannot_be_used_ends_as_everywhere(directory: Path, form: list[str]) -> None:
    ended = run("doctor", "--config", write(directory, "[server]\nlisten_on = 1\n"), *form)
    assert ended.exit_code == EXIT_CONFIG
    assert "server.listen_on" in ended.stdout
    assert "clock" in ended.stdout
    assert ended.stderr == ""


def test_files_that_are_missing_keep_no_other_look_from_being_taken(directory: Path) -> None:
    (directory / "key.pem").unlink()
    text = '[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'
    code, told = _findings("--config", write(directory, text), "--offline")
    [found] = _of(told, "configuration")
    assert (code, found["severity"]) == (1, "fault")
    assert "key.pem, which does not exist" in found["what"]
    assert {"clock", "kernel", "listeners", "version"} <= {one["subject"] for one in told["findings"]}


def test_an_authority_that_cannot_be_read_keeps_upstreams_from_being_asked(directory: Path) -> None:
    file = directory / "dohproxy.toml"
    file.write_text('[[upstream]]\nname = "a"\nurl = "tls://127.0.0.1:9"\nca_file = "absent.pem"\n', encoding="utf-8")
    _, told = _findings("--config", str(file))
    [found] = _of(told, "upstreams")
    assert (found["severity"], found["what"][:19]) == ("note", "they were not asked")


LENIENT = {"as it is": ([], 1), "lenient": (["--lenient"], 0)}


@pytest.mark.parametrize(("more", "code"), LENIENT.values(), ids=LENIENT)
def test_warnings_alone_can_be_let_pass(directory: Path, more: list[str], code: int) -> None:
    file = _config(directory, free_port())
    (directory / "certificate.pem").chmod(0o644)
    with started("serve", "--config", file) as process:
        first_line(process)
        ca = ["--ca-file", str(directory / "certificate.pem")]
        ended = run("doctor", "--config", file, "--offline", "--newest-tag", "v99.0.0", *ca, *more)
    assert ended.exit_code == code, ended.stdout
    assert "warning  version: v99.0.0 is out" in ended.stdout
    assert "fault " not in ended.stdout


def test_a_fault_is_never_let_pass(directory: Path) -> None:
    assert run("doctor", "--config", _config(directory, free_port()), "--offline", "--lenient").exit_code == 1


def test_records_are_printed_for_another_name_and_address(directory: Path) -> None:
    ended = run(
        "doctor", "--config", _config(directory, free_port()), "--offline", "--host", "doh.example.net",
        "--address", "192.0.2.1", "--address", "2001:db8::1",
    )  # fmt: skip
    assert "doh.example.net. 3600 IN A 192.0.2.1\ndoh.example.net. 3600 IN AAAA 2001:db8::1\n" in ended.stdout
    assert '_dns.doh.example.net. 3600 IN SVCB 1 doh.example.net. alpn="h2"' in ended.stdout


MEANT_OTHERWISE = {
    "a URL for a name": (
        ["--host", "https://doh.example.net"],
        "doh.example.net holds more than a name",
    ),
    "a port with an address": (["--address", "192.0.2.1:443"], "--address 192.0.2.1:443 is no IP address"),
    "no port of a front proxy": (["--at", "192.0.2.1"], "--at 192.0.2.1 needs an address and a port"),
    "a name for a resolver": (["--resolver", "ns0.example.net"], "--resolver ns0.example.net "),
}


@pytest.mark.parametrize(("arguments", "told"), MEANT_OTHERWISE.values(), ids=MEANT_OTHERWISE)
def test_what_cannot_be_meant_is_2(directory: Path, arguments: list[str], told: str) -> None:
    ended = run("doctor", "--config", _config(directory, free_port()), *arguments)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert told in ended.stderr
