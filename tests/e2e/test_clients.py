"""Every client of DoH and DoT that can be had resolves through the frontends that it knows; `docs/clients.md` has what
came of it.

DOHPROXY_WRITE_CLIENTS=1 pytest tests/e2e/test_clients.py      writes the table anew
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import FindProgram
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.clients import WAYS as DOH_WAYS
from tests.e2e.dot_clients import DOT_WAYS
from tests.e2e.ground import PROTOCOLS, Ground, Way
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

What a client has to be told is made by `dohproxy profile` ([profiles](profiles.md)).

dnscrypt-proxy is tried from a printed stamp to an answer, in `tests/e2e/test_dnscrypt_proxy.py`.

Not here: the load generator flamethrower, which Debian does not have (its package of that name is another program).
Over DoH dnsperf is run with one query at a time, because it loses answers when several come in one read (issue 240).

"""
COLUMNS = ("client", "version", "frontend", "method", "result")


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


@pytest.fixture(scope="module")
def seen() -> dict[tuple[str, str, str], tuple[str, str]]:
    """Version and result of each row that has been tried."""
    return {}


def _name(way: Way) -> str:
    client, frontend, method = way.row
    return f"{client}, {method} by {frontend}"


@pytest.mark.parametrize("way", WAYS, ids=_name)
def test_a_client_resolves_and_is_counted(
    ground: Ground, way: Way, seen: dict[tuple[str, str, str], tuple[str, str]]
) -> None:
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


def test_the_table_in_the_documentation_has_every_way(seen: dict[tuple[str, str, str], tuple[str, str]]) -> None:
    rows = [way.row for way in WAYS]
    assert len(set(rows)) == len(rows)
    if os.environ.get(WRITE):
        assert set(seen) == set(rows), "a table is written when everything has been tried"
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(HEADING + _table(seen), encoding="utf-8")
    text = TABLE.read_text(encoding="utf-8")
    assert text.startswith(HEADING)
    lines = text.removeprefix(HEADING).splitlines()[2:]
    documented = [tuple(cell.strip(" `") for cell in line.strip("|").split("|")) for line in lines]
    assert [(client, frontend, method) for client, _, frontend, method, _ in documented] == rows
    assert {row: documented[number][4] for number, row in enumerate(rows) if row in seen} == {
        row: result for row, (_, result) in seen.items()
    }


def _table(seen: dict[tuple[str, str, str], tuple[str, str]]) -> str:
    lines = [COLUMNS, tuple("---" for _ in COLUMNS)]
    for client, frontend, method in (way.row for way in WAYS):
        version, result = seen[client, frontend, method]
        lines.append((f"`{client}`", version, frontend, method, result))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
