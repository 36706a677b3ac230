"""The kernel drop with the real nft and the real kernel: who gets no answer any more, who always does, and how both
sides find together again.
"""

import asyncio
import getpass
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from dohproxy.config import BansConfig, ClientsConfig, Config, ListenAddress, ServerConfig
from dohproxy.jobs.kernel_bans import KernelBans
from dohproxy.nft.protocol import Begin, Change, Command, Done, Drop, End, Failed, Look, Network, Spare, read_network
from dohproxy.policy.bans import Bans
from dohproxy.policy.identity import Identities
from dohproxy.policy.member_networks import MemberNetworks
from tests.conftest import FindProgram
from tests.e2e.namespaces import (
    SERVER4,
    Machines,
    becomes,
    limited_to_the_packet_filter,
    listening,
    two_machines,
)
from tests.e2e.processes import Child, wait_until
from tests.e2e.proxy import PROJECT, environment, run_dohproxy
from tests.fakes.upstream import FakeUpstream
from tests.frontends.served import until
from tests.nft.conftest import Connection

pytestmark = pytest.mark.long

EVIL, NEIGHBOUR, GOOD = "10.78.9.7", "10.78.9.8", "10.78.1.1"
EVIL6, NEIGHBOUR6, GOOD6 = "2001:db8:78:1::7", "2001:db8:78:1::8", "2001:db8:78:2::7"
MOST = 10_000
MINUTE = 60_000


@pytest.fixture(scope="module")
def machines(find_program: FindProgram) -> Iterator[Machines]:
    """A machine with the service and one with its clients; something listens at 443 and 2222."""
    with two_machines(find_program) as made, listening(made, 443, 2222):
        yield made


class Helper:
    """dohproxy-nft, with no right but the unit's."""

    def __init__(self, machines: Machines, directory: Path, *arguments: str) -> None:
        self.machines = machines
        self.path = directory / "s"
        argv = [sys.executable, "-P", "-m", "dohproxy.nft", "--socket", str(self.path), *arguments]
        argv += ["--user", getpass.getuser()]
        self._argv = machines.on_server(*limited_to_the_packet_filter(*argv))
        self._log = directory / "nft.log"
        self.start()

    def start(self) -> None:
        """Start it."""
        self.child = Child(self._argv, self._log, environment=environment(), directory=PROJECT)
        self.child.wait_until_ready(lambda: bool(self.machines.ruleset()))

    def service(self) -> Connection:
        """Connect to it as the service does."""
        connection = Connection(self.path)
        assert connection.hello().most == 65_536
        return connection


@contextmanager
def running_helper(machines: Machines, directory: Path, *arguments: str) -> Iterator[Helper]:
    helper = Helper(machines, directory, *arguments)
    try:
        yield helper
    finally:
        if helper.child.is_running:
            assert helper.child.terminate() == 0
        assert machines.ruleset() == [], "the table goes with the helper"


def timed(*texts: str, milliseconds: int = MINUTE) -> tuple[tuple[Network, int], ...]:
    return tuple((read_network(text), milliseconds) for text in texts)


def snapshot(*texts: str, spared: tuple[str, ...] = ()) -> tuple[Command, ...]:
    return Begin(), Spare(tuple(map(read_network, spared))), Drop(timed(*texts)), End()


class TestHelper:
    """The helper alone, told what to do by us."""

    def test_who_is_dropped_gets_no_answer_and_all_others_do(self, machines: Machines, tmp_path: Path) -> None:
        with running_helper(machines, tmp_path) as helper:
            service = helper.service()
            assert service.ask(*snapshot(EVIL, f"{EVIL6}/128")) == Done(2, 0, 0)
            assert machines.tries([EVIL, NEIGHBOUR, GOOD, EVIL6, NEIGHBOUR6], 443) == {
                EVIL: "silent",
                NEIGHBOUR: "open",
                GOOD: "open",
                EVIL6: "silent",
                NEIGHBOUR6: "open",
            }
            looked = service.ask(Look())
            assert isinstance(looked, Done)
            assert looked.packets >= 2
            # To let in again is to answer again.
            assert service.ask(Change((), (read_network(EVIL),))) == Done(1, 0, 0)
            assert machines.tries([EVIL], 443) == {EVIL: "open"}
            service.close()

    def test_no_other_port_is_closed(self, machines: Machines, tmp_path: Path) -> None:
        with running_helper(machines, tmp_path) as helper:
            service = helper.service()
            service.ask(*snapshot(EVIL))
            assert machines.tries([EVIL], 443, 2222, 22) == {
                f"{EVIL} 443": "silent",
                f"{EVIL} 2222": "open",
                f"{EVIL} 22": "refused",
            }
            service.close()

    def test_networks_within_each_other_each_have_their_own_time(self, machines: Machines, tmp_path: Path) -> None:
        with running_helper(machines, tmp_path) as helper:
            service = helper.service()
            nested = ("10.78.9.0/24", EVIL, "10.78.0.0/17", "10.78.9.0/25", "2001:db8:78::/56", f"{EVIL6[:-1]}/64")
            assert service.ask(*snapshot(*nested)) == Done(6, 0, 0)
            assert machines.tries([EVIL, NEIGHBOUR, GOOD, EVIL6, GOOD6], 443) == dict.fromkeys(
                (EVIL, NEIGHBOUR, GOOD, EVIL6, GOOD6), "silent"
            )
            wide = tuple(map(read_network, ("10.78.9.0/24", "10.78.0.0/17", "10.78.9.0/25", "2001:db8:78::/56")))
            assert service.ask(Change((), wide)) == Done(2, 0, 0)
            assert machines.tries([EVIL, NEIGHBOUR, GOOD, EVIL6, GOOD6], 443) == {
                EVIL: "silent",
                NEIGHBOUR: "open",
                GOOD: "open",
                EVIL6: "silent",
                GOOD6: "open",
            }
            service.close()

    def test_a_ban_ends_by_itself_and_a_longer_or_shorter_one_takes_its_place(
        self, machines: Machines, tmp_path: Path
    ) -> None:
        with running_helper(machines, tmp_path) as helper:
            service = helper.service()
            service.ask(*snapshot(EVIL, NEIGHBOUR))
            service.ask(Change(timed(EVIL, milliseconds=1_500)))
            service.ask(Change(timed(GOOD, milliseconds=1_500)))
            service.ask(Change(timed(GOOD)))
            assert machines.is_silent(EVIL)
            assert becomes(lambda: not machines.is_silent(EVIL))
            assert machines.tries([NEIGHBOUR, GOOD], 443) == {NEIGHBOUR: "silent", GOOD: "silent"}
            # What has ended can be dropped, or released, once more.
            assert service.ask(Change(timed(EVIL))) == Done(3, 0, 0)
            assert machines.is_silent(EVIL)
            assert service.ask(Change((), tuple(map(read_network, (EVIL, "10.78.200.1"))))) == Done(2, 0, 0)
            service.close()

    def test_whatever_it_is_told_it_never_drops_loopback_nor_what_is_spared(
        self, machines: Machines, tmp_path: Path
    ) -> None:
        with running_helper(machines, tmp_path, "--spare", "10.78.1.0/24") as helper:
            service = helper.service()
            everybody = ("10.0.0.0/8", "127.0.0.0/8", "2001::/16", "10.78.1.1/32", "10.77.0.1/32")
            assert service.ask(*snapshot(*everybody, spared=(f"{NEIGHBOUR}/32", f"{GOOD6}/128"))) == Done(3, 2, 0)
            assert machines.tries([EVIL, NEIGHBOUR, GOOD, EVIL6, GOOD6], 443) == {
                EVIL: "silent",
                NEIGHBOUR: "open",
                GOOD: "open",
                EVIL6: "silent",
                GOOD6: "open",
            }
            own = machines.on_server(
                sys.executable,
                "-I",
                "-c",
                "import socket\nfor host in ('127.0.0.1', '::1', '10.77.0.1'):"
                " socket.create_connection((host, 443), timeout=2)",
            )
            run = Child(own, tmp_path / "own.log")
            assert run.wait(20) == 0, run.log_text()
            service.close()

    def test_every_length_that_may_be_banned_is_taken_and_everybody_may_be_spared(
        self, machines: Machines, tmp_path: Path
    ) -> None:
        four = [f"{ip_network(f'10.200.0.0/{bits}', strict=False)}" for bits in range(8, 33)]
        six = [f"{ip_network(f'2001:db8:200::/{bits}', strict=False)}" for bits in range(16, 129)]
        with running_helper(machines, tmp_path) as helper:
            service = helper.service()
            # In another length than those of the snapshot, and then all of them in it.
            service.ask(*snapshot())
            assert service.ask(Change(timed("10.78.9.0/29"))) == Done(1, 0, 0)
            assert machines.tries([EVIL, NEIGHBOUR], 443) == {EVIL: "silent", NEIGHBOUR: "open"}
            assert service.ask(*snapshot(*four, *six)) == Done(len(four) + len(six), 0, 0)
            assert machines.elements() == len(four) + len(six)
            assert machines.tries([EVIL, EVIL6], 443) == {EVIL: "silent", EVIL6: "silent"}
            assert service.ask(*snapshot(*four, *six, spared=("0.0.0.0/0", "::/0"))) == Done(0, 138, 0)
            assert machines.tries([EVIL, EVIL6], 443) == {EVIL: "open", EVIL6: "open"}
            service.close()

    def test_a_connection_that_is_open_stays_open(self, machines: Machines, tmp_path: Path) -> None:
        program = (
            "import socket, sys, time\n"
            f"one = socket.create_connection(({SERVER4!r}, 443), source_address=({EVIL!r}, 0))\n"
            "print('open', flush=True)\nsys.stdin.readline()\n"
            "one.sendall(b'x')\ntime.sleep(0.3)\n"
            "waiting = one.getsockopt(socket.IPPROTO_TCP, 11, 104)[24:28]\n"  # tcpi_unacked of TCP_INFO
            "print(int.from_bytes(waiting, 'little'), flush=True)"
        )
        with running_helper(machines, tmp_path) as helper:
            service = helper.service()
            service.ask(*snapshot())
            argv = machines.on_clients(sys.executable, "-I", "-c", program)
            with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
                assert client.stdin is not None
                assert client.stdout is not None
                assert client.stdout.readline() == "open\n"
                service.ask(Change(timed(EVIL)))
                assert machines.is_silent(EVIL)
                client.stdin.write("\n")
                client.stdin.flush()
                assert client.stdout.readline() == "0\n"
            service.close()

    def test_ten_thousand_networks_are_taken_at_once_and_changed(self, machines: Machines, tmp_path: Path) -> None:
        with running_helper(machines, tmp_path) as helper:
            service = helper.service()
            many = [
                *(Network(ip_address((10 << 24) + (79 << 16) + number).packed, 32) for number in range(MOST // 2)),
                *(
                    Network(ip_address((0x20010DB8_0079 << 80) + (number << 64)).packed, 64)
                    for number in range(MOST // 2)
                ),
            ]
            began = time.monotonic()
            service.say(Begin(), Drop(timed(EVIL)))
            for start in range(0, MOST, 500):
                service.say(Drop(tuple((network, MINUTE) for network in many[start : start + 500])))
            assert service.ask(End()) == Done(MOST + 1, 0, 0)
            taken = time.monotonic() - began
            assert machines.elements() == MOST + 1
            assert machines.tries([EVIL, GOOD], 443) == {EVIL: "silent", GOOD: "open"}
            began = time.monotonic()
            changed = tuple((network, 2 * MINUTE) for network in many[:500])
            assert service.ask(Change(changed, tuple(many[500:1_000]))) == Done(MOST - 499, 0, 0)
            _tell(f"10,001 networks in {taken:.2f} s, a change of 1,000 in {time.monotonic() - began:.2f} s")
            assert machines.elements() == MOST - 499
            # The last snapshot replaces it all.
            assert service.ask(*snapshot(NEIGHBOUR)) == Done(1, 0, 0)
            assert machines.tries([EVIL, NEIGHBOUR], 443) == {EVIL: "open", NEIGHBOUR: "silent"}
            service.close()

    def test_a_flushed_packet_filter_is_noticed_and_put_right_by_the_next_snapshot(
        self, machines: Machines, tmp_path: Path
    ) -> None:
        with running_helper(machines, tmp_path) as helper:
            service = helper.service()
            service.ask(*snapshot(EVIL))
            flushed = Child(machines.on_server(machines.nft, "flush", "ruleset"), tmp_path / "flush.log")
            assert flushed.wait(10) == 0
            assert isinstance(service.ask(Look()), Failed)
            service.close()
            service = helper.service()
            assert service.ask(*snapshot(EVIL)) == Done(1, 0, 0)
            assert machines.tries([EVIL, GOOD], 443) == {EVIL: "silent", GOOD: "open"}
            service.close()

    def test_when_it_is_killed_the_rest_of_the_bans_holds_until_it_is_cleared_away(
        self, machines: Machines, tmp_path: Path
    ) -> None:
        with running_helper(machines, tmp_path) as helper:
            service = helper.service()
            service.ask(*snapshot(EVIL))
            service.close()
            helper.child.kill()
            assert machines.is_silent(EVIL)
            clear = machines.on_server(
                *limited_to_the_packet_filter(sys.executable, "-P", "-m", "dohproxy.nft", "--clear")
            )
            cleared = Child(clear, tmp_path / "clear.log", environment=environment(), directory=PROJECT)
            assert cleared.wait(20) == 0, cleared.log_text()
            assert not machines.is_silent(EVIL)

    def test_without_the_right_it_says_so(self, machines: Machines, tmp_path: Path) -> None:
        argv = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-P", "-m", "dohproxy.nft"]
        argv += ["--socket", str(tmp_path / "s"), "--user", getpass.getuser()]
        child = Child(machines.on_server(*argv), tmp_path / "log", environment=environment(), directory=PROJECT)
        assert child.wait(20) == 1
        assert "nft has failed" in child.log_text()
        assert "Traceback" not in child.log_text()


class TestService:
    """The whole: dohproxy with dohproxy-nft beside it."""

    def test_a_scanner_gets_no_answer_any_more_and_both_sides_may_be_started_anew(
        self, machines: Machines, tmp_path: Path, find_program: FindProgram
    ) -> None:
        curl = find_program("curl", "curl")
        with running_helper(machines, tmp_path, "--port", str(PORT)) as helper, running_service(helper) as duty:
            duty.scan(curl, EVIL)
            assert becomes(lambda: machines.is_silent(EVIL, PORT))
            assert machines.tries([GOOD, NEIGHBOUR], PORT) == {GOOD: "open", NEIGHBOUR: "open"}
            assert machines.tries([EVIL], 443) == {EVIL: "open"}
            # By command, and let in again.
            duty.type("ban", "10.78.0.0/16")
            assert becomes(lambda: machines.is_silent(NEIGHBOUR, PORT))
            assert machines.tries([MEMBER, GOOD], PORT) == {MEMBER: "open", GOOD: "silent"}
            duty.type("unban", EVIL)
            assert becomes(lambda: not machines.is_silent(EVIL, PORT))
            assert machines.is_silent(GOOD, PORT)
            figures = duty.figures()
            assert figures["dohproxy_kernel_bans_connected"] == 1
            assert figures["dohproxy_kernel_bans"] == 1
            # The helper is started anew: the service tells it everything.
            assert helper.child.terminate() == 0
            assert not machines.is_silent(GOOD, PORT)
            helper.start()
            assert becomes(lambda: machines.is_silent(GOOD, PORT), 20)
            assert machines.tries([MEMBER, EVIL], PORT) == {MEMBER: "open", EVIL: "open"}
            # Somebody flushes the packet filter: it is seen at the next look.
            flushed = Child(machines.on_server(machines.nft, "flush", "ruleset"), tmp_path / "flush.log")
            assert flushed.wait(10) == 0
            assert not machines.is_silent(GOOD, PORT)
            assert becomes(lambda: machines.is_silent(GOOD, PORT), 30)
            # The service is started anew, and knows nobody's ban: nor does the kernel.
            duty.restart()
            assert becomes(lambda: not machines.is_silent(GOOD, PORT), 20)
            duty.type("ban", EVIL)
            assert becomes(lambda: machines.is_silent(EVIL, PORT))
            log = duty.log_text() + helper.child.log_text()
            assert not any(address in log for address in (EVIL, GOOD, "10.78.0.0"))

    def test_over_a_restart_the_helper_remembers_whom_the_service_has_banned(
        self, machines: Machines, tmp_path: Path
    ) -> None:
        kept = tmp_path / "kept"
        kept.mkdir(mode=0o700)
        with (
            running_helper(machines, tmp_path, "--port", str(PORT)) as helper,
            running_service(helper, f'state_directory = "{kept}"') as duty,
        ):
            duty.type("ban", EVIL)
            duty.type("ban", "10.78.1.0/24")
            assert becomes(lambda: machines.is_silent(EVIL, PORT) and machines.is_silent(GOOD, PORT))
            duty.restart()
            assert b"10.78" not in (kept / "state").read_bytes()
            assert machines.tries([EVIL, GOOD, NEIGHBOUR], PORT) == {EVIL: "silent", GOOD: "silent", NEIGHBOUR: "open"}
            assert duty.banned() == ["10.78.1.0/24", EVIL]

    async def test_ten_thousand_bans_are_in_the_kernel_within_seconds(self, machines: Machines, tmp_path: Path) -> None:
        identities = Identities(bytes(32))
        bans = Bans(BansConfig(max_bans=20_000), identities.prefix_hashes)
        now, first = time.monotonic(), int(ip_address("10.79.0.0"))
        for number in range(MOST):
            bans.ban_by_rule(identities.look_at((first + number).to_bytes(4)), 0, "wrong_path", now)
        bans.ban_by_rule(identities.look_at(ip_address(EVIL).packed), 0, "wrong_path", now)
        config = Config(
            (FakeUpstream().config(),),
            server=ServerConfig(listen=(ListenAddress("tcp", SERVER4, 443),)),
            clients=ClientsConfig(member_networks=(ip_network("10.78.1.0/24"),)),
        )
        with running_helper(machines, tmp_path) as helper:
            job = KernelBans(helper.path, lambda: config, bans, MemberNetworks(1.0), time.monotonic)
            began, cpu = time.monotonic(), time.thread_time()
            async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
                task = tasks.create_task(job.session())
                await until(lambda: job.statistics().is_connected, "the helper")
                taken, spent = time.monotonic() - began, time.thread_time() - cpu
                assert machines.elements() == MOST + 1
                assert machines.tries([EVIL, GOOD], 443) == {EVIL: "silent", GOOD: "open"}
                task.cancel()
            _tell(f"10,001 bans in the kernel after {taken:.2f} s, {spent:.2f} s of CPU in the service")


PORT = 8443
MEMBER = "10.78.200.1"


class Duty:
    """A running service beside a helper."""

    def __init__(self, helper: Helper, of_server: str) -> None:
        self.machines = helper.machines
        directory = helper.path.parent
        self._file, self._log = directory / "dohproxy.toml", directory / "dohproxy.log"
        self._file.write_text(
            f'''
            [server]
            listen = ["{SERVER4}:{PORT}"]
            {of_server}
            [clients]
            member_networks = ["10.78.200.0/24"]
            [bans]
            kernel_socket = "{helper.path}"
            [admin]
            socket = "{directory}/a"
            [[upstream]]
            name = "ns0"
            url = "udp://127.0.0.1:9"
            '''
        )
        self._start()

    def _start(self) -> None:
        argv = [sys.executable, "-P", "-m", "dohproxy", "serve", "--config", str(self._file)]
        self.child = Child(self.machines.on_server(*argv), self._log, environment=environment(), directory=PROJECT)
        self.child.wait_until_ready(lambda: "serves on" in self.child.log_text())
        wait_until(lambda: "the kernel drops" in self.child.log_text(), 20, "the helper")

    def restart(self) -> None:
        """Start it anew."""
        self.child.signal(signal.SIGTERM)
        assert self.child.wait(20) == 0
        self._start()

    def scan(self, curl: str, source: str) -> None:
        """Ask for what is not there, until that is no longer answered."""
        target = f"http://{SERVER4}:{PORT}/admin?[1-200]"
        argv = [
            curl,
            "-q",
            "--silent",
            "--noproxy",
            "*",
            "--fail-early",
            "--max-time",
            "5",
            "--interface",
            source,
            "-o",
            "/dev/null",
        ]
        Child(self.machines.on_clients(*argv, target), self._log.with_suffix(".curl")).wait(60)

    def type(self, *words: str) -> None:
        """Type a command."""
        run = run_dohproxy(*words, "--config", str(self._file))
        assert run.returncode == 0, run.stderr

    def banned(self) -> list[str]:
        """Return the networks that `bans` names."""
        run = run_dohproxy("bans", "--config", str(self._file), "--json")
        return sorted(ban["network"] for ban in json.loads(run.stdout)["bans"])

    def figures(self) -> dict[str, float]:
        """Return what `status` tells in numbers."""
        run = run_dohproxy("status", "--config", str(self._file), "--json")
        found = json.loads(run.stdout)["figures"]
        assert isinstance(found, dict)
        return found

    def log_text(self) -> str:
        """Everything it has said."""
        return self._log.read_text()


@contextmanager
def running_service(helper: Helper, of_server: str = "") -> Iterator[Duty]:
    """Serve beside a helper; `of_server` are more lines for its section."""
    duty = Duty(helper, of_server)
    try:
        yield duty
    finally:
        duty.child.kill()


def _tell(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
