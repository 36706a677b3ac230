"""What a start imports before it answers: everybody who asks waits for it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dohproxy.tls.throwaway import write_throwaway_certificate
from tests.cli.running import PROJECT, START_SECONDS, write

HEAVY = {
    "aiohttp": "the listeners for scrapers and commands",
    "prometheus_client": "the page of figures",
    "multidict": "aiohttp",
    "yarl": "aiohttp",
    "dns": "the tests",
    "sqlite3": "the hours for the report, some minutes later",
    "hpack": "the tests; its tables alone take as long as our whole HTTP/2",
    "http.server": "prometheus_client",
    "dohproxy.cli.ctl": "other verbs",
    "dohproxy.cli.trial": "a start without a configuration",
    "dohproxy.cli.upstream": "another verb",
    "dohproxy.control.commands": "commands",
    "dohproxy.control.management_server": "the listeners for scrapers and commands",
    "dohproxy.doh.stamp": "other verbs",
    "dohproxy.tools.upstream_probe": "another verb",
}
"""Modules that serving does not need, and who needs them."""

SERVE = """
import asyncio, json, os, signal, sys
from pathlib import Path
from dohproxy.__main__ import main
from dohproxy.cli.serve import serve_verb
from dohproxy.builders import clock
from dohproxy.config import load
from dohproxy.observability.logs import configure_logs
from dohproxy.serving import serve

found = {}

def look(when):
    found[when] = [name for name in sys.argv[2:] if name in sys.modules]

def serving(addresses):
    look("serving")
    if config.metrics is None and config.admin is None:
        os.kill(os.getpid(), signal.SIGTERM)

def managed():
    look("managed")
    os.kill(os.getpid(), signal.SIGTERM)

config = load(Path(sys.argv[1]))
asyncio.run(serve(config, serving, configure_logs(config.log, clock), None, managed))
print(json.dumps(found))
"""

LISTENING = '[server]\nlisten = ["127.0.0.1:0"]\n[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a certificate and its key."""
    write_throwaway_certificate(tmp_path, "localhost")
    return tmp_path


def _imported(file: str) -> dict[str, list[str]]:
    """Return which of the heavy modules are there when clients are served, and when scrapers and commands are."""
    argv = [sys.executable, "-c", SERVE, file, *HEAVY]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=START_SECONDS, cwd=PROJECT, check=False)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, list[str]] = json.loads(ended.stdout)
    return found


def test_who_serves_names_alone_imports_nothing_else(directory: Path) -> None:
    assert _imported(write(directory, LISTENING)) == {"serving": []}


@pytest.mark.parametrize("section", ['[metrics]\nlisten = "127.0.0.1:0"\n', '[admin]\nsocket = "admin.sock"\n'])
def test_what_scrapers_and_commands_need_comes_when_clients_are_served_already(directory: Path, section: str) -> None:
    found = _imported(write(directory, LISTENING + section))
    assert found["serving"] == []
    assert {"aiohttp", "dohproxy.control.management_server"} <= set(found["managed"])
