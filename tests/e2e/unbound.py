"""A real Unbound as the upstream: in its own directory, on loopback, without root, asking nobody."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rdatatype

from tests.e2e import zones
from tests.e2e.authoritative import MisbehavingServer
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import LOOPBACK, Child, free_port, start_on_free_ports

DOT_NAME = f"ns.{zones.ORIGIN}"

# Every zone lies in a file or is forwarded to the misbehaving server, and every socket is bound to loopback:
# no packet leaves this machine. The unknown-server limit is raised because Unbound would ask the slow server
# again after 376 ms and then ignore its first answer.
CONFIGURATION = """\
server:
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: "{directory}/unbound.pid"
  logfile: ""
  use-syslog: no
  verbosity: 1
  do-daemonize: no
  num-threads: 1
  module-config: "iterator"
  interface: 127.0.0.1@{port}
  interface: 127.0.0.1@{tls_port}
  outgoing-interface: 127.0.0.1
  access-control: 127.0.0.0/8 {access}
  port: {port}
  tls-port: {tls_port}
  tls-service-key: "{key}"
  tls-service-pem: "{certificate}"
  do-ip6: no
  do-not-query-localhost: no
  root-hints: "{directory}/root.hints"
  edns-buffer-size: 1232
  incoming-num-tcp: 100
  unknown-server-time-limit: 20000
remote-control:
  control-enable: yes
  control-use-cert: no
  control-interface: "{directory}/control"
auth-zone:
  name: "."
  zonefile: "{directory}/root.zone"
  for-downstream: no
  for-upstream: yes
  fallback-enabled: no
auth-zone:
  name: "{origin}"
  zonefile: "{directory}/kinds.zone"
  for-downstream: no
  for-upstream: yes
  fallback-enabled: no
forward-zone:
  name: "{slow}"
  forward-addr: 127.0.0.1@{misbehaving_port}
forward-zone:
  name: "{broken}"
  forward-addr: 127.0.0.1@{misbehaving_port}
"""


@dataclass(frozen=True, slots=True)
class UnboundPrograms:
    """Where the two programs of the Debian package are."""

    server: str
    control: str


class Unbound:
    """One Unbound that can be killed and started again on the same ports."""

    def __init__(
        self,
        directory: Path,
        programs: UnboundPrograms,
        authority: CertificateAuthority,
        names: tuple[str, ...],
    ) -> None:
        self._directory = directory
        self._programs = programs
        self._certificate = authority.issue([DOT_NAME])
        self._misbehaving = MisbehavingServer()
        self._child: Child | None = None
        self._access = "allow"
        self.port = 0
        self.tls_port = 0
        (directory / "root.zone").write_text(zones.root_zone(names), encoding="ascii")
        (directory / "kinds.zone").write_text(zones.kinds_zone(), encoding="ascii")
        (directory / "root.hints").write_text(". 3600 IN NS ns.\nns. 3600 IN A 127.0.0.1\n", encoding="ascii")

    def start(self) -> None:
        """Start on free ports, kept in `port` (UDP and TCP) and `tls_port`; return when it answers."""
        self._misbehaving.start()
        start_on_free_ports(self._start_once)

    def _start_once(self) -> None:
        self.port, self.tls_port = free_port(), free_port()
        self.start_again()

    def start_again(self) -> None:
        """Start on the ports it had before, with an empty cache."""
        self._configure()
        argv = [self._programs.server, "-d", "-p", "-c", str(self._configuration_file)]
        self._child = Child(argv, self._directory / "unbound.log")
        self._child.wait_until_ready(self._answers)

    def admit(self, access: str) -> None:
        """From now on do this with queries of this machine (`access-control`): allow, refuse, deny."""
        self._access = access
        self._configure()
        self._control("reload")

    def _configure(self) -> None:
        configuration = CONFIGURATION.format(
            access=self._access,
            directory=self._directory,
            port=self.port,
            tls_port=self.tls_port,
            key=self._certificate.key,
            certificate=self._certificate.certificate,
            misbehaving_port=self._misbehaving.port,
            origin=zones.ORIGIN,
            slow=zones.SLOW,
            broken=zones.BROKEN,
        )
        self._configuration_file.write_text(configuration, encoding="ascii")

    def _control(self, command: str) -> str:
        argv = [self._programs.control, "-c", str(self._configuration_file), command]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=10).stdout

    def kill(self) -> None:
        """End it at once, as a crash would; its name server behind stays."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def stop(self) -> None:
        """End everything that `start` began."""
        self.kill()
        self._misbehaving.stop()

    def queries_received(self) -> int:
        """How many queries it has received over all transports since its start, by its own counter."""
        figures = dict(line.split("=", 1) for line in self._control("stats_noreset").splitlines())
        return int(figures["total.num.queries"])

    def ask(self, qname: str, qtype: dns.rdatatype.RdataType) -> dns.message.Message:
        """Its own answer, without any proxy, over TCP where UDP is too small."""
        query = dns.message.make_query(qname, qtype, use_edns=0, payload=1232)
        answer, _ = dns.query.udp_with_fallback(query, LOOPBACK, timeout=10, port=self.port)
        return answer

    def log_text(self) -> str:
        """What it has logged so far, over all its starts."""
        log = self._directory / "unbound.log"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    @property
    def _configuration_file(self) -> Path:
        return self._directory / "unbound.conf"

    def _answers(self) -> bool:
        query = dns.message.make_query(zones.ORIGIN, dns.rdatatype.SOA)
        try:
            dns.query.udp(query, LOOPBACK, timeout=0.3, port=self.port)
        except (OSError, dns.exception.DNSException):
            return False
        return True
