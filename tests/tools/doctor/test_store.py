"""The store that nodes share, as the doctor sees it: absent, slow, confined, unbounded, well."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dohproxy.config import NodesConfig
from dohproxy.config.store_address import StoreAddress
from dohproxy.sharing.rights import acl_rules
from dohproxy.tools.doctor.findings import Severity
from dohproxy.tools.doctor.store import StoreSeen, judge, see
from tests.conftest import FindProgram
from tests.fakes.store import SECRET, StoreProcess, store_process

NODES = NodesConfig(StoreAddress("unix", path="/run/store"), Path("/key"), user="guest")
GOOD = {"maxmemory": "134217728", "maxmemory-policy": "volatile-lru", "save": "", "appendonly": "no"}

STORES = {
    "one that is not there": (StoreSeen("cannot be reached"), Severity.WARNING, "cannot be reached"),
    "one that answers late": (StoreSeen("", 0.05, settings=GOOD), Severity.WARNING, "after 50 ms"),
    "one that refuses": (StoreSeen("", refused=("EVAL",), settings=GOOD), Severity.WARNING, "may not do all"),
    "one with another clock": (StoreSeen("", 0.0, 90.0, settings=GOOD), Severity.NOTE, "differ by 90 s"),
    "one whose settings are hidden": (StoreSeen(""), Severity.NOTE, "may not be read"),
    "one without a bound": (StoreSeen("", settings=GOOD | {"maxmemory": "0"}), Severity.WARNING, "no maxmemory"),
    "one that is small": (StoreSeen("", settings=GOOD | {"maxmemory": "1000"}), Severity.WARNING, "hardly an answer"),
    "one that keeps all": (
        StoreSeen("", settings=GOOD | {"maxmemory-policy": "noeviction"}),
        Severity.WARNING,
        "nothing new is shared",
    ),
    "one that throws away at random": (
        StoreSeen("", settings=GOOD | {"maxmemory-policy": "allkeys-random"}),
        Severity.WARNING,
        "budgets are shared by",
    ),
    "one that writes to a disk": (StoreSeen("", settings=GOOD | {"save": "60 1"}), Severity.NOTE, "to its disk"),
    "one that is well": (StoreSeen("", 0.001, settings=GOOD), Severity.OK, "answers after 1.0 ms"),
}


@pytest.mark.parametrize(("seen", "severity", "words"), STORES.values(), ids=STORES)
def test_what_is_said_of(seen: StoreSeen, severity: Severity, words: str) -> None:
    found = next(judge(seen, NODES))
    assert found.severity is severity
    assert words in found.what
    assert found.remedy or severity in (Severity.OK, Severity.NOTE)


@pytest.fixture(scope="module")
def process(find_program: FindProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """A store of this module."""
    with store_process(find_program("redis-server", "redis-server"), tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """The secret of all nodes."""
    (tmp_path / "key").write_bytes(SECRET)
    return tmp_path / "key"


def test_a_real_store_as_it_comes_has_no_bound(process: StoreProcess, key_file: Path) -> None:
    nodes = NodesConfig(process.address, key_file)
    seen = see(nodes)
    assert (seen.why_not, seen.refused) == ("", ())
    assert "no maxmemory" in next(judge(seen, nodes)).what


def test_a_confined_user_is_told_what_is_missing(
    process: StoreProcess, key_file: Path, tmp_path: Path, find_program: FindProgram
) -> None:
    rights = ["ACL", "SETUSER", "guest", "on", ">word", "~dohproxy:*", "+get", "+set", "+del", "+ping"]
    client = find_program("redis-cli", "redis-server")
    subprocess.run([client, "-s", str(process.path), *rights], check=True, stdout=subprocess.DEVNULL)
    (tmp_path / "password").write_text("word\n", encoding="utf-8")
    nodes = NodesConfig(process.address, key_file, user="guest", password_file=tmp_path / "password")
    found = next(judge(see(nodes), nodes))
    assert found.what.endswith(
        ": EVAL, EVALSHA, HDEL, HGETALL, HSET, LPOP, PEXPIRE, PTTL, RPUSH, XADD, XRANGE, XREVRANGE"
    )
    assert f"ACL SETUSER guest {acl_rules('dohproxy')}," in found.remedy


def test_nothing_is_left_in_the_store(process: StoreProcess, key_file: Path, find_program: FindProgram) -> None:
    see(NodesConfig(process.address, key_file))
    client = find_program("redis-cli", "redis-server")
    left = subprocess.run([client, "-s", str(process.path), "dbsize"], check=True, capture_output=True, text=True)
    assert left.stdout.strip() == "0"


def test_a_store_that_is_not_there_is_a_warning_and_no_traceback(key_file: Path, tmp_path: Path) -> None:
    nodes = NodesConfig(StoreAddress("unix", path=str(tmp_path / "absent")), key_file)
    assert "No such file" in next(judge(see(nodes), nodes)).what
    unreadable = NodesConfig(nodes.store, tmp_path / "no-key")
    assert "cannot be read" in next(judge(see(unreadable), unreadable)).what
