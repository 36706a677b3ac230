"""Commands at the admin socket of a running service, typed as a person on duty types them."""

import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import pytest

from dohproxy.observability.top_talkers import MOST_VIEWERS
from tests.e2e.answers import A
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import wait_until
from tests.e2e.proxy import Proxy, ProxySettings, run_dohproxy, running_proxy
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply

pytestmark = pytest.mark.long


class OnDuty:
    """A running service and who looks after it."""

    def __init__(self, proxy: Proxy, directory: Path, asked: list[bytes]) -> None:
        self.proxy = proxy
        self.asked = asked
        self.file = directory / "dohproxy.toml"

    def type(self, *words: str) -> tuple[int, str]:
        """Type a command; return its exit code and what it said."""
        run = run_dohproxy(*words, "--config", str(self.file))
        assert "Traceback" not in run.stderr
        return run.returncode, run.stdout + run.stderr

    def figures(self, *words: str) -> dict[str, Any]:
        """Type a command for its figures."""
        run = run_dohproxy(*words, "--config", str(self.file), "--json")
        assert run.stdout, (run.returncode, run.stderr)
        found = json.loads(run.stdout)
        assert isinstance(found, dict)
        return found

    def times_asked(self, label: bytes) -> int:
        """Return how often the upstream was asked for a name that has this label."""
        return sum(label in packet.lower() for packet in self.asked)

    def rewrite(self, old: str, new: str) -> None:
        """Change the file."""
        text = self.file.read_text(encoding="utf-8")
        assert old in text
        self.file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def duty(authority: CertificateAuthority, tmp_path: Path) -> Iterator[OnDuty]:
    """A service in front of an upstream that answers everything."""
    asked: list[bytes] = []

    def answer(packet: bytes) -> bytes:
        asked.append(packet)
        return make_reply(packet)

    with answering(answer) as port:
        settings = ProxySettings(
            (f"udp://127.0.0.1:{port}",), authority, sections={"admin": {"socket": str(tmp_path / "a.sock")}}
        )
        with running_proxy(tmp_path, settings) as proxy:
            yield OnDuty(proxy, tmp_path, asked)


def test_the_state_is_told_in_one_sentence(duty: OnDuty) -> None:
    code, said = duty.type("status")
    assert (code, said.splitlines()[0]) == (0, "All is well: 1 upstream is asked, 0 answers are in the cache.")
    assert duty.figures("status")["upstreams"][0]["name"] == "ns0"


def test_other_rules_are_taken_and_a_bad_file_changes_nothing(duty: OnDuty) -> None:
    duty.rewrite("exempt_networks", "requests_burst = 77\nexempt_networks")
    code, said = duty.type("reload")
    assert (code, said) == (
        0,
        "The configuration was read again: 1 key has changed.\n  changed: limits.requests_burst\n",
    )
    duty.rewrite("requests_burst = 77", "requests_burst = 0")
    code, said = duty.type("reload")
    assert (code, "nothing has changed" in said, "limits.requests_burst (line " in said) == (1, True, True)
    code, said = duty.type("status")
    assert (code, "configuration file was refused" in said) == (1, True)
    assert duty.proxy.child.log_text().count("command=reload") == 2


def test_the_log_tells_more_for_a_while_and_the_audit_line_stands_in_it_at_every_level(duty: OnDuty) -> None:
    code, said = duty.type("log-level", "error", "--minutes", "1")
    assert (code, said) == (0, "The log has the level error for 1 minute, then info again, as configured.\n")
    assert duty.figures("status")["log"]["level"] == "error"
    assert "command=log-level" in duty.proxy.child.log_text()
    assert duty.type("log-level", "loud")[0] == 2
    assert duty.type("log-level", "debug", "--minutes", "1441")[0] == 2


def test_a_drained_service_tells_who_asked_and_ends_with_0(duty: OnDuty) -> None:
    code, said = duty.type("drain")
    assert (code, "takes no new connections" in said) == (0, True)
    assert duty.proxy.child.wait(10) == 0
    code, said = duty.type("status")
    assert (code, "There is no socket" in said) == (3, True)


def test_what_is_flushed_is_asked_for_again_on_the_same_connection(duty: OnDuty) -> None:
    query = dns.message.make_query("www.flushed.example.com", A, id=0).to_wire()
    with duty.proxy.client() as client:
        for _ in range(100):
            assert client.get(query).message().answer
        assert duty.times_asked(b"flushed") == 1
        code, said = duty.type("flush", "www.flushed.example.com")
        assert (code, said) == (0, "Forgotten: 1 answer or failure about www.flushed.example.com.\n")
        assert client.get(query).message().answer
        assert duty.times_asked(b"flushed") == 2
        assert duty.type("flush", "flushed.example.com", "--below")[1].startswith("Forgotten: 1 ")
        assert duty.type("flush", "--all") == (0, "Nothing was known about everything.\n")
    assert "flushed" not in duty.proxy.child.log_text()
    assert duty.type("flush")[0] == 2


def test_a_paused_upstream_is_asked_nothing_over_a_reload_too_until_it_is_resumed(duty: OnDuty) -> None:
    code, said = duty.type("upstream", "pause", "ns0")
    assert (code, "ns0 is paused" in said, "It was the last one" in said) == (0, True, True)
    assert duty.type("reload")[0] == 0
    assert duty.type("status")[0] == 1
    assert duty.proxy.metric("dohproxy_upstream_paused", {"upstream": "ns0"}) == 1
    # A reload by which it becomes another one.
    duty.rewrite('preset = "own"', 'preset = "own"\nidle_seconds = 7')
    assert duty.type("reload")[0] == 0
    query = dns.message.make_query("www.paused.example.com", A, id=0).to_wire()
    with duty.proxy.client() as client:
        assert client.get(query).message().rcode() == dns.rcode.SERVFAIL
        assert duty.times_asked(b"paused") == 0
        assert duty.type("upstream", "resume", "ns0")[0] == 0
        other = dns.message.make_query("www.resumed.example.com", A, id=0).to_wire()
        assert client.get(other).message().answer
    assert duty.type("upstream", "pause", "ns1") == (2, 'No upstream is called "ns1"; did you mean ns0?\n')


def test_what_would_happen_to_a_question_is_told_and_nobody_is_asked(duty: OnDuty) -> None:
    code, said = duty.type("explain", "www.explained.example.com", "--client", "192.0.2.1")
    assert code == 0
    assert said.startswith("www.explained.example.com A for 192.0.2.1: ns0 is asked, whose budget allows ")
    assert duty.times_asked(b"explained") == 0
    with duty.proxy.client() as client:
        assert client.get(dns.message.make_query("www.explained.example.com", A, id=0).to_wire()).message().answer
    assert duty.figures("explain", "WWW.explained.example.com.")["ends_at"] == "cache"
    code, said = duty.type("explain", "a..b")
    assert (code, said.startswith('name is "a..b": it is not a host name')) == (2, True)
    assert duty.type("explain", "a", "--type", "NONSENSE")[0] == 2
    assert "explained" not in duty.proxy.child.log_text()


def test_a_limit_is_lowered_for_a_while_and_the_file_holds_again(duty: OnDuty) -> None:
    code, said = duty.type("limit", "limits.misses_burst", "7", "--for", "1h")
    assert (code, said.startswith("limits.misses_burst is 7 for 1 h, until 2")) == (0, True)
    code, said = duty.type("config", "show", "limits")
    assert "limits.misses_burst = 7  # by hand, for " in said
    duty.rewrite("exempt_networks", "misses_burst = 50\nexempt_networks")
    code, said = duty.type("reload")
    assert (code, "by hand, whatever the file says: limit limits.misses_burst = 7, for " in said) == (0, True)
    assert duty.type("limit", "limits.misses_burst", "--reset") == (0, "limits.misses_burst is 50 again.\n")
    assert duty.type("limit") == (0, "No limit is held by hand.\n")
    code, said = duty.type("limit", "limits.mises_burst", "7")
    assert (code, "did you mean limits.misses_burst?" in said) == (2, True)
    assert duty.type("limit", "limits.misses_burst", "0")[0] == 2
    code, said = duty.type("limit", "upstream.ns0.burst", "5000")
    assert (code, "limit upstream.ns0.burst 5000 --yes" in said) == (1, True)
    assert duty.type("limit", "upstream.ns0.burst", "5000", "--yes")[0] == 0
    # The shortest that can be said, and it ends by itself.
    assert duty.type("limit", "limits.misses_burst", "8", "--for", "1s")[0] == 0
    wait_until(lambda: duty.figures("limit", "limits.misses_burst")["value"] == 50, 10, "the file's value again")
    assert "command=limit" in duty.proxy.child.log_text()


def test_what_is_announced_is_listed_until_it_is_taken_down(duty: OnDuty) -> None:
    code, said = duty.type("announce", "Maintenance tonight.", "--for", "2h")
    assert (code, said.startswith("Announcement 1 is told for 2 h, until 2")) == (0, True)
    code, said = duty.type("announce")
    assert (code, said.endswith("Maintenance tonight.\n")) == (0, True)
    assert duty.type("announce", "--withdraw", "1") == (0, "Announcement 1 is told no longer: Maintenance tonight.\n")
    assert duty.type("announce", "two\nlines")[0] == 2
    assert duty.type("announce") == (0, "Nothing is announced.\n")


def test_who_asks_and_about_what_is_seen_while_somebody_looks(duty: OnDuty) -> None:
    query = dns.message.make_query("www.looked-at.example.com", A, id=0).to_wire()
    found: dict[str, dict[str, Any]] = {}

    def look(by: str) -> None:
        found[by] = duty.figures("top", "--by", by, "--for", "3s")

    with duty.proxy.client() as client, ThreadPoolExecutor(3) as viewers:
        looking = [viewers.submit(look, by) for by in ("reason", "network", "domain")]
        while not all(one.done() for one in looking):
            client.get(query)
            time.sleep(0.02)
        for one in looking:
            one.result()
    assert {row["what"] for row in found["reason"]["top"]} >= {"cached"}
    (network,) = found["network"]["top"]
    assert (network["what"], network["mostly"], network["share"]) == ("127.0.0.0/24", "127.0.0.1", 100.0)
    (domain,) = found["domain"]["top"]
    assert (domain["what"], domain["count"] > 20, domain["error"]) == ("example.com", True, 0)
    log = duty.proxy.child.log_text()
    assert log.count("command=top") == 3
    assert "looked-at" not in log
    assert duty.type("top", "--for", "1s")[1].startswith("0 requests were looked at in 1 s")


def test_so_many_look_at_once_and_whoever_has_gone_looks_no_longer(duty: OnDuty) -> None:
    body = b'{"by": "network", "for": "60s"}'
    request = b"POST /v1/top HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    with ExitStack() as viewers:
        for _ in range(MOST_VIEWERS):
            viewer = viewers.enter_context(socket.socket(socket.AF_UNIX))
            viewer.connect(str(duty.file.with_name("a.sock")))
            viewer.sendall(request)
        log = duty.proxy.child.log_text
        wait_until(lambda: log().count("command=top") == MOST_VIEWERS, 10, "the looks")
        code, said = duty.type("top", "--by", "domain", "--for", "1s")
        assert (code, said.startswith(f"{MOST_VIEWERS} people look already")) == (1, True)
    wait_until(lambda: duty.type("top", "--by", "domain", "--for", "1s")[0] == 0, 10, "a place to look")


def test_all_that_holds_by_hand_is_listed_with_its_end(duty: OnDuty) -> None:
    for words in (
        ("limit", "limits.misses_burst", "7"),
        ("announce", "Maintenance tonight."),
        ("ban", "192.0.2.0/24", "--for", "2h"),
        ("block", "ads.example.net", "--for", "2h"),
        ("allow", "good.example.net"),
        ("mode", "open", "--for", "2h"),
        ("log-level", "error", "--minutes", "9"),
        ("upstream", "pause", "ns0"),
    ):
        assert duty.type(*words)[0] == 0, words
    said = duty.type("status")[1]
    by_hand = [line.partition(": ")[2] for line in said.splitlines() if line.startswith("  by hand: ")]
    two_hours = "(1 h 59 min|2 h)"  # As long as a second has not been rounded down yet.
    begins = [
        f"mode open, for {two_hours} more, until 2",
        f"1 network banned, for {two_hours} more, until 2",
        f"1 name blocked, for {two_hours} more, until 2",
        "1 name let through, until it is taken back or until a restart",
        r"limit limits\.misses_burst = 7, until it is taken back or the service is started again",
        "upstream ns0 paused since 2",
        "log level error, for (8|9) min ",
        r"announcement 1, for (23 h 59 min|1 d) more: Maintenance tonight\.",
    ]
    for line, beginning in zip(by_hand, begins, strict=True):
        assert re.match(beginning, line), line
    assert [one["what"] for one in duty.figures("status")["by_hand"]] == [
        *("mode", "ban", "block", "allow", "limit", "upstream pause", "log-level", "announce")
    ]


def test_what_holds_is_told_with_its_origin(duty: OnDuty) -> None:
    code, said = duty.type("config", "show", "limits")
    assert code == 0
    assert "limits.table_slots = 131072  # default\n" in said
    assert 'limits.exempt_networks = ["127.0.0.0/8"]  # line ' in said
    keys = {key["path"]: key for key in duty.figures("config", "show", "--written")["keys"]}
    assert keys["upstream #1.preset"]["value"] == "own"
