"""`dohproxy upstream test`: whom it asks, what it prints, how it exits."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click.testing
import dns.message
import dns.rcode
import dns.rrset
import pytest

from dohproxy.cli import main
from dohproxy.config.additions import Addition
from tests.fakes.datagrams import answering
from tests.fakes.intolerant import has


def _run(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, ["upstream", "test", *arguments], catch_exceptions=False)


def _write(directory: Path, **ports: int) -> str:
    file = directory / "dohproxy.toml"
    text = "[resolver]\ndeadline_seconds = 5\n"
    text += "".join(f'[[upstream]]\nname = "{n}"\nurl = "udp://127.0.0.1:{port}"\n' for n, port in ports.items())
    file.write_text(text, encoding="utf-8")
    return str(file)


@contextmanager
def _resolver(
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR, *, unable: Addition | None = None
) -> Iterator[tuple[int, list[dns.message.Message]]]:
    """A resolver of the root that is asked over UDP: its port, and what it was asked. It denies whatever has what it is
    `unable` to stand."""
    asked: list[dns.message.Message] = []

    def answer(packet: bytes) -> bytes:
        asked.append(dns.message.from_wire(packet))
        reply = dns.message.make_response(asked[-1], recursion_available=True)
        is_denied = unable is not None and has(packet, unable)
        reply.set_rcode(dns.rcode.NXDOMAIN if is_denied else rcode)
        server = dns.rrset.from_text(asked[-1].question[0].name, 300, "IN", "NS", "a.root-servers.net.")
        reply.answer += [server] if reply.rcode() == dns.rcode.NOERROR else []
        return reply.to_wire()

    with answering(answer) as port:
        yield port, asked


def test_an_upstream_that_answers_is_well(tmp_path: Path) -> None:
    with _resolver() as (port, asked):
        run = _run("--config", _write(tmp_path, ns0=port))
    assert run.exit_code == 0
    lines = run.stdout.splitlines()
    assert lines[0] == f"ns0  udp://127.0.0.1:{port}"
    assert "  answer    NOERROR, 1 record(s)" in lines
    assert lines[-1] == "1 upstream(s), all well"
    assert [message.question[0].to_text() for message in asked] == ["CoM. IN NS"]


def test_one_that_refuses_makes_it_1_and_the_others_are_told_too(tmp_path: Path) -> None:
    with _resolver() as (good, _), _resolver(dns.rcode.REFUSED) as (bad, _):
        run = _run("--config", _write(tmp_path, first=bad, second=good))
    assert run.exit_code == 1
    assert "  WARNING   refuses to answer (REFUSED, 0 record(s)): this address is not among its clients" in run.stdout
    assert "NOERROR, 1 record(s)" in run.stdout
    assert run.stdout.endswith("\n2 upstream(s), 1 with warnings\n")
    assert run.stderr == ""


def test_one_that_denies_what_it_cannot_stand_is_not_called_well(tmp_path: Path) -> None:
    with _resolver(unable=Addition.CASE) as (port, asked):
        run = _run("--config", _write(tmp_path, ns0=port))
    assert run.exit_code == 1
    assert "  WARNING   cannot stand names in mixed case (NXDOMAIN) and answers without" in run.stdout
    assert "  answer    NOERROR, 1 record(s)" in run.stdout
    assert len(asked) == 4


def test_only_those_are_asked_that_are_named(tmp_path: Path) -> None:
    with _resolver() as (port, asked), _resolver() as (other, asked_of_other):
        run = _run("--config", _write(tmp_path, ns0=port, ns1=other), "ns1", "ns1")
    assert run.exit_code == 0
    assert (len(asked), len(asked_of_other)) == (0, 1)


def test_another_name_can_be_asked_for(tmp_path: Path) -> None:
    with _resolver() as (port, asked):
        run = _run("--config", _write(tmp_path, ns0=port), "--name", "Example.NET.")
    assert asked[0].question[0].name.to_text() == "ExAmPlE.NeT."
    assert "  case      preserved" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ns7"], "No upstream is called ns7; there are: ns0, ns1."),
        (["--name", "a b"], "--name a b is not a host name"),
        (["--name", ""], "is not a host name"),
        (["--nmae", "x"], "No such option"),
    ],
    ids=["an upstream that is not there", "no name", "nothing", "another option"],
)
def test_what_cannot_be_meant_is_2_and_asks_nobody(tmp_path: Path, arguments: list[str], told: str) -> None:
    run = _run("--config", _write(tmp_path, ns0=9, ns1=10), *arguments)
    assert (run.exit_code, run.stdout) == (2, "")
    assert told in run.stderr


def test_a_bad_configuration_is_told_as_by_every_verb(tmp_path: Path) -> None:
    file = tmp_path / "dohproxy.toml"
    file.write_text('[[upstream]]\nname = "ns0"\nurl = "http://192.0.2.53"\n', encoding="utf-8")
    run = _run("--config", str(file))
    assert (run.exit_code, run.stdout) == (1, "")
    assert "upstream" in run.stderr
    assert _run("--config", str(tmp_path / "absent.toml")).exit_code == 1


def test_an_authority_that_is_not_there_is_told(tmp_path: Path) -> None:
    file = tmp_path / "dohproxy.toml"
    file.write_text('[[upstream]]\nname = "ns0"\nurl = "tls://127.0.0.1:1"\nca_file = "ca.pem"\n')
    run = _run("--config", str(file))
    assert (run.exit_code, run.stdout) == (1, "")
    assert "- upstream #1.ca_file (line 4) names" in run.stderr


def test_a_configuration_is_needed() -> None:
    assert _run().exit_code == 2
    assert click.testing.CliRunner().invoke(main, ["upstream"]).exit_code == 2


def test_who_is_there_for_one_domain_is_asked_about_that(tmp_path: Path) -> None:
    with _resolver() as (port, asked), _resolver() as (home_port, asked_at_home):
        file = _write(tmp_path, ns0=port, home=home_port)
        with Path(file).open("a", encoding="utf-8") as config:
            config.write('[[route]]\ndomains = ["home.arpa", "lan"]\nupstreams = ["home"]\n')
        _run("--config", file)
        assert [str(query.question[0]).lower() for query in asked] == ["com. in ns"]
        assert [str(query.question[0]).lower() for query in asked_at_home] == ["home.arpa. in ns"]
        _run("--config", file, "--name", "example.org", "home")
        assert str(asked_at_home[-1].question[0]).lower() == "example.org. in ns"
