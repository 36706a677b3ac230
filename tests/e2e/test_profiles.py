"""Profiles in the hands of the programs that they are for, each from its file to an answer."""

import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dns.message
import dns.query
import pytest

from dohproxy.doh.stamp import Protocol, Stamp
from dohproxy.doh.stamp_codec import encode
from dohproxy.profiles.kinds import find_kind, missing
from dohproxy.profiles.offer import NO_WISHES, DotOffer, Offer, Wishes
from tests.conftest import FindProgram
from tests.e2e.answers import AAAA, A, says
from tests.e2e.browsers import FIREFOX_PREFERENCES, PAGE_NAME, key_hash, page
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.ground import QNAME
from tests.e2e.processes import LOOPBACK, Child, free_port
from tests.e2e.proxy import Proxy, ProxySettings, Sections, environment, running_proxy
from tests.e2e.unbound import Unbound
from tests.e2e.ways import addresses_said, read_curl_trace

pytestmark = pytest.mark.long

RUN_SECONDS = 60
DOT_HOST = "localhost"
STRICT = Wishes(is_strict=True)


@pytest.fixture(scope="module")
def certificate(authority: CertificateAuthority) -> CertificateFiles:
    """What the proxy shows."""
    return authority.issue(["localhost", LOOPBACK])


@pytest.fixture(scope="module")
def dot_port() -> int:
    """Where the proxy serves DNS over TLS."""
    return free_port()


@pytest.fixture(scope="module")
def proxy(
    unbound: Unbound,
    authority: CertificateAuthority,
    certificate: CertificateFiles,
    dot_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    """One service for all of them."""
    sections: Sections = {"dot": {"listen": [f"{LOOPBACK}:{dot_port}"]}}
    settings = ProxySettings((f"udp://{LOOPBACK}:{unbound.port}",), authority, tls=certificate, sections=sections)
    with running_proxy(tmp_path_factory.mktemp("proxy"), settings) as started:
        yield started


@pytest.fixture
def offer(proxy: Proxy, dot_port: int) -> Offer:
    """What it offers."""
    stamp = Stamp(Protocol.DOH, address=LOOPBACK, host=f"localhost:{proxy.port}", path="/dns-query")
    dot = DotOffer(DOT_HOST, dot_port, (LOOPBACK,))
    return Offer("Tests", "localhost", proxy.url, (LOOPBACK,), (encode(stamp),), dot)


@pytest.fixture(scope="module")
def expected(unbound: Unbound) -> set[str]:
    """The addresses that QNAME has."""
    return addresses_said(says(unbound.ask(QNAME, qtype)) for qtype in (A, AAAA))


def made(name: str, offer: Offer, wishes: Wishes = NO_WISHES) -> str:
    """Return a profile as text."""
    kind = find_kind(name)
    assert kind is not None
    assert missing(kind, offer) == ""
    return kind.make(offer, wishes).decode("utf-8")


def run(*argv: str, directory: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end."""
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
        cwd=directory,
        env=environment() | {"HOME": str(directory)} | variables,
    )


def resolved_by(port: int, qname: str) -> set[str]:
    """Ask what a program has opened on this machine, in plain DNS as everything does."""
    return addresses_said([says(dns.query.udp(dns.message.make_query(qname, A), LOOPBACK, timeout=10, port=port))])


# --- Resolvers and tools ---


def test_curl_resolves_by_its_profile(
    find_program: FindProgram, offer: Offer, authority: CertificateAuthority, expected: set[str], tmp_path: Path
) -> None:
    (tmp_path / "curlrc").write_text(made("curl", offer), encoding="ascii")
    argv = [find_program("curl", "curl"), "-q", "--config", "curlrc", "--silent", "--verbose", "--noproxy", "*"]
    argv += ["--connect-timeout", "5", "--cacert", str(authority.file), f"http://{QNAME}:{free_port()}/"]
    assert read_curl_trace(run(*argv, directory=tmp_path).stderr) == {QNAME: expected}


def test_dnscrypt_proxy_resolves_by_its_profile(
    find_program: FindProgram, offer: Offer, authority: CertificateAuthority, unbound: Unbound, tmp_path: Path
) -> None:
    port = free_port()
    profile = made("dnscrypt-proxy", offer)
    given = "listen_addresses = ['127.0.0.1:53', '[::1]:53']"
    assert given in profile
    # Of the file everything but the port, which is taken here; and no look at a network that there is not.
    file = tmp_path / "dnscrypt-proxy.toml"
    file.write_text("netprobe_timeout = 0\n" + profile.replace(given, f"listen_addresses = ['{LOOPBACK}:{port}']"))
    argv = [find_program("dnscrypt-proxy", "dnscrypt-proxy"), "-config", str(file)]
    trust = {"SSL_CERT_FILE": str(authority.file), "SSL_CERT_DIR": str(tmp_path)}
    child = Child(argv, tmp_path / "log", environment=environment() | trust, directory=tmp_path)
    try:
        child.wait_until_ready(lambda: "live servers: 1" in child.log_text())
        assert resolved_by(port, QNAME) == addresses_said([says(unbound.ask(QNAME, A))])
    finally:
        child.kill()


def test_unbound_resolves_by_its_profile(
    find_program: FindProgram, offer: Offer, authority: CertificateAuthority, unbound: Unbound, tmp_path: Path
) -> None:
    server = find_program("unbound", "unbound")
    bundle = '"/etc/ssl/certs/ca-certificates.crt"'
    profile = made("unbound", offer)
    assert bundle in profile
    (tmp_path / "dohproxy.conf").write_text(profile.replace(bundle, f'"{authority.file}"'), encoding="ascii")
    port = free_port()
    # What Debian's package has around it, without root and on another port.
    (tmp_path / "unbound.conf").write_text(
        f'server:\n  username: ""\n  chroot: ""\n  directory: "{tmp_path}"\n  pidfile: ""\n  use-syslog: no\n'
        f'  logfile: ""\n  do-daemonize: no\n  interface: {LOOPBACK}\n  port: {port}\n  module-config: "iterator"\n'
        f'  do-not-query-localhost: no\ninclude: "{tmp_path}/dohproxy.conf"\n',
        encoding="ascii",
    )
    checked = run(find_program("unbound-checkconf", "unbound"), "unbound.conf", directory=tmp_path)
    assert checked.returncode == 0, checked
    child = Child([server, "-d", "-p", "-c", "unbound.conf"], tmp_path / "log", directory=tmp_path)
    try:
        child.wait_until_ready(lambda: "start of service" in child.log_text())
        assert resolved_by(port, QNAME) == addresses_said([says(unbound.ask(QNAME, A))])
    finally:
        child.kill()


def test_unbound_asks_nobody_whose_name_is_another(
    find_program: FindProgram, offer: Offer, authority: CertificateAuthority, tmp_path: Path
) -> None:
    # Else the test above could not tell a verified name from none.
    profile = made("unbound", replace(offer, dot=replace(offer.over_tls(), name="other.example.net")))
    profile = profile.replace("/etc/ssl/certs/ca-certificates.crt", str(authority.file))
    (tmp_path / "unbound.conf").write_text(
        f'server:\n  username: ""\n  chroot: ""\n  directory: "{tmp_path}"\n  pidfile: ""\n  use-syslog: no\n'
        f'  logfile: ""\n  do-daemonize: no\n  interface: {LOOPBACK}\n  port: {(port := free_port())}\n'
        f'  module-config: "iterator"\n  do-not-query-localhost: no\n{profile}',
        encoding="ascii",
    )
    child = Child(
        [find_program("unbound", "unbound"), "-d", "-p", "-c", "unbound.conf"], tmp_path / "log", directory=tmp_path
    )
    try:
        child.wait_until_ready(lambda: "start of service" in child.log_text())
        assert resolved_by(port, QNAME) == set()
    finally:
        child.kill()


def test_systemd_finds_the_drop_in_where_the_profile_says(
    find_program: FindProgram, offer: Offer, tmp_path: Path
) -> None:
    profile = made("systemd-resolved", offer)
    assert "As /etc/systemd/resolved.conf.d/dohproxy.conf" in profile
    file = tmp_path / "etc" / "systemd" / "resolved.conf.d" / "dohproxy.conf"
    file.parent.mkdir(parents=True)
    file.write_text(profile, encoding="ascii")
    argv = [find_program("systemd-analyze", "systemd"), "cat-config", "--no-pager", f"--root={tmp_path}"]
    shown = run(*argv, "systemd/resolved.conf", directory=tmp_path)
    assert shown.returncode == 0, shown
    assert f"DNS={LOOPBACK}:{offer.over_tls().port}#{DOT_HOST}" in shown.stdout.splitlines()


def test_the_shell_finds_nothing_wrong_with_what_it_runs(
    find_program: FindProgram, offer: Offer, tmp_path: Path
) -> None:
    (tmp_path / "networkmanager.sh").write_text(made("networkmanager", offer), encoding="ascii")
    argv = [find_program("shellcheck", "shellcheck"), "--severity=style", "networkmanager.sh"]
    checked = run(*argv, directory=tmp_path)
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.parametrize("is_pinned", [False, True], ids=["any key", "this key"])
def test_stubby_resolves_by_its_profile(
    find_program: FindProgram,
    offer: Offer,
    certificate: CertificateFiles,
    authority: CertificateAuthority,
    unbound: Unbound,
    tmp_path: Path,
    is_pinned: bool,
) -> None:
    stubby, port = find_program("stubby", "stubby"), free_port()
    profile = made("stubby", replace(offer, key_pin=key_hash(certificate) if is_pinned else ""))
    given = "listen_addresses:\n  - 127.0.0.1\n  - 0::1\n"
    assert given in profile
    profile = profile.replace(given, f'listen_addresses:\n  - {LOOPBACK}@{port}\ntls_ca_file: "{authority.file}"\n')
    (tmp_path / "stubby.yml").write_text(profile, encoding="ascii")
    child = Child([stubby, "-C", "stubby.yml", "-l"], tmp_path / "log", directory=tmp_path)
    try:
        child.wait_until_ready(lambda: "Starting DAEMON" in child.log_text())
        assert resolved_by(port, QNAME) == addresses_said([says(unbound.ask(QNAME, A))])
    finally:
        child.kill()


def test_dnsmasq_reads_its_profile(find_program: FindProgram, offer: Offer, tmp_path: Path) -> None:
    (tmp_path / "dnsmasq.conf").write_text(made("dnsmasq", offer), encoding="ascii")
    argv = [find_program("dnsmasq", "dnsmasq-base"), "--test", "--conf-file=dnsmasq.conf"]
    checked = run(*argv, directory=tmp_path)
    assert (checked.returncode, checked.stderr.strip()) == (0, "dnsmasq: syntax check OK.")


# --- Browsers, whose policies stand where the system has them: each sees another directory there ---


@pytest.fixture
def mounting(find_program: FindProgram) -> str:
    """The program that lets another see other directories; or skip the test (in CI: fail)."""
    unshare = find_program("unshare", "util-linux")
    if run(unshare, "--mount", "true", directory=Path("/")).returncode == 0:
        return unshare
    message = "directories may not be mounted here; run the tests as root, with CAP_SYS_ADMIN"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def seeing(unshare: str, own: Path, place: Path, *argv: str) -> list[str]:
    """Return the command line of a program that finds the directory `own` at `place`."""
    return [unshare, "--mount", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', str(own), str(place), *argv]


@pytest.mark.long
def test_chromium_resolves_by_its_policy(
    find_program: FindProgram, mounting: str, offer: Offer, certificate: CertificateFiles, tmp_path: Path
) -> None:
    chromium = find_program("chromium", "chromium")
    policies = tmp_path / "etc" / "policies" / "managed"
    policies.mkdir(parents=True)
    (policies / "dohproxy.json").write_text(made("chrome", offer, STRICT), encoding="ascii")
    argv = seeing(mounting, tmp_path / "etc", Path("/etc/chromium"), chromium)
    argv += ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server"]
    argv += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    argv += ["--disable-features=HttpsUpgrades", f"--user-data-dir={tmp_path / 'profile'}"]
    argv += [f"--ignore-certificate-errors-spki-list={key_hash(certificate)}", "--virtual-time-budget=5000"]
    with page() as (port, told):
        ended = run(*argv, "--dump-dom", f"http://{PAGE_NAME}:{port}/", directory=tmp_path)
    assert "seen by its name" in ended.stdout, ended
    assert f"{PAGE_NAME}:{port}" in told


@pytest.fixture(scope="module")
def firefox(find_program: FindProgram) -> Path:
    """The directory of the installed Firefox."""
    return Path(find_program("firefox-esr", "firefox-esr")).resolve().parent


@pytest.mark.long
def test_firefox_resolves_by_its_policy(
    find_program: FindProgram,
    firefox: Path,
    mounting: str,
    offer: Offer,
    authority: CertificateAuthority,
    tmp_path: Path,
) -> None:
    distribution, profile = tmp_path / "distribution", tmp_path / "profile"
    for directory in (distribution, profile):
        directory.mkdir()
    (distribution / "policies.json").write_text(made("firefox", offer, STRICT), encoding="ascii")
    certutil = find_program("certutil", "libnss3-tools")
    trusted = run(
        *(certutil, "-A", "-d", f"sql:{profile}", "-n", "tests", "-t", "C,,", "-i", str(authority.file)),
        directory=tmp_path,
    )
    assert trusted.returncode == 0, trusted
    # Of all that the other tests set, not who is asked, and whether anybody else is.
    preferences = {name: value for name, value in FIREFOX_PREFERENCES.items() if name != "network.trr.mode"}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
    (profile / "user.js").write_text("".join(lines), encoding="ascii")
    program = [str(firefox / "firefox-esr"), "--headless", "--no-remote", "--profile", str(profile)]
    argv = seeing(mounting, distribution, (firefox / "distribution").resolve(), *program)
    with page() as (port, told):
        ended = run(
            *argv, "--screenshot", str(tmp_path / "page.png"), f"http://{PAGE_NAME}:{port}/", directory=tmp_path
        )
    assert f"{PAGE_NAME}:{port}" in told, ended


@pytest.mark.parametrize("wishes", [NO_WISHES, STRICT], ids=["usual", "strict"])
def test_every_key_of_the_policy_is_one_that_firefox_knows(firefox: Path, offer: Offer, wishes: Wishes) -> None:
    with zipfile.ZipFile(firefox / "browser" / "omni.ja") as archive:
        schema = json.loads(archive.read("modules/policies/policies-schema.json"))
    (policy,) = json.loads(made("firefox", offer, wishes))["policies"].items()
    known = schema["properties"][policy[0]]["properties"]
    kinds = {bool: "boolean", str: "string"}
    for key, value in policy[1].items():
        assert known[key].get("type", "string") == kinds[type(value)], key
