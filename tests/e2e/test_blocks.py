"""Blocklists under the whole service: real clients are told, commands act at once, restarts and reloads keep."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.edns
import dns.message
import dns.rcode
import pytest

from tests.e2e.answers import A
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.proxy import Proxy, ProxySettings, running_proxy
from tests.e2e.test_commands import OnDuty
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply

LISTS = """
[[blocklist]]
name = "court"
file = "court.txt"
below = true
reason = "law"
reference = "TJ Paris 27/01234"
ends = "2999-12-31"

[[blocklist]]
name = "malware"
names = ["bad.example.com"]
reason = "harm"
action = "nxdomain"
text = "it spreads malware"

[[blocklist]]
name = "asked-for"
names = ["ads.example.com"]
reason = "requested"
action = "address"
addresses = ["192.0.2.80"]
"""
FindProgram = Callable[[str, str], str]


@pytest.fixture
def duty(authority: CertificateAuthority, tmp_path: Path) -> Iterator[OnDuty]:
    """A service with lists and a state directory, in front of an upstream that answers everything."""
    asked: list[bytes] = []

    def answer(packet: bytes) -> bytes:
        asked.append(packet)
        return make_reply(packet)

    (tmp_path / "court.txt").write_text("gambling.example.com\nwhat is this\n")
    sections = {"admin": {"socket": str(tmp_path / "a.sock")}, "server": {"state_directory": str(tmp_path)}}
    with answering(answer) as port:
        settings = ProxySettings(
            (f"udp://127.0.0.1:{port}",), authority, authority.issue(["localhost", "127.0.0.1"]), sections
        )
        with running_proxy(tmp_path, settings, LISTS) as proxy:
            yield OnDuty(proxy, tmp_path, asked)


def ask(proxy: Proxy, *names: str) -> list[tuple[str, int | None, str | None]]:
    """Return rcode and extended error for each name, all over one connection."""
    found = []
    with proxy.client() as client:
        for name in names:
            query = dns.message.make_query(name, A, id=0, use_edns=0)
            message = client.get(query.to_wire()).message()
            errors = [option for option in message.options if isinstance(option, dns.edns.EDEOption)]
            code, text = (int(errors[0].code), errors[0].text) if errors else (None, None)
            found.append((dns.rcode.to_text(message.rcode()), code, text))
    return found


def test_each_list_says_its_own_on_whose_account_it_withholds(duty: OnDuty) -> None:
    names = ("www.gambling.example.com", "bad.example.com", "ads.example.com", "good.example.com")
    assert ask(duty.proxy, *names) == [
        ("REFUSED", 16, "court: TJ Paris 27/01234"),
        ("NXDOMAIN", 15, "it spreads malware"),
        ("NOERROR", 17, "asked-for"),
        ("NOERROR", None, None),
    ]
    assert (duty.times_asked(b"good"), duty.times_asked(b"bad"), duty.times_asked(b"gambling")) == (1, 0, 0)
    hits = duty.proxy.metrics("dohproxy_blocklist_hits_total", "blocklist", ("court", "malware"))
    assert hits == {"court": 1, "malware": 1}
    assert duty.proxy.metric("dohproxy_requests_total", {"outcome": "censored"}) == 1


def test_a_bad_line_is_told_with_its_number(duty: OnDuty) -> None:
    said = "line 2 has no name"
    assert said in duty.proxy.child.log_text()
    code, text = duty.type("blocks")
    assert (code, said in text) == (0, True)
    assert duty.proxy.metric("dohproxy_blocklist_bad_lines", {"blocklist": "court"}) == 1


def test_a_block_acts_on_the_next_request_of_a_connection_and_is_taken_back(duty: OnDuty) -> None:
    query = dns.message.make_query("www.example.com", A, id=0).to_wire()
    with duty.proxy.client() as client:
        for _ in range(100):
            assert client.get(query).message().answer
        code, said = duty.type("block", "www.example.com", "--for", "1h", "--reason", "it is under attack")
        assert (code, said) == (
            0,
            'www.example.com is refused, which clients are told as "it is under attack", for 1 h.\n',
        )
        assert client.get(query).message().rcode() == dns.rcode.REFUSED
        assert duty.type("unblock", "www.example.com")[0] == 0
        assert client.get(query).message().answer
    assert "www.example.com" not in duty.proxy.child.log_text()
    assert duty.type("unblock", "www.example.com")[0] == 1
    assert duty.type("block", "www.example.com", "--for", "soon")[0] == 2


def test_a_listed_name_is_let_through_by_command_and_explained(duty: OnDuty) -> None:
    assert "blocklists: the list malware withholds it: NXDOMAIN, EDE 15" in duty.type("explain", "bad.example.com")[1]
    assert duty.type("allow", "bad.example.com", "--for", "2d")[0] == 0
    assert ask(duty.proxy, "bad.example.com") == [("NOERROR", None, None)]
    assert duty.type("disallow", "bad.example.com")[0] == 0
    assert ask(duty.proxy, "bad.example.com")[0][0] == "NXDOMAIN"


def test_what_was_said_by_hand_outlasts_a_restart(duty: OnDuty) -> None:
    assert duty.type("block", "a.example.com", "--below", "--for", "1h")[0] == 0
    assert duty.type("block", "b.example.com", "--for", "1s")[0] == 0
    assert duty.type("allow", "bad.example.com")[0] == 0
    duty.type("drain")
    assert duty.proxy.child.wait(10) == 0
    duty.proxy.start()
    found = ask(duty.proxy, "www.a.example.com", "bad.example.com")
    assert [rcode for rcode, _, _ in found] == ["REFUSED", "NOERROR"]
    (left,) = [one["seconds_left"] for one in duty.figures("blocks")["by_hand"] if one["name"] == "a.example.com"]
    assert 3_400 < left < 3_600


def test_a_reload_takes_a_list_and_a_file_that_is_away_changes_nothing(duty: OnDuty) -> None:
    duty.rewrite('names = ["bad.example.com"]', 'names = ["worse.example.com"]')
    assert duty.type("reload")[0] == 0
    assert [rcode for rcode, _, _ in ask(duty.proxy, "bad.example.com", "worse.example.com")] == ["NOERROR", "NXDOMAIN"]
    duty.rewrite("court.txt", "away.txt")
    code, said = duty.type("reload")
    assert (code, "blocklist #1.file" in said, "away.txt, which does not exist" in said) == (1, True, True)
    assert ask(duty.proxy, "gambling.example.com")[0][0] == "REFUSED"


@pytest.mark.parametrize(
    ("program", "package", "told"),
    [
        ("dig", "bind9-dnsutils", r"EDE: 16 \(Censored\): \(court: TJ Paris 27/01234\)"),
        ("kdig", "knot-dnsutils", r"16 \(Censored\).*court: TJ Paris 27/01234"),
    ],
    ids=["dig", "kdig"],
)
def test_a_person_reads_it_in_the_tools_that_people_use(
    program: str, package: str, told: str, duty: OnDuty, find_program: FindProgram
) -> None:
    argv = [find_program(program, package), "+https=/dns-query", "+edns", "@127.0.0.1", "-p", str(duty.proxy.port)]
    run = subprocess.run([*argv, "gambling.example.com", "A"], capture_output=True, text=True, timeout=20, check=False)
    assert re.search(told, run.stdout), run.stdout + run.stderr
