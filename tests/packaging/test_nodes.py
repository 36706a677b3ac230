"""What is shipped for several nodes: a real store starts with its configuration and confines its user, units and the
compose file say what exists."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dohproxy.config import load
from dohproxy.config.store_address import StoreAddress
from dohproxy.sharing.commands import StoreFailure
from dohproxy.sharing.connecting import StoreSettings
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.rights import COMMANDS
from dohproxy.sharing.store import Store
from dohproxy.tools.doctor.store import _commands
from tests.conftest import FindProgram
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import Child, accepts_connections, free_port
from tests.fakes.store import SECRET, running, until
from tests.packaging.store_files import NAME, NODES, PASSWORD, prepared

ROOT = NODES.parents[1]


@dataclass(frozen=True, slots=True)
class Shipped:
    """A store that runs with the shipped configuration."""

    settings: StoreSettings
    directory: Path


@pytest.fixture(scope="module")
def shipped(find_program: FindProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    """The store of this module."""
    program = find_program("redis-server", "redis-server")
    directory = tmp_path_factory.mktemp("s")
    authority = CertificateAuthority(directory)
    port = free_port()
    child = Child([program, str(prepared(directory, authority, "127.0.0.1", port))], directory / "log")
    try:
        child.wait_until_ready(lambda: accepts_connections(port))
        address = StoreAddress("tls", "127.0.0.1", port, verify_name=NAME)
        yield Shipped(StoreSettings(address, "dohproxy", PASSWORD, authority.file), directory)
    finally:
        child.kill()


async def test_a_node_may_do_over_tls_all_that_nodes_do(shipped: Shipped) -> None:
    store = Store(shipped.settings, time.monotonic)
    async with running(store):
        await until(lambda: store.is_up)
        for command in _commands(Keys("dohproxy", SECRET)):
            reply = await store.command(*command, seconds=5)
            assert not isinstance(reply, StoreFailure), (command, reply)
        for name in COMMANDS:
            # Without its arguments a command that may be given is not understood; one that may not is refused.
            assert await store.command(name.upper(), seconds=5) is not StoreFailure.REFUSED, name
        calls = "redis.call('HSET', KEYS[1], 'a', '1') redis.call('EXPIRE', KEYS[1], 5) return redis.call('TIME')[1]"
        assert not isinstance(await store.command("EVAL", calls, 1, "dohproxy:1:{x}", seconds=5), StoreFailure)


FORBIDDEN: dict[str, tuple[str | int, ...]] = {
    "another's key": ("GET", "sessions:1"),
    "another's key in a script": ("EVAL", "return redis.call('GET', 'sessions:1')", 0),
    "all keys": ("KEYS", "*"),
    "all keys, slowly": ("SCAN", 0),
    "to delete everything": ("FLUSHALL",),
    "to delete everything in a script": ("EVAL", "return redis.call('FLUSHALL')", 0),
    "settings": ("CONFIG", "GET", "*"),
    "other users": ("ACL", "LIST"),
    "to end it": ("SHUTDOWN", "NOSAVE"),
    "to make it a replica": ("REPLICAOF", "192.0.2.1", 6379),
    "to listen in": ("MONITOR",),
    "channels": ("PUBLISH", "a", "b"),
    "to load code": ("FUNCTION", "LOAD", "x"),
    "to move a key": ("MIGRATE", "192.0.2.1", 6379, "dohproxy:a", 0, 1000),
}


@pytest.mark.parametrize("command", FORBIDDEN.values(), ids=FORBIDDEN)
async def test_a_node_may_do_nothing_else(shipped: Shipped, command: tuple[str | int, ...]) -> None:
    store = Store(shipped.settings, time.monotonic)
    async with running(store):
        await until(lambda: store.is_up)
        assert await store.command(*command, seconds=5) in (StoreFailure.REFUSED, StoreFailure.WRONG), "it was done"
        assert await store.command("PING", seconds=5) == b"PONG"


@pytest.mark.parametrize(
    "settings",
    [("dohproxy", "another password"), (None, None), ("default", "")],
    ids=["another password", "nobody", "the default user"],
)
async def test_nobody_else_gets_in(shipped: Shipped, settings: tuple[str | None, str | None]) -> None:
    stranger = StoreSettings(shipped.settings.address, *settings, shipped.settings.ca_file)
    store = Store(stranger, time.monotonic)
    async with running(store):
        await until(lambda: "has not been reached yet" not in store.why_down)
        assert not store.is_up


async def test_a_node_on_the_same_machine_reaches_it_by_its_socket(shipped: Shipped) -> None:
    address = StoreAddress("unix", path=str(shipped.directory / "store.sock"))
    store = Store(StoreSettings(address, "dohproxy", PASSWORD, None), time.monotonic)
    async with running(store):
        await until(lambda: store.is_up)


def test_as_it_is_shipped_it_lets_nobody_in() -> None:
    assert "#" + "0" * 64 in (NODES / "dohproxy-store.acl").read_text(encoding="utf-8")


def test_the_configuration_of_a_node_loads() -> None:
    config = load(NODES / "node.toml")
    assert config.nodes is not None
    assert config.nodes.expected == 2


def test_systemd_understands_the_additions_to_both_units(tmp_path: Path, find_program: FindProgram) -> None:
    analyze = find_program("systemd-analyze", "systemd")
    unit = (ROOT / "conf" / "dohproxy.service").read_text(encoding="utf-8")
    store = "[Service]\nExecStart=/bin/true\nUser=root\n"
    for name, content, addition in (
        ("dohproxy.service", re.sub(r"/opt/dohproxy/\S+/dohproxy", "/bin/true", unit), "store-beside.conf"),
        ("redis-server@dohproxy.service", store, "store-bounds.conf"),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8")
        (tmp_path / f"{name}.d").mkdir()
        (tmp_path / f"{name}.d" / addition).write_bytes((NODES / addition).read_bytes())
    names = ("dohproxy.service", "redis-server@dohproxy.service")
    verified = subprocess.run(
        [analyze, "verify", "--man=no", *(str(tmp_path / name) for name in names)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")


def read_compose(text: str) -> Any:
    """Return what a file holds that uses of YAML no more than maps by two blanks, lists of one map, and what JSON has
    too. AssertionError for any other."""
    root: dict[str, Any] = {}
    open_maps: list[tuple[int, dict[str, Any]]] = [(-1, root)]
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        found = re.fullmatch(r"( *)(- )?([a-z0-9_-]+):(?: (.+))?", line)
        assert found is not None, line
        depth = len(found[1])
        while depth <= open_maps[-1][0]:
            open_maps.pop()
        place = open_maps[-1][1]
        key = found[3]
        assert key not in place, line
        if found[4] is not None:
            place[key] = json.loads(found[4])
        else:
            place[key] = {}
            open_maps.append((depth, place[key]))
    return root


COMPOSE = read_compose((NODES / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]


def test_there_are_two_nodes_and_a_store_with_addresses_of_their_own() -> None:
    assert list(SERVICES) == ["store", "paris-1", "paris-2"]
    addresses = [one["networks"]["nodes"]["ipv4_address"] for one in SERVICES.values()]
    assert len(set(addresses)) == 3
    nodes = load(NODES / "node.toml").nodes
    assert nodes is not None
    assert nodes.store.host == SERVICES["store"]["networks"]["nodes"]["ipv4_address"]
    published = [port for one in SERVICES.values() for port in one.get("ports", ())]
    assert len(set(published)) == len(published) == 2, "the store is for nodes alone"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(volume.endswith(":ro") for volume in service["volumes"])


def test_each_node_has_a_name_of_its_own_and_listens_where_it_is_published() -> None:
    nodes = [SERVICES["paris-1"], SERVICES["paris-2"]]
    assert len({node["hostname"] for node in nodes}) == 2
    ports = {address.port for address in load(NODES / "node.toml").server.listen}
    assert {int(port.rpartition(":")[2]) for node in nodes for port in node["ports"]} == ports


def test_a_real_store_takes_the_command_line_of_the_compose_file(
    shipped: Shipped, find_program: FindProgram, tmp_path: Path
) -> None:
    program, file, *options = SERVICES["store"]["command"]
    assert (program, file) == ("valkey-server", "/etc/redis/redis-dohproxy.conf")
    port = free_port()
    own = prepared(tmp_path, CertificateAuthority(tmp_path), "192.0.2.7", port)
    places = [option.replace("/run/redis-dohproxy", str(tmp_path)) for option in options]
    places[places.index("*")] = "127.0.0.1"
    child = Child([find_program("redis-server", "redis-server"), str(own), *places], tmp_path / "log")
    try:
        child.wait_until_ready(lambda: accepts_connections(port))
    finally:
        child.kill()
