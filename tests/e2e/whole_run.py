"""One service from its start to its end: with all that can write something, with ordinary and hostile clients, and with
somebody who looks at everything."""

import re
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import dns.message
import dns.name
import dns.rcode
import dns.rrset

from dohproxy.dot.member_name import label_of
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.hostile import flood, misbehave
from tests.e2e.markers import Evidence, Found, Kind, Markers, search
from tests.e2e.places import (
    DOCTOR,
    REPORT,
    Overheard,
    ask,
    bother_the_management,
    files_hold,
    look_everywhere,
    overhearing,
    verb_says,
    watching_the_console,
)
from tests.e2e.processes import LOOPBACK, free_port
from tests.e2e.proxy import Proxy, ProxySettings, running_proxy
from tests.e2e.traffic import Door, ask_over_dot, behave, get, question, read_response
from tests.fakes.datagrams import answering

ALERT_SECONDS: Final = 20.0
"""The first look that can find a flood is the one after five seconds."""
STARTING: Final = threading.Lock()
"""One after the other: several at once take as long, and each of them has a deadline."""
Places = Mapping[str, set[Kind]]


@dataclass(frozen=True, slots=True)
class Posture:
    """One way to run the service."""

    level: str
    written_as: str
    address_from: str
    tls: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    at_a_terminal: bool = False
    """What is typed at a terminal is tried too: each verb is a process of its own."""
    then: str = ""
    """Where addresses come from after a reload, if that is somewhere else."""


@dataclass(slots=True)
class Run:
    """One service while it is tried, and what was gathered of it."""

    proxy: Proxy
    door: Door
    directory: Path
    console_port: int
    overheard: Overheard
    posture: Posture
    token: str = ""
    evidence: list[Evidence] = field(default_factory=list)

    @property
    def admin(self) -> Path:
        """Its socket for commands."""
        return self.directory / "a.sock"

    def command(self, target: str, place: str = "", **arguments: str) -> None:
        """Give a command, and keep what it says."""
        self.evidence.append(ask(self.admin, f"/v1/{target}", arguments, place))

    def look(self) -> None:
        """Look at every page and give every command that changes nothing."""
        self.evidence += look_everywhere(self.proxy, self.door, self.admin, self.console_port)

    def find(self) -> list[Found]:
        """Return where a marker stands, in all that was gathered and in all files."""
        heard = [Evidence(f"the answer to {one.what}", one.foreign) for one in self.door.heard]
        files = list(files_hold(self.directory))
        return search([*self.evidence, *self.overheard.heard, *heard, *files], self.door.markers.spellings(self.token))


def answer(query: bytes, markers: Markers) -> bytes:
    """Return what an upstream says: no such name, a failure, or an alias with an address."""
    asked = dns.message.from_wire(query)
    reply, name = dns.message.make_response(asked, recursion_available=True), asked.question[0].name
    label = name.labels[0].lower()
    if label.startswith(b"nx-"):
        reply.set_rcode(dns.rcode.NXDOMAIN)
        reply.authority.append(dns.rrset.from_text("org.", 300, "IN", "SOA", "ns.org. host.org. 1 2 3 4 300"))
    elif label.startswith(b"sf-"):
        reply.set_rcode(dns.rcode.SERVFAIL)
    elif len(name.labels) > 2 and asked.question[0].rdtype in (1, 28):
        alias = dns.name.Name((label, *dns.name.from_text(markers.name("", Kind.ANSWERED)).labels))
        rdtype, rdata = ("A", "192.0.2.1") if asked.question[0].rdtype == 1 else ("AAAA", "2001:db8::1")
        reply.answer.append(dns.rrset.from_text(name, 300, "IN", "CNAME", alias.to_text()))
        reply.answer.append(dns.rrset.from_text(alias, 300, "IN", rdtype, rdata))
    return reply.to_wire()


@contextmanager
def running(posture: Posture, authority: CertificateAuthority, **sections: Mapping[str, Any]) -> Iterator[Run]:
    """Run a service that writes all it can, and by a setting more than that; it has ended when this does."""
    with ExitStack() as stack:
        # Short, as the sockets' names may have 107 bytes.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="privacy-")))
        (directory / "state").mkdir(mode=0o700)
        (directory / "home").mkdir()
        overheard = stack.enter_context(overhearing(directory / "notify"))
        markers, console_port = Markers(), free_port()

        def answer_and_note(query: bytes) -> bytes:
            # In lower case: some of the letters are drawn anew each time (0x20).
            overheard.add("what upstreams are sent", query)
            return answer(query, markers)

        port = stack.enter_context(answering(answer_and_note))
        settings = ProxySettings(
            (f"udp://{LOOPBACK}:{port}",),
            authority,
            tls=authority.issue(["localhost"]) if posture.tls else None,
            sections=all_that_writes(directory, posture, console_port, overheard.webhook_port, sections),
            dot=posture.tls,
            limited=True,
            variables={
                **{name: str(directory / "home") for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_STATE_HOME")},
                "NOTIFY_SOCKET": str(directory / "notify"),
                **posture.variables,
            },
            working_directory=directory / "home",
        )
        with STARTING:
            proxy = stack.enter_context(running_proxy(directory, settings))
        context = None
        if posture.tls:
            context = authority.client_context()
            context.check_hostname = False
        door = Door(proxy.port, posture.address_from, context, markers, proxy.dot_port)
        yield Run(proxy, door, directory, console_port, overheard, posture)


def all_that_writes(
    directory: Path, posture: Posture, console_port: int, webhook_port: int, more: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return the sections of a configuration with which everything writes that can."""
    tell = directory / "tell"
    tell.write_text(f'#!/bin/sh\n{{ cat; env; echo "$@"; }} >> {directory}/told\n', encoding="utf-8")
    tell.chmod(0o700)
    sections: dict[str, dict[str, Any]] = {
        "server": {"state_directory": str(directory / "state"), "host": "localhost"},
        "log": {"level": posture.level, "format": posture.written_as, "lines_per_second": 1_000},
        "admin": {"socket": str(directory / "a.sock"), "listen": f"{LOOPBACK}:{console_port}"},
        "alerts": {"command": [str(tell), "told"], "webhook": f"http://{LOOPBACK}:{webhook_port}/alert"},
        "pages": {"enabled": True, "folder": str(directory / "pages"), "folder_seconds": 30},
        "about": {"name": "Example Association", "contact": "dns@example.org"},
        "clients": {
            "address_from": posture.address_from,
            "trusted_proxies": [] if posture.address_from == "connection" else [f"{LOOPBACK}/32"],
            "member_file": str(directory / "members.json"),
        },
        # Low enough that those who ask too much come to feel each of them, and others do not.
        "limits": {
            "requests_burst": 60,
            "misses_burst": 30,
            "misses_per_second": 1,
            "exempt_networks": [f"{LOOPBACK}/32"],
        },
        "names": {"domain_failures_per_second": 0.1, "domain_failures_burst": 20},
        "bans": {"points": 60},
    }
    for name, keys in more.items():
        sections.setdefault(name, {}).update(keys)
    return sections


# --- What is tried ---


def try_all(run: Run) -> None:
    """Be everybody, look at everything, and do both again at the most talkative level; then end the service."""
    with watching_the_console(run.overheard, run.admin):
        ask_as_a_member(run)
        flood(run.door)
        behave(run.door, "first")
        misbehave(run.door, "first")
        said = run.door.markers.name("", Kind.SAID)
        run.evidence += bother_the_management(run.proxy, run.admin, run.console_port, run.door, said)
        run.look()
        run.command("log-level", level="debug")
        change_where_addresses_come_from(run)
        behave(run.door, "then")
        misbehave(run.door, "then")
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
            run.proxy.child.signal(number)
        assert run.overheard.messages.wait(ALERT_SECONDS), "no alert was sent"
        run.look()
        if run.posture.at_a_terminal:
            run.evidence.append(verb_says(run.proxy.file, DOCTOR))
    assert run.proxy.child.terminate() == 0, run.proxy.child.log_text()
    if run.posture.at_a_terminal:
        run.evidence.append(verb_says(run.proxy.file, REPORT))


def change_where_addresses_come_from(run: Run) -> None:
    """Have the service read its file again, in which another header may be named by now."""
    before, now = run.door.address_from, run.posture.then or run.door.address_from
    text = run.proxy.file.read_text(encoding="utf-8")
    run.proxy.file.write_text(text.replace(f'address_from = "{before}"', f'address_from = "{now}"'), encoding="utf-8")
    run.command("reload")
    run.door.address_from = now


def ask_as_a_member(run: Run) -> None:
    """Become a member, and ask with the token."""
    run.command("member/add", name="alice")
    run.token = re.findall(r"/dns-query/([\w-]+)", run.evidence[-1].content.decode())[0]
    client = run.door.clients()[1]
    with run.door.connect(client) as connection:
        wire = question(run.door.markers.name("member"))
        connection.sendall(get(run.door, client, wire, f"/dns-query/{run.token}"))
        assert b" 200 " in read_response(connection)[:20]
    if run.door.dot_port:
        ask_over_dot(run.door, client, ["member-dot"], f"{label_of(run.token)}.localhost")


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one run."""

    found: list[Found]
    ended: set[str]
    """The reasons for which requests have ended."""
    closed: set[str]
    """Those for which connections were closed."""
    log: str


def judged(run: Run) -> Tried:
    """Return what came of a run that has ended."""
    figures = next(one.content.decode() for one in reversed(run.evidence) if one.place == "GET /metrics")
    ended = re.findall(r'^dohproxy_requests_total\{.*outcome="(\w+)".*\} [1-9]', figures, re.MULTILINE)
    closed = re.findall(r'^dohproxy_connections_closed_total\{reason="(\w+)"\} [1-9]', figures, re.MULTILINE)
    return Tried(run.find(), set(ended), set(closed), run.proxy.child.log_text())
