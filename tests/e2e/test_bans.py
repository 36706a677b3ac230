"""Bans as clients, the person on duty and other programs meet them: curl, the admin socket, fail2ban."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FindProgram
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import LOOPBACK, Child, wait_until
from tests.e2e.proxy import PROJECT, Proxy, ProxySettings, run_dohproxy, running_proxy
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply

EVIL, GOOD = "127.9.9.9", "127.8.8.8"
SCAN = 200
"""Requests of a scanner: twice as many as get it banned."""
QUERY = "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA25ldAAAAQAB"


class Duty:
    """A running service, clients with addresses of their own, and who looks after it."""

    def __init__(self, proxy: Proxy, curl: str, directory: Path) -> None:
        self.proxy = proxy
        self.directory = directory
        self._curl = curl

    def fetch(self, client: str, target: str, *more: str) -> list[tuple[str, str]]:
        """Fetch with curl from the address `client`; return status and Retry-After of each response, "000" for none."""
        argv = [self._curl, "-q", "--silent", "--noproxy", "*", "--max-time", "20", "--insecure", "--interface", client]
        argv += ["--output", "/dev/null", "--write-out", "%{http_code} %header{retry-after}\\n", *more]
        run = subprocess.run(
            [*argv, self.proxy.url.replace("/dns-query", target)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return [(line[:3], line[4:]) for line in run.stdout.splitlines()]

    def ask(self, client: str, *more: str) -> tuple[str, str]:
        """Ask one question."""
        [found] = self.fetch(client, f"/dns-query?dns={QUERY}", *more)
        return found

    def scan(self, client: str, *more: str) -> list[tuple[str, str]]:
        """Ask for what is not there, on one connection as long as it is kept."""
        return self.fetch(client, f"/admin?[1-{SCAN}]", *more)

    def type(self, *words: str) -> str:
        """Type a command; return what it said."""
        run = run_dohproxy(*words, "--config", str(self.proxy.file))
        assert "Traceback" not in run.stderr
        return run.stdout + run.stderr

    def banned(self) -> list[dict[str, Any]]:
        """Return what `bans` lists."""
        run = run_dohproxy("bans", "--config", str(self.proxy.file), "--json")
        found = json.loads(run.stdout)["bans"]
        assert isinstance(found, list)
        return found


@pytest.fixture
def curl(find_program: FindProgram) -> str:
    """The program."""
    return find_program("curl", "curl")


@contextmanager
def on_duty(
    authority: CertificateAuthority, directory: Path, curl: str, *, tls: bool = True, **sections: Any
) -> Iterator[Duty]:
    with answering(make_reply) as port:
        settings = ProxySettings(
            (f"udp://127.0.0.1:{port}",),
            authority,
            tls=authority.issue(["127.0.0.1"]) if tls else None,
            sections={"admin": {"socket": str(directory / "a.sock")}, **sections},
            limited=True,
        )
        with running_proxy(directory, settings) as proxy:
            yield Duty(proxy, curl, directory)


def test_a_scanner_is_shut_out_before_tls_and_others_are_answered(
    authority: CertificateAuthority, tmp_path: Path, curl: str
) -> None:
    with on_duty(authority, tmp_path, curl) as duty:
        assert duty.ask(EVIL)[0] == "200"
        statuses = [status for status, _ in duty.scan(EVIL)]
        assert statuses.count("404") >= 90
        assert statuses[-1] == "000"
        assert duty.ask(EVIL)[0] == "000"
        assert duty.ask(GOOD)[0] == "200"
        [ban] = duty.banned()
        assert (ban["network"], ban["reason"], ban["level"], ban["source"]) == (EVIL, "wrong_path", 1, "rule")
        assert duty.proxy.metric("dohproxy_connections_closed_total", {"reason": "banned"}) >= 2
        said = duty.type("unban", EVIL, "--for", "5m")
        assert said == f"{EVIL} is let in again. It is not banned by rule for 5 min.\n"
        assert duty.ask(EVIL)[0] == "200"
        duty.scan(EVIL)
        assert duty.ask(EVIL)[0] in ("200", "429")
        duty.type("ban", "127.8.0.0/16", "--reason", "a test")
        assert duty.ask(GOOD)[0] == "000"
        assert "127.8.0.0/16: " in duty.type("bans")
        log = duty.proxy.child.log_text()
        assert not any(word in log for word in (EVIL, GOOD, "127.8.0.0", "a test"))


def test_behind_a_front_proxy_it_gets_429_and_the_proxy_is_never_banned(
    authority: CertificateAuthority, tmp_path: Path, curl: str
) -> None:
    clients = {"address_from": "x-forwarded-for", "trusted_proxies": ["127.0.0.1/32"]}
    with on_duty(authority, tmp_path, curl, tls=False, clients=clients) as duty:
        evil, good = ("-H", "X-Forwarded-For: 203.0.113.7"), ("-H", "X-Forwarded-For: 203.0.113.8")
        found = duty.scan(LOOPBACK, *evil)
        assert len(found) == SCAN
        assert found[0][0] == "404"
        assert found[-1][0] == "429"
        assert 0 < int(found[-1][1]) <= 60
        assert duty.ask(LOOPBACK, *evil)[0] == "429"
        assert duty.ask(LOOPBACK, *good)[0] == "200"
        assert {status for status, _ in duty.scan(LOOPBACK)} == {"404"}
        assert "is a front proxy" in duty.type("ban", LOOPBACK)
        assert [ban["network"] for ban in duty.banned()] == ["203.0.113.7"]


def test_bans_survive_a_restart_without_an_address_on_the_disk(
    authority: CertificateAuthority, tmp_path: Path, curl: str
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o700)
    with on_duty(authority, tmp_path, curl, server={"state_directory": str(kept)}) as duty:
        duty.scan(EVIL)
        duty.type("ban", "127.8.0.0/17", "--reason", "secret word")
        duty.proxy.child.terminate()
        content = (kept / "state").read_bytes()
        assert not any(word in content for word in (b"127.", b"secret word", bytes((127, 9, 9, 9)), bytes((127, 8))))
        duty.proxy.start()
        assert duty.ask(EVIL)[0] == "000"
        assert duty.ask("127.8.1.1")[0] == "000"
        assert duty.ask("127.8.200.1")[0] == "200"
        assert [ban["network"] for ban in duty.banned()] == [
            "a network of 17 bits from before the last restart",
            "a network from before the last restart",
        ]


def test_fail2ban_takes_bans_from_the_log(
    authority: CertificateAuthority, tmp_path: Path, curl: str, find_program: FindProgram
) -> None:
    server, client = (find_program(f"fail2ban-{part}", "fail2ban") for part in ("server", "client"))
    log, taken = tmp_path / "bans.log", tmp_path / "taken"
    log.touch()
    config = fail2ban_configuration(tmp_path / "f2b", log, taken)
    own = ["-c", str(config), "-s", str(tmp_path / "f2b.sock"), "-p", str(tmp_path / "f2b.pid")]
    fail2ban = Child(
        [server, *own, "-f", "--loglevel", "INFO", "--logtarget", "STDOUT", "start"], tmp_path / "fail2ban.log"
    )
    try:
        with on_duty(authority, tmp_path, curl, bans={"log_file": str(log)}) as duty:
            wait_until(lambda: "Server ready" in fail2ban.log_text(), 20.0, "fail2ban")
            duty.scan(EVIL)
            duty.type("ban", "127.8.0.0/16")
            duty.type("ban", "2001:db8::7")
            wait_until(lambda: taken.exists() and len(taken.read_text().split()) == 3, 20.0, "the bans")
            assert taken.read_text().split() == [EVIL, "127.8.0.0/16", "2001:db8::/64"]
            argv = [client, *own, "status", "dohproxy"]
            assert EVIL in subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False).stdout
    finally:
        fail2ban.kill()


def fail2ban_configuration(directory: Path, log: Path, taken: Path) -> Path:
    """Write what fail2ban reads: our filter and jail as they are shipped, but for the log and what is done."""
    for part in ("filter.d", "jail.d", "action.d", "fail2ban.d"):
        (directory / part).mkdir(parents=True)
    shipped = PROJECT / "conf" / "fail2ban"
    (directory / "filter.d" / "dohproxy.conf").write_text((shipped / "filter.d" / "dohproxy.conf").read_text())
    (directory / "jail.d" / "dohproxy.conf").write_text((shipped / "jail.d" / "dohproxy.conf").read_text())
    (directory / "jail.d" / "zz-test.local").write_text(
        f"[dohproxy]\nlogpath = {log}\nignoreip =\naction = note\n", encoding="utf-8"
    )
    (directory / "jail.conf").write_text("[DEFAULT]\nbackend = polling\n", encoding="utf-8")
    (directory / "action.d" / "note.conf").write_text(
        f"[Definition]\nactionban = echo <ip> >> {taken}\nactionunban =\n", encoding="utf-8"
    )
    (directory / "fail2ban.conf").write_text(
        f"[Definition]\ndbfile = :memory:\nsyslogsocket = auto\nsocket = {directory}.sock\npidfile = {directory}.pid\n",
        encoding="utf-8",
    )
    return directory
