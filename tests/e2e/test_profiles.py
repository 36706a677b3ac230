"""Profiles in the hands of the programs that they are for, as far as the table of `docs/clients.md` does not have it: a
name that is verified, a key that is pinned, keys that a program knows."""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.profiles.offer import NO_WISHES, Offer, Wishes
from tests.conftest import FindProgram
from tests.e2e.browsers import key_hash
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.ground import Ground
from tests.e2e.processes import LOOPBACK, free_port
from tests.e2e.profile_ways import (
    DOT_HOST,
    STRICT,
    made,
    offer_of,
    resolved_by,
    running_unbound,
    stubby,
    unbound_configuration,
)
from tests.e2e.proxy import Proxy, ProxySettings, running_proxy
from tests.e2e.unbound import Unbound

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def certificate(authority: CertificateAuthority) -> CertificateFiles:
    """What the proxy shows."""
    return authority.issue(["localhost", LOOPBACK])


@pytest.fixture(scope="module")
def proxy(
    unbound: Unbound,
    authority: CertificateAuthority,
    certificate: CertificateFiles,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    """One service for all of them."""
    settings = ProxySettings((f"udp://{LOOPBACK}:{unbound.port}",), authority, tls=certificate, dot=True)
    with running_proxy(tmp_path_factory.mktemp("proxy"), settings) as started:
        yield started


@pytest.fixture
def ground(
    proxy: Proxy,
    unbound: Unbound,
    authority: CertificateAuthority,
    certificate: CertificateFiles,
    find_program: FindProgram,
    tmp_path: Path,
) -> Ground:
    """All that a client needs."""
    return Ground(proxy, proxy, unbound, authority, certificate, tmp_path, find_program)


@pytest.fixture
def offer(ground: Ground) -> Offer:
    """What the service offers."""
    return offer_of(ground)


def test_unbound_asks_nobody_whose_name_is_another(ground: Ground, offer: Offer) -> None:
    # Else the table could not tell a verified name from none.
    profile = made("unbound", replace(offer, dot=replace(offer.over_tls(), name="other.example.net")))
    port = free_port()
    with running_unbound(ground, unbound_configuration(ground, profile, port)):
        assert resolved_by(port) == set()


def test_systemd_finds_the_drop_in_where_the_profile_says(ground: Ground, offer: Offer) -> None:
    profile = made("systemd-resolved", offer)
    assert "As /etc/systemd/resolved.conf.d/dohproxy.conf" in profile
    file = ground.directory / "etc" / "systemd" / "resolved.conf.d" / "dohproxy.conf"
    file.parent.mkdir(parents=True)
    file.write_text(profile, encoding="ascii")
    argv = [ground.find_program("systemd-analyze", "systemd"), "cat-config", "--no-pager", f"--root={ground.directory}"]
    shown = ground.run(*argv, "systemd/resolved.conf")
    assert shown.returncode == 0, shown
    assert f"DNS={LOOPBACK}:{offer.over_tls().port}#{DOT_HOST}" in shown.stdout.splitlines()


def test_stubby_resolves_by_a_profile_that_pins_the_key(
    ground: Ground, offer: Offer, certificate: CertificateFiles
) -> None:
    assert stubby(ground, replace(offer, key_pin=key_hash(certificate))) == "resolves"


@pytest.mark.parametrize("wishes", [NO_WISHES, STRICT], ids=["usual", "strict"])
def test_every_key_of_the_policy_is_one_that_firefox_knows(
    find_program: FindProgram, offer: Offer, wishes: Wishes
) -> None:
    firefox = Path(find_program("firefox-esr", "firefox-esr")).resolve().parent
    with zipfile.ZipFile(firefox / "browser" / "omni.ja") as archive:
        schema = json.loads(archive.read("modules/policies/policies-schema.json"))
    (policy,) = json.loads(made("firefox", offer, wishes))["policies"].items()
    known = schema["properties"][policy[0]]["properties"]
    kinds = {bool: "boolean", str: "string"}
    for key, value in policy[1].items():
        assert known[key].get("type", "string") == kinds[type(value)], key
