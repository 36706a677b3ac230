"""What tests of verbs share: a verb run in this process, a service run in another, and what it answers."""

import http.client
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click.testing
import dns.message

from dohproxy.cli import main

PROJECT = Path(__file__).parents[2]
START_SECONDS = 20.0
UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "udp://127.0.0.1:9"\n'


def run(*arguments: str) -> click.testing.Result:
    """Run a verb in this process."""
    return click.testing.CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def write(directory: Path, text: str) -> str:
    """Write a configuration with one upstream that nobody asks; return its name."""
    file = directory / "dohproxy.toml"
    file.write_text(text + UPSTREAM, encoding="utf-8")
    return str(file)


@contextmanager
def started(*arguments: str, code: str | None = None) -> Iterator["subprocess.Popen[str]"]:
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


def first_line(process: "subprocess.Popen[str]") -> str:
    """Return the line in which it says that it serves."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        assert process.stderr is not None
        raise AssertionError(process.stderr.read())
    return line


def ask(port: int, certificate: Path | None, name: str = "localhost") -> dns.message.Message:
    """Return what the service on a port answers."""
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
