"""Every client of DoH and DoT that can be had resolves through the frontends that it knows, and by the profile that is
made for it; `docs/clients.md` has what came of it.

DOHPROXY_WRITE_CLIENTS=1 pytest tests/e2e/test_clients.py      writes the table anew
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dohproxy.profiles.kinds import KINDS
from tests.conftest import FindProgram
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.clients import WAYS as DOH_WAYS
from tests.e2e.dot_clients import DOT_WAYS
from tests.e2e.ground import PROTOCOLS, Ground, Way
from tests.e2e.profile_ways import PROFILE_WAYS, ProfileWay, offer_of
from tests.e2e.proxy import PROJECT, Proxy, ProxySettings, running_proxy
from tests.e2e.unbound import Unbound

pytestmark = pytest.mark.long

WAYS = (*DOH_WAYS, *DOT_WAYS)
TABLE = PROJECT / "docs" / "clients.md"
WRITE = "DOHPROXY_WRITE_CLIENTS"
HEADING = """\
# Clients

Each of these was run against dohproxy with an Unbound behind it, and resolved; the requests were counted under the
frontend and the dialect that belong to them. The table is written by the tests that run them:
`DOHPROXY_WRITE_CLIENTS=1 pytest tests/e2e/test_clients.py`. What other clients send, which cannot be run here, is in
`tests/conformance/real_clients.py`, byte by byte.

What a client has to be told is made by `dohproxy profile` ([profiles](profiles.md)); the second table says who has read
each of these files, and asked by it.

dnscrypt-proxy is tried from a printed stamp to an answer too, in `tests/e2e/test_dnscrypt_proxy.py`.

Not here: the load generator flamethrower, which Debian does not have (its package of that name is another program).
Over DoH dnsperf is run with one query at a time, because it loses answers when several come in one read (issue 240).

"""
COLUMNS = ("client", "version", "frontend", "method", "result")
PROFILES = """
## By their profiles

Each kind of `dohproxy profile`: the program that has read the file and asked by it, with nothing changed but a port or
the authority of the tests. Where no such program can be run, it says what the file is held against, and where.

"""
PROFILE_COLUMNS = ("profile", "read by", "version", "frontend", "result")


@pytest.fixture(scope="module")
def proxies(
    unbound: Unbound, authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Proxy, Proxy, CertificateFiles]]:
    """A proxy with TLS, one without, and the certificate of the first."""
    upstreams = (f"udp://127.0.0.1:{unbound.port}",)
    tls = authority.issue(["localhost", "127.0.0.1"])
    with (
        running_proxy(
            tmp_path_factory.mktemp("encrypted"), ProxySettings(upstreams, authority, tls=tls, dot=True)
        ) as encrypted,
        running_proxy(tmp_path_factory.mktemp("plain"), ProxySettings(upstreams, authority)) as plain,
    ):
        yield encrypted, plain, tls


@pytest.fixture
def ground(
    proxies: tuple[Proxy, Proxy, CertificateFiles],
    unbound: Unbound,
    authority: CertificateAuthority,
    find_program: FindProgram,
    tmp_path: Path,
) -> Ground:
    """All that a client needs."""
    encrypted, plain, certificate = proxies
    return Ground(encrypted, plain, unbound, authority, certificate, tmp_path, find_program)


Seen = dict[tuple[str, str, str], tuple[str, str]]
"""Version and result of each row that has been tried, by its other cells."""


@pytest.fixture(scope="module")
def seen() -> Seen:
    """What has been seen so far."""
    return {}


def _name(way: Way) -> str:
    client, frontend, method = way.row
    return f"{client}, {method} by {frontend}"


@pytest.mark.parametrize("way", WAYS, ids=_name)
def test_a_client_resolves_and_is_counted(ground: Ground, way: Way, seen: Seen) -> None:
    version = way.program.version_on(ground)
    proxy = way.proxy(ground)
    dialect, frontends = _dialect(proxy, way), _frontends(proxy)
    result = way.act(ground, proxy, way)
    came = {frontend: count - frontends[frontend] for frontend, count in _frontends(proxy).items()}
    assert came.pop(way.frontend) == _dialect(proxy, way) - dialect >= way.requests
    assert set(came.values()) == {0.0}
    seen[way.row] = version, result


def _dialect(proxy: Proxy, way: Way) -> float:
    return proxy.metric("dohproxy_dialect_requests_total", {"dialect": way.dialect})


def _frontends(proxy: Proxy) -> dict[str, float]:
    return proxy.metrics("dohproxy_requests_total", "frontend", PROTOCOLS)


READ = [way for way in PROFILE_WAYS if way.program is not None]


@pytest.mark.parametrize("way", READ, ids=lambda way: way.kind)
def test_a_program_asks_by_its_profile_and_in_no_other_way(ground: Ground, way: ProfileWay, seen: Seen) -> None:
    assert way.program is not None
    assert way.act is not None
    version = way.program.version_on(ground)
    before = _frontends(ground.encrypted)
    result = way.act(ground, offer_of(ground))
    came = {frontend for frontend, count in _frontends(ground.encrypted).items() if count > before[frontend]}
    assert came == ({way.frontend} if way.frontend else set())
    seen[way.row] = version, result


def test_every_kind_of_profile_is_asked_by_or_held_against_something() -> None:
    assert [way.kind for way in PROFILE_WAYS] == [kind.name for kind in KINDS]
    assert all(way.program is not None or (PROJECT / way.test).is_file() for way in PROFILE_WAYS)


def test_the_tables_in_the_documentation_have_every_way(seen: Seen) -> None:
    if os.environ.get(WRITE):
        rows = {*(way.row for way in WAYS), *(way.row for way in READ)}
        assert set(seen) == rows, "they are written when everything has been tried"
        TABLE.write_text(HEADING + _client_table(seen) + PROFILES + _profile_table(seen), encoding="utf-8")
    text = TABLE.read_text(encoding="utf-8")
    assert text.startswith(HEADING)
    clients, heading, profiles = text.removeprefix(HEADING).partition(PROFILES)
    assert heading
    # What is not tried in this run, and every version, is as it was written.
    written = {
        (client, frontend, method): (version, said) for client, version, frontend, method, said in _cells(clients)
    }
    assert len(written) == len(WAYS)
    assert clients == _client_table(
        {row: (version, seen.get(row, ("", said))[1]) for row, (version, said) in written.items()}
    )
    written = {
        (kind, program, frontend): (version, said) for kind, program, version, frontend, said in _cells(profiles)
    }
    assert profiles == _profile_table(
        {row: (version, seen.get(row, ("", said))[1]) for row, (version, said) in written.items()}
    )


def _cells(table: str) -> list[list[str]]:
    """The cells of a table's lines below its head."""
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def _client_table(seen: Seen) -> str:
    lines = []
    for client, frontend, method in (way.row for way in WAYS):
        version, result = seen[client, frontend, method]
        lines.append((f"`{client}`", version, frontend, method, result))
    return _table(COLUMNS, lines)


def _profile_table(seen: Seen) -> str:
    lines = []
    for way in PROFILE_WAYS:
        kind, program, frontend = way.row
        if way.program is None:
            lines.append((f"`{kind}`", "", "", frontend, f"{way.instead}: `{way.test}`"))
        else:
            version, result = seen[way.row]
            lines.append((f"`{kind}`", f"`{program}`", version, frontend, result))
    return _table(PROFILE_COLUMNS, lines)


def _table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [columns, ["---"] * len(columns), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
