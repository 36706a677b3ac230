"""A service's files, as an operator has them, and a backup of them."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from dohproxy.config import Config, load
from dohproxy.jobs import blocks_file
from dohproxy.jobs.hour_file import add_hours
from dohproxy.jobs.member_file import write_members
from dohproxy.jobs.state_codec import SavedState, encode
from dohproxy.jobs.state_key import open_key
from dohproxy.policy.blocklists.by_hand import HandEntry
from dohproxy.policy.members import Member, Members
from dohproxy.tls.throwaway import write_throwaway_certificate
from dohproxy.tools.backup.making import Wanted, make_backup
from dohproxy.tools.backup.manifest import Manifest
from dohproxy.wire.name import from_text
from tests.fakes.steps import result_of

NOW = 1_800_000_000.0
HOUR = 1_799_996_400
VERSION = "0.0 of a test"

CONFIGURATION = """\
[server]
host = "doh.example.net"
state_directory = "{directory}/state"

[tls]
certificate = "certificate.pem"
key = '{directory}/etc/key.pem'

[clients]
member_file = "../state/members.json"

[cache]
snapshot_file = "{directory}/state/cache.snapshot"

[bans]
log_file = "{directory}/log/bans.log"

[[blocklist]]
name = "ads"
file = "ads.txt"  # ours

[[upstream]]
name = "ns0"
url = "udp://127.0.0.1:9"
"""


@dataclass(frozen=True, slots=True)
class House:
    """Where everything is."""

    directory: Path
    config: Config

    @property
    def file(self) -> Path:
        """The configuration."""
        return self.directory / "etc" / "dohproxy.toml"

    @property
    def target(self) -> Path:
        """Where a backup goes."""
        return self.directory / "out" / "backup.tar.gz"

    def back_up(self, wanted: Wanted = Wanted()) -> Manifest:  # noqa: B008 - it is frozen
        """Make one."""
        return make_backup(self.target, self.file, self.config, wanted, VERSION, NOW)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A certificate and its key."""
    certificate, key = write_throwaway_certificate(tmp_path_factory.mktemp("pair"), "doh.example.net")
    return certificate.read_bytes(), key.read_bytes()


@pytest.fixture
def house(tmp_path: Path, pair: tuple[bytes, bytes]) -> House:
    """All files that a service can have which is not behind anything."""
    directory = tmp_path / "house"
    for name in ("etc", "state", "log", "out"):
        (directory / name).mkdir(parents=True)
    etc, state = directory / "etc", directory / "state"
    (etc / "dohproxy.toml").write_text(CONFIGURATION.format(directory=directory), encoding="utf-8")
    (etc / "certificate.pem").write_bytes(pair[0])
    (etc / "key.pem").write_bytes(pair[1])
    (etc / "key.pem").chmod(0o600)
    (etc / "ads.txt").write_text("ads.example\n", encoding="utf-8")
    write_members(state / "members.json", Members((Member("alice", b"a" * 32, NOW),)))
    entry = HandEntry(from_text("blocked.example"), is_block=True, below=False, until=float("inf"), text="of a test")
    (state / "blocks.json").write_bytes(result_of(blocks_file.encode([entry]))[0])
    (state / "state").write_bytes(encode(SavedState(NOW, is_last=False, values={}, tables={}), open_key(state)))
    for path in state.iterdir():
        path.chmod(0o600)
    add_hours(state / "hours.sqlite", {HOUR: {"requests": 7}})
    return House(directory, load(etc / "dohproxy.toml"))
