"""systemd-resolved as a client: the program alone, without systemd and without D-Bus, in directories of its own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.e2e.ground import Ground, Program
from tests.e2e.processes import LOOPBACK, Child, free_port

RESOLVED = Program("systemd-resolved", "systemd-resolved")
DROP_IN: Final = "dohproxy.conf"
NOBODY: Final = "65534"
START: Final = """
set -eu
mount -t tmpfs none /run
mkdir -p /run/systemd/resolve /run/etc/resolved.conf.d
cp "$2"/*.conf /run/etc/resolved.conf.d
cp "$3" /run/authority.pem
chmod -R a+rX /run/etc /run/authority.pem
chown "$1:$1" /run/systemd/resolve
mount --bind /run/etc /etc/systemd
kept=+setpcap,+net_raw,+net_bind_service
exec setpriv --reuid="$1" --regid="$1" --clear-groups --inh-caps="$kept" --ambient-caps="$kept" "$4"
"""
"""Under another user than root it asks for none of its own, which only the package makes. What it may read is copied:
no other user gets into the directories of tests."""


@contextmanager
def running_resolved(ground: Ground, profile: str, more: str = "") -> Iterator[int]:
    """Run it by a profile and `more` of [Resolve]; give the port at which it answers in plain DNS."""
    port = free_port()
    directory = ground.directory / "resolved.conf.d"
    directory.mkdir()
    (directory / DROP_IN).write_text(profile, encoding="ascii")
    # Its usual address may be another's; and what it asks at the start is asked of nobody but the profile's.
    (directory / "tests.conf").write_text(
        f"[Resolve]\nDNSStubListener=no\nDNSStubListenerExtra={LOOPBACK}:{port}\nLLMNR=no\nMulticastDNS=no\n{more}",
        encoding="ascii",
    )
    program = ground.find_program(RESOLVED.command, RESOLVED.package)
    argv = [ground.mounting(), "--mount", "sh", "-c", START, "sh", NOBODY, str(directory), str(ground.authority.file)]
    environment = ground.environment() | {"SSL_CERT_FILE": "/run/authority.pem", "SYSTEMD_LOG_LEVEL": "debug"}
    child = Child([*argv, program], ground.directory / "resolved.log", environment=environment)
    try:
        child.wait_until_ready(lambda: _answers(ground, port))
        yield port
    finally:
        child.kill()


def _answers(ground: Ground, port: int) -> bool:
    dig = ground.find_program("dig", "bind9-dnsutils")
    argv = [dig, f"@{LOOPBACK}", "-p", str(port), "+tries=1", "+time=1", "+short", "localhost"]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
